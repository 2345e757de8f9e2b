/**
 * OSCORE as a machine: protects what goes out, verifies what comes in, and holds back what must wait for the store.
 *
 * RFC 8613 §8, Appendix B. Between the message layer and the request/response layer, of which it knows neither: `Arrival`
 * and `Dispatch` are whatever the caller needs to go on with a request that came, or a message that is to go. Outer Block
 * options are processed before (§8.2.1, §8.4.1).
 *
 * What waits goes on, in order, after `stored` or `storeFailed` for the record that it waits for (`record-stores.ts`).
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import type { ContextProvider } from './context-lookup.ts';
import { DerivationLimit } from './derivation-limit.ts';
import { type OscoreCounters, zeroOscoreCounters } from './oscore-counters.ts';
import type { ClientSecurity, ServerSecurity, ServerVerdict } from './peer-security.ts';
import type { OscoreContent } from './plaintext.ts';
import { type CannotProtect, protectRequest } from './protect-request.ts';
import { protectResponse } from './protect-response.ts';
import { RecordStores, type StoreId, type UnsendableReason } from './record-stores.ts';
import type { ClientBinding, ServerBinding } from './request-binding.ts';
import type { ContextRecord, SecurityContext } from './security-context.ts';
import {
  isRefusal,
  type RefusedRequest,
  type RequestFault,
  readRequestHeader,
  refusalResponse,
} from './verify-request.ts';
import type { ResponseFault } from './verify-response.ts';

export { flatOscoreCounters, type OscoreCounters } from './oscore-counters.ts';
export type { StoreId, UnsendableReason } from './record-stores.ts';

/** A request of ours that waits for responses. */
export interface PendingRequest<Dispatch> {
  readonly security: ClientSecurity;
  readonly request: OscoreContent;
  readonly dispatch: Dispatch;
  binding: ClientBinding;
  /** How often it was protected again, as the server asked for it. */
  repeats: number;
}

/** What the layer wants done. */
export type OscoreOutput<Arrival, Dispatch> =
  /** For the request/response layer; its responses are protected with `binding`. */
  | {
      readonly kind: 'request';
      readonly arrival: Arrival;
      readonly security: ServerSecurity;
      readonly request: OscoreContent;
      readonly binding: ServerBinding;
    }
  /** An answer to a request that goes no further. It need not be kept: a copy of the request is answered anew. */
  | { readonly kind: 'answer'; readonly arrival: Arrival; readonly message: OscoreContent }
  /**
   * A request that may be a replay, as so many others that wait for the store already: nothing is done about it. It may come
   * again; `message` is for clients that do not send it again by themselves.
   */
  | { readonly kind: 'passed-over'; readonly arrival: Arrival; readonly message: OscoreContent }
  /** A run of Appendix B.2 was begun: `expireRuns` is to be called some time later. */
  | { readonly kind: 'run-begun'; readonly security: ServerSecurity }
  /** A request to send; its responses go to `receiveResponse`. */
  | {
      readonly kind: 'send-request';
      readonly pending: PendingRequest<Dispatch>;
      readonly message: OscoreContent;
    }
  /** A response to send that could not go at once. */
  | { readonly kind: 'send-response'; readonly dispatch: Dispatch; readonly message: OscoreContent }
  /** A request or response that cannot be sent. */
  | {
      readonly kind: 'unsendable';
      readonly dispatch: Dispatch;
      readonly reason: UnsendableReason;
      /** What the store said. */
      readonly detail: string | undefined;
    }
  /** To be answered by `stored` or `storeFailed`, in the order in which they come. */
  | {
      readonly kind: 'store';
      readonly store: StoreId;
      readonly context: SecurityContext;
      readonly record: ContextRecord;
    }
  /** A request was refused. For traces. */
  | {
      readonly kind: 'refused';
      readonly arrival: Arrival;
      readonly fault: RequestFault;
      readonly detail: string;
    };

/** What became of a message with the token of a request of ours. */
export type ResponseOutcome =
  | { readonly kind: 'verified'; readonly response: OscoreContent; readonly final: boolean }
  | { readonly kind: 'discarded'; readonly fault: ResponseFault; readonly detail: string }
  /** The same request goes again: a `send-request` follows. */
  | { readonly kind: 'repeated' }
  /** Nobody vouches for it: an error of OSCORE, of a proxy, or of anybody else. */
  | { readonly kind: 'unprotected' };

/**
 * Answers that ask for an Echo (Appendix B.1.2) and wait for the store, for one context: who has recorded requests can have as
 * many made as he likes, and must leave room for the requests that need none.
 */
const maxChallengesWaiting = 128;

/** How often one request is protected again: for the kid context, for R1, for R2 || R3 (§5.1, Appendix B.2). */
const maxRepeats = 4;

