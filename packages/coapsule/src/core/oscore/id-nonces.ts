/**
 * The random parts of ID Contexts that both ends make new contexts of.
 *
 * RFC 8613 Appendix B.2 (R1, R2, R3, and their form as kid context) and B.2.1 (R2 that the server can verify without keeping
 * it). The runs of the protocol are in `client-rederivation.ts` and `server-rederivation.ts`.
 *
 * @module
 */

import { decodeCbor } from '../cbor/decode.ts';
import { encodeCbor } from '../cbor/encode.ts';
import { concatBytes, equalBytesConstantTime } from '../foundation/bytes.ts';
import type { CryptoProvider, MacKey } from '../foundation/crypto-provider.ts';
import { isDecodeFault } from '../foundation/errors.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';

/** Bytes of R1, R3 and S2 (Appendix B.2: at least 8). */
const nonceLength = 8;
/** Bytes of the truncated MAC in R2 (Appendix B.2.1). */
const macLength = 8;
const r2Length = nonceLength + macLength;

/** Longest nonce of a peer: two of them fit into a kid context with room to spare. */
const maxPeerNonceLength = 100;

/** A fresh R1 or R3. */
export function idNonce(random: RandomSource): Uint8Array {
  return randomBytes(random, nonceLength);
}

/** An ID, or a part of one, as kid context of this protocol: a CBOR byte string. */
export function wrapId(id: Uint8Array): Uint8Array {
  return encodeCbor(id);
}

/** The bytes in a kid context of this protocol; `undefined` when it is none, or they are none, or too many. */
export function unwrapId(kidContext: Uint8Array | undefined): Uint8Array | undefined {
  if (kidContext === undefined) return undefined;
  const decoded = decodeCbor(kidContext, { deterministic: true, maxItems: 1 });
  if (isDecodeFault(decoded) || !(decoded.value instanceof Uint8Array)) return undefined;
  const { length } = decoded.value;
  return length === 0 || length > 2 * maxPeerNonceLength ? undefined : decoded.value.slice();
}

/** The R2 in the kid context of a response #1; as `unwrapId`, but no longer than one nonce may be. */
export function unwrapR2(kidContext: Uint8Array | undefined): Uint8Array | undefined {
  const r2 = unwrapId(kidContext);
  return r2 !== undefined && r2.length <= maxPeerNonceLength ? r2 : undefined;
}

/** Makes R2s and knows them again, with a key for each client that ends with the run (Appendix B.2.1). */
export class VerifiableNonces {
  readonly #crypto: Pick<CryptoProvider, 'hmac'>;
  readonly #random: RandomSource;
  /** K_HMAC, while a run may be open. */
  #key: MacKey | undefined;

  constructor(crypto: Pick<CryptoProvider, 'hmac'>, random: RandomSource) {
    this.#crypto = crypto;
    this.#random = random;
  }

  /** A new R2: 8 random bytes and their MAC. */
  issue(): Uint8Array {
    this.#key ??= this.#crypto.hmac('SHA-256', randomBytes(this.#random, 32));
    const random = randomBytes(this.#random, nonceLength);
    return concatBytes(random, this.#mac(this.#key, random));
  }

  /** Whether an ID Context begins with an R2 of the open runs, and goes on with an R3. */
  begins(id: Uint8Array): boolean {
    if (this.#key === undefined || id.length <= r2Length) return false;
    const random = id.subarray(0, nonceLength);
    return equalBytesConstantTime(id.subarray(nonceLength, r2Length), this.#mac(this.#key, random));
  }

  /** A run was completed, or all have expired: no R2 of before is known any more. */
  forget(): void {
    this.#key = undefined;
  }

  #mac(key: MacKey, random: Uint8Array): Uint8Array {
    return key.sign(random).subarray(0, macLength);
  }
}
