/**
 * What is known of a handshake at its end: enough to say what most likely went wrong. Types, and what follows from
 * them.
 *
 * @module
 */

import type { CertificateType } from '../credentials.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { DtlsRole } from '../dtls-output.ts';
import type { Flight } from './flight.ts';
import type { HandshakeParameters } from './handshake-context.ts';
import { HandshakeType } from './handshake-type.ts';
import type { HandshakeMessage } from './message-header.ts';
import type { ObservedFlights } from './observed-flights.ts';

/** The facts. */
export interface HandshakeFacts {
  readonly role: DtlsRole;
  readonly config: CheckedDtlsConfig;
  /** What the Hellos agreed on, when they did. */
  readonly parameters: HandshakeParameters | undefined;
  /** Our latest flight. */
  readonly flight: Flight | undefined;
  /** How often it was sent, the first time included. */
  readonly transmissions: number;
  /** The largest datagram it was first sent in, and the smallest size it was cut to since, in bytes. */
  readonly largestDatagram: number;
  readonly reducedTo: number | undefined;
  readonly isFinishedSent: boolean;
  readonly usesPsk: boolean;
  readonly seen: ObservedFlights;
  /** message_seq of the message that is waited for. */
  readonly nextMessageSeq: number;
  /** Whether it is the application that has not answered. */
  readonly waitsForApplication: boolean;
}

/** What we showed as certificate or raw public key; `none` when we were asked and showed nothing. */
export function shownCredential({
  flight,
  role,
  parameters,
}: HandshakeFacts): CertificateType | 'none' | undefined {
  const certificate = messageOf(flight, HandshakeType.Certificate);
  if (certificate === undefined || parameters === undefined) return undefined;
  // The length of an empty list (RFC 5246 §7.4.6).
  return certificate.body.length === 3 ? 'none' : parameters.certificateTypes[role];
}

/** The message of a type in a flight, if it is there. */
export function messageOf(flight: Flight | undefined, type: number): HandshakeMessage | undefined {
  for (const content of flight?.contents ?? []) {
    if (content.kind === 'message' && content.message.type === type) return content.message;
  }
  return undefined;
}
