/** RFC 9175 §3: Request-Tag, which body a block belongs to; and how an upload goes on by it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBlock, encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { concatBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import type {
  RequestResponseLayer,
  RequestResponseOutput,
  UploadPosition,
} from '../../src/core/request-response/request-response-layer.ts';
import {
  answer,
  clientRequest,
  drain,
  message,
  newLayer,
  type OptionList,
  only,
  pattern,
} from '../unit/request-response/harness.ts';

const { Block1, RequestTag, UriPath } = OptionNumber;
const now = instant(0);
const block = (num: number, more: boolean, szx: number): Uint8Array => encodeBlock({ num, more, szx });

/** One block of a PUT to a server: its answer's code, or the body that became whole. */
function put(
  layer: RequestResponseLayer,
  peer: string,
  [num, more]: readonly [number, boolean],
  body: Uint8Array,
  options: OptionList = [],
): number | Uint8Array {
  const list = [[UriPath, 'r'], ...options, [Block1, block(num, more, 2)]] as OptionList;
  const token = Uint8Array.of(num, peer.length, body[0] ?? 0, 9);
  const payload = body.subarray(num * 64, num * 64 + 64);
  layer.receiveRequest(peer, message(Code.Put, { token, options: list, payload }), 'reply', now);
  for (const output of drain(layer)) {
    if (output.kind === 'request') {
      layer.respond(output.exchange, answer(Code.Changed), now);
      drain(layer);
      return output.request.payload.slice();
    }
    if (output.kind === 'send-response') return output.message.code;
  }
  throw new Error('no answer');
}

const tags = (...values: (Uint8Array | string)[]): OptionList => values.map((value) => [RequestTag, value]);

test('§3.3: blocks with different lists of Request-Tags are of different bodies; equal lists are of one', () => {
  const layer = newLayer();
  const lists = [
    tags(),
    tags(''),
    tags('a'),
    tags('b'),
    tags('a', 'b'),
    tags('b', 'a'),
    tags('ab'),
    tags('12345678'),
  ];
  const bodies = lists.map((_, index) => pattern(150, index + 1));
  for (const [num, more] of [
    [0, true],
    [1, true],
  ] as const) {
    lists.forEach((list, index) => {
      assert.equal(put(layer, 'peer', [num, more], bodies[index] as Uint8Array, list), Code.Continue);
    });
  }
  lists.forEach((list, index) => {
    assert.deepEqual(put(layer, 'peer', [2, false], bodies[index] as Uint8Array, list), bodies[index]);
  });
});

test('§3.2.1: a Request-Tag of more than 8 bytes is elective and out of range: as if it were not there', () => {
  const layer = newLayer();
  const body = pattern(100);
  assert.equal(put(layer, 'peer', [0, true], body, tags('123456789')), Code.Continue);
  assert.deepEqual(put(layer, 'peer', [1, false], body), body);
});

test('§3.3: two clients, each block with a new token, upload 8 KB at the same time to one resource', () => {
  const layer = newLayer();
  const [a, b] = [pattern(8192, 1), pattern(8192, 2)];
  for (let num = 0; num < 127; num++) {
    assert.equal(put(layer, 'one', [num, true], a), Code.Continue);
    assert.equal(put(layer, 'other', [num, true], b), Code.Continue);
  }
  assert.deepEqual(put(layer, 'one', [127, false], a), a);
  assert.deepEqual(put(layer, 'other', [127, false], b), b);
});

/** A client that uploads: gives each block, and takes the server's answer to it. */
class Uploading {
  readonly layer = newLayer({}, 5);
  readonly exchange: number;
  outputs: RequestResponseOutput[];

  constructor(fields: Parameters<typeof clientRequest>[1]) {
    this.exchange = this.layer.request('server', clientRequest(Code.Put, { blockSize: 64, ...fields }), now);
    this.outputs = drain(this.layer);
  }

  get sent() {
    const sent = this.outputs.find((output) => output.kind === 'send-request')?.message;
    if (sent === undefined) throw new Error('nothing was sent');
    return sent;
  }

  get block() {
    return decodeBlock(this.sent.options.first(Block1) ?? Uint8Array.of(7));
  }

  answered(code: number, options: OptionList = []): void {
    const { token } = this.sent;
    this.layer.receiveResponse('server', message(code, { type: 'ACK', token, options }), now);
    this.outputs = drain(this.layer);
  }

  timedOut(): UploadPosition | undefined {
    this.layer.requestTimedOut(this.exchange, now);
    return only(this.layer, 'failed').upload;
  }
}

