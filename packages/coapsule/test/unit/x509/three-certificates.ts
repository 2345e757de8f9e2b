/**
 * A root, a CA below it and a certificate of a device: each as a test wishes it, judged as one chain.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { type Certificate, type TrustAnchor, trustAnchor } from '../../../src/core/x509/certificate.ts';
import { type PathVerdict, validatePath } from '../../../src/core/x509/path-validation.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { type CertificateWish, type Issued, issue, keyPair } from '../../x509/certificate-factory.ts';

/** 2026-06-01 12:00:00 UTC. */
export const now: number = Date.UTC(2026, 5, 1, 12);

const keys = { root: keyPair(), ca: keyPair(), leaf: keyPair() };

/** What differs from a chain that is accepted. */
export interface Wishes {
  readonly root?: Partial<CertificateWish>;
  readonly ca?: Partial<CertificateWish>;
  readonly leaf?: Partial<CertificateWish>;
  readonly purpose?: 'server' | 'client';
  readonly nowMs?: number;
  readonly denied?: (certificate: Certificate) => boolean;
  /** What is shown, in place of leaf and CA. */
  readonly shown?: (made: Made) => readonly Uint8Array[];
  /** What is trusted, in place of the root. */
  readonly trusted?: (made: Made) => readonly Uint8Array[];
}

export interface Made {
  readonly root: Issued;
  readonly ca: Issued;
  readonly leaf: Issued;
}

/** The three certificates. */
export function make({ root, ca, leaf }: Wishes = {}): Made {
  const first = issue({ subject: 'CN=Root,O=Acme', ca: true, keys: keys.root, ...root });
  const second = issue({ subject: 'CN=Sub,O=Acme', issuer: first, ca: true, keys: keys.ca, ...ca });
  return {
    root: first,
    ca: second,
    leaf: issue({ subject: 'CN=device,O=Acme', issuer: second, keys: keys.leaf, ...leaf }),
  };
}

/** The verdict about the chain as wished. */
export function judge(wishes: Wishes = {}): PathVerdict {
  const made = make(wishes);
  const { purpose = 'server', nowMs = now, denied } = wishes;
  return validatePath({
    chain: wishes.shown?.(made) ?? [made.leaf.der, made.ca.der],
    anchors: (wishes.trusted?.(made) ?? [made.root.der]).map(anchor),
    nowMs,
    purpose,
    denied,
    crypto: nodeCrypto,
  });
}

/** A trust anchor out of bytes that have to be one. */
export function anchor(der: Uint8Array): TrustAnchor {
  const result = trustAnchor(der);
  if (isDecodeFault(result)) assert.fail(result.reason);
  return result;
}
