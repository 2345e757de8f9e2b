/**
 * Tokens that carry the state of a request, so that the client keeps nothing of it.
 *
 * RFC 8974 §3.1. The state is encrypted and bound to the server's place, with the time of the request for freshness and a
 * sequence number against replay; all under a key of this process, so that no token outlives it. What is kept is one bit
 * for each of the latest requests, whoever they went to. Sends nothing, and does not find out who takes such tokens: see
 * `extended-token-support.ts`.
 *
 * A token is: sequence number (6 bytes) ‖ AES-128-CCM-8 of time (4 bytes) ‖ state, with a tag of 8 bytes.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import type { AeadKey, CryptoProvider } from '../foundation/crypto-provider.ts';
import { type DurationMs, elapsedMs, type Instant, instant } from '../foundation/instant.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import type { PeerKey } from './exchange.ts';

const sequenceLength = 6;
const timeLength = 4;
const tagLength = 8;
/** RFC 6655 §3; the sequence number, and zeros. */
const nonceLength = 13;
/** One unit of time: 32 bits of them are 13 years. */
const tickMs = 100;

/** Bytes of a token besides the state in it. */
export const statelessOverhead: number = sequenceLength + timeLength + tagLength;

/** Of so many requests the responses may be outstanding; those to older ones are not taken. */
const windowSize = 65_536;

/** What a token is to this client. */
export type OpenedToken =
  | { readonly kind: 'state'; readonly state: Uint8Array }
  /** Not ours, changed, or of a request to another server. */
  | { readonly kind: 'foreign' }
  /** Ours, but of a request that is too long ago. */
  | { readonly kind: 'stale' }
  /** Its response has come before. */
  | { readonly kind: 'replayed' };

/** Makes and opens such tokens. */
export class StatelessTokens {
  readonly #key: AeadKey;
  readonly #lifetimeMs: DurationMs;
  /** A bit for each sequence number of the window: its response came. */
  readonly #answered = new Uint32Array(windowSize / 32);
  #next = 0;

  /** `lifetimeMs` is how long after its request a response is taken. */
  constructor(crypto: CryptoProvider, random: RandomSource, lifetimeMs: DurationMs) {
    this.#key = crypto.aead('AES_128_CCM_8', randomBytes(random, 16));
    this.#lifetimeMs = lifetimeMs;
  }

  /** The token of a request to `peer`: `statelessOverhead` bytes and as many as the state has. Never the same twice. */
  seal(peer: PeerKey, state: Uint8Array, now: Instant): Uint8Array {
    const sequence = this.#next++;
    this.#mark(sequence, false);
    const token = new Uint8Array(statelessOverhead + state.length);
    const view = new DataView(token.buffer);
    view.setUint16(0, Math.floor(sequence / 2 ** 32));
    view.setUint32(2, sequence % 2 ** 32);
    view.setUint32(sequenceLength, Math.floor(now / tickMs) % 2 ** 32);
    token.set(state, sequenceLength + timeLength);
    this.#key.seal(nonceOf(token), encodeUtf8(peer), token, sequenceLength, timeLength + state.length);
    return token;
  }

  /** What the token of a response from `peer` says; a state is given once. `token` is not changed. */
  open(peer: PeerKey, token: Uint8Array, now: Instant): OpenedToken {
    if (token.length < statelessOverhead) return { kind: 'foreign' };
    const own = token.slice();
    const sealed = own.length - sequenceLength;
    const length = this.#key.open(nonceOf(own), encodeUtf8(peer), own, sequenceLength, sealed);
    if (length < timeLength) return { kind: 'foreign' };
    const view = new DataView(own.buffer);
    const sequence = view.getUint16(0) * 2 ** 32 + view.getUint32(2);
    const sentAt = instant(view.getUint32(sequenceLength) * tickMs);
    const isOld = sequence < this.#next - windowSize || elapsedMs(sentAt, now) > this.#lifetimeMs;
    if (isOld) return { kind: 'stale' };
    if (this.#isAnswered(sequence)) return { kind: 'replayed' };
    this.#mark(sequence, true);
    const start = sequenceLength + timeLength;
    return {
      kind: 'state',
      state: length === timeLength ? noBytes : own.slice(start, sequenceLength + length),
    };
  }

  #isAnswered(sequence: number): boolean {
    const place = sequence % windowSize;
    return (((this.#answered[place >>> 5] as number) >>> (place & 31)) & 1) === 1;
  }

  #mark(sequence: number, isAnswered: boolean): void {
    const place = sequence % windowSize;
    const bit = 1 << (place & 31);
    const word = this.#answered[place >>> 5] as number;
    this.#answered[place >>> 5] = isAnswered ? word | bit : word & ~bit;
  }
}

function nonceOf(token: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(nonceLength);
  nonce.set(token.subarray(0, sequenceLength));
  return nonce;
}
