/**
 * What OSCORE adds to a message on the wire, measured; the figures of docs/oscore.md.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { encodedLength } from '../../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import type { OscoreContent } from '../../../src/core/oscore/plaintext.ts';
import {
  content,
  ends,
  protectedRequest,
  protectedResponse,
  restarted,
  verifiedRequest,
} from './contexts.ts';

const length = ({ options, payload }: OscoreContent): number =>
  encodedLength({ token: noBytes, options, payload });

/** Bytes that a protected request and its response have more. */
function overhead(
  senderEdge: number,
  request: OscoreContent,
  response: OscoreContent,
): readonly [request: number, response: number] {
  const client = restarted('client', { senderEdge, recipientEdge: 0 });
  const { message } = protectedRequest(client, request);
  const { binding } = verifiedRequest(ends().server, message);
  return [length(message) - length(request), length(protectedResponse(binding, response)) - length(response)];
}

const read = content(Code.Get, [[OptionNumber.UriPath, 'temp']]);
const write = content(Code.Put, [[OptionNumber.UriPath, 'temp']], '21.9');
const reading = content(Code.Content, [], '21.9');
const done = content(Code.Changed);

/** Rows of the table: what, number of the request, request, response. */
const rows: readonly [what: string, number: number, request: OscoreContent, response: OscoreContent][] = [
  ['GET, and 2.05 with a payload', 20, read, reading],
  ['PUT with a payload, and 2.04', 20, write, done],
  ['GET after 256 messages', 256, read, reading],
  ['GET after 16 million messages', 2 ** 24, read, reading],
];

test('a notification has 3 bytes more than a response, and a request one more for each byte of its Sender ID', () => {
  const text = readFileSync(new URL('../../../../../docs/oscore.md', import.meta.url), 'utf8');
  assert.match(text, /with a Sender ID of no byte; each byte of an ID is one more in a request/);
  assert.match(text, /A notification has a Partial IV of its own: 3 bytes more than a response/);
  const [more, back] = overhead(20, read, reading);
  for (const idLength of [1, 7]) {
    const senderId = new Uint8Array(idLength).fill(9);
    const { message } = protectedRequest(ends({ senderId }).client, read);
    assert.equal(length(message) - length(read), more + idLength);
  }
  const registration = content(Code.Get, [
    [OptionNumber.Observe, 0],
    [OptionNumber.UriPath, 'temp'],
  ]);
  const { client, server } = ends();
  const { binding } = verifiedRequest(server, protectedRequest(client, registration).message);
  const notification = content(Code.Content, [[OptionNumber.Observe, 7]], '21.9');
  const [first, second] = [notification, notification].map(
    (one) => length(protectedResponse(binding, one)) - length(one),
  );
  // The first one takes the nonce of the request: it has the Inner Observe option alone.
  assert.deepEqual([first, second], [back + 1, back + 3]);
});

test('requests and responses have as many bytes more as docs/oscore.md says', () => {
  const text = readFileSync(new URL('../../../../../docs/oscore.md', import.meta.url), 'utf8');
  for (const [what, number, request, response] of rows) {
    const [more, back] = overhead(number, request, response);
    assert.ok(text.includes(`| ${what} | ${more} | ${back} |`), `${what}: ${more} and ${back} bytes`);
    assert.ok(more >= 11 && more <= 16, `requirement N04: ${more} of 8 to 16`);
    assert.ok(back >= 9 && back <= 11, `${back} of 9 to 11`);
  }
});
