/**
 * Names and values of messages as a collection writes them: options, codes, content formats, hexadecimal digits.
 *
 * @module
 */

import {
  contentFormatName,
  contentFormatOf,
  decodeUint,
  encodeUint,
  OptionNumber,
  optionDefinition,
} from 'coapsule/message';
import { hexBytes, hexText } from '../text/hex.ts';

const numbersByName: ReadonlyMap<string, number> = new Map(
  Object.values(OptionNumber).flatMap((number) => {
    const name = optionDefinition(number)?.name.toLowerCase();
    return name === undefined ? [] : [[name, number] as const];
  }),
);

/** Names of options, as RFC 7252 and others write them. */
export const optionNames: readonly string[] = Object.values(OptionNumber).flatMap(
  (number) => optionDefinition(number)?.name ?? [],
);

/** Number of an option by its name or its digits; nothing for what is neither. */
export function optionNumberOf(name: string): number | undefined {
  if (/^\d{1,5}$/.test(name)) return Number(name) >= 1 && Number(name) <= 65_535 ? Number(name) : undefined;
  return numbersByName.get(name.toLowerCase());
}

/** The bytes of a value: a number, text, or hexadecimal digits behind `0x`. Nothing for what is no digit there. */
export function optionBytes(value: string | number): Uint8Array | undefined {
  if (typeof value === 'number') return encodeUint(value);
  return value.startsWith('0x') ? bytesOfHex(value.slice(2)) : new TextEncoder().encode(value);
}

/** A value as a person reads it, by the form that its option has. */
export function optionValueText(number: number, value: Uint8Array): string {
  switch (optionDefinition(number)?.format) {
    case 'uint':
      return String(decodeUint(value) ?? `0x${hexText(value)}`);
    case 'string':
      return new TextDecoder().decode(value);
    default:
      return `0x${hexText(value)}`;
  }
}

/** Pairs of hexadecimal digits, white space between them or not. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  return hexBytes(text.replace(/\s+/g, ''));
}

/** The number of a content format: itself, its name, or the short form of a common one, such as `json`. */
export function formatNumber(format: number | string): number | undefined {
  if (typeof format === 'number') return format;
  if (/^\d{1,5}$/.test(format)) return Number(format);
  const names = [format, `application/${format}`, `text/${format === 'text' ? 'plain' : format}`];
  return names.map((name) => contentFormatOf(name)).find((number) => number !== undefined);
}

/** `application/json (50)` */
export function formatText(format: number | undefined): string {
  if (format === undefined) return 'none';
  const name = contentFormatName(format);
  return name === undefined ? String(format) : `${name} (${format})`;
}

/** A code as text: YAML reads 2.05 and 4.00 as numbers. */
export function codeOf(value: string | number): string {
  return typeof value === 'number' ? value.toFixed(2) : value;
}
