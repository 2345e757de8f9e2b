/**
 * Requests for what one worker alone has: whoever receives one hands it to worker 0, and sends what that answers.
 *
 * The request goes over as it is, with its peer; its body and that of the answer as streams; that nobody waits any more, and
 * what an observer is told, as messages of their own. All that a server does with a request, middleware included, it does in
 * worker 0. Which requests these are, a resource says (`Resource.oneOwner`).
 *
 * @module
 */

import { Code, type Code as CodeNumber, type Method } from '../core/coap/code.ts';
import { type OptionReader, OptionSet } from '../core/coap/option-set.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import type { PortMessage, WorkerLink } from '../node/worker-link.ts';
import { SuppliedBody } from './body-input.ts';
import { CoapsuleError } from './errors.ts';
import type { Eventual } from './eventual.ts';
import type { PeerInfo } from './peer-info.ts';
import { Request, type ResourceObserver } from './request.ts';
import type { HandledAnswer } from './request-once.ts';
import { Response, type ResponseTiming } from './response.ts';
import type { ReversedRequestOptions } from './reversed-requests.ts';
import { failure, responseOptions } from './server-response.ts';

/** What can cross from thread to thread of a list of options. */
type CarriedOptions = readonly { readonly number: number; readonly value: Uint8Array }[];

/** What workers tell each other of requests. `id` and `observation` are numbers that the asking worker gave. */
type OwnedMessage =
  | {
      readonly kind: 'ask';
      readonly from: number;
      readonly id: number;
      readonly code: CodeNumber;
      readonly options: CarriedOptions;
      readonly payload: Uint8Array;
      readonly token: Uint8Array;
      readonly messageId: number | undefined;
      readonly confirmable: boolean;
      /** The same for all requests of one observer. */
      readonly observation: number | undefined;
      /** Whether its sender sent nothing: its observation goes on (RFC 7641 §4.2). */
      readonly refresh: boolean;
      readonly group: PeerAddress | undefined;
      readonly peer: PeerInfo;
      /** In place of the payload. */
      readonly body: ReadableStream<Uint8Array> | undefined;
    }
  /** Nobody waits for the answer any more. */
  | { readonly kind: 'abandon'; readonly from: number; readonly id: number }
  | { readonly kind: 'end-observation'; readonly from: number; readonly observation: number }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly code: CodeNumber;
      readonly options: CarriedOptions;
      readonly payload: Uint8Array;
      readonly body: ReadableStream<Uint8Array> | undefined;
      readonly handled: boolean;
      readonly observe: boolean | undefined;
    }
  /** What the observer is shown has changed. */
  | { readonly kind: 'changed'; readonly observation: number }
  /** The sender of a request is to be asked (`Request.ask`). */
  | {
      readonly kind: 'ask-back';
      readonly id: number;
      readonly call: number;
      readonly method: Method;
      readonly path: string;
      readonly options: ReversedRequestOptions;
    }
  | { readonly kind: 'asked-back'; readonly call: number; readonly outcome: AskedBack }
  /** The server of worker 0 is there; or it is closed, while its thread goes on. */
  | { readonly kind: 'owner'; readonly isThere: boolean };

/** What became of it. */
type AskedBack =
  | {
      readonly kind: 'response';
      readonly code: CodeNumber;
      readonly options: CarriedOptions;
      readonly payload: Uint8Array;
      readonly peer: PeerInfo;
      readonly timing: ResponseTiming;
    }
  | {
      readonly kind: 'error';
      readonly code: CoapsuleError['code'] | undefined;
      readonly message: string;
      readonly nextStep: string;
      readonly mayHaveBeenCarriedOut: boolean | undefined;
    };

/** Requests whose handler has answered and whose sender can still be asked. */
const mostAnswered = 100;

/** RFC 7252 §5.9.3.4: worker 0 is gone or behind; nothing is known of what it did. */
const unavailable: HandledAnswer = {
  answer: {
    code: Code.ServiceUnavailable,
    options: responseOptions(failure(Code.ServiceUnavailable, undefined, { maxAgeSeconds: 1 })),
    payload: noBytes,
  },
  handled: true,
};

