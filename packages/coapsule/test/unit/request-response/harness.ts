/**
 * What the tests of the request/response layer share: messages in few words, and a pump that carries the
 * outputs of two layers to each other over a network that loses, duplicates and reorders.
 */

import { Code, isRequestCode } from '../../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../../src/core/coap/message-codec.ts';
import type { Message, MessageType, MessageView } from '../../../src/core/coap/message-view.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { after, earliest, type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { TimerQueue } from '../../../src/core/foundation/timer-queue.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import {
  type BodySource,
  type ClientRequest,
  type ExchangeId,
  type RequestResponseConfig,
  RequestResponseLayer,
  type RequestResponseOutput,
  type ServerResponse,
} from '../../../src/core/request-response/request-response-layer.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

export type OptionList = readonly (readonly [number, Uint8Array | string | number])[];

function optionsOf(list: OptionList = []): OptionSet {
  return OptionSet.from(list.map(([number, value]) => ({ number, value })));
}

function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === 'string' ? encodeUtf8(payload) : payload;
}

export interface MessageFields {
  readonly type?: MessageType;
  readonly token?: Uint8Array;
  readonly options?: OptionList;
  readonly payload?: Uint8Array | string;
}

/** A message as it comes from the wire: encoded and decoded once. */
export function message(code: Code, fields: MessageFields = {}, maxTokenLength = 8): MessageView {
  const { type = 'CON', token = noBytes, options, payload = noBytes } = fields;
  const whole: Message = {
    type,
    code,
    messageId: 1,
    token,
    options: optionsOf(options),
    payload: bytesOf(payload),
  };
  return decodeMessage(encodeMessage(whole, maxTokenLength), maxTokenLength) as MessageView;
}

export function clientRequest(
  code: Code,
  fields: Omit<MessageFields, 'type'> & Partial<Omit<ClientRequest, 'options' | 'payload'>> = {},
): ClientRequest {
  const { options, payload = noBytes, ...rest } = fields;
  return {
    type: 'CON',
    secure: false,
    ...rest,
    code,
    options: optionsOf(options),
    payload: bytesOf(payload),
  };
}

export function answer(
  code: Code,
  fields: MessageFields & { observe?: boolean; keepAnswer?: boolean; body?: BodySource } = {},
): ServerResponse {
  const { options, payload = noBytes, observe, keepAnswer = true, body } = fields;
  const whole = { code, options: optionsOf(options), payload: bytesOf(payload), keepAnswer };
  const content = body === undefined ? whole : { ...whole, body };
  return observe === undefined ? content : { ...content, observe };
}

export function newLayer(config: Partial<RequestResponseConfig> = {}, seed = 1): RequestResponseLayer {
  return new RequestResponseLayer({ random: new SeededRandom(seed), config });
}

export function drain(layer: RequestResponseLayer): RequestResponseOutput[] {
  const outputs: RequestResponseOutput[] = [];
  for (let output = layer.poll(); output !== undefined; output = layer.poll()) outputs.push(output);
  return outputs;
}

export type OutputOf<Kind extends RequestResponseOutput['kind']> = Extract<
  RequestResponseOutput,
  { kind: Kind }
>;

/** The outputs of one kind; the others are dropped. */
export function drained<Kind extends RequestResponseOutput['kind']>(
  layer: RequestResponseLayer,
  kind: Kind,
): OutputOf<Kind>[] {
  return drain(layer).filter((output): output is OutputOf<Kind> => output.kind === kind);
}

/** The one output of a kind; fails when there is none or more. */
export function only<Kind extends RequestResponseOutput['kind']>(
  layer: RequestResponseLayer,
  kind: Kind,
): OutputOf<Kind> {
  const found = drained(layer, kind);
  if (found.length !== 1) throw new Error(`${found.length} outputs of kind ${kind}, expected one`);
  return found[0] as OutputOf<Kind>;
}

