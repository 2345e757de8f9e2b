/**
 * RFC 7959: the figures of section 3, replayed in both roles, and the sentences of section 2.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeBlock, encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code, codeText } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import type { OptionReader } from '../../src/core/coap/option-set.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type { RequestResponseLayer } from '../../src/core/request-response/request-response-layer.ts';
import {
  answer,
  clientRequest,
  drain,
  drained,
  message,
  newLayer,
  type OptionList,
  only,
  pattern,
} from '../unit/request-response/harness.ts';

interface FigureBlock {
  readonly option: 'Block1' | 'Block2';
  readonly num: number;
  readonly more: boolean;
  readonly size: number;
  readonly szx: number;
  readonly option_value: string;
}
interface FigureMessage {
  readonly from: 'client' | 'server';
  readonly lost: boolean;
  readonly code: string;
  readonly path: string | null;
  readonly mid: number;
  readonly blocks: readonly FigureBlock[];
}
interface Figure {
  readonly figure: number;
  readonly title: string;
  readonly messages: readonly FigureMessage[];
}
const { figures } = JSON.parse(
  readFileSync(new URL('../vectors/coap/rfc7959-examples.json', import.meta.url), 'utf8'),
) as { figures: Figure[] };

const now = instant(0);
const peer = 'peer';
const { Block1, Block2 } = OptionNumber;
const codeOf = (text: string): number => Number(text[0]) * 32 + Number(text.slice(2));
const numberOf = (block: FigureBlock): number => OptionNumber[block.option];
const blocksOf = (options: OptionReader): string[] =>
  [Block2, Block1].flatMap((n) => options.all(n).map((value) => `${n}:${toHex(value)}`));
const figureBlocks = (m: FigureMessage): string[] =>
  [...m.blocks].sort((a, b) => numberOf(a) - numberOf(b)).map((b) => `${numberOf(b)}:${b.option_value}`);

/** Bytes of the body that Block1 (of the client) or Block2 (of the server) describes in a figure. */
function bodyLength(figure: Figure, option: 'Block1' | 'Block2', from: 'client' | 'server'): number {
  let length = 0;
  for (const m of figure.messages) {
    for (const b of m.blocks) {
      if (m.from === from && b.option === option && !b.more) length = b.num * b.size + Math.min(b.size, 11);
    }
  }
  return length;
}

// Figure 8 shows a server without memory, which handles each block by itself; ours is atomic.
for (const figure of figures.filter((f) => f.figure !== 8)) {
  test(`Figure ${figure.figure}: ${figure.title}: the server`, () => {
    const preferred = figure.messages.find((m) => m.from === 'server')?.blocks[0]?.size ?? 1024;
    const layer = newLayer({ blockSize: preferred });
    const upload = pattern(bodyLength(figure, 'Block1', 'client'));
    const download = pattern(bodyLength(figure, 'Block2', 'server'), 9);
    const collected = new Uint8Array(download.length);
    let asked = 0;
    let last: FigureMessage | undefined;
    for (const m of figure.messages) {
      if (m.from === 'client') {
        last = m;
        continue;
      }
      const request = last as FigureMessage;
      const block1 = request.blocks.find((b) => b.option === 'Block1');
      const offset = (block1?.num ?? 0) * (block1?.size ?? 0);
      const options: OptionList = [
        [OptionNumber.UriPath, (request.path ?? '').slice(1)],
        ...request.blocks.map((b) => [numberOf(b), encodeBlock(b)] as const),
      ];
      const payload = block1 ? upload.subarray(offset, offset + block1.size) : noBytes;
      // A token of its own for each block: it says nothing about the body.
      const token = pattern(4, request.mid);
      layer.receiveRequest(peer, message(codeOf(request.code), { token, options, payload }), 'reply', now);
      for (const output of drain(layer)) {
        if (output.kind === 'request') {
          asked++;
          assert.deepEqual(output.request.payload, upload);
          layer.respond(output.exchange, answer(codeOf(m.code), { payload: download }), now);
        } else if (output.kind === 'send-response') compare(output.message);
      }
      for (const output of drained(layer, 'send-response')) compare(output.message);

      function compare(sent: { code: number; options: OptionReader; payload: Uint8Array }): void {
        assert.equal(codeText(sent.code), m.code);
        assert.deepEqual(blocksOf(sent.options), figureBlocks(m));
        const block2 = m.blocks.find((b) => b.option === 'Block2');
        if (block2) collected.set(sent.payload, block2.num * block2.size);
      }
    }
    assert.equal(asked, 1, 'the application sees one request');
    // Figures 3, 5 and 6 leave out blocks in the middle.
    if (![3, 5, 6].includes(figure.figure)) assert.deepEqual(collected, download);
  });
}