/** In a worker that is not worker 0: asks it. */
export class RequestsToOwner {
  readonly #link: WorkerLink;
  readonly #channel: string;
  readonly #waiting = new Map<number, (answer: HandledAnswer) => void>();
  readonly #observers = new Map<number, ResourceObserver>();
  /** Those that are not answered, and the latest of the others: their senders may be asked. */
  readonly #askable = new Map<number, Request>();
  readonly #answered: number[] = [];
  #hasOwner = true;
  /** By what tells their end: the same for all requests of one observer. */
  readonly #observations = new WeakMap<AbortSignal, number>();
  #next = 1;

  /** @param channel The same for this server in all workers. */
  constructor(link: WorkerLink, channel: string) {
    this.#link = link;
    this.#channel = channel;
    link.receive(
      channel,
      (message) => {
        if (message.kind === 'owned') this.#told(message.content as OwnedMessage);
      },
      (index) => {
        if (index !== 0) return;
        // Its thread begins: what it is sent before its server is there, nobody would answer. It says when that is.
        this.#hasOwner = false;
        this.#settleAll();
      },
    );
  }

  /**
   * Never rejects.
   *
   * @param isStreamed Whether its handler reads the body as it comes.
   */
  ask(request: Request, isStreamed: boolean): Promise<HandledAnswer> {
    const id = this.#next++;
    const body = isStreamed ? request.body : undefined;
    const from = this.#link.index;
    const { code, messageId, confirmable, group, peer } = request;
    const asked: OwnedMessage = {
      kind: 'ask',
      ...{ from, id, code, messageId, confirmable, group, peer, body },
      observation: request.observer && this.#observation(request.observer),
      refresh: request.isRefresh,
      options: carriedOptions(request.options),
      // Views of datagrams would take all of their buffer along.
      payload: body === undefined ? request.payload.slice() : noBytes,
      token: request.token.slice(),
    };
    // Nobody waits: what would be told of it has been told already.
    if (request.signal.aborted || !this.#hasOwner) return Promise.resolve(unavailable);
    return new Promise((resolve) => {
      if (!this.#send(asked, body)) {
        resolve(unavailable);
        return;
      }
      this.#waiting.set(id, resolve);
      this.#askable.set(id, request);
      request.signal.addEventListener('abort', () => this.#send({ kind: 'abandon', from, id }));
    });
  }

  #observation(observer: ResourceObserver): number {
    const { ended } = observer;
    const known = this.#observations.get(ended);
    if (known !== undefined) return known;
    const observation = this.#next++;
    this.#observations.set(ended, observation);
    this.#observers.set(observation, observer);
    ended.addEventListener('abort', () => {
      this.#observers.delete(observation);
      this.#send({ kind: 'end-observation', from: this.#link.index, observation });
    });
    return observation;
  }

  #send(content: OwnedMessage, body?: ReadableStream<Uint8Array>): boolean {
    return this.#link.send(0, this.#channel, ownedMessage(content), body && [body]);
  }

