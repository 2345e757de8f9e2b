/**
 * Requests for what one worker alone has, in the others: they are handed to worker 0, and what that answers is sent.
 *
 * The request goes over as it is, with its peer; its body and that of the answer as streams; that nobody waits any more, and
 * what an observer is told, as messages of their own. All that a server does with a request, middleware included, it does in
 * worker 0 (`requests-to-serve.ts`). Which requests these are, a resource says (`Resource.oneOwner`).
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import type { WorkerLink } from '../node/worker-link.ts';
import { SuppliedBody } from './body-input.ts';
import { CoapsuleError } from './errors.ts';
import {
  type AskedBack,
  askedTooLate,
  carriedOptions,
  type OwnedMessage,
  ownedMessage,
  receiveOwned,
} from './owned-message.ts';
import type { Request, ResourceObserver } from './request.ts';
import type { HandledAnswer } from './request-once.ts';
import { failure, responseOptions } from './server-response.ts';

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
    receiveOwned(
      link,
      channel,
      (message) => this.#told(message),
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
