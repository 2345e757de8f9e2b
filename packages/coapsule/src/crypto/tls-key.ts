/**
 * Certificates and keys in the form that `node:tls` takes.
 *
 * @module
 */

import { randomBytes, X509Certificate } from 'node:crypto';
import { privateKeyObject } from './node-credentials.ts';

/** A private key as PKCS #8 PEM. @throws ApiMisuseError when it cannot be read. */
export function privateKeyPem(...input: Parameters<typeof privateKeyObject>): string {
  return privateKeyObject(...input).export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Certificates in DER as PEM. */
export function certificatesPem(chain: readonly Uint8Array[]): string {
  return chain.map((der) => new X509Certificate(der).toString()).join('');
}

/** A key that nobody has: whoever uses an unknown identity finds out as late as with a wrong key (RFC 4279 §2). */
export function unguessableKey(): Uint8Array {
  return randomBytes(16);
}