/** Carries the client's block to a server, and the answer back; true when the whole body was there. */
function carry(client: Uploading, server: RequestResponseLayer): Uint8Array | undefined {
  const { sent } = client;
  const options = [...sent.options.entries()].map(({ number, value }) => [number, value] as const);
  const received = message(sent.code, { token: sent.token, options, payload: sent.payload });
  server.receiveRequest('client', received, 'reply', now);
  let whole: Uint8Array | undefined;
  let outputs = drain(server);
  for (const output of outputs) {
    if (output.kind !== 'request') continue;
    whole = output.request.payload.slice();
    server.respond(output.exchange, answer(Code.Changed), now);
    outputs = drain(server);
  }
  const reply = outputs.find((output) => output.kind === 'send-response')?.message;
  client.answered(
    reply?.code ?? 0,
    [...(reply?.options.entries() ?? [])].map(({ number, value }) => [number, value] as const),
  );
  return whole;
}

test('an upload that timed out goes on by its Request-Tag with the block that the server did not acknowledge', () => {
  const body = pattern(1000);
  const server = newLayer();
  const first = new Uploading({ payload: body, resumable: true });
  const tag = first.sent.options.first(RequestTag);
  assert.equal(tag?.length, 4);
  for (let num = 0; num < 7; num++) carry(first, server);
  // The eighth block arrives, its answer does not.
  const lost = { ...first.sent };
  server.receiveRequest(
    'client',
    message(Code.Put, {
      ...lost,
      options: [...lost.options.entries()].map(({ number, value }) => [number, value] as const),
    }),
    'reply',
    now,
  );
  drain(server);
  const upload = first.timedOut();
  assert.deepEqual(upload, { requestTag: tag, nextByte: 448, blockSize: 64 });
  const second = new Uploading({ payload: body, resumable: true, resume: upload as UploadPosition });
  assert.deepEqual(second.block, { num: 7, more: true, szx: 2 });
  assert.deepEqual(second.sent.options.first(RequestTag), tag);
  let whole: Uint8Array | undefined;
  let blocks = 0;
  for (; whole === undefined; blocks++) whole = carry(second, server);
  assert.deepEqual(whole, body);
  assert.equal(blocks, 9, 'blocks 7 to 15, and no other');
});

test('an upload that goes on where the server has forgotten it begins from its first block', () => {
  const body = pattern(300);
  const resume = { requestTag: Uint8Array.of(1, 2, 3, 4), nextByte: 128, blockSize: 64 };
  const client = new Uploading({ payload: body, resume });
  const server = newLayer();
  assert.equal(carry(client, server), undefined);
  assert.deepEqual(client.block, { num: 0, more: true, szx: 2 });
  let whole: Uint8Array | undefined;
  while (whole === undefined) whole = carry(client, server);
  assert.deepEqual(whole, body);
});

const { Echo } = OptionNumber;

/** Blocks that were sent until the upload was answered, or failed, by a server that answers by `fates`, block by block. */
function fate(client: Uploading, fates: readonly (readonly [number, OptionList?])[]): (number | undefined)[] {
  const sent = [client.block?.num];
  for (const [code, options] of fates) {
    client.answered(code, options);
    if (client.outputs.some(({ kind }) => kind === 'send-request')) sent.push(client.block?.num);
  }
  return sent;
}

test('§2.3: a block that is answered 4.01 goes once more with the Echo; where 4.08 says that those before are gone, all do, once', () => {
  const body = pattern(300);
  const goOn = [Code.Continue] as const;
  const refused = [Code.Unauthorized, [[Echo, 'e']]] as const;
  const gone = [Code.RequestEntityIncomplete] as const;
  const whole = new Uploading({ payload: body });
  assert.deepEqual(fate(whole, [goOn, goOn, refused, goOn, goOn, [Code.Changed]]), [0, 1, 2, 2, 3, 4]);
  assert.ok(whole.outputs.some(({ kind }) => kind === 'response'));

  const again = new Uploading({ payload: body });
  assert.deepEqual(fate(again, [goOn, goOn, refused, gone, goOn]), [0, 1, 2, 2, 0, 1]);
  assert.deepEqual(fate(again, [goOn, refused, gone]), [1, 2, 2], 'not twice');
  assert.ok(again.outputs.some((output) => output.kind === 'failed' && output.error === 'blockwise'));

  const alone = new Uploading({ payload: body });
  assert.deepEqual(fate(alone, [goOn, goOn, gone]), [0, 1, 2], 'nor without an Echo');
});

test('§2.3: of a stream that cannot be read again only the refused block goes once more; 4.08 then ends the upload, and says why', () => {
  const source = { randomAccess: false };
  const client = new Uploading({ body: source });
  const provide = (length: number): void => {
    client.layer.provideBody(source, pattern(length), false, now);
    client.outputs = drain(client.layer);
  };
  provide(65);
  client.answered(Code.Continue);
  provide(64);
  client.answered(Code.Continue);
  provide(64);
  assert.equal(client.block?.num, 2);
  client.answered(Code.Unauthorized, [[Echo, 'e']]);
  assert.equal(client.block?.num, 2);
  client.answered(Code.RequestEntityIncomplete);
  const failed = client.outputs.find((output) => output.kind === 'failed');
  assert.match(failed?.detail ?? '', /from its start \(4\.08\), and it cannot be read again/);
});