/** Bytes that differ from place to place. */
export function pattern(length: number, seed = 7): Uint8Array {
  return new SeededRandom(seed).fill(new Uint8Array(length));
}

export interface LinkConditions {
  readonly lossRate?: number;
  readonly duplicateRate?: number;
  readonly delayMs?: number;
  /** Up to this much more delay for each datagram: it changes their order. */
  readonly jitterMs?: number;
}

/** Answers a request; a number of milliseconds delays the answer. */
export type Application = (
  request: OutputOf<'request'>['request'],
) => ServerResponse | { readonly afterMs: number; readonly response: ServerResponse };

interface Pending {
  readonly exchange: ExchangeId;
  readonly role: 'client' | 'server';
  readonly datagram: Uint8Array;
  attempts: number;
  timeoutMs: number;
  /** The layer has told that it is past. */
  outdated: boolean;
  /** It would have gone once more, and waits for the message that goes in its place. */
  due: boolean;
}

interface Reply {
  readonly messageId: number;
  readonly type: MessageType;
  acknowledged: boolean;
}

/** One end: a layer with just as much of a message layer as RFC 7252 §4 needs. */
export class End {
  readonly layer: RequestResponseLayer;
  readonly name: string;
  readonly pending = new Map<number, Pending>();
  /** Own Message IDs of NON messages, for Resets. */
  readonly sentNon = new Map<number, Pending>();
  /** Message IDs of the other end, with the answer once there is one. */
  readonly seen = new Map<number, Uint8Array | undefined>();
  nextMessageId: number;

  constructor(name: string, layer: RequestResponseLayer, firstMessageId: number) {
    this.name = name;
    this.layer = layer;
    this.nextMessageId = firstMessageId;
  }
}

/** Outputs of which the pump knows nothing itself. */
export type BodyOutput = OutputOf<
  | 'request-body'
  | 'response-body'
  | 'response-body-aborted'
  | 'body-wanted'
  | 'body-released'
  | 'exchange-ended'
  | 'sent'
  | 'suppress-response'
  | 'window-ended'
  | 'observation-quiet'
>;

/** A client and a server, and the network between them, on virtual time. */
export class MessagePump {
  now: Instant = instant(0);
  readonly client: End;
  readonly server: End;
  /** What the client's layer gave to its application, by Exchange. */
  readonly results: (OutputOf<'response'> | OutputOf<'failed'>)[] = [];
  readonly requests: OutputOf<'request'>[] = [];
  datagrams = 0;
  onResult: (result: OutputOf<'response'> | OutputOf<'failed'>) => void = () => undefined;
  /** Gets the outputs about bodies that are handed over or taken as they go, and ends of Exchanges. */
  onBody: (end: End, output: BodyOutput) => void = () => undefined;
  readonly #events = new TimerQueue<() => void>();
  readonly #random: SeededRandom;
  readonly #link: Required<LinkConditions>;
  #application: Application = () => answer(Code.NotFound);

  constructor(
    options: {
      readonly link?: LinkConditions;
      readonly client?: Partial<RequestResponseConfig>;
      readonly server?: Partial<RequestResponseConfig>;
      readonly seed?: number;
    } = {},
  ) {
    const { seed = 1 } = options;
    this.#random = new SeededRandom(seed);
    this.#link = { lossRate: 0, duplicateRate: 0, delayMs: 10, jitterMs: 0, ...options.link };
    this.client = new End('client', newLayer(options.client, seed + 1), 1000);
    this.server = new End('server', newLayer(options.server, seed + 2), 40_000);
  }

  serve(application: Application): void {
    this.#application = application;
  }

  request(request: ClientRequest): ExchangeId {
    return this.client.layer.request('server', request, this.now);
  }

  /** The results of one Exchange. */
  of(exchange: ExchangeId): (OutputOf<'response'> | OutputOf<'failed'>)[] {
    return this.results.filter((result) => result.exchange === exchange);
  }

