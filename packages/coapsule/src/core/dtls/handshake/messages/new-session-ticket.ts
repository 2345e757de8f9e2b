/**
 * NewSessionTicket (RFC 5077 §3.3). Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import { handshakeFault } from '../decode-fault.ts';

/** A ticket for the session of this handshake. */
export interface NewSessionTicket {
  /** ticket_lifetime_hint; 0 when the server does not say. */
  readonly lifetimeSeconds: number;
  /** 0 … 65535 bytes; empty when the server has none to give after all. */
  readonly ticket: Uint8Array;
}

/** The body of a NewSessionTicket. */
export function encodeNewSessionTicket(message: NewSessionTicket): Uint8Array {
  return new ByteWriter(6 + message.ticket.length)
    .u32(message.lifetimeSeconds)
    .vector16(message.ticket)
    .finish();
}

/** Decodes a body; the ticket is a view of it. */
export function decodeNewSessionTicket(body: Uint8Array): NewSessionTicket | DecodeFault {
  const reader = new ByteReader(body);
  const lifetimeSeconds = reader.u32();
  const ticket = reader.vector16();
  if (!reader.finished) return handshakeFault(reader.position, 'NewSessionTicket does not fit');
  return { lifetimeSeconds, ticket };
}
