/**
 * Certificates for tests, also such as no CA would issue: `issue({ subject, issuer, … })` gives DER and PEM.
 *
 * Valid from 2020 to 2045 unless said otherwise, so that they work with the real clock and with a virtual one. Whatever a
 * test wants to be wrong can be given as DER in `fields`, `extensions`, `signatureAlgorithm` and `signature`.
 *
 * @module
 */

import { createHash, generateKeyPairSync, type KeyObject, type SignKeyObjectInput, sign } from 'node:crypto';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import * as write from './der-writer.ts';

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Fresh keys; RSA takes long, so its pairs are made once for each size and index. */
export function keyPair(
  type:
    | 'P-256'
    | 'P-384'
    | 'P-521'
    | 'secp256k1'
    | 'ed25519'
    | 'ed448'
    | 'x25519'
    | `rsa-${number}` = 'P-256',
  index = 0,
): KeyPair {
  if (type.startsWith('rsa-')) {
    const key = `${type} ${index}`;
    const pair = rsaPairs.get(key) ?? generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) });
    rsaPairs.set(key, pair);
    return pair;
  }
  switch (type) {
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    case 'ed448':
      return generateKeyPairSync('ed448');
    case 'x25519':
      return generateKeyPairSync('x25519');
    default:
      return generateKeyPairSync('ec', { namedCurve: type });
  }
}

const rsaPairs = new Map<string, KeyPair>();

/** Names of a subjectAltName, or subtrees of name constraints (`ip` then has address and mask). */
export interface AlternativeNames {
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
  /** 4 or 16 bytes; 8 or 32 in constraints. */
  readonly ip?: readonly (readonly number[])[];
  /** Names in the form of `subject`. */
  readonly directory?: readonly string[];
  /** GeneralNames as DER. */
  readonly raw?: readonly Uint8Array[];
}

/** An extension as DER of its value. */
export interface Extension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

/** Keys of `signatureAlgorithms`. */
export type SignatureName = keyof typeof signatureAlgorithms;

/** What to issue; only the subject has to be said. */
export interface CertificateWish {
  /** `CN=gateway,O=Acme`, the most specific part first; `''` for an empty name. */
  readonly subject: string;
  /** The CA; without one the certificate is self-signed. */
  readonly issuer?: Issued;
  readonly keys?: KeyPair;
  readonly serialNumber?: number;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Default false; a number is the path length. `'absent'` leaves basicConstraints out. */
  readonly ca?: boolean | number | 'absent';
  /** Bits of keyUsage; default digitalSignature, or keyCertSign and cRLSign for a CA. `'absent'` leaves it out. */
  readonly keyUsage?: readonly number[] | 'absent';
  /** Default server and client for what is no CA; otherwise absent. */
  readonly extendedKeyUsage?: readonly string[] | 'absent';
  readonly names?: AlternativeNames;
  readonly nameConstraints?: { readonly permitted?: AlternativeNames; readonly excluded?: AlternativeNames };
  /** Behind the other extensions. */
  readonly extensions?: readonly Extension[];
  readonly keyIdentifiers?: boolean;
  /** By default the one that fits the key of the issuer. */
  readonly algorithm?: SignatureName;
  /** Fields of the TBSCertificate as DER, in place of the usual ones; `noBytes` leaves one out. */
  readonly fields?: Partial<Record<Field, Uint8Array>>;
  /** The AlgorithmIdentifier outside, when it is not to be the one inside. */
  readonly outerAlgorithm?: Uint8Array;
  /** Changes the bytes of the signature. */
  readonly signature?: (signature: Uint8Array) => Uint8Array;
}

const fieldOrder = [
  'version',
  'serialNumber',
  'signature',
  'issuer',
  'validity',
  'subject',
  'spki',
  'uniqueIdentifiers',
  'extensions',
] as const;
type Field = (typeof fieldOrder)[number];

/** A certificate and the keys it is for. */
export interface Issued {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly keys: KeyPair;
  /** PKCS #8. */
  readonly keyPem: string;
  /** The Name as DER. */
  readonly name: Uint8Array;
  readonly keyIdentifier: Uint8Array;
}

export const purpose = {
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  any: '2.5.29.37.0',
} as const;

/** Bits of keyUsage (RFC 5280 §4.2.1.3). */
export const usage = {
  digitalSignature: 0,
  keyEncipherment: 2,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
} as const;