for (const number of [2, 3, 7, 8, 9, 10]) {
  const figure = figures.find((f) => f.figure === number) as Figure;
  test(`Figure ${number}: ${figure.title}: the client`, () => {
    const layer = newLayer();
    const first = figure.messages[0] as FigureMessage;
    const body = pattern(bodyLength(figure, 'Block1', 'client'));
    const download = pattern(bodyLength(figure, 'Block2', 'server'), 9);
    const blockSize = first.blocks[0]?.size ?? 1024;
    const exchange = layer.request(
      peer,
      clientRequest(codeOf(first.code), {
        blockSize,
        payload: body,
        options: [[OptionNumber.UriPath, (first.path ?? '').slice(1)]],
      }),
      now,
    );
    // In order: RFC 7959 prints Figure 9 with a Message ID twice, and Figure 3 leaves messages out.
    const requests = figure.messages.filter((m) => m.from === 'client' && !m.lost);
    const uploaded: Uint8Array[] = [];
    const tokens = new Set<string>();
    let index = 0;
    let outputs = drain(layer);
    for (;;) {
      const sent = outputs.find((output) => output.kind === 'send-request');
      if (sent === undefined) break;
      const { options, token, payload } = sent.message;
      tokens.add(toHex(token));
      if (options.has(Block1)) uploaded.push(payload);
      const expected = requests.find((m) => m.mid === 1234 + index);
      if (expected) {
        // With Block1 our client says in the last block which size it wants for the response (as in Figure 11).
        const wished = blocksOf(options).filter((b) => expected.blocks.length > 1 || !isWish(b, options));
        assert.deepEqual(wished, figureBlocks(expected));
      }
      const wanted = options.first(Block2);
      const block1 = options.first(Block1);
      let reply: { code: number; options: OptionList; payload?: Uint8Array };
      if (block1 !== undefined && decodeBlock(block1)?.more) {
        const server = figure.messages.filter((m) => m.from === 'server')[index] as FigureMessage;
        const b = server.blocks[0] as FigureBlock;
        reply = { code: codeOf(server.code), options: [[Block1, encodeBlock(b)]] };
      } else {
        const szx = decodeBlock(wanted ?? noBytes)?.szx ?? 0;
        const used = wanted ? szx : (figure.messages[1]?.blocks[0]?.szx ?? 0);
        const num = wanted ? (decodeBlock(wanted)?.num ?? 0) : 0;
        const size = 16 << used;
        const more = (num + 1) * size < download.length;
        const list: [number, Uint8Array][] = [];
        if (download.length > 0) list.push([Block2, encodeBlock({ num, more, szx: used })]);
        if (block1) list.push([Block1, block1]);
        const code = codeOf(figure.messages[figure.messages.length - 1]?.code ?? '2.05');
        reply = { code, options: list, payload: download.subarray(num * size, (num + 1) * size) };
      }
      index++;
      layer.receiveResponse(peer, message(reply.code, { ...reply, type: 'ACK', token }), now);
      outputs = drain(layer);
    }
    const delivered = outputs.find((output) => output.kind === 'response');
    assert.equal(delivered?.exchange, exchange);
    assert.equal(delivered?.final, true);
    assert.deepEqual(delivered?.response.payload, download);
    assert.equal(index, Math.max(...requests.map((m) => m.mid - 1234)) + 1);
    assert.equal(tokens.size, index, 'each message has a token of its own');
    assert.equal(toHex(Uint8Array.from(uploaded.flatMap((part) => [...part]))), toHex(body));
    assert.equal(layer.load().clientExchanges, 0);
  });
}

