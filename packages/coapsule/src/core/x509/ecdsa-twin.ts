/**
 * The other form of a certificate that is signed with ECDSA.
 *
 * When (r, s) is a signature then so is (r, n − s) (SEC 1 §4.1.4), and whoever has the certificate can write it down: the
 * same certificate by everything but its fingerprint. RSA and EdDSA signatures have one form (RFC 8017 §8.2.2,
 * RFC 8032 §5.1.7: s below the order).
 *
 * @module
 */

import { concatBytes, toHex } from '../foundation/bytes.ts';
import type { Certificate } from './certificate.ts';
import { DerReader, derTag } from './der.ts';

/** Orders of P-256 and P-384 (FIPS 186-4 D.1.2); the certificate does not say on which curve its issuer's key is. */
const orders = [
  0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
];

/** DER of the certificate with the other form of its signature, for each curve that it may be of; empty without ECDSA. */
export function ecdsaTwins({ toBeSigned, signatureAlgorithm, signature }: Certificate): Uint8Array[] {
  if (signatureAlgorithm.scheme?.startsWith('ecdsa_') !== true) return [];
  const input = DerReader.of(signature);
  const pair = input.enter(derTag.sequence, 'ECDSA-Sig-Value');
  input.close('ECDSA-Sig-Value');
  const r = pair.element(derTag.integer, 'r').encoding;
  const sBytes = pair.integer('s');
  pair.close('ECDSA-Sig-Value');
  if (input.fault !== undefined || (sBytes[0] as number) >= 0x80) return [];
  const s = BigInt(`0x${toHex(sBytes)}`);
  return orders
    .filter((order) => s > 0n && s < order)
    .map((order) => {
      const twin = element(derTag.sequence, r, element(derTag.integer, positive(order - s)));
      return element(
        derTag.sequence,
        toBeSigned,
        signatureAlgorithm.der,
        element(derTag.bitString, Uint8Array.of(0), twin),
      );
    });
}

/** The shortest two's complement form. */
function positive(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn));
  return Uint8Array.from((bytes[0] as number) >= 0x80 ? [0, ...bytes] : bytes);
}

function element(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, { length }) => sum + length, 0);
  const header = [length & 0xff];
  for (let rest = length >> 8; rest > 0; rest >>= 8) header.unshift(rest & 0xff);
  if (length >= 0x80) header.unshift(0x80 | header.length);
  return concatBytes(Uint8Array.of(tag, ...header), ...contents);
}