/** A certificate as wished. */
export function issue(wish: CertificateWish): Issued {
  const keys = wish.keys ?? keyPair();
  const name = nameDer(wish.subject);
  const spki = new Uint8Array(keys.publicKey.export({ format: 'der', type: 'spki' }));
  const keyIdentifier = new Uint8Array(createHash('sha256').update(spki).digest()).slice(0, 20);
  const issuer = wish.issuer ?? { name, keys, keyIdentifier };
  const algorithm = signatureAlgorithms[wish.algorithm ?? usualAlgorithm(issuer.keys.privateKey)];
  const { notBefore = new Date('2020-01-01'), notAfter = new Date('2045-01-01') } = wish;
  const usual: Record<Field, Uint8Array> = {
    version: write.explicit(0, write.integer(2)),
    serialNumber: write.integer(wish.serialNumber ?? 4711),
    signature: algorithm.der,
    issuer: issuer.name,
    validity: write.sequence(write.time(notBefore), write.time(notAfter)),
    subject: name,
    spki,
    uniqueIdentifiers: noBytes,
    extensions: extensionsField(usualExtensions(wish, keyIdentifier, issuer.keyIdentifier)),
  };
  const toBeSigned = write.sequence(...fieldOrder.map((field) => wish.fields?.[field] ?? usual[field]));
  const signed = new Uint8Array(
    sign(algorithm.hash, toBeSigned, { key: issuer.keys.privateKey, ...algorithm.options }),
  );
  const der = write.sequence(
    toBeSigned,
    wish.outerAlgorithm ?? algorithm.der,
    write.bitString(wish.signature?.(signed) ?? signed),
  );
  const keyPem = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return { der, pem: toPem('CERTIFICATE', der), keys, keyPem, name, keyIdentifier };
}

/** A CA that signs itself, with P-256 keys unless said otherwise. */
export function issueRoot(subject = 'CN=Test Root,O=Acme', wish: Partial<CertificateWish> = {}): Issued {
  return issue({ subject, ca: true, ...wish });
}

/** A block of RFC 7468. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Extensions with their field tag. */
function extensionsField(extensions: readonly Extension[]): Uint8Array {
  if (extensions.length === 0) return noBytes;
  const list = extensions.map(({ oid, critical = false, value }) =>
    write.sequence(
      write.objectIdentifier(oid),
      critical ? write.boolean(true) : noBytes,
      write.octetString(value),
    ),
  );
  return write.explicit(3, write.sequence(...list));
}

function usualExtensions(wish: CertificateWish, own: Uint8Array, issuer: Uint8Array): Extension[] {
  const { ca = false, keyIdentifiers = true, names, nameConstraints } = wish;
  const isCa = ca === true || typeof ca === 'number';
  const keyUsage = wish.keyUsage ?? (isCa ? [usage.keyCertSign, usage.cRLSign] : [usage.digitalSignature]);
  const purposes = wish.extendedKeyUsage ?? (isCa ? 'absent' : [purpose.server, purpose.client]);
  const list: Extension[] = [];
  if (ca !== 'absent') list.push(basicConstraints(isCa, typeof ca === 'number' ? ca : undefined));
  if (keyUsage !== 'absent')
    list.push({ oid: '2.5.29.15', critical: true, value: write.namedBits(keyUsage) });
  if (purposes !== 'absent') {
    list.push({ oid: '2.5.29.37', value: write.sequence(...purposes.map(write.objectIdentifier)) });
  }
  if (names !== undefined) list.push({ oid: '2.5.29.17', value: write.sequence(...generalNames(names)) });
  if (nameConstraints !== undefined) {
    const { permitted, excluded } = nameConstraints;
    const value = write.sequence(subtrees(0, permitted), subtrees(1, excluded));
    list.push({ oid: '2.5.29.30', critical: true, value });
  }
  if (keyIdentifiers) {
    list.push({ oid: '2.5.29.14', value: write.octetString(own) });
    list.push({ oid: '2.5.29.35', value: write.sequence(write.implicit(0, issuer)) });
  }
  return [...list, ...(wish.extensions ?? [])];
}

/** As an extension of its own, to put it where a test wants it. */
export function basicConstraints(ca: boolean, pathLength?: number): Extension {
  const length = pathLength === undefined ? noBytes : write.integer(pathLength);
  const value = write.sequence(ca ? write.boolean(true) : noBytes, length);
  return { oid: '2.5.29.19', critical: true, value };
}

function subtrees(number: number, names: AlternativeNames | undefined): Uint8Array {
  if (names === undefined) return noBytes;
  return write.explicit(number, ...generalNames(names).map((base) => write.sequence(base)));
}

