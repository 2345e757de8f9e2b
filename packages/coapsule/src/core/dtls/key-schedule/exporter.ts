/**
 * Keying material exporter of TLS 1.2 (RFC 5705 §4): secrets for the application, bound to one association.
 *
 * @module
 */

import { ByteWriter } from '../../foundation/byte-writer.ts';
import type { CryptoProvider, HashAlgorithm } from '../../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../../foundation/errors.ts';
import { prf12 } from './prf-12.ts';

/** Labels that TLS itself uses, which no exporter may (RFC 5705 §4). */
const reservedLabels: ReadonlySet<string> = new Set([
  'client finished',
  'server finished',
  'master secret',
  'extended master secret',
  'key expansion',
]);

/** What is exported from. */
export interface ExporterSecret {
  readonly hash: HashAlgorithm;
  /** 48 bytes. */
  readonly masterSecret: Uint8Array;
  /** 32 bytes each. */
  readonly clientRandom: Uint8Array;
  readonly serverRandom: Uint8Array;
}

/**
 * Exports `length` bytes.
 *
 * @param label ASCII; registered labels begin with `EXPORTER`, others with `EXPERIMENTAL` (RFC 5705 §6).
 * @param context At most 65,535 bytes; an empty one is another than none.
 * @throws ApiMisuseError for a label of TLS itself, a context too long, or a length that is not 1 … 65,535.
 */
export function exportKeyingMaterial(
  crypto: CryptoProvider,
  secret: ExporterSecret,
  label: string,
  context: Uint8Array | undefined,
  length: number,
): Uint8Array {
  if (reservedLabels.has(label) || !/^[\x20-\x7e]+$/.test(label)) {
    throw new ApiMisuseError(`label: got '${label}', expected ASCII text that TLS does not use itself`);
  }
  if (context !== undefined && context.length > 0xffff) {
    throw new ApiMisuseError(`context: got ${context.length} bytes, expected at most 65535`);
  }
  if (!Number.isInteger(length) || length < 1 || length > 0xffff) {
    throw new ApiMisuseError(`length: got ${length}, expected 1 … 65535 bytes`);
  }
  const seed = new ByteWriter(66).bytes(secret.clientRandom).bytes(secret.serverRandom);
  if (context !== undefined) seed.vector16(context);
  return prf12(crypto, secret.hash, secret.masterSecret, label, seed.finish(), length);
}
