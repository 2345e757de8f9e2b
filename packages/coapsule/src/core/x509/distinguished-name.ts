/**
 * Names of issuers and subjects (RFC 5280 §4.1.2.4): their encoding, by which paths are built, and their text.
 *
 * @module
 */

import { equalBytes, toHex } from '../foundation/bytes.ts';
import { decodeUtf8, encodeUtf8 } from '../foundation/utf8.ts';
import { type DerReader, derTag } from './der.ts';

/** A decoded name. */
export interface DistinguishedName {
  /** The SEQUENCE as it came. */
  readonly der: Uint8Array;
  /**
   * RFC 4514 form, the most specific part first, as in `CN=gateway,O=Acme`. Control characters are escaped; at most
   * about 200 characters are shown.
   */
  readonly text: string;
  /** Each one a set of attributes; the least specific first. */
  readonly relativeNames: readonly (readonly NameAttribute[])[];
}

/** One attribute of a name. */
export interface NameAttribute {
  /** Object identifier. */
  readonly type: string;
  /** The text of a value that is a string of any kind. */
  readonly value: string | undefined;
  /** The same for values that compare as equal (RFC 5280 §7.1). */
  readonly comparable: string;
}

/** Object identifiers of attributes that have a meaning here. */
export const attributeType = { commonName: '2.5.4.3', emailAddress: '1.2.840.113549.1.9.1' } as const;

/** RFC 4514 §3, and what is common besides. */
const shortNames: Readonly<Record<string, string>> = {
  [attributeType.commonName]: 'CN',
  [attributeType.emailAddress]: 'emailAddress',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.46': 'dnQualifier',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
};

const maxTextLength = 200;

/** Reads the Name that is next. */
export function readName(reader: DerReader, what: string): DistinguishedName {
  const whole = reader.element(derTag.sequence, what);
  const sequence = reader.inside(whole);
  const relativeNames: NameAttribute[][] = [];
  while (sequence.more) {
    const set = sequence.enter(derTag.set, `${what}: relative name`);
    const attributes: NameAttribute[] = [];
    do attributes.push(readAttribute(set, what));
    while (set.more);
    relativeNames.push(attributes);
  }
  return { der: whole.encoding, text: nameText(relativeNames), relativeNames };
}

function readAttribute(set: DerReader, what: string): NameAttribute {
  const attribute = set.enter(derTag.sequence, `${what}: attribute`);
  const type = attribute.objectIdentifier(`${what}: attribute type`);
  const { tag, contents, encoding, contentsOffset } = attribute.any(`${what}: attribute value`);
  attribute.close(`${what}: attribute`);
  if (!stringTags.has(tag)) return { type, value: undefined, comparable: `${type}=#${toHex(encoding)}` };
  const value = stringOf(tag, contents);
  if (value === undefined) attribute.refuse(`${what}: attribute value is no valid string`, contentsOffset);
  // RFC 5280 §7.1, RFC 4518: without differences of case, of the kind of string and of spaces.
  const folded = (value ?? '').normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');
  return { type, value, comparable: `${type}=${folded}` };
}

const stringTags: ReadonlySet<number> = new Set([
  derTag.utf8String,
  derTag.numericString,
  derTag.printableString,
  derTag.teletexString,
  derTag.ia5String,
  derTag.visibleString,
  derTag.universalString,
  derTag.bmpString,
]);

/** The text of a string type, or `undefined` when its bytes are not what the type allows. */
function stringOf(tag: number, contents: Uint8Array): string | undefined {
  switch (tag) {
    case derTag.utf8String:
      return decodeUtf8(contents);
    case derTag.teletexString:
      // As everybody reads it: Latin-1.
      return latin1Text(contents);
    case derTag.bmpString:
      return codePoints(contents, 2);
    case derTag.universalString:
      return codePoints(contents, 4);
    default:
      return asciiText(contents);
  }
}

/** The text of bytes below 128, or `undefined`. */
export function asciiText(bytes: Uint8Array): string | undefined {
  return bytes.every((byte) => byte < 128) ? latin1Text(bytes) : undefined;
}

function latin1Text(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function codePoints(bytes: Uint8Array, size: 2 | 4): string | undefined {
  if (bytes.length % size !== 0) return undefined;
  let text = '';
  for (let i = 0; i < bytes.length; i += size) {
    const point = bytes.subarray(i, i + size).reduce((value, byte) => value * 256 + byte, 0);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined;
    text += String.fromCodePoint(point);
  }
  return text;
}

function nameText(relativeNames: readonly (readonly NameAttribute[])[]): string {
  const parts: string[] = [];
  let length = 0;
  for (let i = relativeNames.length - 1; i >= 0; i--) {
    if (length > maxTextLength) return `${parts.join(',')},…`;
    const part = (relativeNames[i] as readonly NameAttribute[]).map(attributeText).join('+');
    parts.push(part.length > maxTextLength ? `${part.slice(0, maxTextLength)}…` : part);
    length += part.length;
  }
  return parts.length === 0 ? '(empty name)' : parts.join(',');
}

function attributeText({ type, value, comparable }: NameAttribute): string {
  const name = shortNames[type] ?? type;
  if (value === undefined) return comparable.replace(type, name);
  return `${name}=${escapeText(value.slice(0, maxTextLength + 1))}`;
}

/** RFC 4514 §2.4; whatever a terminal would act on or not show becomes the hexadecimal form. */
function escapeText(value: string): string {
  return [...value]
    .map((character, index, all) => {
      if (/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) return toHex(encodeUtf8(character)).replace(/../g, '\\$&');
      const outermost = (character === ' ' || character === '#') && index === 0;
      const trailing = character === ' ' && index === all.length - 1;
      return outermost || trailing || '"+,;<>\\'.includes(character) ? `\\${character}` : character;
    })
    .join('');
}

/** Whether two names have the same encoding, which is how an issuer is found. */
export function sameName(a: DistinguishedName, b: DistinguishedName): boolean {
  return equalBytes(a.der, b.der);
}

/** Whether a name lies in the subtree below `base`, or is it (RFC 5280 §4.2.1.10, compared as in §7.1). */
export function isWithin(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.relativeNames.every((attributes, index) => {
    const own = name.relativeNames[index];
    return own !== undefined && relativeNameKey(own) === relativeNameKey(attributes);
  });
}

function relativeNameKey(attributes: readonly NameAttribute[]): string {
  return JSON.stringify(attributes.map(({ comparable }) => comparable).sort());
}