  /** Runs until nothing happens any more, or the time is over. */
  run(durationMs = 3_600_000): void {
    const end = after(this.now, durationMs);
    for (;;) {
      this.#drain(this.client, this.server);
      this.#drain(this.server, this.client);
      const layers = earliest(this.client.layer.nextTimeout(), this.server.layer.nextTimeout());
      const next = earliest(this.#events.next(), layers);
      if (next === undefined || next > end) break;
      if (next > this.now) this.now = next;
      for (let due = this.#events.expire(this.now); due; due = this.#events.expire(this.now)) due();
      this.client.layer.handleTimeout(this.now);
      this.server.layer.handleTimeout(this.now);
    }
    this.now = end;
  }

  #drain(from: End, to: End): void {
    for (let output = from.layer.poll(); output !== undefined; output = from.layer.poll()) {
      switch (output.kind) {
        case 'send-request':
          this.#send(from, to, output.exchange, 'client', output.type, output.message);
          break;
        case 'send-response': {
          if (output.supersedes) {
            this.#supersede(from, to, output);
            break;
          }
          const reply = output.reply as Reply | undefined;
          if (reply?.type === 'CON' && !reply.acknowledged) {
            reply.acknowledged = true;
            const ack = encodeMessage({ ...output.message, type: 'ACK', messageId: reply.messageId });
            from.seen.set(reply.messageId, ack);
            this.#transmit(to, ack, from);
          } else {
            const type = output.type ?? (reply?.type === 'NON' ? 'NON' : 'CON');
            this.#send(from, to, output.exchange, 'server', type, output.message);
          }
          break;
        }
        case 'response-outdated': {
          const pending = [...from.pending.values()].findLast((one) => one.exchange === output.exchange);
          if (pending) pending.outdated = true;
          break;
        }
        case 'stop-response':
        case 'exchange-ended':
          for (const [id, pending] of from.pending) {
            if (pending.exchange === output.exchange && pending.due) from.pending.delete(id);
          }
          if (output.kind === 'exchange-ended') this.onBody(from, output);
          break;
        case 'ask-for-proof':
          break; // here every address is as good as proved
        case 'acknowledge':
          this.#acknowledge(from, to, output.reply as Reply);
          break;
        case 'stop-request':
          for (const [id, pending] of from.pending) {
            if (pending.exchange === output.exchange && pending.role === 'client') from.pending.delete(id);
          }
          break;
        case 'peer-fault':
        case 'stateless-response':
          break;
        case 'request':
          this.requests.push(output);
          this.#apply(from, output);
          break;
        case 'response':
        case 'failed':
          this.results.push(output);
          this.onResult(output);
          break;
        default:
          this.onBody(from, output);
      }
    }
  }

  #apply(from: End, { exchange, request }: OutputOf<'request'>): void {
    const answered = this.#application(request);
    if ('afterMs' in answered) {
      this.later(answered.afterMs, () => from.layer.respond(exchange, answered.response, this.now));
    } else {
      from.layer.respond(exchange, answered, this.now);
    }
  }

