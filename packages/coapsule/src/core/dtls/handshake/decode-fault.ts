/**
 * How the decoders of this folder say no.
 *
 * @module
 */

import type { DecodeFault } from '../../foundation/errors.ts';

/** A fault of a handshake message; `offset` counts from the start of its body. */
export function handshakeFault(offset: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'dtls-handshake', offset, reason };
}

/** Whether a decoder refused. Decoded messages have no field `kind`. */
export function isDecodeFault<T extends object>(result: T | DecodeFault): result is DecodeFault {
  return 'kind' in result && result.kind === 'decode-fault';
}
