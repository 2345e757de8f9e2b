/**
 * A message on its way through the tap. Types only.
 *
 * @module
 */

import type { MessageContent } from 'coapsule/message';
import type { DecodedDatagram } from '../decode/datagram-decoder.ts';
import type { Direction, FilterSubject } from '../filter/filter.ts';
import type { EditableMessage } from './edit.ts';

/** A device on one side and the server on the other. */
export interface TapLink {
  /** Never used again while the tap runs. */
  readonly id: number;
  /** The device: `host:port`, IPv6 in brackets. */
  readonly peer: string;
  /** Its identity, where it has proved one. */
  readonly identity?: string;
  /** Sends on. What cannot go any more is lost, as in a network. */
  forward(direction: Direction, bytes: Uint8Array, number: number): void;
}

/** One message, or one datagram that nobody could look into. */
export interface PassingMessage {
  /** Counts all that passes, from 1. */
  readonly number: number;
  readonly link: TapLink;
  readonly direction: Direction;
  /** Milliseconds since 1970. */
  readonly wallTimeMs: number;
  /** What goes on. */
  readonly bytes: Uint8Array;
  /** What it is, as far as it could be read. */
  readonly subject: FilterSubject;
  /** Where it can be made anew: not what is encrypted, and not what is malformed. */
  readonly editable?: EditableMessage;
  /** The CoAP message, also one that was deciphered. */
  readonly message?: MessageContent;
  /** What its layers are, where it is a datagram as it is on the wire. */
  readonly decoded?: DecodedDatagram;
  /** One line about it. */
  readonly summary: string;
  /** The number of the request that it answers. */
  readonly answers?: number;
}
