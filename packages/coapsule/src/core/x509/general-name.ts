/**
 * GeneralName (RFC 5280 §4.2.1.6), as in subjectAltName and in name constraints.
 *
 * @module
 */

import { contextTag, type DerReader } from './der.ts';
import { asciiText, type DistinguishedName, readName } from './distinguished-name.ts';

/** The names that are understood; of the others only that there is one. */
export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  /** 4 or 16 bytes; in a name constraint an address and a mask, 8 or 32. */
  | { readonly kind: 'ip'; readonly bytes: Uint8Array }
  | { readonly kind: 'directory'; readonly name: DistinguishedName }
  /** otherName, x400Address, ediPartyName, registeredID; the number of the tag. */
  | { readonly kind: 'other'; readonly number: number };

const textKinds = { 1: 'email', 2: 'dns', 6: 'uri' } as const;

/** Reads the GeneralName that is next; `use` says how long addresses are. */
export function readGeneralName(reader: DerReader, use: 'name' | 'constraint'): GeneralName {
  if (reader.next(contextTag(4, 'constructed'))) {
    const explicit = reader.enter(contextTag(4, 'constructed'), 'directoryName');
    const name = readName(explicit, 'directoryName');
    explicit.close('directoryName');
    return { kind: 'directory', name };
  }
  const { tag, contents, contentsOffset } = reader.any('GeneralName');
  const number = tag & 0x1f;
  if (
    tag === contextTag(1, 'primitive') ||
    tag === contextTag(2, 'primitive') ||
    tag === contextTag(6, 'primitive')
  ) {
    const value = asciiText(contents);
    if (value === undefined) reader.refuse('GeneralName has a character outside of ASCII', contentsOffset);
    return { kind: textKinds[number as keyof typeof textKinds], value: value ?? '' };
  }
  if (tag === contextTag(7, 'primitive')) {
    const factor = use === 'name' ? 1 : 2;
    const fits = contents.length === 4 * factor || contents.length === 16 * factor;
    if (!fits || (use === 'constraint' && !isNetworkMask(contents.subarray(contents.length / 2)))) {
      reader.refuse(`iPAddress of ${contents.length} bytes is no ${use}`, contentsOffset);
    }
    return { kind: 'ip', bytes: contents };
  }
  const known =
    tag === contextTag(8, 'primitive') || [0, 3, 5].some((n) => tag === contextTag(n, 'constructed'));
  if (!known) reader.refuse('GeneralName has an unknown type', contentsOffset);
  return { kind: 'other', number };
}

/** RFC 4632 §5.1: ones, then zeros. */
function isNetworkMask(mask: Uint8Array): boolean {
  let bits = '';
  for (const byte of mask) bits += byte.toString(2).padStart(8, '0');
  return /^1*0*$/.test(bits);
}
