/**
 * RFC 8323 §6: block-wise transfer over reliable transports, with blocks of more than 1024 bytes (BERT).
 *
 * Both roles of one endpoint against a peer that is played by hand, then two endpoints with each other.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { blockSize, decodeBlock, encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { SignalingCode, SignalingOption } from '../../src/core/coap/signaling.ts';
import {
  decodeStreamMessage,
  encodeStreamMessage,
  type StreamMessage,
} from '../../src/core/coap/stream-codec.ts';
import { StreamEndpoint } from '../../src/core/endpoint/stream-endpoint.ts';
import type { ConnectionId, StreamOutput } from '../../src/core/endpoint/stream-outputs.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { randomBytes } from '../../src/core/foundation/random-source.ts';
import type { BodySource } from '../../src/core/request-response/request-response-layer.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { StreamPair, type StreamPairRequest } from '../scenarios/stream-pair.ts';

const { Block1, Block2, UriPath } = OptionNumber;
const now = instant(0);
const address = ipAddress('192.0.2.2', 5683);
const bytesOf = (length: number): Uint8Array => randomBytes(new SeededRandom(length), length);

type Block = readonly [number: typeof Block1 | typeof Block2, num: number, more: boolean, szx: number];

/** `1:8/1/BERT(16384)`, as the figures of §6 have it; the size of the payload is told for those that carry a body. */
function shown({ code, options, payload }: StreamMessage): string {
  const parts: string[] = [];
  for (const [digit, number] of [
    [1, Block1],
    [2, Block2],
  ] as const) {
    const value = options.first(number);
    const block = value && decodeBlock(value, true);
    if (block === undefined) continue;
    const size = block.szx === 7 ? 'BERT' : String(blockSize(block.szx));
    const length = payload.length > 0 && block.szx === 7 ? `(${payload.length})` : '';
    parts.push(`${digit}:${block.num}/${block.more ? 1 : 0}/${size}${length}`);
  }
  return [`${code >> 5}.${String(code & 31).padStart(2, '0')}`, ...parts].join(' ');
}

/** One endpoint, and a peer of it that says what the test wants. */
class Played {
  readonly endpoint: StreamEndpoint;
  readonly outputs: StreamOutput[] = [];
  readonly sent: StreamMessage[] = [];
  readonly connection: ConnectionId;
  #body: Uint8Array | BodySource = noBytes;

  /** `capabilities` are those in the CSM of the peer. */
  constructor(
    role: 'client' | 'server',
    capabilities: { readonly maxMessageSize?: number; readonly blocks?: boolean } = {},
    ownMaxMessageSize?: number,
  ) {
    const { maxMessageSize = 64 * 1024, blocks = true } = capabilities;
    const connection = ownMaxMessageSize === undefined ? {} : { maxMessageSize: ownMaxMessageSize };
    this.endpoint = new StreamEndpoint({ config: { role, connection }, random: new SeededRandom(6) });
    if (role === 'server') this.connection = this.endpoint.accept(address, now);
    else {
      this.endpoint.ping(address, now);
      const open = this.endpoint.poll();
      assert.ok(open?.kind === 'open');
      this.connection = open.connection;
      this.endpoint.handle({ kind: 'opened', connection: this.connection }, now);
    }
    const csm = new OptionSet().add(SignalingOption.MaxMessageSize, maxMessageSize);
    if (blocks) csm.add(SignalingOption.BlockWiseTransfer, noBytes);
    this.say(SignalingCode.Csm, csm);
    this.sent.length = 0;
  }

  /** Our server's application answers with this body. */
  serve(body: Uint8Array | BodySource): this {
    this.#body = body;
    return this;
  }

  say(code: Code, options: OptionSet, payload: Uint8Array = noBytes, token: Uint8Array = noBytes): void {
    const bytes = encodeStreamMessage({ code, options, payload, token }, 'tcp');
    this.endpoint.handle({ kind: 'received', connection: this.connection, bytes }, now);
    this.drain();
  }

  /** The played client asks. Returns our answer. */
  ask(code: Code, blocks: readonly Block[], payload: Uint8Array = noBytes): StreamMessage {
    const options = new OptionSet().add(UriPath, 'status');
    for (const [number, num, more, szx] of blocks) options.set(number, encodeBlock({ num, more, szx }));
    this.say(code, options, payload, Uint8Array.of(1));
    return this.sent.at(-1) as StreamMessage;
  }

