/**
 * AlgorithmIdentifiers of signatures (RFC 5280 §4.1.1.2, RFC 4055, RFC 5758, RFC 8410) as signature schemes.
 *
 * @module
 */

import type { SignatureScheme } from '../foundation/crypto-provider.ts';
import { contextTag, type DerReader, derTag } from './der.ts';

/** With what a certificate is signed. */
export interface SignatureAlgorithm {
  /** Undefined for an algorithm that is not accepted. */
  readonly scheme: SignatureScheme | undefined;
  /** A name with the object identifier, as in `sha1WithRSAEncryption (1.2.840.113549.1.1.5)`. */
  readonly text: string;
  /** The AlgorithmIdentifier as it came. */
  readonly der: Uint8Array;
}

interface Row {
  readonly name: string;
  readonly scheme?: SignatureScheme;
  /** RFC 4055 §5: NULL or absent; RFC 5758 §3.2 and RFC 8410 §3: absent. What is not accepted may have any. */
  readonly parameters?: 'absent' | 'null-or-absent' | 'pss';
}

const algorithms: Readonly<Record<string, Row>> = {
  '1.2.840.10045.4.3.2': { name: 'ecdsa-with-SHA256', scheme: 'ecdsa_sha256', parameters: 'absent' },
  '1.2.840.10045.4.3.3': { name: 'ecdsa-with-SHA384', scheme: 'ecdsa_sha384', parameters: 'absent' },
  '1.2.840.10045.4.3.4': { name: 'ecdsa-with-SHA512', scheme: 'ecdsa_sha512', parameters: 'absent' },
  '1.2.840.113549.1.1.11': {
    name: 'sha256WithRSAEncryption',
    scheme: 'rsa_pkcs1_sha256',
    parameters: 'null-or-absent',
  },
  '1.2.840.113549.1.1.12': {
    name: 'sha384WithRSAEncryption',
    scheme: 'rsa_pkcs1_sha384',
    parameters: 'null-or-absent',
  },
  '1.2.840.113549.1.1.13': {
    name: 'sha512WithRSAEncryption',
    scheme: 'rsa_pkcs1_sha512',
    parameters: 'null-or-absent',
  },
  '1.2.840.113549.1.1.10': { name: 'RSASSA-PSS', parameters: 'pss' },
  '1.3.101.112': { name: 'Ed25519', scheme: 'ed25519', parameters: 'absent' },
  '1.3.101.113': { name: 'Ed448' },
  '1.2.840.10045.4.1': { name: 'ecdsa-with-SHA1' },
  '1.2.840.10045.4.3.1': { name: 'ecdsa-with-SHA224' },
  '1.2.840.113549.1.1.2': { name: 'md2WithRSAEncryption' },
  '1.2.840.113549.1.1.4': { name: 'md5WithRSAEncryption' },
  '1.2.840.113549.1.1.5': { name: 'sha1WithRSAEncryption' },
  '1.2.840.113549.1.1.14': { name: 'sha224WithRSAEncryption' },
  '1.2.840.10040.4.3': { name: 'dsa-with-SHA1' },
  '2.16.840.1.101.3.4.3.2': { name: 'dsa-with-SHA256' },
};

/** Reads the AlgorithmIdentifier of a signature that is next. */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
  const what = 'signature algorithm';
  const whole = reader.element(derTag.sequence, what);
  const sequence = reader.inside(whole);
  const oid = sequence.objectIdentifier(what);
  const row = algorithms[oid];
  const text = row === undefined ? oid : `${row.name} (${oid})`;
  let scheme = row?.scheme;
  if (row?.parameters === 'pss') {
    scheme = readPssParameters(sequence);
  } else if (row?.parameters === undefined) {
    if (sequence.more) sequence.any(`${what}: parameters`);
  } else if (row.parameters === 'null-or-absent' && sequence.more) {
    sequence.null(`${what}: parameters`);
  }
  sequence.close(what);
  return { scheme, text, der: whole.encoding };
}

const pssHashes: Readonly<Record<string, { readonly scheme: SignatureScheme; readonly length: number }>> = {
  '2.16.840.1.101.3.4.2.1': { scheme: 'rsa_pss_sha256', length: 32 },
  '2.16.840.1.101.3.4.2.2': { scheme: 'rsa_pss_sha384', length: 48 },
  '2.16.840.1.101.3.4.2.3': { scheme: 'rsa_pss_sha512', length: 64 },
};

/**
 * RSASSA-PSS-params (RFC 4055 §3.1). Its defaults are those of SHA-1, so an absent field is not accepted; nor are two
 * different hashes, or a salt of another length than the hash (RFC 8446 §4.2.3).
 */
function readPssParameters(algorithm: DerReader): SignatureScheme | undefined {
  if (!algorithm.more) return undefined;
  const parameters = algorithm.enter(derTag.sequence, 'PSS parameters');
  const explicit = (number: number): DerReader | undefined =>
    parameters.next(contextTag(number, 'constructed'))
      ? parameters.enter(contextTag(number, 'constructed'), 'PSS parameter')
      : undefined;

  const hashField = explicit(0);
  const hash = hashField && readHash(hashField);
  hashField?.close('PSS hash');

  const maskField = explicit(1);
  let maskHash: string | undefined;
  if (maskField !== undefined) {
    const mask = maskField.enter(derTag.sequence, 'PSS mask generation');
    const isMgf1 = mask.objectIdentifier('PSS mask generation') === '1.2.840.113549.1.1.8';
    maskHash = readHash(mask);
    if (!isMgf1) maskHash = undefined;
    mask.close('PSS mask generation');
    maskField.close('PSS mask generation');
  }

  const saltField = explicit(2);
  const saltLength = saltField?.smallInteger('PSS salt length');
  saltField?.close('PSS salt length');

  const trailerField = explicit(3);
  const trailer = trailerField?.smallInteger('PSS trailer') ?? 1;
  trailerField?.close('PSS trailer');

  parameters.close('PSS parameters');
  if (hash === undefined || hash !== maskHash || trailer !== 1) return undefined;
  const row = pssHashes[hash];
  return row !== undefined && saltLength === row.length ? row.scheme : undefined;
}

/** The object identifier of a hash, whose parameters are NULL or absent (RFC 4055 §2.1). */
function readHash(reader: DerReader): string {
  const sequence = reader.enter(derTag.sequence, 'PSS hash');
  const oid = sequence.objectIdentifier('PSS hash');
  if (sequence.more) sequence.null('PSS hash: parameters');
  sequence.close('PSS hash');
  return oid;
}