  #told(message: OwnedMessage): void {
    switch (message.kind) {
      case 'changed':
        this.#observers.get(message.observation)?.changed();
        return;
      case 'ask-back':
        void this.#askBack(message);
        return;
      case 'owner':
        if (this.#hasOwner === message.isThere) return;
        this.#hasOwner = message.isThere;
        this.#settleAll();
        // Those who observe ask the new one, or hear that there is none.
        for (const observer of this.#observers.values()) observer.changed();
        return;
      case 'answer': {
        const { id, code, payload, handled, observe, body } = message;
        if (!this.#waiting.has(id)) {
          // It was answered for the owner, which had gone.
          body?.cancel().catch(() => {});
          return;
        }
        // Nobody will read it. An error of it means nothing any more.
        if (this.#askable.get(id)?.signal.aborted) body?.cancel().catch(() => {});
        const options = OptionSet.from(message.options);
        const answer = { code, options, payload, ...(body && { body: new SuppliedBody(body) }) };
        this.#settle(id, { answer, handled, ...(observe !== undefined && { observe }) });
        return;
      }
      default:
        return; // for worker 0
    }
  }

  #settle(id: number, answer: HandledAnswer): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
    this.#answered.push(id);
    if (this.#answered.length > mostAnswered) this.#askable.delete(this.#answered.shift() as number);
  }

  async #askBack({
    id,
    call,
    method,
    path,
    options,
  }: Extract<OwnedMessage, { kind: 'ask-back' }>): Promise<void> {
    let outcome: AskedBack;
    try {
      const response = await this.#askable.get(id)?.ask(method, path, options);
      if (response === undefined) throw askedTooLate(false);
      const { code, payload, peer, handshakeMs, roundTripMs, fromCache } = response;
      const timing = { handshakeMs, roundTripMs, fromCache };
      const carried = { code, options: carriedOptions(response.options), payload: payload.slice() };
      outcome = { kind: 'response', ...carried, peer, timing };
    } catch (error) {
      outcome = {
        kind: 'error',
        code: error instanceof CoapsuleError ? error.code : undefined,
        message: error instanceof Error ? error.message : String(error),
        nextStep: error instanceof CoapsuleError ? error.nextStep : '',
        mayHaveBeenCarriedOut: error instanceof CoapsuleError ? error.mayHaveBeenCarriedOut : undefined,
      };
    }
    this.#send({ kind: 'asked-back', call, outcome });
  }

  /** Who was asked is gone. */
  #settleAll(): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, unavailable);
  }
}

/** In worker 0: answers what the others ask. */
export class RequestsToServe {
  readonly #link: WorkerLink;
  readonly #channel: string;
  readonly #answer: (request: Request) => Eventual<HandledAnswer>;
  /** By asking worker and number: requests without an answer, and observers. */
  readonly #asked = new Map<string, AbortController>();
  readonly #observers = new Map<string, AbortController>();
  /** Questions to senders of requests, with the worker that asks them. */
  readonly #calls = new Map<number, { readonly to: number; readonly told: (outcome: AskedBack) => void }>();
  #next = 1;

  constructor(link: WorkerLink, channel: string, answer: (request: Request) => Eventual<HandledAnswer>) {
    this.#link = link;
    this.#channel = channel;
    this.#answer = answer;
    link.receive(
      channel,
      (message) => {
        if (message.kind === 'owned') this.#told(message.content as OwnedMessage);
      },
      (index) => {
        this.#gone(index);
        this.#link.send(index, this.#channel, ownedMessage({ kind: 'owner', isThere: true }));
      },
    );
    this.#tellOwner(true);
  }

  /** The server is closed: nobody waits for it in vain. */
  close(): void {
    this.#tellOwner(false);
    this.#link.leave(this.#channel);
  }

