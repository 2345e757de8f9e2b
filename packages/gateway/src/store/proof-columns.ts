/**
 * What a device proves itself with at the hop, in the columns of its table: a sealed pre-shared key, or the fingerprint of a raw
 * public key or certificate. Of those with a fingerprint psk is empty.
 */
import type { SecretBox } from '../vault/secret-box.ts';
import { openSecret, type SealedColumn, sealSecret, secretPlace } from './sealed-columns.ts';

/** Of public keys and certificates only the fingerprint is kept. */
export type DeviceProof =
  | { readonly kind: 'psk'; readonly key: Uint8Array }
  /** `sha256:` and hexadecimal digits, of the SubjectPublicKeyInfo. */
  | { readonly kind: 'rpk'; readonly fingerprint: string }
  /** The fingerprint of the certificate; it may be undefined when it ends. */
  | { readonly kind: 'cert'; readonly fingerprint: string; readonly expiresAtMs: number | undefined };

/** credential, psk, fingerprint, expires_at_ms. */
export type ProofColumns = readonly [
  kind: string,
  psk: Uint8Array,
  fingerprint: string | null,
  expiresAtMs: number | null,
];

/** The columns by their names. */
export interface ProofRow {
  readonly credential: string;
  readonly psk: Uint8Array;
  readonly fingerprint: string | null;
  readonly expires_at_ms: number | null;
}

/** Where the pre-shared key of a row is. */
export interface KeyPlace {
  readonly column: Extract<SealedColumn, `${string}.psk`>;
  readonly deviceId: string;
}

/** Stands for no pre-shared key. */
export const noKey: Uint8Array = new Uint8Array(0);

/** A proof as columns, its key sealed. */
export function proofColumns(
  secrets: SecretBox,
  { column, deviceId }: KeyPlace,
  proof: DeviceProof,
): ProofColumns {
  switch (proof.kind) {
    case 'psk':
      return ['psk', sealSecret(secrets, secretPlace(column, deviceId), proof.key), null, null];
    case 'rpk':
      return ['rpk', noKey, proof.fingerprint, null];
    case 'cert':
      return ['cert', noKey, proof.fingerprint, proof.expiresAtMs ?? null];
  }
}

/** The proof of a row. @throws StoreFault `damaged` for a key that does not open. */
export function proofOf(
  secrets: SecretBox,
  { column, deviceId }: KeyPlace,
  { credential, psk, fingerprint, expires_at_ms }: ProofRow,
): DeviceProof {
  if (credential === 'psk') {
    return { kind: 'psk', key: openSecret(secrets, secretPlace(column, deviceId), psk) };
  }
  const known = fingerprint ?? '';
  return credential === 'rpk'
    ? { kind: 'rpk', fingerprint: known }
    : { kind: 'cert', fingerprint: known, expiresAtMs: expires_at_ms ?? undefined };
}
