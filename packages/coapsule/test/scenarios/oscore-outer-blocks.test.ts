/**
 * OSCORE through a proxy that cuts every message into Outer blocks of 64 bytes (RFC 8613 §4.1.3.4.2, §8.2.1, §8.4.1).
 *
 * The proxy is simulated: it takes what the client sends, brings it to the server in Block1, fetches the answer in Block2, and
 * gives that to the client in blocks again. Of what it carries it knows nothing.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BlockOption, decodeBlock, encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { ContextTable } from '../../src/core/oscore/context-lookup.ts';
import { FixedContext } from '../../src/core/oscore/peer-security.ts';
import {
  clientAddress,
  Pair,
  type PairOptions,
  type PairRequest,
  serverAddress,
} from '../../src/testing/pair.ts';
import { ends } from '../unit/oscore/contexts.ts';

const proxyAddress = ipAddress('198.51.100.9', 5683);
const size = 64;
const szx = 2;

const body = new TextEncoder().encode('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(316));

interface Answer {
  readonly code: Code;
  readonly options: OptionSet;
  readonly payload: Uint8Array;
}

/** See the module comment. */
class CuttingProxy {
  readonly pair: Pair;
  readonly #client: FixedContext;
  /** What the client has not fetched to its end, by the OSCORE option of its request. */
  readonly #kept = new Map<string, Answer>();
  #seen = 0;
  #messageId = 1;
  /** Blocks that went to the server, and to the client. */
  readonly blocks = { server: 0, client: 0 };
  /** What the proxy does to the ciphertext of a response. */
  spoil: (payload: Uint8Array) => Uint8Array = (payload) => payload;

  constructor(options: PairOptions) {
    const { client, server } = ends({}, { dangerouslyVolatile: true });
    this.#client = new FixedContext(client);
    this.pair = new Pair({
      oscore: () => {
        const table = new ContextTable();
        table.add(new FixedContext(server));
        return table;
      },
      ...options,
    });
    this.pair.network.hook = ({ from, to }) =>
      from.key === clientAddress.key || to.key === proxyAddress.key ? { kind: 'drop' } : undefined;
  }

  request(path: string, request: Parameters<Pair['request']>[1] = {}): PairRequest {
    return this.pair.request(path, { oscore: this.#client, ...request });
  }

  done(path: string, request: Parameters<Pair['request']>[1] = {}): PairRequest {
    const asked = this.request(path, request);
    this.until(() => asked.final || asked.error !== undefined);
    return asked;
  }

  until(condition: () => boolean): void {
    for (let turns = 0; !condition(); turns++) {
      assert.ok(turns < 10_000, 'no end');
      const { sent } = this.pair.network;
      const next = sent[this.#seen++];
      if (next === undefined) {
        this.#seen = sent.length;
        this.pair.run(100);
      } else if (next.from.key === clientAddress.key) this.#fromClient(decoded(next.datagram));
      else if (isNotification(next.datagram) && next.to.key === proxyAddress.key)
        this.#toClient(decoded(next.datagram), answerOf(decoded(next.datagram)), 'NON');
    }
  }

  #fromClient(request: MessageView): void {
    if (request.code === Code.Empty) return;
    const wish = blockOf(request, OptionNumber.Block2);
    const key = String(request.options.first(OptionNumber.Oscore));
    if (wish !== undefined && wish.num > 0) {
      const kept = this.#kept.get(key);
      assert.ok(kept, 'a block of what nobody keeps');
      this.#toClient(request, kept, 'ACK', wish.num);
      return;
    }
    const answer = this.#bring(request);
    if (answer.code === Code.Empty) return;
    const spoilt = { ...answer, payload: this.spoil(answer.payload) };
    this.#kept.set(key, spoilt);
    this.#toClient(request, spoilt, 'ACK');
  }

  /** To the server, and its answer back. */
  #bring(request: MessageView): Answer {
    const { payload } = request;
    let answer: MessageView | undefined;
    for (let num = 0; num === 0 || num * size < payload.length; num++) {
      const more = (num + 1) * size < payload.length;
      const options = OptionSet.from(request.options.entries());
      if (payload.length > size) options.set(OptionNumber.Block1, encodeBlock({ num, more, szx }));
      if (!more) options.set(OptionNumber.Block2, encodeBlock({ num: 0, more: false, szx }));
      answer = this.#ask(request, options, payload.subarray(num * size, (num + 1) * size));
      if (answer.code !== Code.Continue) break;
    }
    const first = answer as MessageView;
    const parts = [first.payload];
    for (let last = first; blockOf(last, OptionNumber.Block2)?.more; ) {
      const options = OptionSet.from(request.options.entries()).delete(OptionNumber.Observe);
      options.set(OptionNumber.Block2, encodeBlock({ num: parts.length, more: false, szx }));
      last = this.#ask(request, options, noBytes);
      assert.equal(last.code, first.code);
      parts.push(last.payload);
    }
    return { ...answerOf(first), payload: concatBytes(...parts) };
  }

  #ask({ code, token }: MessageView, options: OptionSet, payload: Uint8Array): MessageView {
    const messageId = this.#messageId++;
    const datagram = encodeMessage({ type: 'CON', code, token, messageId, options, payload });
    this.blocks.server++;
    const from = this.pair.network.sent.length;
    this.pair.command('server', (server, now) => server.handle({ address: proxyAddress, datagram }, now));
    const answer = this.pair.network.sent
      .slice(from)
      .filter(({ to }) => to.key === proxyAddress.key)
      .map(({ datagram: bytes }) => decoded(bytes))
      .find((message) => message.messageId === messageId);
    assert.ok(answer, 'the server answers at once');
    return answer;
  }

