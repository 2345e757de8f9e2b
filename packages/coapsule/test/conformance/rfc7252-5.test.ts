/**
 * RFC 7252 §5 and Appendix A: requests, responses, tokens and options.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import {
  answer,
  clientRequest,
  drain,
  drained,
  message,
  newLayer,
  only,
} from '../unit/request-response/harness.ts';

interface FigureMessage {
  readonly from: 'client' | 'server';
  readonly lost: boolean;
  readonly encoded: string;
}
const { figures } = JSON.parse(
  readFileSync(new URL('../vectors/coap/rfc7252-appendix-a.json', import.meta.url), 'utf8'),
) as { figures: { figure: number; title: string; messages: FigureMessage[] }[] };

const now = instant(0);
const peer = 'peer';
const decode = (hex: string): MessageView => decodeMessage(fromHex(hex) as Uint8Array) as MessageView;
const token = Uint8Array.of(1, 2, 3, 4);

for (const { figure, title, messages } of figures) {
  // Figure 21 is about a response nobody waits for any more; it has a test of its own below.
  if (figure === 21) continue;
  test(`Appendix A, Figure ${figure}: ${title}: the client takes the response by its token`, () => {
    const layer = newLayer();
    const request = decode(messages[0]?.encoded ?? '');
    const exchange = layer.request(
      peer,
      clientRequest(request.code, {
        type: request.type === 'NON' ? 'NON' : 'CON',
        token: request.token,
        options: [...request.options.entries()].map(({ number, value }) => [number, value]),
      }),
      now,
    );
    const sent = only(layer, 'send-request');
    assert.equal(toHex(sent.message.token), toHex(request.token));
    assert.deepEqual([...sent.message.options.entries()], [...request.options.entries()]);
    const response = messages.find((m) => m.from === 'server' && !m.lost && decode(m.encoded).code !== 0);
    const received = decode(response?.encoded ?? '');
    assert.equal(layer.receiveResponse(peer, received, now), 'matched');
    const delivered = only(layer, 'response');
    assert.equal(delivered.exchange, exchange);
    assert.equal(delivered.final, true);
    assert.equal(delivered.response.code, Code.Content);
    assert.equal(decodeUtf8(delivered.response.payload), '22.3 C');
  });

  test(`Appendix A, Figure ${figure}: ${title}: the server answers with the token of the request`, () => {
    const layer = newLayer();
    const request = decode(messages[0]?.encoded ?? '');
    layer.receiveRequest(peer, request, 'reply', now);
    const asked = only(layer, 'request');
    assert.deepEqual(asked.request.options.texts(OptionNumber.UriPath), ['temperature']);
    layer.respond(asked.exchange, answer(Code.Content, { payload: '22.3 C' }), now);
    const sent = only(layer, 'send-response');
    assert.equal(sent.reply, 'reply');
    assert.equal(toHex(sent.message.token), toHex(request.token));
    assert.equal(decodeUtf8(sent.message.payload), '22.3 C');
  });
}

test('Appendix A, Figure 21: a separate response to a request that was forgotten is not taken', () => {
  const layer = newLayer();
  const [request, , response] = figures.find(({ figure }) => figure === 21)?.messages ?? [];
  const { code, token: asked } = decode(request?.encoded ?? '');
  const exchange = layer.request(peer, clientRequest(code, { token: asked }), now);
  layer.cancel(exchange, now);
  drain(layer);
  assert.equal(layer.receiveResponse(peer, decode(response?.encoded ?? ''), now), 'unmatched');
  assert.equal(layer.counters.unmatchedResponses, 1);
  assert.deepEqual(drain(layer), []);
});

test('§5.2.2: a CON request is acknowledged empty when the application takes long, and answered later', () => {
  const layer = newLayer({ emptyAckDelayMs: 500 });
  layer.receiveRequest(peer, message(Code.Get, { token }), 'reply', now);
  const asked = only(layer, 'request');
  layer.handleTimeout(instant(499));
  assert.deepEqual(drain(layer), []);
  assert.equal(layer.nextTimeout(), 500);
  layer.handleTimeout(instant(500));
  assert.equal(only(layer, 'acknowledge').reply, 'reply');
  layer.respond(asked.exchange, answer(Code.Content), instant(3000));
  assert.deepEqual(
    drain(layer).map(({ kind }) => kind),
    ['send-response', 'exchange-ended'],
  );
});

test('§5.2.2: a CON request answered in time is not acknowledged separately', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get, { token }), 'reply', now);
  layer.respond(only(layer, 'request').exchange, answer(Code.Content), now);
  drain(layer);
  assert.equal(layer.nextTimeout(), undefined);
});

test('§5.2.3: a NON request is never acknowledged', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get, { type: 'NON', token }), 'reply', now);
  drain(layer);
  layer.handleTimeout(instant(10_000));
  assert.deepEqual(drain(layer), []);
});

test('§5.3.2: a response from another endpoint does not match, whatever its token', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get, { token }), now);
  drain(layer);
  assert.equal(
    layer.receiveResponse('other', message(Code.Content, { type: 'NON', token }), now),
    'unmatched',
  );
  assert.equal(layer.receiveResponse(peer, message(Code.Content, { type: 'NON', token }), now), 'matched');
});

test('§5.4.1: an unrecognized critical option in a CON request is answered 4.02 that names it', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get, { token, options: [[9, 'x']] }), 'reply', now);
  const { message: sent } = only(layer, 'send-response');
  assert.equal(sent.code, Code.BadOption);
  assert.match(decodeUtf8(sent.payload) ?? '', /\b9 \(OSCORE\)/);
  assert.equal(toHex(sent.token), toHex(token));
});

test('§5.4.1: an unrecognized critical option in a NON request is met with silence', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get, { type: 'NON', options: [[2049, 'x']] }), 'reply', now);
  // What it says is for the trace.
  assert.deepEqual(
    drain(layer).map(({ kind }) => kind),
    ['peer-fault'],
  );
  assert.equal(layer.counters.badOptions, 1);
});

test('§5.4.1: an unrecognized elective option is ignored', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get, { options: [[2048, 'x']] }), 'reply', now);
  assert.equal(drained(layer, 'request').length, 1);
});

test('§5.4.1: a response with an unrecognized critical option is rejected and ends the request', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get, { token }), now);
  drain(layer);
  const response = message(Code.Content, { token, options: [[OptionNumber.IfMatch, 'x']] });
  assert.equal(layer.receiveResponse(peer, response, now), 'rejected');
  assert.equal(only(layer, 'failed').error, 'bad-option');
});

test('§5.4.3: a critical option of a wrong length is as unrecognized, an elective one is ignored', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get, { options: [[OptionNumber.UriPort, pattern3]] }), 'r', now);
  assert.equal(only(layer, 'send-response').message.code, Code.BadOption);
  layer.receiveRequest(
    peer,
    message(Code.Get, { options: [[OptionNumber.ContentFormat, pattern3]] }),
    'r',
    now,
  );
  assert.equal(only(layer, 'request').request.options.has(OptionNumber.ContentFormat), false);
});
const pattern3 = Uint8Array.of(1, 2, 3);

test('§5.4.5: a supernumerary critical option is as unrecognized, a supernumerary elective one is ignored', () => {
  const layer = newLayer();
  const accept: [number, number] = [OptionNumber.Accept, 40];
  layer.receiveRequest(peer, message(Code.Get, { options: [accept, accept] }), 'r', now);
  assert.equal(only(layer, 'send-response').message.code, Code.BadOption);
  const formats: [number, number][] = [
    [OptionNumber.ContentFormat, 40],
    [OptionNumber.ContentFormat, 50],
  ];
  layer.receiveRequest(peer, message(Code.Post, { options: formats }), 'r', now);
  const { request } = only(layer, 'request');
  assert.deepEqual(request.options.all(OptionNumber.ContentFormat), [Uint8Array.of(40)]);
});

test('§5.7.2: a request for a forward-proxy is answered 5.05', () => {
  for (const number of [OptionNumber.ProxyUri, OptionNumber.ProxyScheme]) {
    const layer = newLayer();
    layer.receiveRequest(peer, message(Code.Get, { options: [[number, 'coap']] }), 'r', now);
    assert.equal(only(layer, 'send-response').message.code, Code.ProxyingNotSupported);
  }
});

test('§5.8: an unknown method is answered 4.05', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(0x1f), 'reply', now);
  assert.equal(only(layer, 'send-response').message.code, Code.MethodNotAllowed);
});