  /** The played server answers our last request. Returns our next one. */
  answer(code: Code, blocks: readonly Block[], payload: Uint8Array = noBytes): StreamMessage | undefined {
    const options = new OptionSet();
    for (const [number, num, more, szx] of blocks) options.set(number, encodeBlock({ num, more, szx }));
    const before = this.sent.length;
    this.say(code, options, payload, this.sent.at(-1)?.token);
    return this.sent[before];
  }

  request(code: Code, payload: Uint8Array = noBytes, blockSizeBytes?: number): StreamMessage {
    const options = new OptionSet().add(UriPath, 'status');
    const size = blockSizeBytes === undefined ? {} : { blockSize: blockSizeBytes };
    this.endpoint.request(address, { code, options, payload, type: 'CON', ...size }, now);
    this.drain();
    return this.sent.at(-1) as StreamMessage;
  }

  /** The body of the response or request that came out whole. */
  get whole(): Uint8Array | undefined {
    for (const output of this.outputs) {
      if (output.kind === 'response') return output.response.payload;
      if (output.kind === 'request') return output.request.payload;
    }
    return undefined;
  }

  get failure(): StreamOutput | undefined {
    return this.outputs.find(({ kind }) => kind === 'request-failed');
  }

  drain(): void {
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      if (output.kind === 'transmit') {
        const message = decodeStreamMessage(output.bytes, 'tcp');
        assert.ok(!isDecodeFault(message));
        if (message.code >> 5 !== 7) this.sent.push(message);
        continue;
      }
      this.outputs.push(output);
      if (output.kind !== 'request') continue;
      const code = output.request.code === Code.Get ? Code.Content : Code.Changed;
      const body = this.#body;
      const content = body instanceof Uint8Array ? { payload: body } : { payload: noBytes, body };
      const response = { code, options: new OptionSet(), ...content, keepAnswer: false };
      this.endpoint.respond(output.exchange, response, now);
    }
  }
}

suite('RFC 8323 §6.1: GET with BERT blocks', () => {
  test('Figure 13 as the client: the number moves on by what the blocks held', () => {
    const peer = new Played('client');
    const body = bytesOf(3072 + 5120 + 4711);
    assert.equal(shown(peer.request(Code.Get)), '0.01');
    const second = peer.answer(Code.Content, [[Block2, 0, true, 7]], body.subarray(0, 3072));
    assert.equal(second && shown(second), '0.01 2:3/0/BERT');
    const third = peer.answer(Code.Content, [[Block2, 3, true, 7]], body.subarray(3072, 8192));
    assert.equal(third && shown(third), '0.01 2:8/0/BERT');
    peer.answer(Code.Content, [[Block2, 8, false, 7]], body.subarray(8192));
    assert.deepEqual(peer.whole, body);
  });

  test('the server answers a GET in blocks as large as both sides take', () => {
    const peer = new Played('server', { maxMessageSize: 8 * 1024 + 256 }).serve(bytesOf(20_000));
    assert.equal(shown(peer.ask(Code.Get, [])), '2.05 2:0/1/BERT(8192)');
    assert.equal(shown(peer.ask(Code.Get, [[Block2, 8, false, 7]])), '2.05 2:8/1/BERT(8192)');
    assert.equal(shown(peer.ask(Code.Get, [[Block2, 16, false, 7]])), '2.05 2:16/0/BERT(3616)');
  });

  test('the last block may be a whole number of 1024 bytes, or be asked for by itself', () => {
    const peer = new Played('server', { maxMessageSize: 4 * 1024 + 256 }).serve(bytesOf(8192));
    assert.equal(shown(peer.ask(Code.Get, [[Block2, 4, false, 7]])), '2.05 2:4/0/BERT(4096)');
    assert.equal(shown(peer.ask(Code.Get, [[Block2, 7, false, 7]])), '2.05 2:7/0/BERT(1024)');
    assert.equal(peer.ask(Code.Get, [[Block2, 8, false, 7]]).code, Code.BadRequest);
  });

  test('a request with another SZX gets that one', () => {
    const peer = new Played('server').serve(bytesOf(20_000));
    const answer = peer.ask(Code.Get, [[Block2, 0, false, 6]]);
    assert.equal(shown(answer), '2.05 2:0/1/1024');
    assert.equal(answer.payload.length, 1024);
    assert.equal(shown(peer.ask(Code.Get, [[Block2, 2, false, 5]])), '2.05 2:2/1/512');
    assert.equal(shown(peer.ask(Code.Get, [[Block2, 1, false, 7]])), '2.05 2:1/1/BERT(15360)');
  });

  test('the server may answer with a non-BERT block: the client follows, and does not go up again', () => {
    const peer = new Played('client');
    const body = bytesOf(4096 + 700);
    peer.request(Code.Get);
    const second = peer.answer(Code.Content, [[Block2, 0, true, 7]], body.subarray(0, 4096));
    assert.equal(second && shown(second), '0.01 2:4/0/BERT');
    const third = peer.answer(Code.Content, [[Block2, 8, true, 5]], body.subarray(4096, 4608));
    assert.equal(third && shown(third), '0.01 2:9/0/512');
    peer.answer(Code.Content, [[Block2, 9, false, 5]], body.subarray(4608));
    assert.deepEqual(peer.whole, body);
  });

  test('a non-final block that is no multiple of 1024 bytes, or empty, is refused', () => {
    for (const length of [0, 1023, 1025, 3000]) {
      const peer = new Played('client');
      peer.request(Code.Get);
      peer.answer(Code.Content, [[Block2, 0, true, 7]], bytesOf(length));
      const { failure } = peer;
      assert.ok(failure?.kind === 'request-failed' && failure.error.kind === 'exchange', String(length));
      assert.equal(failure.error.failure, 'blockwise');
    }
  });

  test('a caller that wants small blocks asks for them', () => {
    const peer = new Played('client');
    assert.equal(shown(peer.request(Code.Get, noBytes, 512)), '0.01 2:0/0/512');
  });
});

