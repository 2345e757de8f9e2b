/**
 * What messages under OSCORE hold, where their Security Context is known (RFC 8613).
 *
 * Outer blocks, in which a proxy may have cut a message (§4.1.3.4.2), are put together first, within bounds.
 *
 * @module
 */

import { blockSize, decodeBlock, isRequestCode, type Message, OptionNumber } from 'coapsule/message';
import { nodeCrypto, systemRandom } from 'coapsule/node';
import { type ObservableContext, type ObservedMessage, OscoreObserver } from 'coapsule/oscore';
import { BoundedMap } from '../memory/bounded-map.ts';
import { hexText } from '../text/hex.ts';
import { contentSummary, oscorePlaintextFields } from './coap-fields.ts';
import { type DecodedField, problemsOf } from './decoded-field.ts';

/** Between whom a message went. Names are the same for both ways. */
export interface MessageEnds {
  /** The endpoints' exchange, whichever way. */
  readonly conversation: string;
  readonly sender: string;
  readonly receiver: string;
  /** Whose numbers count: the address that it went to. */
  readonly destination: string;
}

/** What was seen of a message under OSCORE. */
export interface DecodedOscore {
  readonly observed: ObservedMessage;
  /** The message inside, with type, Message ID and token of the one outside. */
  readonly inner?: Message;
  readonly fields?: readonly DecodedField[];
  readonly problems: readonly string[];
  readonly summary: string;
}

/** Bodies that wait for their last block, and the longest of them. */
const mostBodies = 256;
const longestBody = 256 * 1024;

/** Block options from here on have a number above 0 (RFC 7959 §2.2). */
const firstLaterBlock = 16;

interface OuterBody {
  readonly blocks: Map<number, Uint8Array>;
  bytes: number;
  /** Where it ends, once its last block was seen. */
  end: number | undefined;
  /** Of its first block. */
  token: Uint8Array;
}

/** Opens the messages of any number of conversations, in their order. */
export class OscoreMessages {
  readonly #observer: OscoreObserver;
  readonly #bodies = new BoundedMap<string, OuterBody>(mostBodies);

  /** @throws ApiMisuseError for a context that cannot be. */
  constructor(contexts: readonly ObservableContext[]) {
    this.#observer = new OscoreObserver({ crypto: nodeCrypto, random: systemRandom }, contexts);
  }

  /** Names of contexts that have opened nothing. */
  get unused(): readonly string[] {
    return this.#observer.unused;
  }

  /** @returns nothing for a message without OSCORE, and for a block that is not the last of its body. */
  read(message: Message, ends: MessageEnds): DecodedOscore | undefined {
    const value = message.options.first(OptionNumber.Oscore);
    if (value === undefined) return undefined;
    const { conversation, sender, receiver, destination } = ends;
    const isRequest = isRequestCode(message.code);
    // It asks for the next block of a response, and says nothing new (RFC 8613 §8.4.1).
    if (isRequest && (message.options.uint(OptionNumber.Block2) ?? 0) >= firstLaterBlock) return undefined;
    const number = isRequest ? OptionNumber.Block1 : OptionNumber.Block2;
    const block = message.options.first(number);
    let { payload, token } = message;
    if (block !== undefined) {
      const whole = this.#put(`${conversation} ${sender} ${hexText(value)}`, message, block);
      if (whole === undefined) return undefined;
      payload = whole.payload;
      // The last block of a request is answered; a response belongs to the request of its first block.
      if (!isRequest) token = whole.token;
    }
    const content = { code: message.code, options: message.options, payload };
    const client = isRequest ? sender : receiver;
    const exchange = `${conversation} ${client} ${hexText(token)}`;
    const observed = isRequest
      ? this.#observer.observeRequest(exchange, destination, content)
      : this.#observer.observeResponse(exchange, content);
    if (observed.kind === 'closed') {
      const problems = [`OSCORE: ${observed.detail}`];
      return { observed, problems, summary: `(OSCORE, ${closedText[observed.cause]})` };
    }
    const fields = oscorePlaintextFields(observed.plaintext);
    const inner: Message = {
      ...observed.message,
      ...{ type: message.type, messageId: message.messageId, token: message.token },
    };
    const summary = contentSummary(['OSCORE:'], { ...inner, token: new Uint8Array() });
    return { observed, inner, fields, problems: problemsOf(fields), summary };
  }

  #put(
    key: string,
    { payload, token }: Message,
    value: Uint8Array,
  ): { readonly payload: Uint8Array; readonly token: Uint8Array } | undefined {
    const block = decodeBlock(value);
    if (block === undefined) return undefined;
    const known = block.num === 0 ? undefined : this.#bodies.get(key);
    const body = known ?? { blocks: new Map<number, Uint8Array>(), bytes: 0, end: undefined, token };
    const start = block.num * blockSize(block.szx);
    if (block.num === 0) body.token = token;
    if (!body.blocks.has(start)) {
      body.blocks.set(start, payload);
      body.bytes += payload.length;
    }
    if (!block.more) body.end = start + payload.length;
    this.#bodies.set(key, body);
    if (body.bytes > longestBody) this.#bodies.delete(key);
    if (body.end === undefined || body.bytes !== body.end) return undefined;
    const whole = new Uint8Array(body.end);
    for (const [at, bytes] of body.blocks) {
      if (at + bytes.length > whole.length) return undefined;
      whole.set(bytes, at);
    }
    this.#bodies.delete(key);
    return { payload: whole, token: body.token };
  }
}

const closedText: Readonly<Record<Extract<ObservedMessage, { kind: 'closed' }>['cause'], string>> = {
  malformed: 'malformed',
  'no-context': 'no context fits',
  'not-authentic': 'its context does not open it',
  'no-request': 'its request was not seen',
};
