/**
 * Fuzz target: a text is a list of links or a fault; links encode to a text that means the same.
 *
 * @module
 */

import { decodeLinkFormat, encodeLinkFormat, filterLinks } from '../../src/core/coap/link-format.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';

const corpus: readonly string[] = [
  '',
  '</sensors/temp>;if="sensor",</sensors/light>;if="sensor"',
  '</sensors>;ct=40;title="Sensor Index",</t>;anchor="/sensors/temp";rel="alternate"',
  '</firmware/v2.1>;rt="firmware";sz=262144;obs',
  '<http://www.example.com/a,b;c>;title="x,\\"y\\\\;<z>";title*=UTF-8\'\'a%20b;hreflang=de',
  '</>;rt="oma.lwm2m";ct="60 110 112",\r\n </1/0>;ver=1.0',
];

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'coap-link-format',
  corpus: corpus.map(encodeUtf8),
  run(input) {
    // Bytes that are not UTF-8 are tried as Latin-1, so that a broken character does not end the run.
    const text = decodeUtf8(input) ?? Array.from(input, (byte) => String.fromCharCode(byte)).join('');
    const links = decodeLinkFormat(text);
    if (isDecodeFault(links)) {
      if (!(links.offset >= 0 && links.offset <= text.length))
        throw new Error('fault offset outside the text');
      return;
    }
    const again = decodeLinkFormat(encodeLinkFormat(links));
    if (JSON.stringify(again) !== JSON.stringify(links)) throw new Error('encoded links read differently');
    for (const link of links) {
      if (!filterLinks(links, [`href=${link.target}*`]).includes(link))
        throw new Error('a link does not match its target');
    }
  },
};