  #send(
    from: End,
    to: End,
    exchange: ExchangeId,
    role: 'client' | 'server',
    type: 'CON' | 'NON',
    content: Omit<Message, 'type' | 'messageId'>,
  ): void {
    const messageId = from.nextMessageId++ & 0xffff;
    const datagram = encodeMessage({ ...content, type, messageId });
    const pending = {
      exchange,
      role,
      datagram,
      attempts: 0,
      timeoutMs: 2000 + this.#random.fraction() * 1000,
      outdated: false,
      due: false,
    };
    if (type === 'NON') from.sentNon.set(messageId, pending);
    else from.pending.set(messageId, pending);
    this.#attempt(from, to, messageId, pending);
  }

  /** RFC 7641 §4.5.2: under a new Message ID, with the counter and the timeout of the former. */
  #supersede(from: End, to: End, { exchange, message: content }: OutputOf<'send-response'>): void {
    const due = [...from.pending].find(([, one]) => one.exchange === exchange && one.due);
    if (due === undefined) return;
    const [former, { attempts, timeoutMs, ...rest }] = due;
    from.pending.delete(former);
    const messageId = from.nextMessageId++ & 0xffff;
    const datagram = encodeMessage({ ...content, type: 'CON', messageId });
    const pending = { ...rest, datagram, attempts, timeoutMs, outdated: false, due: false };
    from.pending.set(messageId, pending);
    this.#attempt(from, to, messageId, pending);
  }

  #attempt(from: End, to: End, messageId: number, pending: Pending): void {
    this.#transmit(to, pending.datagram, from);
    if (from.pending.get(messageId) !== pending) return;
    this.later(pending.timeoutMs, () => {
      if (from.pending.get(messageId) !== pending) return;
      pending.timeoutMs *= 2;
      if (++pending.attempts <= 4) {
        pending.due = pending.outdated;
        if (!pending.due) this.#attempt(from, to, messageId, pending);
        else if (!from.layer.responseDue(pending.exchange, this.now)) from.pending.delete(messageId);
        return;
      }
      from.pending.delete(messageId);
      if (pending.role === 'client') from.layer.requestTimedOut(pending.exchange, this.now);
      else from.layer.responseTimedOut(pending.exchange, this.now);
    });
  }

  #transmit(to: End, datagram: Uint8Array, from: End): void {
    this.datagrams++;
    const { lossRate, duplicateRate, delayMs, jitterMs } = this.#link;
    const copies = this.#random.fraction() < duplicateRate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#random.fraction() < lossRate) continue;
      const delay = delayMs + this.#random.fraction() * jitterMs;
      this.later(delay, () => this.#receive(to, from, datagram));
    }
  }

  #receive(at: End, from: End, datagram: Uint8Array): void {
    const received = decodeMessage(datagram) as MessageView;
    const { messageId, type, code } = received;
    if (type === 'ACK' || type === 'RST') {
      const pending = at.pending.get(messageId) ?? at.sentNon.get(messageId);
      if (pending === undefined) return;
      at.pending.delete(messageId);
      const { layer } = at;
      if (type === 'RST') {
        if (pending.role === 'client') layer.requestReset(pending.exchange, this.now);
        else layer.responseReset(pending.exchange, this.now);
        return;
      }
      if (pending.role === 'client') layer.requestAcknowledged(pending.exchange, this.now);
      else layer.responseAcknowledged(pending.exchange, this.now);
      if (code !== Code.Empty) layer.receiveResponse(from.name, received, this.now);
      return;
    }
    if (at.seen.has(messageId)) {
      const stored = at.seen.get(messageId);
      if (stored !== undefined) this.#transmit(from, stored, at);
      return;
    }
    at.seen.set(messageId, undefined);
    if (isRequestCode(code)) {
      at.layer.receiveRequest(from.name, received, { messageId, type, acknowledged: false }, this.now);
      return;
    }
    const matched = at.layer.receiveResponse(from.name, received, this.now) === 'matched';
    if (type !== 'CON') return;
    this.#answerEmpty(at, from, messageId, matched ? 'ACK' : 'RST');
  }

  #acknowledge(from: End, to: End, reply: Reply): void {
    reply.acknowledged = true;
    this.#answerEmpty(from, to, reply.messageId, 'ACK');
  }

  #answerEmpty(from: End, to: End, messageId: number, type: 'ACK' | 'RST'): void {
    const empty = { code: Code.Empty, token: noBytes, options: new OptionSet(), payload: noBytes };
    const datagram = encodeMessage({ ...empty, type, messageId });
    from.seen.set(messageId, datagram);
    this.#transmit(to, datagram, from);
  }

  later(delayMs: number, action: () => void): void {
    // A new function each time: the queue tells its timers apart by their key.
    this.#events.set(() => action(), after(this.now, delayMs));
  }
}