suite('RFC 8323 §6.2: PUT with BERT blocks', () => {
  test('Figure 14 as the server: blocks of different lengths make one body', () => {
    const peer = new Played('server', {}, 17_000);
    const body = bytesOf(8192 + 16_384 + 5683);
    const put = (num: number, more: boolean, part: Uint8Array): string =>
      shown(peer.ask(Code.Put, [[Block1, num, more, 7]], part));
    assert.equal(put(0, true, body.subarray(0, 8192)), '2.31 1:0/1/BERT');
    assert.equal(put(8, true, body.subarray(8192, 24_576)), '2.31 1:8/1/BERT');
    assert.equal(put(24, false, body.subarray(24_576)), '2.04 1:24/0/BERT');
    assert.deepEqual(peer.whole, body);
  });

  test('the client sends blocks as large as both sides take', () => {
    const peer = new Played('client', { maxMessageSize: 8 * 1024 + 300 });
    const body = bytesOf(20_000);
    assert.equal(shown(peer.request(Code.Put, body)), '0.03 1:0/1/BERT(8192)');
    const second = peer.answer(Code.Continue, [[Block1, 0, true, 7]]);
    assert.equal(second && shown(second), '0.03 1:8/1/BERT(8192)');
    const third = peer.answer(Code.Continue, [[Block1, 8, true, 7]]);
    assert.equal(third && shown(third), '0.03 1:16/0/BERT(3616)');
    peer.answer(Code.Changed, [[Block1, 16, false, 7]]);
    assert.deepEqual(peer.whole, noBytes);
    assert.deepEqual(concatBytes(...peer.sent.map(({ payload }) => payload)), body);
  });

  test('a body that fits into one message goes without a Block option', () => {
    const peer = new Played('client');
    const sent = peer.request(Code.Put, bytesOf(15_360));
    assert.equal(shown(sent), '0.03');
    assert.equal(sent.payload.length, 15_360);
  });

  test('a server that prefers small blocks gets them from the next one on', () => {
    const peer = new Played('client');
    const body = bytesOf(40_000);
    peer.request(Code.Put, body);
    const second = peer.answer(Code.Continue, [[Block1, 0, true, 2]]);
    assert.equal(second && shown(second), '0.03 1:240/1/64');
    assert.deepEqual(second?.payload, body.subarray(15_360, 15_424));
    const third = peer.answer(Code.Continue, [[Block1, 240, true, 2]]);
    assert.equal(third && shown(third), '0.03 1:241/1/64');
  });

  test('4.13 with a smaller block makes the client begin again with it', () => {
    const peer = new Played('client');
    const body = bytesOf(40_000);
    peer.request(Code.Put, body);
    const again = peer.answer(Code.RequestEntityTooLarge, [[Block1, 0, false, 6]]);
    assert.equal(again && shown(again), '0.03 1:0/1/1024');
  });

  test('a non-final block that is no multiple of 1024 bytes, or empty, is answered 4.00', () => {
    for (const length of [0, 1, 1023, 1025, 5000]) {
      const answer = new Played('server').ask(Code.Put, [[Block1, 0, true, 7]], bytesOf(length));
      assert.equal(answer.code, Code.BadRequest, String(length));
    }
  });

  test('a block that is not in sequence is answered 4.08; the same one twice is taken once', () => {
    const peer = new Played('server');
    const body = bytesOf(5000);
    peer.ask(Code.Put, [[Block1, 0, true, 7]], body.subarray(0, 3072));
    assert.equal(
      shown(peer.ask(Code.Put, [[Block1, 0, true, 7]], body.subarray(0, 3072))),
      '2.31 1:0/1/BERT',
    );
    assert.equal(peer.ask(Code.Put, [[Block1, 3, false, 7]], body.subarray(3072)).code, Code.Changed);
    assert.deepEqual(peer.whole, body);
    const other = new Played('server');
    other.ask(Code.Put, [[Block1, 0, true, 7]], body.subarray(0, 3072));
    const gap = other.ask(Code.Put, [[Block1, 4, true, 7]], body.subarray(0, 1024));
    assert.equal(gap.code, Code.RequestEntityIncomplete);
  });
});

