/**
 * Fuzz target: bytes are problem details or a fault; details encode to bytes that read the same.
 *
 * @module
 */

import type { CborKey, CborMap } from '../../src/core/cbor/value.ts';
import {
  decodeProblemDetails,
  encodeProblemDetails,
  plainText,
} from '../../src/core/content/problem-details.ts';
import { equalBytes } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';

const custom = new Map<CborKey, CborMap>([
  [7807, new Map([['type', 'about:blank']])],
  ['tag:3gpp.org,2022-03:TS29112', new Map([[0, 'cause']])],
]);

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'problem-details',
  corpus: [
    encodeProblemDetails({ title: 'title', detail: 'detail', instance: '/i', responseCode: 132 }),
    encodeProblemDetails({ title: { text: 'Bonjour', language: 'fr', direction: 'ltr' }, custom }),
    encodeProblemDetails({ baseUri: 'coap://h/', baseLanguage: 'de-AT', baseDirection: 'auto' }),
    encodeProblemDetails({ unprocessedOptions: [9, 65_001], standard: new Map([[-300, [1, null]]]) }),
  ],
  run(input) {
    const details = decodeProblemDetails(input);
    if (isDecodeFault(details)) {
      if (!(details.offset >= 0 && details.offset <= input.length)) throw new Error('fault offset outside');
      return;
    }
    const title = plainText(details.title);
    if (title !== undefined && typeof title !== 'string') throw new Error('a title that is no text');
    const encoded = encodeProblemDetails(details);
    const again = decodeProblemDetails(encoded);
    if (isDecodeFault(again) || !equalBytes(encodeProblemDetails(again), encoded)) {
      throw new Error('encoded details read differently');
    }
  },
};
