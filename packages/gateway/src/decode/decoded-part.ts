/**
 * Bytes with what they mean: what datagrams and streams are taken apart into.
 *
 * @module
 */

import type { ObservedRecord } from 'coapsule/dtls';
import type { Message } from 'coapsule/message';
import type { DecodedCoap } from './coap-fields.ts';
import { type DecodedField, problemsOf } from './decoded-field.ts';
import type { DecodedOscore, MessageEnds, OscoreMessages } from './oscore-messages.ts';

/** What the bytes of a part are. */
export type PartName =
  | 'DTLS record'
  | 'TLS record'
  | 'WebSocket handshake'
  | 'WebSocket frame'
  | 'decrypted'
  | 'CoAP message'
  | 'OSCORE message'
  | 'OSCORE option'
  | 'payload'
  | 'unknown';

/** Bytes with what they mean. */
export interface DecodedPart {
  readonly name: PartName;
  /** What else there is to say, such as the context of an OSCORE message. */
  readonly about?: string;
  /** The bytes that fields refer to. */
  readonly bytes: Uint8Array;
  readonly fields: readonly DecodedField[];
  readonly problems: readonly string[];
  /** Of a CoAP message. */
  readonly message?: Message;
  /** It came over TCP, TLS or WebSocket: its type and Message ID stand for nothing. */
  readonly isReliable?: true;
  /** It was inside of TLS. */
  readonly isSecured?: true;
  /** Of a CoAP message under OSCORE, if a context was given; what it holds is the part behind it. */
  readonly oscore?: DecodedOscore;
  /** Of a DTLS record. */
  readonly record?: ObservedRecord;
}

/** Parts, and one line about them. */
export interface SummedParts {
  readonly parts: readonly DecodedPart[];
  readonly summary: string;
}

/** A part with the problems of its fields. */
export function partOf(name: PartName, bytes: Uint8Array, fields: readonly DecodedField[]): DecodedPart {
  return { name, bytes, fields, problems: problemsOf(fields) };
}

/** A message, and what it holds under OSCORE. */
export function coapParts(
  coap: DecodedCoap,
  bytes: Uint8Array,
  ends: MessageEnds,
  oscoreMessages: OscoreMessages | undefined,
  isReliable = false,
): SummedParts {
  const { fields, message, problem, summary } = coap;
  const problems = problemsOf(fields);
  const oscore = message && oscoreMessages?.read(message, ends);
  const part: DecodedPart = {
    ...{ name: 'CoAP message' as const, bytes, fields },
    problems: [
      ...(problem !== undefined && problems.length === 0 ? [problem] : problems),
      ...(oscore?.fields === undefined ? (oscore?.problems ?? []) : []),
    ],
    ...(message !== undefined && { message }),
    ...(isReliable && { isReliable: true as const }),
    ...(oscore !== undefined && { oscore }),
  };
  if (oscore === undefined) return { parts: [part], summary };
  const both = `${summary} ${oscore.summary}`;
  if (oscore.fields === undefined || oscore.observed.kind !== 'opened')
    return { parts: [part], summary: both };
  const { plaintext: inside, context, sequenceNumber: number, isReplay } = oscore.observed;
  const { fields: inner, problems: wrong } = oscore;
  const about = [`under ${context}`, ...(number === undefined ? [] : [`number ${number}`])];
  if (isReplay) about.push('which came before');
  return {
    parts: [
      part,
      { name: 'OSCORE message', about: about.join(', '), bytes: inside, fields: inner, problems: wrong },
    ],
    summary: both,
  };
}
