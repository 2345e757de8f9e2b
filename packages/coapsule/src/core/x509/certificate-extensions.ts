/**
 * The extensions of a certificate that path validation and service identity need (RFC 5280 §4.2).
 *
 * An extension that is not decoded here matters only when it is critical: then its identifier is kept, and the
 * certificate is good for nothing.
 *
 * @module
 */

import { contextTag, type DerReader, derTag } from './der.ts';
import { type GeneralName, readGeneralName } from './general-name.ts';

/** Bits of KeyUsage, in the order of RFC 5280 §4.2.1.3. */
export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/** Subtrees of names that certificates further down the path may and may not have (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** What the extensions of one certificate say; a field is undefined when its extension is absent. */
export interface CertificateExtensions {
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined;
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined;
  /** Object identifiers. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Empty when the extension is absent. */
  readonly subjectAltNames: readonly GeneralName[];
  readonly nameConstraints: NameConstraints | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  /** Object identifiers of critical extensions that are not understood. */
  readonly unknownCritical: readonly string[];
}

type Draft = { -readonly [Field in keyof CertificateExtensions]: CertificateExtensions[Field] };

/** More than any real certificate has. */
const maxExtensions = 64;
const maxNames = 256;

const decoders: Readonly<Record<string, (reader: DerReader, draft: Draft) => void>> = {
  '2.5.29.14': (reader, draft) => {
    draft.subjectKeyIdentifier = reader.element(derTag.octetString, 'subjectKeyIdentifier').contents;
  },
  '2.5.29.15': (reader, draft) => {
    draft.keyUsage = readKeyUsage(reader);
  },
  '2.5.29.17': (reader, draft) => {
    draft.subjectAltNames = readNames(reader);
  },
  '2.5.29.19': (reader, draft) => {
    draft.basicConstraints = readBasicConstraints(reader);
  },
  '2.5.29.30': (reader, draft) => {
    draft.nameConstraints = readNameConstraints(reader);
  },
  '2.5.29.35': (reader, draft) => {
    draft.authorityKeyIdentifier = readAuthorityKeyIdentifier(reader);
  },
  '2.5.29.37': (reader, draft) => {
    draft.extendedKeyUsage = readExtendedKeyUsage(reader);
  },
};

/** What a certificate without extensions says. */
export const noExtensions: CertificateExtensions = {
  basicConstraints: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  subjectAltNames: [],
  nameConstraints: undefined,
  subjectKeyIdentifier: undefined,
  authorityKeyIdentifier: undefined,
  unknownCritical: [],
};

/** Reads Extensions (RFC 5280 §4.1.2.9); refuses an empty list and an extension that comes twice. */
export function readExtensions(reader: DerReader): CertificateExtensions {
  const draft: Draft = { ...noExtensions };
  const unknownCritical: string[] = [];
  const seen = new Set<string>();
  const list = reader.enter(derTag.sequence, 'extensions');
  do {
    const extension = list.enter(derTag.sequence, 'extension');
    const oid = extension.objectIdentifier('extension identifier');
    const critical = extension.next(derTag.boolean) && extension.boolean('critical flag');
    const value = extension.element(derTag.octetString, `extension ${oid}`);
    extension.close(`extension ${oid}`);
    if (seen.has(oid)) list.refuse(`extension ${oid} comes twice`, value.contentsOffset);
    if (seen.size === maxExtensions) list.refuse(`has more than ${maxExtensions} extensions`);
    seen.add(oid);
    const decode = Object.hasOwn(decoders, oid) ? decoders[oid] : undefined;
    if (decode !== undefined) {
      const inner = extension.inside(value);
      decode(inner, draft);
      inner.close(`extension ${oid}`);
    } else if (critical) {
      unknownCritical.push(oid);
    }
  } while (list.more);
  draft.unknownCritical = unknownCritical;
  return draft;
}

const keyUsages: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];

function readKeyUsage(reader: DerReader): ReadonlySet<KeyUsage> {
  const { bytes } = reader.bitString('keyUsage');
  const usages = keyUsages.filter((_, bit) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0);
  // RFC 5280 §4.2.1.3: at least one bit is set.
  if (usages.length === 0) reader.refuse('keyUsage allows nothing');
  return new Set(usages);
}

function readBasicConstraints(reader: DerReader): CertificateExtensions['basicConstraints'] {
  const sequence = reader.enter(derTag.sequence, 'basicConstraints');
  const ca = sequence.next(derTag.boolean) && sequence.boolean('cA');
  const pathLength = sequence.more ? sequence.smallInteger('pathLenConstraint') : undefined;
  sequence.close('basicConstraints');
  // RFC 5280 §4.2.1.9: no path length without cA.
  if (pathLength !== undefined && !ca) reader.refuse('pathLenConstraint without cA');
  return { ca, pathLength };
}

function readExtendedKeyUsage(reader: DerReader): readonly string[] {
  const sequence = reader.enter(derTag.sequence, 'extKeyUsage');
  const purposes: string[] = [];
  do purposes.push(sequence.objectIdentifier('extKeyUsage: purpose'));
  while (sequence.more);
  return purposes;
}

function readNames(reader: DerReader): readonly GeneralName[] {
  const sequence = reader.enter(derTag.sequence, 'subjectAltName');
  const names: GeneralName[] = [];
  do {
    names.push(readGeneralName(sequence, 'name'));
    if (names.length > maxNames) sequence.refuse(`subjectAltName has more than ${maxNames} names`);
  } while (sequence.more);
  return names;
}

function readNameConstraints(reader: DerReader): NameConstraints {
  const sequence = reader.enter(derTag.sequence, 'nameConstraints');
  // RFC 5280 §4.2.1.10: not empty.
  if (!sequence.more) sequence.refuse('nameConstraints constrain nothing');
  const permitted = readSubtrees(sequence, 0);
  const excluded = readSubtrees(sequence, 1);
  sequence.close('nameConstraints');
  return { permitted, excluded };
}

function readSubtrees(reader: DerReader, number: number): readonly GeneralName[] {
  const tag = contextTag(number, 'constructed');
  if (!reader.next(tag)) return [];
  const list = reader.enter(tag, 'subtrees');
  const bases: GeneralName[] = [];
  do {
    const subtree = list.enter(derTag.sequence, 'subtree');
    bases.push(readGeneralName(subtree, 'constraint'));
    if (bases.length > maxNames) list.refuse(`nameConstraints have more than ${maxNames} names`);
    // RFC 5280 §4.2.1.10: minimum is zero (also when it is written, against DER) and maximum is absent.
    const minimumTag = contextTag(0, 'primitive');
    if (subtree.next(minimumTag) && subtree.smallInteger('minimum', minimumTag) !== 0) {
      subtree.refuse('a subtree has a minimum');
    }
    subtree.close('subtree');
  } while (list.more);
  return bases;
}

function readAuthorityKeyIdentifier(reader: DerReader): Uint8Array | undefined {
  const sequence = reader.enter(derTag.sequence, 'authorityKeyIdentifier');
  const keyTag = contextTag(0, 'primitive');
  const key = sequence.next(keyTag) ? sequence.element(keyTag, 'keyIdentifier').contents : undefined;
  // Issuer and serial number are only another hint to the same certificate.
  for (const tag of [contextTag(1, 'constructed'), contextTag(2, 'primitive')]) {
    if (sequence.next(tag)) sequence.element(tag, 'authorityKeyIdentifier');
  }
  sequence.close('authorityKeyIdentifier');
  return key;
}