function isWish(block: string, options: OptionReader): boolean {
  return block.startsWith(`${Block2}:`) && options.has(Block1);
}

const path: OptionList = [[OptionNumber.UriPath, 'r']];
const block = (num: number, more: boolean, szx: number): Uint8Array => encodeBlock({ num, more, szx });
const token = Uint8Array.of(5, 6);

/** One request to a server; the answer without the application, or the request it was asked. */
function ask(layer: RequestResponseLayer, code: number, options: OptionList, payload = noBytes) {
  layer.receiveRequest(peer, message(code, { token, options: [...path, ...options], payload }), 'reply', now);
  const outputs = drain(layer);
  return {
    answered: outputs.find((output) => output.kind === 'send-response')?.message,
    asked: outputs.find((output) => output.kind === 'request'),
  };
}

test('§2.2: SZX 7 in a request is answered 4.00', () => {
  const layer = newLayer();
  for (const number of [Block1, Block2]) {
    assert.equal(ask(layer, Code.Put, [[number, Uint8Array.of(7)]]).answered?.code, Code.BadRequest);
  }
});

test('§2.3: a block with M set whose payload is not one block long is answered 4.00', () => {
  const layer = newLayer();
  assert.equal(
    ask(layer, Code.Put, [[Block1, block(0, true, 0)]], pattern(15)).answered?.code,
    Code.BadRequest,
  );
  assert.equal(
    ask(layer, Code.Put, [[Block1, block(0, true, 0)]], pattern(17)).answered?.code,
    Code.BadRequest,
  );
  assert.equal(layer.load().requestBodies, 0);
});

test('§2.3: blocks with another Content-Format are not put together: 4.08', () => {
  const layer = newLayer();
  const format = (n: number): [number, number] => [OptionNumber.ContentFormat, n];
  ask(layer, Code.Put, [format(0), [Block1, block(0, true, 0)]], pattern(16));
  const { answered } = ask(layer, Code.Put, [format(50), [Block1, block(1, false, 0)]], pattern(3));
  assert.equal(answered?.code, Code.RequestEntityIncomplete);
});

test('§2.4: the M bit of a Block2 option in a request is ignored', () => {
  const layer = newLayer();
  const { asked } = ask(layer, Code.Get, [[Block2, block(0, true, 0)]]);
  layer.respond(asked?.exchange ?? 0, answer(Code.Content, { payload: pattern(20) }), now);
  const { message: sent } = only(layer, 'send-response');
  assert.deepEqual(decodeBlock(sent.options.first(Block2) ?? noBytes), { num: 0, more: true, szx: 0 });
});

test('§2.4: a representation in blocks has an ETag, and all its blocks the same', () => {
  const layer = newLayer({ blockSize: 16 });
  const { asked } = ask(layer, Code.Get, []);
  layer.respond(asked?.exchange ?? 0, answer(Code.Content, { payload: pattern(40) }), now);
  const first = only(layer, 'send-response').message;
  const etag = first.options.first(OptionNumber.ETag);
  assert.ok(etag !== undefined && etag.length > 0 && etag.length <= 8);
  const second = ask(layer, Code.Get, [[Block2, block(1, false, 0)]]).answered;
  assert.deepEqual(second?.options.first(OptionNumber.ETag), etag);
  assert.deepEqual(second?.payload, pattern(40).subarray(16, 32));
});