  #toClient(request: MessageView, whole: Answer, type: 'ACK' | 'NON', num = 0): void {
    const { code, options: all, payload } = whole;
    const options = OptionSet.from(all.entries());
    const more = (num + 1) * size < payload.length;
    if (payload.length > size) options.set(OptionNumber.Block2, encodeBlock({ num, more, szx }));
    this.blocks.client++;
    const messageId = type === 'ACK' ? request.messageId : 0x8000 + this.#messageId++;
    const part = payload.subarray(num * size, (num + 1) * size);
    const datagram = encodeMessage({ type, code, token: request.token, messageId, options, payload: part });
    if (type === 'NON') this.#kept.set([...this.#kept.keys()].at(-1) as string, whole);
    this.pair.command('client', (client, now) => client.handle({ address: serverAddress, datagram }, now));
  }
}

function decoded(datagram: Uint8Array): MessageView {
  const message = decodeMessage(datagram.slice());
  assert.ok(!isDecodeFault(message));
  return message;
}

function isNotification(datagram: Uint8Array): boolean {
  const { type, code } = decoded(datagram);
  return (type === 'NON' || type === 'CON') && code !== Code.Empty;
}

function blockOf({ options }: MessageView, number: number): BlockOption | undefined {
  const value = options.first(number);
  return value === undefined ? undefined : decodeBlock(value);
}

function answerOf({ code, options: all, payload }: MessageView): Answer {
  const options = OptionSet.from(all.entries());
  for (const number of [OptionNumber.Block1, OptionNumber.Block2, OptionNumber.Size2]) options.delete(number);
  return { code, options, payload };
}

const handler: NonNullable<PairOptions['handler']> = ({ code, payload }) =>
  code === Code.Put || code === Code.Post
    ? { code: Code.Changed, payload: `${payload.length}` }
    : { code: Code.Content, payload: body };

const text = ({ responses }: PairRequest): string => new TextDecoder().decode(responses.at(-1)?.payload);

test('8 KB in both directions through a proxy that cuts the ciphertext in 64-byte blocks', () => {
  const stage = new CuttingProxy({ handler });
  const put = stage.done('/big', { code: Code.Put, payload: body });
  assert.equal(put.error, undefined, JSON.stringify(put.error));
  assert.equal(text(put), String(body.length));
  const got = stage.done('/big');
  assert.equal(got.error, undefined, JSON.stringify(got.error));
  assert.deepEqual(got.responses[0]?.payload, body);
  assert.ok(stage.blocks.server > 250 && stage.blocks.client > 125, JSON.stringify(stage.blocks));
  const { refused, discarded } = stage.pair.server.oscoreCounters;
  assert.deepEqual(
    [...Object.values(refused), ...Object.values(discarded)].filter((count) => count > 0),
    [],
  );
  stage.pair.run(600_000);
  assert.equal(stage.pair.client.protectedExchanges + stage.pair.server.protectedExchanges, 0);
});