suite('RFC 8323 §5.3.2: BERT only with a peer that announced it', () => {
  const notAnnounced: readonly (readonly [string, ConstructorParameters<typeof Played>[1], number?])[] = [
    ['its messages have 1152 bytes', { maxMessageSize: 1152 }],
    ['it did not announce block-wise transfer', { blocks: false }],
    ['ours have 1152 bytes, so that we did not', {}, 1152],
    ['its messages have no room for two blocks', { maxMessageSize: 2100 }],
  ];
  for (const [why, capabilities, own] of notAnnounced) {
    test(`not where ${why}`, () => {
      const served = new Played('server', capabilities, own).serve(bytesOf(20_000));
      assert.equal(shown(served.ask(Code.Get, [])), '2.05 2:0/1/1024');
      assert.equal(shown(served.ask(Code.Get, [[Block2, 1, false, 7]])), '2.05 2:1/1/1024');
      const asked = new Played('client', capabilities, own);
      assert.equal(shown(asked.request(Code.Put, bytesOf(20_000))), '0.03 1:0/1/1024');
    });
  }

  test('a client that named SZX 7 before our CSM came is answered with it: it counts the same blocks', () => {
    const body = bytesOf(2500);
    const peer = new Played('server', {}, 1152);
    for (const num of [0, 1]) {
      const block = body.subarray(num * 1024, num * 1024 + 1024);
      assert.equal(shown(peer.ask(Code.Put, [[Block1, num, true, 7]], block)), `2.31 1:${num}/1/BERT`);
    }
    assert.equal(shown(peer.ask(Code.Put, [[Block1, 2, false, 7]], body.subarray(2048))), '2.04 1:2/0/BERT');
    assert.deepEqual(peer.whole, body);
  });

  test('a later CSM with 1152 bytes takes it back, also in the midst of an upload', () => {
    const peer = new Played('client');
    assert.equal(shown(peer.request(Code.Put, bytesOf(40_000))), '0.03 1:0/1/BERT(15360)');
    const { token } = peer.sent.at(-1) as StreamMessage;
    peer.say(SignalingCode.Csm, new OptionSet().add(SignalingOption.MaxMessageSize, 1152));
    const options = new OptionSet().set(Block1, encodeBlock({ num: 0, more: true, szx: 7 }));
    peer.say(Code.Continue, options, noBytes, token);
    assert.equal(shown(peer.sent.at(-1) as StreamMessage), '0.03 1:15/1/1024');
  });

  test('a CSM that allows more, while a body is read, makes the next block larger', () => {
    const peer = new Played('server', { maxMessageSize: 1152 });
    const body = bytesOf(40_000);
    const source = { randomAccess: false, length: body.length };
    peer.serve(source);
    const provide = (): StreamMessage => {
      const wanted = peer.outputs.findLast((output) => output.kind === 'body-wanted');
      assert.ok(wanted);
      const { offset, length } = wanted;
      peer.endpoint.provideBody(
        source,
        body.subarray(offset, offset + length),
        offset + length === body.length,
        now,
      );
      peer.drain();
      return peer.sent.at(-1) as StreamMessage;
    };
    peer.ask(Code.Get, []);
    peer.say(SignalingCode.Csm, new OptionSet().add(SignalingOption.MaxMessageSize, 9000));
    const first = provide();
    assert.equal(shown(first), '2.05 2:0/1/1024');
    peer.ask(Code.Get, [[Block2, 1, false, 7]]);
    const second = provide();
    assert.equal(shown(second), '2.05 2:1/1/BERT(8192)');
    assert.deepEqual(concatBytes(first.payload, second.payload), body.subarray(0, 9216));
  });

  test('and in the midst of a download', () => {
    const peer = new Played('server').serve(bytesOf(40_000));
    assert.equal(shown(peer.ask(Code.Get, [])), '2.05 2:0/1/BERT(15360)');
    peer.say(SignalingCode.Csm, new OptionSet().add(SignalingOption.MaxMessageSize, 1152));
    assert.equal(shown(peer.ask(Code.Get, [[Block2, 15, false, 7]])), '2.05 2:15/1/1024');
  });
});

