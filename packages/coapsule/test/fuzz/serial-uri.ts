/**
 * Fuzz target: a text is the URI of a serial line or a fault; the URI of its line reads the same.
 *
 * @module
 */

import { parseSerialUri, serialLineUri } from '../../src/core/coap/serial-uri.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';

const corpus: readonly string[] = [
  'coaps+serial://ttyUSB0:115200/a',
  'coap+serial://%2Ftmp%2Fline-a:921600/.well-known/core?rt=x&y',
  'coap+uart:///APlist',
  'coap+serial://%5C%5C.%5CCOM10:9600',
];

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'serial-uri',
  corpus: corpus.map(encodeUtf8),
  run(input) {
    const text = decodeUtf8(input) ?? Array.from(input, (byte) => String.fromCharCode(byte)).join('');
    const uri = parseSerialUri(text);
    if (isDecodeFault(uri)) {
      if (!(uri.offset >= 0 && uri.offset <= text.length)) throw new Error('fault offset outside the text');
      return;
    }
    const again = parseSerialUri(serialLineUri(uri));
    const line = ({ secure, device, baudRate }: typeof uri) => JSON.stringify([secure, device, baudRate]);
    if (isDecodeFault(again) || line(again) !== line(uri))
      throw new Error('the line of a URI reads differently');
  },
};
