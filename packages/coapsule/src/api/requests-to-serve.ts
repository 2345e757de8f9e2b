/**
 * Requests for what one worker alone has, in worker 0, which has it: it answers what the others hand to it.
 *
 * What becomes of a request on its way here is in `requests-to-owner.ts`.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import type { WorkerLink } from '../node/worker-link.ts';
import type { SuppliedBody } from './body-input.ts';
import { CoapsuleError } from './errors.ts';
import type { Eventual } from './eventual.ts';
import {
  type AskedBack,
  askedTooLate,
  carriedOptions,
  type OwnedMessage,
  ownedMessage,
  receiveOwned,
} from './owned-message.ts';
import { Request, type ResourceObserver } from './request.ts';
import type { HandledAnswer } from './request-once.ts';
import { Response } from './response.ts';
import type { ReversedRequestOptions } from './reversed-requests.ts';

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
    receiveOwned(
      link,
      channel,
      (message) => this.#told(message),
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