/** A store that is read and written by one client. */
function storePair(client: number, server: number): StreamPair {
  let stored: Uint8Array = noBytes;
  return new StreamPair({
    chunk: 20_000,
    client: { connection: { maxMessageSize: client } },
    server: { connection: { maxMessageSize: server } },
    handler: ({ code, payload }) => {
      if (code === Code.Get) return { code: Code.Content, payload: stored, observe: true };
      stored = payload;
      return { code: Code.Changed };
    },
  });
}

suite('RFC 8323 §6: two endpoints', () => {
  test('100,000 bytes take seven messages each way, by default', () => {
    const pair = storePair(15_872, 15_872);
    const body = bytesOf(100_000);
    pair.answer(pair.ping());
    pair.wire.length = 0;
    assert.equal(pair.answer(pair.request('/x', { code: Code.Put, payload: body })).code, Code.Changed);
    assert.deepEqual(pair.answer(pair.request('/x')).payload, body);
    assert.equal(pair.wire.filter(({ from }) => from === 'client').length, 14);
  });

  test('the rest of a notification comes in BERT blocks', () => {
    const pair = storePair(15_872, 15_872);
    const body = bytesOf(50_000);
    const observed: StreamPairRequest = pair.request('/x', { observe: true });
    assert.ok(pair.runUntil(() => observed.responses.length === 1));
    pair.answer(pair.request('/x', { code: Code.Put, payload: body }));
    pair.wire.length = 0;
    pair.notify('/x');
    assert.ok(pair.runUntil(() => observed.responses.length === 2));
    assert.deepEqual(observed.responses[1]?.payload, body);
    assert.deepEqual(
      pair.wire.map(({ message }) => shown(message)),
      [
        '2.05 2:0/1/BERT(15360)',
        '0.01 2:15/0/BERT',
        '2.05 2:15/1/BERT(15360)',
        '0.01 2:30/0/BERT',
        '2.05 2:30/1/BERT(15360)',
        '0.01 2:45/0/BERT',
        '2.05 2:45/0/BERT(3920)',
      ],
    );
  });

  test('any body crosses between any two sizes of messages, and no message is larger than was announced', () => {
    const size = fc.oneof(fc.integer({ min: 200, max: 3000 }), fc.integer({ min: 1153, max: 40_000 }));
    const length = fc.oneof(
      fc.integer({ min: 0, max: 70_000 }),
      fc
        .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -1, max: 1 }))
        .map(([k, d]) => Math.max(0, 1024 * k + d)),
    );
    fc.assert(
      fc.property(size, size, length, (client, server, bodyLength) => {
        const pair = storePair(client, server);
        const body = bytesOf(bodyLength);
        assert.equal(pair.answer(pair.request('/x', { code: Code.Put, payload: body })).code, Code.Changed);
        assert.deepEqual(pair.answer(pair.request('/x')).payload, body);
        const mayBeBert = client > 1152 && server > 1152;
        for (const { from, message } of pair.wire) {
          assert.ok(message.bytes.length <= (from === 'client' ? server : client));
          for (const number of [Block1, Block2]) {
            const value = message.options.first(number);
            const block = value && decodeBlock(value, true);
            if (block?.szx !== 7) continue;
            assert.ok(mayBeBert, 'BERT was not announced');
            const describes = number === Block1 ? from === 'client' : from === 'server';
            if (describes && block.more)
              assert.ok(message.payload.length > 0 && message.payload.length % 1024 === 0);
          }
        }
      }),
      { numRuns: process.env['COAPSULE_LONG'] === '1' ? 3000 : 60, seed: 8323 },
    );
  });
});
