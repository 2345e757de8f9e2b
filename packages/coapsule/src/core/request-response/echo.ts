/**
 * Echo values of a server: a time under a MAC, bound to the peer that they are given to.
 *
 * RFC 9175 §2.2 and Appendix A, "Integrity-Protected Timestamp" with the claimed address: 4 bytes of time, 8 bytes of
 * HMAC-SHA-256 over time and peer. Nothing is kept of a value; the key and all values end with the process. What a value
 * is asked for, and when, is not here.
 *
 * @module
 */

import { concatBytes, equalBytesConstantTime } from '../foundation/bytes.ts';
import type { CryptoProvider, MacKey } from '../foundation/crypto-provider.ts';
import { type Instant, instant } from '../foundation/instant.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import type { PeerKey } from './exchange.ts';

const timeLength = 4;
/** RFC 9175 §5: as much as a 64-bit MAC. */
const macLength = 8;
/** One unit of time: 32 bits of them are 13 years. */
const tickMs = 100;

/** Bytes of an Echo value of ours. */
const echoLength = timeLength + macLength;

/** Makes and checks Echo values. */
export class EchoValues {
  readonly #key: MacKey;
  /** Added to the time: it would tell how long the process has been running (RFC 9175 §6). */
  readonly #offset: number;

  constructor(crypto: CryptoProvider, random: RandomSource) {
    this.#key = crypto.hmac('SHA-256', randomBytes(random, 32));
    this.#offset = new DataView(randomBytes(random, 4).buffer).getUint32(0);
  }

  /** The value for `peer` now: 12 bytes. The same within a tenth of a second. */
  issue(peer: PeerKey, now: Instant): Uint8Array {
    const time = new Uint8Array(timeLength);
    new DataView(time.buffer).setUint32(0, (Math.floor(now / tickMs) + this.#offset) % 2 ** 32);
    return concatBytes(time, this.#mac(peer, time));
  }

  /** When a value was given to `peer`, not later than that; `undefined` for what is not ours, or was given to another. */
  issuedAt(peer: PeerKey, value: Uint8Array): Instant | undefined {
    if (value.length !== echoLength) return undefined;
    const time = value.subarray(0, timeLength);
    if (!equalBytesConstantTime(value.subarray(timeLength), this.#mac(peer, time))) return undefined;
    const read = new DataView(time.buffer, time.byteOffset, timeLength).getUint32(0);
    return instant(((read - this.#offset + 2 ** 32) % 2 ** 32) * tickMs);
  }

  #mac(peer: PeerKey, time: Uint8Array): Uint8Array {
    return this.#key.sign(time, encodeUtf8(peer)).subarray(0, macLength);
  }
}
