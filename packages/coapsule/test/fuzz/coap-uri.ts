/**
 * Fuzz target: a text is a CoAP URI or a fault; its options compose to a URI with the same parts.
 *
 * @module
 */

import { composeUri, parseCoapUri, uriOptions } from '../../src/core/coap/uri.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';

const corpus: readonly string[] = [
  'coap://[2001:db8::2:1]/',
  'coap://example.net/.well-known/core',
  'coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF',
  'coap://198.51.100.1:61616//%2F//?%2F%2F&?%26',
  'coaps://[fe80::1%25eth0]:5684/a/./../b?x=1&y',
  'coaps+ws://EXAMPLE.com:/%7esensors/temp.xml?',
];

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'coap-uri',
  corpus: corpus.map(encodeUtf8),
  run(input) {
    // Bytes that are not UTF-8 are tried as Latin-1, so that a broken character does not end the run.
    const text = decodeUtf8(input) ?? Array.from(input, (byte) => String.fromCharCode(byte)).join('');
    const uri = parseCoapUri(text);
    if (isDecodeFault(uri)) {
      if (!(uri.offset >= 0 && uri.offset <= text.length)) throw new Error('fault offset outside the text');
      return;
    }
    const composed = composeUri(uriOptions(uri), uri.scheme, uri.host, uri.port);
    // A percent-encoded host name may decode to what is no host any more; nothing else may fail.
    if (isDecodeFault(composed)) {
      if (uri.hostIsIpLiteral) throw new Error(`an address has no URI: ${composed.reason}`);
      return;
    }
    const again = parseCoapUri(composed);
    if (isDecodeFault(again)) throw new Error(`composed URI is refused: ${again.reason}`);
    const same =
      again.scheme === uri.scheme &&
      again.port === uri.port &&
      JSON.stringify([again.path, again.query]) === JSON.stringify([uri.path, uri.query]);
    if (!same || (uri.hostIsIpLiteral && again.host !== uri.host))
      throw new Error('composed URI reads differently');
  },
};
