/**
 * Loads the transcribed examples of the RFCs and turns their notation into options and bytes.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { fromHex } from '../../../src/core/foundation/bytes.ts';

/** A file of `test/vectors/coap`. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/coap/${name}`, import.meta.url), 'utf8')) as T;
}

/** The bytes of hexadecimal text; the text is a literal of a test, so anything else is a mistake in it. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(' ', ''));
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text}`);
  return bytes;
}

const numbers: Readonly<Record<string, number>> = {
  'Uri-Host': OptionNumber.UriHost,
  'Uri-Port': OptionNumber.UriPort,
  'Uri-Path': OptionNumber.UriPath,
  'Uri-Query': OptionNumber.UriQuery,
  Observe: OptionNumber.Observe,
  'Max-Age': OptionNumber.MaxAge,
  ETag: OptionNumber.ETag,
};

/** Options as the figures print them: `["Observe", "0 (register)"]`, `["ETag", "0x78797a7a79"]`. */
export function printedOptions(printed: readonly (readonly [string, string])[]): OptionSet {
  const options = new OptionSet();
  for (const [name, text] of printed) {
    const number = numbers[name];
    if (number === undefined) throw new Error(`unknown option ${name}`);
    if (name.startsWith('Uri-') && name !== 'Uri-Port') options.add(number, text);
    else if (text.startsWith('0x')) options.add(number, hex(text.slice(2)));
    else options.add(number, Number.parseInt(text, 10));
  }
  return options;
}
