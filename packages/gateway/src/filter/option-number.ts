/**
 * Options by their names, and their values from text.
 *
 * @module
 */

import { contentFormatOf, maxOptionNumber, OptionNumber, optionDefinition } from 'coapsule/message';

const byName: ReadonlyMap<string, number> = new Map(
  Object.values(OptionNumber).map((number) => [
    (optionDefinition(number)?.name ?? String(number)).toLowerCase(),
    number,
  ]),
);

/** The number of an option that is named (`Uri-Path`, in any case) or numbered (`2053`). */
export function optionNumberOf(name: string): number | undefined {
  if (!/^\d+$/.test(name)) return byName.get(name.toLowerCase());
  const number = Number(name);
  return number <= maxOptionNumber ? number : undefined;
}

/**
 * The value of an option from text, as its definition has it: a number, also the name of a content format; a text; `0x` and pairs
 * of hexadecimal digits for any.
 *
 * @returns nothing when the text is none of these.
 */
export function optionValueOf(number: number, text: string): Uint8Array | string | number | undefined {
  if (/^0x/i.test(text)) return hexValue(text);
  const { format } = optionDefinition(number) ?? { format: 'string' };
  switch (format) {
    case 'uint': {
      const isFormat = number === OptionNumber.ContentFormat || number === OptionNumber.Accept;
      const value =
        (isFormat ? contentFormatOf(text) : undefined) ?? (/^\d+$/.test(text) ? Number(text) : -1);
      return value >= 0 && value <= 0xffff_ffff ? value : undefined;
    }
    case 'empty':
      return text === '' ? '' : undefined;
    default:
      return text;
  }
}

/** Bytes of `0x` and pairs of hexadecimal digits; nothing for other text. */
export function hexValue(text: string): Uint8Array | undefined {
  const digits = text.replace(/^0x/i, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits)) return undefined;
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}