/** Requests and responses of one endpoint under OSCORE, in both roles. */
export class OscoreLayer<Arrival, Dispatch> {
  readonly counters: OscoreCounters = zeroOscoreCounters();
  readonly #provider: ContextProvider;
  readonly #derivations = new DerivationLimit();
  readonly #outputs = new OutputQueue<OscoreOutput<Arrival, Dispatch>>();
  readonly #stores = new RecordStores(this.counters, (store, { context, record }) =>
    this.#outputs.push({ kind: 'store', store, context, record }),
  );

  /** @param provider Whose requests a server understands; a client needs none. */
  constructor(provider: ContextProvider = { candidates: () => [] }) {
    this.#provider = provider;
  }

  /** Messages that wait for the store. */
  get waiting(): number {
    return this.#stores.waiting;
  }

  /** Takes a request with an OSCORE option, whole (RFC 8613 §8.2). Ends in one `request` or `answer`. */
  receiveRequest(message: OscoreContent, arrival: Arrival, now: Instant): void {
    const header = readRequestHeader(message);
    if (header.kind === 'refused') {
      this.#refuse(arrival, header);
      return;
    }
    let refusal: RefusedRequest | undefined;
    for (const security of this.#provider.candidates(header.kid, header.kidContext)) {
      const verdict = security.verifyRequest(message, header, () => this.#derivations.take(security, now));
      if (verdict.kind !== 'refused') {
        this.#accept(arrival, security, verdict);
        return;
      }
      if (refusal?.fault !== 'replay') refusal = verdict;
    }
    this.#refuse(
      arrival,
      refusal ?? { kind: 'refused', fault: 'context-not-found', detail: 'nobody has this kid' },
    );
  }

  /**
   * Protects a response to a verified request, or a notification (§8.3).
   *
   * @returns what is to be sent; `undefined` when that is not to be had at once: one `send-response` or `unsendable` follows.
   */
  sendResponse(
    binding: ServerBinding,
    response: OscoreContent,
    dispatch: Dispatch,
  ): OscoreContent | undefined {
    const outcome = protectResponse(binding, response);
    if (outcome.kind === 'protected') return this.#responseProtected(binding, outcome.message);
    this.#cannotProtect(outcome, binding, response, undefined, {
      done: (message) => this.#outputs.push({ kind: 'send-response', dispatch, message }),
      failed: (reason, detail) => this.#outputs.push({ kind: 'unsendable', dispatch, reason, detail }),
    });
    return undefined;
  }

  /**
   * Protects a request (§8.1). Ends in one `send-request` or `unsendable`.
   *
   * @throws ApiMisuseError for a request that cannot be protected as it is; then nothing is remembered of it.
   */
  sendRequest(security: ClientSecurity, request: OscoreContent, dispatch: Dispatch): void {
    this.#protectRequest(security, request, dispatch, undefined);
  }

  /** Takes a whole message with the token of a request of ours (§8.4). */
  receiveResponse(pending: PendingRequest<Dispatch>, message: OscoreContent): ResponseOutcome {
    const { security, binding } = pending;
    if (!message.options.has(OptionNumber.Oscore)) {
      this.counters.unprotectedResponses++;
      if (mayHelp(security, binding.context, message) && this.#repeat(pending)) return { kind: 'repeated' };
      return { kind: 'unprotected' };
    }
    const verdict = security.verifyResponse(binding, message);
    switch (verdict.kind) {
      case 'verified':
        this.counters.responsesVerified++;
        return verdict;
      case 'discarded':
        this.counters.discarded[verdict.fault]++;
        return verdict;
      case 'repeat':
        if (this.#repeat(pending)) return { kind: 'repeated' };
        return { kind: 'discarded', fault: 'already-answered', detail: 'the server asks again and again' };
    }
  }

  /** The record is on disk: what waited for it goes on. */
  stored(store: StoreId): void {
    this.#stores.stored(store);
  }

  /** The record could not be stored, for the reason in `detail`: what waits for it fails. The next message tries again. */
  storeFailed(store: StoreId, detail?: string): void {
    this.#stores.failed(store, detail);
  }

  /** The next output, oldest first. */
  poll(): OscoreOutput<Arrival, Dispatch> | undefined {
    return this.#outputs.shift();
  }

  #accept(arrival: Arrival, security: ServerSecurity, verdict: Exclude<ServerVerdict, RefusedRequest>): void {
    const { binding } = verdict;
    switch (verdict.kind) {
      case 'challenged':
        if (this.#stores.waitingFor(binding.context) >= maxChallengesWaiting) {
          this.counters.passedOver++;
          this.#outputs.push({ kind: 'passed-over', arrival, message: unavailable() });
          return;
        }
        this.counters.challenged++;
        this.#answerProtected(arrival, binding, verdict.answer, undefined);
        return;
      case 'rederive':
        this.counters.rederived++;
        this.#outputs.push({ kind: 'run-begun', security });
        this.#answerProtected(arrival, binding, verdict.answer, verdict.kidContext);
        return;
      case 'store-first':
        this.#holdRequest(arrival, security, verdict.request, binding, verdict.record);
        return;
      case 'verified':
        this.#deliver(arrival, security, verdict.request, binding);
        return;
    }
  }

  #deliver(arrival: Arrival, security: ServerSecurity, request: OscoreContent, binding: ServerBinding): void {
    this.counters.requestsVerified++;
    this.#outputs.push({ kind: 'request', arrival, security, request, binding });
    this.#stores.storeAhead(binding.context);
  }

  /** §7.5: nothing is delivered that would be delivered again after a crash. */
  #holdRequest(
    arrival: Arrival,
    security: ServerSecurity,
    request: OscoreContent,
    binding: ServerBinding,
    record: ContextRecord,
  ): void {
    this.#stores.wait(binding.context, record, {
      goOn: () => {
        const { context, sequenceNumber } = binding;
        if (context.mayDeliver(sequenceNumber)) this.#deliver(arrival, security, request, binding);
        else this.#holdRequest(arrival, security, request, binding, context.recordToStore);
      },
      // With an own number, when there is one; if there is none, the answer has no protection, and no context is harmed.
      fail: () => {
        const outcome = protectResponse(binding, unavailable());
        const message = outcome.kind === 'protected' ? outcome.message : unavailable();
        this.#outputs.push({ kind: 'answer', arrival, message });
      },
    });
  }

  /** A protected answer that is not the application's; without one the client repeats its request. */
  #answerProtected(
    arrival: Arrival,
    binding: ServerBinding,
    answer: OscoreContent,
    kidContext: Uint8Array | undefined,
  ): void {
    this.#protectResponse(binding, answer, kidContext, {
      done: (message) => this.#outputs.push({ kind: 'answer', arrival, message }),
      failed: () => this.#outputs.push({ kind: 'answer', arrival, message: unavailable() }),
    });
  }

  #refuse(arrival: Arrival, { fault, detail }: RefusedRequest): void {
    this.counters.refused[fault]++;
    this.#outputs.push({ kind: 'refused', arrival, fault, detail });
    this.#outputs.push({ kind: 'answer', arrival, message: refusalResponse(fault) });
  }

  #protectRequest(
    security: ClientSecurity,
    request: OscoreContent,
    dispatch: Dispatch,
    again: PendingRequest<Dispatch> | undefined,
  ): void {
    const { context, kidContext } = security.forRequest();
    const fail = (reason: UnsendableReason, detail?: string): void => {
      this.counters.unsendable++;
      this.#outputs.push({ kind: 'unsendable', dispatch, reason, detail });
    };
    const outcome = protectRequest(context, request, kidContext);
    if (outcome.kind === 'store-first') {
      const goOn = (): void => this.#protectRequest(security, request, dispatch, again);
      this.#stores.wait(context, outcome.record, { goOn, fail });
      return;
    }
    if (outcome.kind !== 'protected') {
      fail(outcome.kind);
      return;
    }
    this.counters.requestsProtected++;
    const { binding, message } = outcome;
    const pending = again ?? { security, request, dispatch, binding, repeats: 0 };
    pending.binding = binding;
    this.#outputs.push({ kind: 'send-request', pending, message });
    this.#stores.storeAhead(context);
  }

  /** Protects a request again; false when that was done often enough. */
  #repeat(pending: PendingRequest<Dispatch>): boolean {
    if (pending.repeats >= maxRepeats) return false;
    pending.repeats++;
    this.counters.repeated++;
    this.#protectRequest(pending.security, pending.request, pending.dispatch, pending);
    return true;
  }

  #protectResponse(
    binding: ServerBinding,
    response: OscoreContent,
    kidContext: Uint8Array | undefined,
    end: ResponseEnd,
  ): void {
    const outcome = protectResponse(binding, response, kidContext);
    if (outcome.kind === 'protected') end.done(this.#responseProtected(binding, outcome.message));
    else this.#cannotProtect(outcome, binding, response, kidContext, end);
  }

  #responseProtected({ context }: ServerBinding, message: OscoreContent): OscoreContent {
    this.counters.responsesProtected++;
    this.#stores.storeAhead(context);
    return message;
  }

  /** A response waits for the store, or cannot be sent. */
  #cannotProtect(
    outcome: CannotProtect,
    binding: ServerBinding,
    response: OscoreContent,
    kidContext: Uint8Array | undefined,
    end: ResponseEnd,
  ): void {
    const fail = (reason: UnsendableReason, detail?: string): void => {
      this.counters.unsendable++;
      end.failed(reason, detail);
    };
    if (outcome.kind === 'store-first') {
      const goOn = (): void => this.#protectResponse(binding, response, kidContext, end);
      this.#stores.wait(outcome.context, outcome.record, { goOn, fail });
    } else fail(outcome.kind);
  }
}

/** What becomes of a response. */
interface ResponseEnd {
  done(message: OscoreContent): void;
  failed(reason: UnsendableReason, detail?: string): void;
}

/** Whether the same request may be understood when it is protected again: what such an answer says is a hint and no more. */
function mayHelp(security: ClientSecurity, context: SecurityContext, response: OscoreContent): boolean {
  // §8.2 steps 2 and 6.
  if (isRefusal(response, 'context-not-found')) return security.contextNotFound(context);
  return isRefusal(response, 'decryption-failed') && security.decryptionFailed(context);
}

/** The store fails, or the numbers are used up: not for a proxy to keep. */
function unavailable(): OscoreContent {
  return {
    code: Code.ServiceUnavailable,
    options: new OptionSet().add(OptionNumber.MaxAge, 0),
    payload: noBytes,
  };
}