  #tellOwner(isThere: boolean): void {
    this.#link.sendToAll(this.#channel, ownedMessage({ kind: 'owner', isThere }));
  }

  #told(message: OwnedMessage): void {
    switch (message.kind) {
      case 'ask':
        void this.#serve(message);
        return;
      case 'abandon':
        end(this.#asked, `${message.from} ${message.id}`);
        return;
      case 'end-observation':
        end(this.#observers, `${message.from} ${message.observation}`);
        return;
      case 'asked-back':
        this.#calls.get(message.call)?.told(message.outcome);
        return;
      default:
        return; // for those that ask
    }
  }

  async #serve(message: Extract<OwnedMessage, { kind: 'ask' }>): Promise<void> {
    const {
      from,
      id,
      observation,
      refresh,
      code,
      payload,
      token,
      messageId,
      confirmable,
      group,
      peer,
      body,
    } = message;
    const asked = new AbortController();
    this.#asked.set(`${from} ${id}`, asked);
    const options = OptionSet.from(message.options);
    const request = new Request(
      {
        ...{ code, options, payload, token, messageId, confirmable, refresh },
        ...(observation !== undefined && !refresh && { observe: 'register' }),
        ...(group && { group }),
      },
      peer,
      {
        signal: asked.signal,
        observer: this.#observer(from, observation),
        ask: (...question) => this.#askBack(from, id, ...question),
      },
      body,
    );
    const { answer, handled, observe } = await this.#answer(request);
    this.#asked.delete(`${from} ${id}`);
    const stream = answer.body === undefined ? undefined : streamOf(answer.body);
    const told: OwnedMessage = {
      kind: 'answer',
      ...{ id, code: answer.code, handled, observe, body: stream },
      options: carriedOptions(answer.options),
      payload: answer.payload.slice(),
    };
    this.#send(from, told, stream);
  }

  async #askBack(
    to: number,
    id: number,
    method: Method,
    path: string,
    { signal, ...options }: ReversedRequestOptions,
  ): Promise<Response> {
    const call = this.#next++;
    const outcome = await new Promise<AskedBack>((resolve, reject) => {
      signal?.throwIfAborted();
      signal?.addEventListener('abort', () => reject(signal.reason));
      this.#calls.set(call, { to, told: resolve });
      this.#send(to, { kind: 'ask-back', ...{ id, call, method, path, options } });
    }).finally(() => this.#calls.delete(call));
    if (outcome.kind === 'error') {
      const { code, message, nextStep, mayHaveBeenCarriedOut } = outcome;
      if (code === undefined) throw new ApiMisuseError(message);
      const fate = mayHaveBeenCarriedOut === undefined ? {} : { mayHaveBeenCarriedOut };
      throw new CoapsuleError(code, message, nextStep, fate);
    }
    const { code, payload, peer, timing } = outcome;
    return new Response({ code, options: OptionSet.from(outcome.options), payload }, peer, timing);
  }

  #observer(from: number, observation: number | undefined): ResourceObserver {
    const key = `${from} ${observation}`;
    const observer = this.#observers.get(key) ?? new AbortController();
    if (observation !== undefined) this.#observers.set(key, observer);
    const changed = (): void => {
      if (observation !== undefined) this.#send(from, { kind: 'changed', observation });
    };
    return { changed, ended: observer.signal };
  }

  #send(to: number, content: OwnedMessage, body?: ReadableStream<Uint8Array>): void {
    this.#link.send(to, this.#channel, ownedMessage(content), body && [body]);
  }

  /** Another worker takes the place of one that asked: nobody waits for what that did. */
  #gone(index: number): void {
    for (const those of [this.#asked, this.#observers]) {
      for (const key of those.keys()) if (key.startsWith(`${index} `)) end(those, key);
    }
    const { code, message, nextStep, mayHaveBeenCarriedOut } = askedTooLate(true);
    for (const { to, told } of this.#calls.values())
      if (to === index) told({ kind: 'error', code, message, nextStep, mayHaveBeenCarriedOut });
  }
}

function end(those: Map<string, AbortController>, key: string): void {
  those.get(key)?.abort();
  those.delete(key);
}

function carriedOptions(options: OptionReader): CarriedOptions {
  return [...options.entries()].map(({ number, value }) => ({ number, value: value.slice() }));
}

/** @param wasSent Whether the question may have gone out before. */
function askedTooLate(wasSent: boolean): CoapsuleError {
  return new CoapsuleError(
    'ERR_ASSOCIATION_CLOSED',
    'the worker that this request came to does not know its sender any more',
    'ask before the request is answered, or wait until its sender asks again',
    { mayHaveBeenCarriedOut: wasSent },
  );
}

/** Bytes that are read of a body at a time. */
const partBytes = 16 * 1024;

/** A body as a stream that another thread can read. What was of random access is read from its beginning to its end. */
function streamOf(body: SuppliedBody): ReadableStream<Uint8Array> {
  let offset = 0;
  return new globalThis.ReadableStream<Uint8Array>({
    async pull(controller) {
      const { bytes, last } = await body.read(offset, partBytes).catch(async (error: unknown) => {
        await body.close();
        throw error;
      });
      offset += bytes.length;
      if (bytes.length > 0) controller.enqueue(bytes.slice());
      if (last) controller.close();
      if (last) await body.close();
    },
    cancel: () => body.close(),
  });
}

/** As it goes over the link. */
function ownedMessage(content: OwnedMessage): Extract<PortMessage, { kind: 'owned' }> {
  const length = 'payload' in content ? content.payload.length : 0;
  return { kind: 'owned', content, length, isRefusable: content.kind === 'ask' };
}