test('§2.4: a block behind the end is answered 4.00', () => {
  const layer = newLayer({ blockSize: 16 });
  const { asked } = ask(layer, Code.Get, []);
  layer.respond(asked?.exchange ?? 0, answer(Code.Content, { payload: pattern(32) }), now);
  drain(layer);
  assert.equal(ask(layer, Code.Get, [[Block2, block(2, false, 0)]]).answered?.code, Code.BadRequest);
});

test('§2.4: a later block that is not kept any more is cut from a new answer of the application', () => {
  const layer = newLayer();
  const { asked } = ask(layer, Code.Get, [[Block2, block(1, false, 0)]]);
  layer.respond(asked?.exchange ?? 0, answer(Code.Content, { payload: pattern(40) }), now);
  const { message: sent } = only(layer, 'send-response');
  assert.deepEqual(sent.payload, pattern(40).subarray(16, 32));
  assert.deepEqual(decodeBlock(sent.options.first(Block2) ?? noBytes), { num: 1, more: true, szx: 0 });
});

test('§2.4: a later block of a POST that is not kept does not carry out the POST again: 4.08', () => {
  const layer = newLayer();
  const { answered, asked } = ask(layer, Code.Post, [[Block2, block(1, false, 0)]]);
  assert.equal(asked, undefined);
  assert.equal(answered?.code, Code.RequestEntityIncomplete);
});

test('§2.5: a final block whose predecessors are missing is answered 4.08', () => {
  const layer = newLayer();
  const { answered } = ask(layer, Code.Put, [[Block1, block(1, false, 0)]], pattern(3));
  assert.equal(answered?.code, Code.RequestEntityIncomplete);
});

test('§2.4: a later block of what is no more is answered by the error, and not as a block that lies behind its end', () => {
  const layer = newLayer();
  const wish: OptionList = [...path, [Block2, block(5, false, 2)]];
  layer.receiveRequest(peer, message(Code.Get, { token, options: wish }), 'reply', now);
  const { exchange } = only(layer, 'request');
  layer.respond(exchange, answer(Code.NotFound, { payload: 'gone' }), now);
  const { message: response } = only(layer, 'send-response');
  assert.equal(codeText(response.code), '4.04');
  assert.equal(decodeUtf8(response.payload), 'gone');
  assert.equal(response.options.has(Block2), false);
});

test('§2.5: after a gap the state is gone, and the client begins again with block 0', () => {
  const layer = newLayer();
  ask(layer, Code.Put, [[Block1, block(0, true, 0)]], pattern(16));
  assert.equal(ask(layer, Code.Put, [[Block1, block(2, true, 0)]], pattern(16)).answered?.code, 0x88);
  assert.equal(layer.load().requestBodies, 0);
  assert.equal(ask(layer, Code.Put, [[Block1, block(1, true, 0)]], pattern(16)).answered?.code, 0x88);
  assert.equal(
    ask(layer, Code.Put, [[Block1, block(0, true, 0)]], pattern(16)).answered?.code,
    Code.Continue,
  );
});

test('§2.5: an unfinished body is forgotten EXCHANGE_LIFETIME after its last block', () => {
  const layer = newLayer();
  ask(layer, Code.Put, [[Block1, block(0, true, 0)]], pattern(16));
  assert.equal(layer.nextTimeout(), 247_000);
  layer.handleTimeout(instant(247_000));
  assert.equal(layer.load().requestBodies, 0);
  assert.equal(layer.load().requestBodyBytes, 0);
});

test('§2.5: a new sequence to the same resource overwrites the unfinished one', () => {
  const layer = newLayer();
  ask(layer, Code.Put, [[Block1, block(0, true, 0)]], pattern(16, 1));
  ask(layer, Code.Put, [[Block1, block(0, true, 0)]], pattern(16, 2));
  const { asked } = ask(layer, Code.Put, [[Block1, block(1, false, 0)]], pattern(3, 2));
  assert.deepEqual(asked?.request.payload, Uint8Array.from([...pattern(16, 2), ...pattern(3, 2)]));
});

