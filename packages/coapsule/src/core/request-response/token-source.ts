/**
 * Choice of tokens for requests.
 *
 * RFC 7252 §5.3.1: random, so that an off-path attacker cannot forge a response, and unlike all tokens in
 * use with the peer. RFC 9175 §4.2: a number that counts from 0 where a security layer protects the
 * messages but does not bind responses to requests. Which tokens are in use is known by `exchange-table.ts`.
 *
 * @module
 */

import { decodeUint } from '../coap/option-value.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import type { PeerKey } from './exchange.ts';

/** 32 bits of randomness, the least RFC 7252 §5.3.1 recommends for nodes on the Internet. */
const randomTokenLength = 4;

/** Makes tokens. Keeps a counter for each secure peer until `forgetPeer`. */
export class TokenSource {
  readonly #random: RandomSource;
  readonly #counters = new Map<PeerKey, number>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** Number of secure peers that have a counter. */
  get peers(): number {
    return this.#counters.size;
  }

  /** A token that is not in use: 4 random bytes, or for a secure peer the next number in as few bytes as it needs. */
  next(peer: PeerKey, secure: boolean, inUse: (token: Uint8Array) => boolean): Uint8Array {
    for (;;) {
      const token = secure ? this.#count(peer) : randomBytes(this.#random, randomTokenLength);
      if (!inUse(token)) return token;
    }
  }

  /** Takes note of a token the caller chose for a secure peer, so that counting never comes to it again. */
  noteUsed(peer: PeerKey, token: Uint8Array): void {
    // 0 is written in one byte, any other number without leading zeros: other tokens are never counted to.
    if (token.length === 0 || token.length > 6 || (token.length > 1 && token[0] === 0)) return;
    const value = decodeUint(token) as number;
    if (value >= (this.#counters.get(peer) ?? 0)) this.#counters.set(peer, value + 1);
  }

  /** The number that the next token of a secure peer is made of. */
  nextNumber(peer: PeerKey): number {
    return this.#counters.get(peer) ?? 0;
  }

  /** Goes on where another process ended: RFC 9175 §4.2 counts for the life of the association, not of a process. */
  continueAt(peer: PeerKey, next: number): void {
    if (next > 0) this.#counters.set(peer, next);
  }

  /** The security association is gone; a new one has a new key, and its own numbers. */
  forgetPeer(peer: PeerKey): void {
    this.#counters.delete(peer);
  }

  #count(peer: PeerKey): Uint8Array {
    const value = this.#counters.get(peer) ?? 0;
    this.#counters.set(peer, value + 1);
    const bytes: number[] = [];
    for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
    return Uint8Array.from(bytes.length === 0 ? [0] : bytes);
  }
}
