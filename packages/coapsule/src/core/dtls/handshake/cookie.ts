/**
 * The stateless cookie of HelloVerifyRequest (RFC 6347 §4.2.1).
 *
 * Two halves of 16 bytes, each a cut HMAC-SHA256. The first covers the client's address, version, random and
 * session id, so that it can be checked on the first fragment of a ClientHello, inside 128 bytes; the second
 * covers all parameters and is there only when the whole ClientHello was seen. Two secrets rotate: a cookie is
 * good for one to two lifetimes. Holds nothing about any client.
 *
 * @module
 */

import { equalBytesConstantTime } from '../../foundation/bytes.ts';
import type { CryptoProvider, MacKey } from '../../foundation/crypto-provider.ts';
import { type DurationMs, elapsedMs, type Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import { type RandomSource, randomBytes } from '../../foundation/random-source.ts';
import { encodeUtf8 } from '../../foundation/utf8.ts';
import { type ClientHelloStart, cookieOffset } from './messages/client-hello.ts';

/** Bytes of one half. */
const halfLength = 16;

/** Longest cookie in bytes: what DTLS 1.0 clients take (RFC 6347 §4.2.1, Note). */
export const maxCookieLength: number = 2 * halfLength;

/** A ClientHello as it was received: as much of its body as is there. */
export interface ReceivedClientHello {
  readonly start: ClientHelloStart;
  /** The whole body, or its first fragment. */
  readonly body: Uint8Array;
  readonly isWhole: boolean;
}

/** Makes and checks cookies. */
export class CookieSource {
  readonly #crypto: CryptoProvider;
  readonly #random: RandomSource;
  readonly #lifetimeMs: DurationMs;
  #current: MacKey | undefined;
  #previous: MacKey | undefined;
  #rotatedAt: Instant | undefined;

  constructor(crypto: CryptoProvider, random: RandomSource, lifetimeMs: DurationMs) {
    this.#crypto = crypto;
    this.#random = random;
    this.#lifetimeMs = lifetimeMs;
  }

  /** The cookie for this client: 32 bytes, or 16 when only the first fragment is known. */
  cookie(address: PeerAddress, hello: ReceivedClientHello, now: Instant): Uint8Array {
    return cookieUnder(this.#secret(now), address, hello, hello.isWhole);
  }

  /**
   * Whether the cookie in this ClientHello is one of ours. In a whole one both halves must be there and right;
   * on a first fragment only the first half is looked at, since the parameters are not all there.
   */
  isValid(address: PeerAddress, hello: ReceivedClientHello, now: Instant): boolean {
    const { cookie } = hello.start;
    if (cookie.length !== maxCookieLength && (hello.isWhole || cookie.length !== halfLength)) return false;
    const given = hello.isWhole ? cookie : cookie.subarray(0, halfLength);
    for (const secret of [this.#secret(now), this.#previous]) {
      if (secret === undefined) continue;
      if (equalBytesConstantTime(cookieUnder(secret, address, hello, hello.isWhole), given)) return true;
    }
    return false;
  }

  /** Rotates when it is time; by use, so that an idle server needs no timer. */
  #secret(now: Instant): MacKey {
    const age = this.#rotatedAt === undefined ? Infinity : elapsedMs(this.#rotatedAt, now);
    if (this.#current !== undefined && age < this.#lifetimeMs) return this.#current;
    this.#previous = age < 2 * this.#lifetimeMs ? this.#current : undefined;
    this.#current = this.#crypto.hmac('SHA-256', randomBytes(this.#random, 32));
    this.#rotatedAt = now;
    return this.#current;
  }
}

function cookieUnder(
  secret: MacKey,
  address: PeerAddress,
  hello: ReceivedClientHello,
  withParameters: boolean,
): Uint8Array {
  const { start, body } = hello;
  const key = encodeUtf8(address.key);
  const cookie = new Uint8Array(withParameters ? maxCookieLength : halfLength);
  const beforeCookie = body.subarray(0, cookieOffset(start));
  // The label keeps the halves apart, the length keeps address and parameters apart.
  const first = secret.sign(Uint8Array.of(1, key.length >>> 8, key.length), key, beforeCookie);
  for (let i = 0; i < halfLength; i++) cookie[i] = first[i] as number;
  if (!withParameters) return cookie;
  const afterCookie = body.subarray(cookieOffset(start) + 1 + start.cookie.length);
  const second = secret.sign(Uint8Array.of(2, key.length >>> 8, key.length), key, beforeCookie, afterCookie);
  for (let i = 0; i < halfLength; i++) cookie[halfLength + i] = second[i] as number;
  return cookie;
}