test('§2.6: a notification has the first block only, of the size the registration asked for', () => {
  const layer = newLayer();
  const { asked } = ask(layer, Code.Get, [
    [OptionNumber.Observe, 0],
    [Block2, block(0, false, 1)],
  ]);
  const exchange = asked?.exchange ?? 0;
  layer.respond(exchange, answer(Code.Content, { payload: 'small', observe: true }), now);
  drain(layer);
  layer.notify('/r', now);
  layer.respond(
    only(layer, 'request').exchange,
    answer(Code.Content, { payload: pattern(100), observe: true }),
    now,
  );
  const { message: sent } = only(layer, 'send-response');
  assert.equal(sent.payload.length, 32);
  assert.deepEqual(decodeBlock(sent.options.first(Block2) ?? noBytes), { num: 0, more: true, szx: 1 });
  const later = ask(layer, Code.Get, [[Block2, block(1, false, 1)]]);
  assert.deepEqual(later.answered?.payload, pattern(100).subarray(32, 64));
  assert.equal(later.answered?.options.has(OptionNumber.Observe), false);
});

test('§2.9.3: a body over the limit is answered 4.13 with Size1, by its announcement or when it grows', () => {
  const layer = newLayer({ maxBodyBytes: () => 40 });
  const announced = ask(
    layer,
    Code.Put,
    [
      [Block1, block(0, true, 0)],
      [OptionNumber.Size1, 41],
    ],
    pattern(16),
  );
  assert.equal(announced.answered?.code, Code.RequestEntityTooLarge);
  assert.equal(announced.answered?.options.uint(OptionNumber.Size1), 40);
  for (const num of [0, 1]) {
    const { answered } = ask(layer, Code.Put, [[Block1, block(num, true, 0)]], pattern(16));
    assert.equal(answered?.code, Code.Continue);
  }
  const grown = ask(layer, Code.Put, [[Block1, block(2, true, 0)]], pattern(16));
  assert.equal(grown.answered?.code, Code.RequestEntityTooLarge);
  const single = ask(layer, Code.Put, [], pattern(41));
  assert.equal(single.answered?.code, Code.RequestEntityTooLarge);
  assert.equal(ask(layer, Code.Put, [], pattern(40)).asked?.request.payload.length, 40);
});

test('§2.10: If-None-Match is sent with the first block only', () => {
  const layer = newLayer();
  const request = clientRequest(Code.Put, {
    blockSize: 16,
    payload: pattern(20),
    options: [[OptionNumber.IfNoneMatch, noBytes]],
  });
  layer.request(peer, request, now);
  const first = only(layer, 'send-request').message;
  assert.equal(first.options.has(OptionNumber.IfNoneMatch), true);
  const reply = {
    type: 'ACK' as const,
    token: first.token,
    options: [[Block1, block(0, true, 0)]] as OptionList,
  };
  layer.receiveResponse(peer, message(Code.Continue, reply), now);
  assert.equal(only(layer, 'send-request').message.options.has(OptionNumber.IfNoneMatch), false);
});

test('§4: the first block of an upload has Size1, and the first of a download Size2', () => {
  const client = newLayer();
  client.request(peer, clientRequest(Code.Put, { blockSize: 16, payload: pattern(40) }), now);
  assert.equal(only(client, 'send-request').message.options.uint(OptionNumber.Size1), 40);
  const server = newLayer({ blockSize: 16 });
  const { asked } = ask(server, Code.Get, []);
  server.respond(asked?.exchange ?? 0, answer(Code.Content, { payload: pattern(40) }), now);
  assert.equal(only(server, 'send-response').message.options.uint(OptionNumber.Size2), 40);
});