/** GeneralNames as DER. */
function generalNames(names: AlternativeNames): Uint8Array[] {
  const { dns = [], uri = [], email = [], ip = [], directory = [], raw = [] } = names;
  return [
    ...dns.map((text) => write.implicit(2, encodeUtf8(text))),
    ...uri.map((text) => write.implicit(6, encodeUtf8(text))),
    ...email.map((text) => write.implicit(1, encodeUtf8(text))),
    ...ip.map((bytes) => write.implicit(7, Uint8Array.from(bytes))),
    ...directory.map((text) => write.explicit(4, nameDer(text))),
    ...raw,
  ];
}

const attributeTypes: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
};

/** A Name from `CN=gateway,O=Acme`; nothing is unescaped. */
function nameDer(text: string): Uint8Array {
  const parts = text === '' ? [] : text.split(',').reverse();
  return write.sequence(
    ...parts.map((part) => {
      const [type = '', ...value] = part.split('=');
      const oid = write.objectIdentifier(attributeTypes[type] ?? type);
      return write.set(write.sequence(oid, write.utf8String(value.join('='))));
    }),
  );
}

interface Algorithm {
  readonly der: Uint8Array;
  readonly hash: string | null;
  readonly options: Omit<SignKeyObjectInput, 'key'>;
}

function row(hash: string | null, oid: string, parameters = noBytes, options = {}): Algorithm {
  return { der: write.sequence(write.objectIdentifier(oid), parameters), hash, options };
}

/** RSASSA-PSS-params (RFC 4055 §3.1) with any combination of hashes and salt. */
export function pssAlgorithm(hash: string, maskHash: string, saltLength: number): Uint8Array {
  const hashDer = (name: string): Uint8Array =>
    write.sequence(write.objectIdentifier(hashTypes[name] as string), write.derNull);
  const mask = write.sequence(write.objectIdentifier('1.2.840.113549.1.1.8'), hashDer(maskHash));
  const parameters = write.sequence(
    write.explicit(0, hashDer(hash)),
    write.explicit(1, mask),
    write.explicit(2, write.integer(saltLength)),
  );
  return write.sequence(write.objectIdentifier('1.2.840.113549.1.1.10'), parameters);
}

const hashTypes: Readonly<Record<string, string>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

function pssRow(hash: string, saltLength: number): Algorithm {
  // RSA_PKCS1_PSS_PADDING of OpenSSL.
  return { der: pssAlgorithm(hash, hash, saltLength), hash, options: { padding: 6, saltLength } };
}

export const signatureAlgorithms = {
  'ecdsa-sha1': row('sha1', '1.2.840.10045.4.1'),
  'ecdsa-sha256': row('sha256', '1.2.840.10045.4.3.2'),
  'ecdsa-sha384': row('sha384', '1.2.840.10045.4.3.3'),
  'ecdsa-sha512': row('sha512', '1.2.840.10045.4.3.4'),
  'rsa-md5': row('md5', '1.2.840.113549.1.1.4', write.derNull),
  'rsa-sha1': row('sha1', '1.2.840.113549.1.1.5', write.derNull),
  'rsa-sha256': row('sha256', '1.2.840.113549.1.1.11', write.derNull),
  'rsa-sha384': row('sha384', '1.2.840.113549.1.1.12', write.derNull),
  'rsa-sha512': row('sha512', '1.2.840.113549.1.1.13', write.derNull),
  'rsa-pss-sha256': pssRow('sha256', 32),
  'rsa-pss-sha384': pssRow('sha384', 48),
  'rsa-pss-sha512': pssRow('sha512', 64),
  ed25519: row(null, '1.3.101.112'),
  ed448: row(null, '1.3.101.113'),
} as const satisfies Readonly<Record<string, Algorithm>>;

function usualAlgorithm(key: KeyObject): SignatureName {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
    case 'ed448':
      return key.asymmetricKeyType;
    case 'rsa':
      return 'rsa-sha256';
    default:
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'ecdsa-sha384' : 'ecdsa-sha256';
  }
}

/** A certificate with bytes behind it, inside of its outer SEQUENCE. */
export function withTrailingBytes(der: Uint8Array): Uint8Array {
  const headerLength = (der[1] as number) < 0x80 ? 2 : 2 + ((der[1] as number) & 0x7f);
  return write.sequence(concatBytes(der.subarray(headerLength), write.derNull));
}