test('what a proxy changes in one block of a response does not verify, and no request goes on with it', () => {
  const stage = new CuttingProxy({ handler });
  stage.spoil = (payload) => {
    const changed = payload.slice();
    changed[changed.length - 30] = (changed[changed.length - 30] as number) ^ 1;
    return changed;
  };
  const asked = stage.request('/big', { timeoutMs: 20_000 });
  stage.until(() => asked.error !== undefined);
  assert.equal(asked.responses.length, 0);
  assert.equal(stage.pair.client.oscoreCounters.discarded['decryption-failed'], 1);
});

test('a response in Outer blocks without end is given up at MAX_UNFRAGMENTED_SIZE', () => {
  const stage = new CuttingProxy({ handler });
  stage.spoil = (payload) => concatBytes(payload, new Uint8Array(70_000));
  const asked = stage.done('/big');
  assert.ok(asked.error?.kind === 'exchange');
  assert.equal(asked.error.failure, 'unprotected-response');
  assert.match(
    asked.error.detail as string,
    /Outer blocks: body-too-large the body is larger than 65536 bytes/,
  );
  stage.pair.run(600_000);
  assert.equal(stage.pair.client.protectedExchanges, 0);
});

test('a request in Outer blocks above MAX_UNFRAGMENTED_SIZE is answered 4.13', () => {
  const stage = new CuttingProxy({ handler });
  const options = new OptionSet().add(OptionNumber.Oscore, Uint8Array.of(9, 1, 1));
  options.set(OptionNumber.Block1, encodeBlock({ num: 0, more: true, szx })).set(OptionNumber.Size1, 65_537);
  const token = Uint8Array.of(1);
  const message = { code: Code.Post, token, messageId: 1, options, payload: new Uint8Array(size) };
  const datagram = encodeMessage({ type: 'CON', ...message });
  stage.pair.command('server', (server, now) => server.handle({ address: proxyAddress, datagram }, now));
  const answer = decoded(stage.pair.network.sent.at(-1)?.datagram as Uint8Array);
  assert.equal(answer.code, Code.RequestEntityTooLarge);
  assert.equal(stage.pair.served.length, 0);
});

test('observations go through it', () => {
  let value = 0;
  const stage = new CuttingProxy({
    handler: ({ observe, refresh }) => ({
      code: Code.Content,
      payload: `${value}`.repeat(150),
      observe: observe === 'register' || refresh,
    }),
  });
  const asked = stage.request('/count', { observe: true });
  stage.until(() => asked.responses.length === 1 || asked.error !== undefined);
  assert.equal(asked.error, undefined, JSON.stringify(asked.error));
  for (let wanted = 2; wanted <= 5; wanted++) {
    value++;
    stage.pair.notify('/count');
    stage.until(() => asked.responses.length === wanted || asked.error !== undefined);
    assert.equal(asked.error, undefined, JSON.stringify(asked.error));
  }
  assert.deepEqual(
    asked.responses.map(({ payload }) => new TextDecoder().decode(payload.subarray(0, 1))),
    ['0', '1', '2', '3', '4'],
  );
});

test('a request in Outer blocks that wants no response gets none, and nothing is kept of it', () => {
  const stage = new CuttingProxy({ handler });
  const options = new OptionSet().add(OptionNumber.NoResponse, 26);
  const asked = stage.request('/big', { code: Code.Put, payload: new Uint8Array(300), options });
  stage.until(() => stage.pair.served.length === 1);
  stage.pair.run(1_000);
  assert.equal(asked.responses.length, 0);
  assert.equal(stage.pair.server.protectedExchanges, 0);
  const { sent } = stage.pair.network;
  const answers = sent
    .filter(({ to }) => to.key === proxyAddress.key)
    .map(({ datagram }) => decoded(datagram));
  assert.deepEqual([...new Set(answers.map(({ code }) => code))], [Code.Continue, Code.Empty]);
});