test('a stream that cannot be read again does not begin from its first block: the upload fails', () => {
  const resume = { requestTag: Uint8Array.of(1, 2, 3, 4), nextByte: 128, blockSize: 64 };
  const source = { randomAccess: false };
  const client = new Uploading({ body: source, resume });
  const wish = client.outputs.find((output) => output.kind === 'body-wanted');
  assert.equal(wish?.offset, 128, 'what the server has is left out');
  client.layer.provideBody(source, pattern(65), false, now);
  client.outputs = drain(client.layer);
  client.answered(Code.RequestEntityIncomplete);
  assert.ok(client.outputs.some((output) => output.kind === 'failed' && output.error === 'blockwise'));
});

test('§3.4, §3.5.2: a lone upload has no Request-Tag, a second one to the same resource a short one', () => {
  const layer = newLayer();
  const send = (): Uint8Array | undefined => {
    layer.request('server', clientRequest(Code.Put, { payload: pattern(3000) }), now);
    return only(layer, 'send-request').message.options.first(RequestTag);
  };
  assert.equal(send(), undefined);
  assert.deepEqual(send(), Uint8Array.of(1));
  assert.deepEqual(send(), Uint8Array.of(2));
});

test('§3.5.1: over an association the tag of an upload is not used again when a block of it could be replayed', () => {
  const layer = newLayer();
  const send = (secure: boolean, outcome: 'answered' | 'repeated' | 'failed'): number | undefined => {
    const request = clientRequest(Code.Put, { payload: pattern(3000), secure });
    const exchange = layer.request('server', request, now);
    let { message: sent } = only(layer, 'send-request');
    const tag = sent.options.uint(RequestTag);
    if (outcome === 'repeated') layer.requestRetransmitted(exchange);
    if (outcome === 'failed') layer.requestReset(exchange, now);
    for (let num = 0; outcome !== 'failed' && num < 3; num++) {
      const options = [[Block1, block(num, num < 2, 6)]] as const;
      const code = num < 2 ? Code.Continue : Code.Changed;
      layer.receiveResponse('server', message(code, { type: 'ACK', token: sent.token, options }), now);
      const next = drain(layer).find((output) => output.kind === 'send-request');
      if (next !== undefined) sent = next.message;
    }
    drain(layer);
    return tag;
  };
  assert.deepEqual([send(true, 'answered'), send(true, 'answered')], [undefined, undefined]);
  assert.equal(send(true, 'repeated'), undefined);
  assert.equal(send(true, 'failed'), 1, 'the absent tag is used up');
  assert.equal(send(true, 'answered'), 2);
  assert.equal(send(true, 'answered'), 3, 'the absent one stays used up');
  layer.peerClosed('server', now);
  drain(layer);
  assert.equal(send(true, 'answered'), undefined, 'another association has other keys');
  assert.deepEqual([send(false, 'failed'), send(false, 'answered')], [undefined, undefined]);
  for (let i = 0; i < 300; i++) send(true, 'failed');
  assert.equal(typeof send(true, 'answered'), 'number');
});

test("§3.6: the caller's own list of Request-Tags stays, and gets one more where it is in use", () => {
  const layer = newLayer();
  const send = (): string[] => {
    const options = [[UriPath, 'r'], ...tags('proxy-1', 'proxy-2')] as OptionList;
    layer.request('server', clientRequest(Code.Put, { payload: pattern(3000), options }), now);
    const all = only(layer, 'send-request').message.options.all(RequestTag);
    return [...all].map((value) => new TextDecoder().decode(value));
  };
  assert.deepEqual(send(), ['proxy-1', 'proxy-2']);
  assert.deepEqual(send(), ['proxy-1', 'proxy-2', '\u0001']);
});

test('§3.8: two representations that are handed over never have the same ETag', () => {
  const layer = newLayer({ blockSize: 16 });
  const etags = new Set<string>();
  for (let i = 0; i < 100; i++) {
    layer.receiveRequest('peer', message(Code.Get, { token: Uint8Array.of(1) }), 'reply', now);
    const body = { randomAccess: false };
    layer.respond(only(layer, 'request').exchange, answer(Code.Content, { body }), now);
    layer.provideBody(body, concatBytes(pattern(17)), false, now);
    etags.add(String(only(layer, 'send-response').message.options.first(OptionNumber.ETag)));
  }
  assert.equal(etags.size, 100);
});
