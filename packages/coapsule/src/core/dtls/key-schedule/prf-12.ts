/**
 * The TLS 1.2 key schedule: PRF, premaster secret of a PSK, master secret, key block, verify_data.
 *
 * RFC 5246 §5, §6.3, §7.4.9, §8.1; RFC 4279 §2; RFC 5489 §2; RFC 7627 §4. Holds no state and knows no
 * messages: the transcript hash comes from the handshake.
 *
 * @module
 */

import { ByteWriter } from '../../foundation/byte-writer.ts';
import { concatBytes } from '../../foundation/bytes.ts';
import type { CryptoProvider, HashAlgorithm } from '../../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../../foundation/errors.ts';
import { encodeUtf8 } from '../../foundation/utf8.ts';
import type { CipherSuite } from '../cipher-suites.ts';

/** Length of a master secret in bytes (RFC 5246 §8.1). */
const masterSecretLength = 48;

/** Length of verify_data in bytes; every suite of ours leaves it at the default (RFC 5246 §7.4.9). */
const verifyDataLength = 12;

/** Longest seed of `MacKey.expand`; an exporter may have a longer one (RFC 5705 §4). */
const longestExpanded = 1024;

/**
 * The pseudorandom function: P_hash(secret, label + seed), cut to `length` bytes (RFC 5246 §5).
 *
 * @param label ASCII text, without a terminating zero.
 */
export function prf12(
  crypto: CryptoProvider,
  hash: HashAlgorithm,
  secret: Uint8Array,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const key = crypto.hmac(hash, secret);
  const labelBytes = encodeUtf8(label);
  if (key.expand !== undefined && labelBytes.length + seed.length <= longestExpanded) {
    return key.expand(length, labelBytes, seed);
  }
  const output = new Uint8Array(length);
  let a = key.sign(labelBytes, seed);
  for (let offset = 0; ; a = key.sign(a)) {
    const block = key.sign(a, labelBytes, seed);
    // Byte by byte: a view of a small array costs more than all of this.
    for (let i = 0; i < block.length && offset < length; i++) output[offset++] = block[i] as number;
    if (offset === length) return output;
  }
}

/**
 * The premaster secret of a PSK suite: `other_secret` and the PSK, each with its length in 2 bytes before it.
 *
 * @param psk 0 … 65,535 bytes.
 * @param otherSecret The ECDH shared secret for ECDHE_PSK (RFC 5489 §2); for plain PSK left out, which
 *                    stands for as many zero bytes as the PSK has (RFC 4279 §2).
 * @throws ApiMisuseError when one of them is longer than its length field can say.
 */
export function pskPremasterSecret(
  psk: Uint8Array,
  otherSecret: Uint8Array = new Uint8Array(psk.length),
): Uint8Array {
  if (psk.length > 0xffff || otherSecret.length > 0xffff) {
    throw new ApiMisuseError(`psk: got ${psk.length} bytes, expected at most 65535`);
  }
  return new ByteWriter(4 + otherSecret.length + psk.length).vector16(otherSecret).vector16(psk).finish();
}

/** The master secret, 48 bytes, from both Hello randoms (RFC 5246 §8.1). */
export function masterSecret(
  crypto: CryptoProvider,
  hash: HashAlgorithm,
  premaster: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): Uint8Array {
  const seed = concatBytes(clientRandom, serverRandom);
  return prf12(crypto, hash, premaster, 'master secret', seed, masterSecretLength);
}

/**
 * The extended master secret, 48 bytes (RFC 7627 §4).
 *
 * @param sessionHash Hash of all handshake messages up to and including ClientKeyExchange (RFC 7627 §3);
 *                    in DTLS each message counts as if it had come in one fragment (RFC 6347 §4.2.6).
 */
export function extendedMasterSecret(
  crypto: CryptoProvider,
  hash: HashAlgorithm,
  premaster: Uint8Array,
  sessionHash: Uint8Array,
): Uint8Array {
  return prf12(crypto, hash, premaster, 'extended master secret', sessionHash, masterSecretLength);
}

/** The keys of one epoch, one set for each direction. AEAD suites have no MAC keys. */
export interface KeyBlock {
  readonly clientWriteKey: Uint8Array;
  readonly serverWriteKey: Uint8Array;
  readonly clientWriteIv: Uint8Array;
  readonly serverWriteIv: Uint8Array;
}

/** Derives the key block and cuts it in its order: client key, server key, client IV, server IV (RFC 5246 §6.3). */
export function keyBlock(
  crypto: CryptoProvider,
  suite: CipherSuite,
  master: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): KeyBlock {
  const { hash, keyLength, fixedIvLength } = suite;
  // RFC 5246 §6.3: here the server's random comes first, unlike in the master secret.
  const seed = concatBytes(serverRandom, clientRandom);
  const block = prf12(crypto, hash, master, 'key expansion', seed, 2 * (keyLength + fixedIvLength));
  const ivs = 2 * keyLength;
  return {
    clientWriteKey: block.slice(0, keyLength),
    serverWriteKey: block.slice(keyLength, ivs),
    clientWriteIv: block.slice(ivs, ivs + fixedIvLength),
    serverWriteIv: block.slice(ivs + fixedIvLength),
  };
}

/**
 * The content of a Finished message, 12 bytes (RFC 5246 §7.4.9).
 *
 * @param side Whose Finished it is.
 * @param transcriptHash Hash of all handshake messages before this Finished, without HelloVerifyRequest and
 *                       the ClientHello it answers (RFC 6347 §4.2.1).
 */
export function verifyData(
  crypto: CryptoProvider,
  hash: HashAlgorithm,
  master: Uint8Array,
  side: 'client' | 'server',
  transcriptHash: Uint8Array,
): Uint8Array {
  return prf12(crypto, hash, master, `${side} finished`, transcriptHash, verifyDataLength);
}
