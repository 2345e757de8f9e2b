/**
 * A client of Q-Blocks whose server is a script: what the client sends, in words, message by message, with the rules of RFC
 * 9177 that hold for every message checked on each.
 */

import assert from 'node:assert/strict';
import { type BlockOption, decodeBlock, encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import type { MessageType } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import type { OptionReader } from '../../src/core/coap/option-set.ts';
import { toHex } from '../../src/core/foundation/bytes.ts';
import { after, type Instant, instant } from '../../src/core/foundation/instant.ts';
import { encodeMissingBlocks } from '../../src/core/request-response/missing-blocks.ts';
import type {
  ClientRequest,
  ExchangeId,
  RequestResponseConfig,
  RequestResponseLayer,
} from '../../src/core/request-response/request-response-layer.ts';
import {
  clientRequest,
  drain,
  message,
  newLayer,
  type OptionList,
  type OutputOf,
  pattern,
} from '../unit/request-response/harness.ts';

const peer = 'server';
const size = 16;

const {
  Block1,
  Block2,
  ContentFormat,
  ETag,
  MaxAge,
  Observe,
  QBlock1,
  QBlock2,
  RequestTag,
  Size1,
  Size2,
  UriPath,
} = OptionNumber;

/** Codes of requests, as the RFC's figures write them. */
const methods = new Map<number, string>([
  [Code.Get, 'GET'],
  [Code.Post, 'POST'],
  [Code.Put, 'PUT'],
  [Code.Fetch, 'FETCH'],
]);

/** What the server of a script sends. */
export interface Reply {
  readonly type?: MessageType;
  readonly options?: OptionList;
  readonly payload?: Uint8Array | string;
}

/** `num/more`, such as `3/1`. */
const blockText = ({ num, more }: BlockOption): string => `${num}/${more ? 1 : 0}`;

function blocksOf(options: OptionReader, number: number): BlockOption[] {
  return [...options.all(number)].map((value) => decodeBlock(value) as BlockOption);
}

/** See the module comment. */
export class ScriptedServer {
  readonly layer: RequestResponseLayer;
  now: Instant = instant(0);
  /** What ended Exchanges, or told of notifications. */
  readonly results: (OutputOf<'response'> | OutputOf<'failed'>)[] = [];
  readonly sent: OutputOf<'send-request'>[] = [];
  readonly #labels = new Map<string, string>();
  readonly #tokens = new Map<string, Uint8Array>();
  /** Type of the messages of each body, by Request-Tag. */
  readonly #types = new Map<string, string>();

  /** @param spoken The client knows already that the server speaks Q-Block. */
  constructor({
    spoken = true,
    config = {},
  }: { spoken?: boolean; config?: Partial<RequestResponseConfig> } = {}) {
    this.layer = newLayer({ requestQBlocks: true, blockSize: size, ...config });
    if (!spoken) return;
    this.request(Code.Get);
    this.take();
    this.reply('t1', Code.Content, { type: 'ACK' });
    this.results.length = 0;
    this.sent.length = 0;
    this.#labels.clear();
  }

  /** Begins a request for `/path`, Non-confirmable unless it says otherwise, and returns its Exchange. */
  request(
    code: Code,
    fields: Omit<Partial<ClientRequest>, 'options' | 'payload'> & {
      readonly options?: OptionList;
      readonly payload?: Uint8Array | string;
    } = {},
  ): ExchangeId {
    const { options = [], ...rest } = fields;
    const request = clientRequest(code, { type: 'NON', ...rest, options: [...options, [UriPath, 'path']] });
    return this.layer.request(peer, request, this.now);
  }

  /** What the client sent since the last call: type, method, token, block options. Tokens are `t1`, `t2`, … as they come. */
  take(): string[] {
    const lines: string[] = [];
    for (const output of drain(this.layer)) {
      if (output.kind === 'response' || output.kind === 'failed') this.results.push(output);
      if (output.kind !== 'send-request') continue;
      this.sent.push(output);
      this.#check(output);
      const { type, message: sent } = output;
      const parts = [type, methods.get(sent.code), this.#label(sent.token)];
      const observe = sent.options.uint(Observe);
      if (observe !== undefined) parts.push(`O:${observe}`);
      for (const [number, name] of [
        [QBlock1, 'QB1'],
        [QBlock2, 'QB2'],
        [Block1, 'B1'],
        [Block2, 'B2'],
      ] as const) {
        const blocks = blocksOf(sent.options, number);
        if (blocks.length > 0) parts.push(`${name}:${blocks.map(blockText).join()}`);
      }
      lines.push(parts.join(' '));
    }
    return lines;
  }

  /** The server answers with the token `label`; returns what the client sends then. */
  reply(label: string, code: Code, { type = 'NON', options = [], payload }: Reply = {}): string[] {
    const fields = { type, token: this.token(label), options, ...(payload === undefined ? {} : { payload }) };
    this.layer.receiveResponse(peer, message(code, fields), this.now);
    return this.take();
  }

  /** 4.08 with a list of missing blocks. */
  missing(label: string, numbers: readonly number[]): string[] {
    const options: OptionList = [[ContentFormat, 272]];
    return this.reply(label, Code.RequestEntityIncomplete, {
      options,
      payload: encodeMissingBlocks(numbers),
    });
  }

  /** 2.31 for a set that ends with block `num`. */
  continue(label: string, num?: number): string[] {
    const options: OptionList =
      num === undefined ? [] : [[QBlock1, encodeBlock({ num, more: true, szx: 0 })]];
    return this.reply(label, Code.Continue, { options });
  }

  /** Blocks of a response, one message each, in the order of `numbers`; returns what the client sends then. */
  blocks(
    label: string,
    body: Uint8Array,
    numbers: readonly number[],
    {
      etag = 'e1',
      observe,
      type = 'NON',
      code = Code.Content,
      maxAge,
    }: { etag?: string; observe?: number; type?: MessageType; code?: Code; maxAge?: number } = {},
  ): string[] {
    return numbers.flatMap((num) => {
      const more = (num + 1) * size < body.length;
      const options: OptionList = [
        [ETag, etag],
        ...(observe === undefined ? [] : [[Observe, observe] as const]),
        ...(maxAge === undefined ? [] : [[MaxAge, maxAge] as const]),
        [Size2, body.length],
        [QBlock2, encodeBlock({ num, more, szx: 0 })],
      ];
      return this.reply(label, code, { type, options, payload: body.subarray(num * size, (num + 1) * size) });
    });
  }

  /** Time passes; returns what the client sends meanwhile, each line with the time in milliseconds. */
  wait(ms: number): string[] {
    const end = after(this.now, ms);
    const lines: string[] = [];
    for (
      let next = this.layer.nextTimeout();
      next !== undefined && next <= end;
      next = this.layer.nextTimeout()
    ) {
      this.now = next > this.now ? next : this.now;
      this.layer.handleTimeout(this.now);
      lines.push(...this.take().map((line) => `${Math.round(this.now)} ${line}`));
    }
    this.now = end;
    return lines;
  }

  /** As `wait`, without the times. */
  later(ms: number): string[] {
    return this.wait(ms).map((line) => line.replace(/^\d+ /, ''));
  }

  token(label: string): Uint8Array {
    const token = this.#tokens.get(label);
    assert.ok(token, `no message had the token ${label}`);
    return token;
  }

  /** The body of the one response that came. */
  get body(): Uint8Array | undefined {
    assert.equal(this.results.length, 1);
    const [result] = this.results;
    return result?.kind === 'response' ? result.response.payload : undefined;
  }

  #label(token: Uint8Array): string {
    const key = toHex(token);
    const known = this.#labels.get(key);
    if (known !== undefined) return known;
    const label = `t${this.#labels.size + 1}`;
    this.#labels.set(key, label);
    this.#tokens.set(label, token);
    return label;
  }

  /** The rules for each message. */
  #check({ type, message: { options, code } }: OutputOf<'send-request'>): void {
    const isQ = options.has(QBlock1) || options.has(QBlock2);
    assert.ok(
      !(isQ && (options.has(Block1) || options.has(Block2))),
      '§4.1: no mix of Q-Block and Block options',
    );
    const blocks2 = blocksOf(options, QBlock2);
    const numbers = blocks2.map(({ num }) => num);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
      '§4.4: ascending, without duplicates',
    );
    assert.ok(blocksOf(options, QBlock1).length <= 1, '§4.1: only Q-Block2 is repeatable');
    if (options.has(QBlock1)) {
      const tag = toHex(options.first(RequestTag) ?? new Uint8Array());
      assert.ok(tag.length > 0 && options.uint(Size1) !== undefined, '§4.3, §4.6: Request-Tag and Size1');
      assert.equal([...options.all(RequestTag)].length, 1);
      const known = this.#types.get(tag) ?? type;
      assert.equal(type, known, '§7: all blocks of a body in one type of message');
      this.#types.set(tag, type);
    }
    const isForMore = numbers.length > 1 || (numbers[0] ?? 0) > 0;
    if (isForMore) {
      assert.equal(options.has(Observe), false, '§4.5: no Observe in a request for missing blocks');
      assert.equal(options.has(ETag), false, '§4.4: no ETag in a request for missing blocks');
      assert.ok(code !== Code.Empty);
    }
  }
}

/** So many whole blocks of bytes. */
export const blocksOfBody = (count: number, seed = 7): Uint8Array => pattern(count * size, seed);

/** `count` numbers from `first` on. */
export const range = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);
