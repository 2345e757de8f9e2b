/**
 * OSCORE as a machine: protects what goes out, verifies what comes in, and holds back what must wait for the store.
 *
 * RFC 8613 §8, Appendix B. Between the message layer and the request/response layer, of which it knows neither: `Arrival`
 * and `Dispatch` are whatever the caller needs to go on with a request that came, or a message that is to go. Outer Block
 * options are processed before (§8.2.1, §8.4.1).
 *
 * What waits goes on, in order, after `stored` or `storeFailed` for the record that it waits for.
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import { decodeUtf8 } from '../foundation/utf8.ts';
import type { ContextProvider } from './context-lookup.ts';
import type { ClientSecurity, ServerSecurity, ServerVerdict } from './peer-security.ts';
import type { OscoreContent } from './plaintext.ts';
import { protectRequest } from './protect-request.ts';
import { protectResponse } from './protect-response.ts';
import type { ClientBinding, ServerBinding } from './request-binding.ts';
import type { ContextRecord, SecurityContext } from './security-context.ts';
import {
  type RefusedRequest,
  type RequestFault,
  readRequestHeader,
  refusalResponse,
} from './verify-request.ts';
import type { ResponseFault } from './verify-response.ts';

/** Names a record that is to be stored. */
export type StoreId = number;

/** Why a message is not sent. */
export type UnsendableReason = 'exhausted' | 'closed' | 'store-failed' | 'too-many-waiting';

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
  /** A request to send; its responses go to `receiveResponse`. */
  | {
      readonly kind: 'send-request';
      readonly pending: PendingRequest<Dispatch>;
      readonly message: OscoreContent;
    }
  /** A response to send. */
  | { readonly kind: 'send-response'; readonly dispatch: Dispatch; readonly message: OscoreContent }
  /** A request or response that cannot be sent. */
  | { readonly kind: 'unsendable'; readonly dispatch: Dispatch; readonly reason: UnsendableReason }
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

/** Counters since the layer was made; they only grow. */
export interface OscoreCounters {
  requestsProtected: number;
  responsesProtected: number;
  requestsVerified: number;
  responsesVerified: number;
  /** Requests refused, by reason (RFC 8613 §8.2). */
  readonly refused: Record<RequestFault, number>;
  /** Responses and notifications discarded, by reason (§8.4). */
  readonly discarded: Record<ResponseFault, number>;
  /** Responses without protection to requests that had it. */
  unprotectedResponses: number;
  /** Requests answered by an Echo, after a restart (Appendix B.1.2). */
  challenged: number;
  /** Requests answered by a random ID (Appendix B.2). */
  rederived: number;
  /** Requests of ours that were protected again. */
  repeated: number;
  /** Messages that had to wait for the store. */
  waited: number;
  /** Records that could not be stored. */
  storesFailed: number;
  /** Messages not sent. */
  unsendable: number;
}

/** Messages of one context that wait for the store, at most: more come only while it hangs. */
const maxWaiting = 256;

/** How often one request is protected again: for the kid context, for R1, for R2 || R3 (§5.1, Appendix B.2). */
const maxRepeats = 4;

/** What waits for a record, and how it ends. */
interface Waiting {
  goOn(): void;
  fail(reason: UnsendableReason): void;
}

interface Store {
  readonly context: SecurityContext;
  readonly record: ContextRecord;
}

/** Requests and responses of one endpoint under OSCORE, in both roles. */
export class OscoreLayer<Arrival, Dispatch> {
  readonly counters: OscoreCounters = createCounters();
  readonly #provider: ContextProvider;
  readonly #outputs = new OutputQueue<OscoreOutput<Arrival, Dispatch>>();
  readonly #stores = new Map<StoreId, Store>();
  /** The newest record of each context that is being stored: it covers all before it. */
  readonly #newest = new Map<SecurityContext, Store>();
  readonly #waiting = new Map<SecurityContext, Waiting[]>();
  #lastStore = 0;

  /** @param provider Whose requests a server understands; a client needs none. */
  constructor(provider: ContextProvider = { candidates: () => [] }) {
    this.#provider = provider;
  }

  /** Messages that wait for the store. */
  get waiting(): number {
    let count = 0;
    for (const waiting of this.#waiting.values()) count += waiting.length;
    return count;
  }

  /** Takes a request with an OSCORE option, whole (RFC 8613 §8.2). Ends in one `request` or `answer`. */
  receiveRequest(message: OscoreContent, arrival: Arrival): void {
    const header = readRequestHeader(message);
    if (header.kind === 'refused') {
      this.#refuse(arrival, header);
      return;
    }
    let refusal: RefusedRequest | undefined;
    for (const security of this.#provider.candidates(header.kid, header.kidContext)) {
      const verdict = security.verifyRequest(message, header);
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

  /** Protects a response to a verified request, or a notification (§8.3). Ends in one `send-response` or `unsendable`. */
  sendResponse(binding: ServerBinding, response: OscoreContent, dispatch: Dispatch): void {
    this.#protectResponse(binding, response, undefined, {
      done: (message) => this.#outputs.push({ kind: 'send-response', dispatch, message }),
      failed: (reason) => this.#outputs.push({ kind: 'unsendable', dispatch, reason }),
    });
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
      if (saysNotFound(message) && security.contextNotFound(binding.context) && this.#repeat(pending))
        return { kind: 'repeated' };
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
    const found = this.#end(store);
    if (found === undefined) return;
    found.context.stored(found.record);
    for (const one of this.#takeWaiting(found.context)) one.goOn();
  }

  /** The record could not be stored: what waits for it fails. The next message tries again. */
  storeFailed(store: StoreId): void {
    const found = this.#end(store);
    if (found === undefined) return;
    this.counters.storesFailed++;
    for (const one of this.#takeWaiting(found.context)) one.fail('store-failed');
  }

  /** The next output, oldest first. */
  poll(): OscoreOutput<Arrival, Dispatch> | undefined {
    return this.#outputs.shift();
  }

  #accept(arrival: Arrival, security: ServerSecurity, verdict: Exclude<ServerVerdict, RefusedRequest>): void {
    const { binding } = verdict;
    switch (verdict.kind) {
      case 'challenged':
        this.counters.challenged++;
        this.#answerProtected(arrival, binding, verdict.answer, undefined);
        return;
      case 'rederive':
        this.counters.rederived++;
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
    this.#storeAhead(binding.context);
  }

  /** §7.5: nothing is delivered that would be delivered again after a crash. */
  #holdRequest(
    arrival: Arrival,
    security: ServerSecurity,
    request: OscoreContent,
    binding: ServerBinding,
    record: ContextRecord,
  ): void {
    this.#wait(binding.context, record, {
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
    const fail = (reason: UnsendableReason): void => {
      this.counters.unsendable++;
      this.#outputs.push({ kind: 'unsendable', dispatch, reason });
    };
    const outcome = protectRequest(context, request, kidContext);
    if (outcome.kind === 'store-first') {
      const goOn = (): void => this.#protectRequest(security, request, dispatch, again);
      this.#wait(context, outcome.record, { goOn, fail });
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
    this.#storeAhead(context);
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
    end: { done(message: OscoreContent): void; failed(reason: UnsendableReason): void },
  ): void {
    const fail = (reason: UnsendableReason): void => {
      this.counters.unsendable++;
      end.failed(reason);
    };
    const outcome = protectResponse(binding, response, kidContext);
    if (outcome.kind === 'store-first') {
      const goOn = (): void => this.#protectResponse(binding, response, kidContext, end);
      this.#wait(outcome.context, outcome.record, { goOn, fail });
      return;
    }
    if (outcome.kind !== 'protected') {
      fail(outcome.kind);
      return;
    }
    this.counters.responsesProtected++;
    end.done(outcome.message);
    this.#storeAhead(binding.context);
  }

  #wait(context: SecurityContext, record: ContextRecord, waiting: Waiting): void {
    this.counters.waited++;
    const all = this.#waiting.get(context) ?? [];
    if (all.length >= maxWaiting) {
      waiting.fail('too-many-waiting');
      return;
    }
    all.push(waiting);
    this.#waiting.set(context, all);
    this.#store(context, record);
  }

  /** Asks for what will be needed soon, so that the next messages need not wait. */
  #storeAhead(context: SecurityContext): void {
    const record = context.recordDue();
    if (record !== undefined) this.#store(context, record);
  }

  /** Asks for a record, unless one that covers it is being stored. */
  #store(context: SecurityContext, record: ContextRecord): void {
    const newest = this.#newest.get(context);
    if (newest !== undefined && covers(newest.record, record)) return;
    const store = ++this.#lastStore;
    const asked = { context, record };
    this.#stores.set(store, asked);
    this.#newest.set(context, asked);
    this.#outputs.push({ kind: 'store', store, context, record });
  }

  #end(store: StoreId): Store | undefined {
    const found = this.#stores.get(store);
    this.#stores.delete(store);
    if (found !== undefined && this.#newest.get(found.context) === found) this.#newest.delete(found.context);
    return found;
  }

  #takeWaiting(context: SecurityContext): readonly Waiting[] {
    const waiting = this.#waiting.get(context) ?? [];
    this.#waiting.delete(context);
    return waiting;
  }
}

function covers(asked: ContextRecord, record: ContextRecord): boolean {
  return asked.senderEdge >= record.senderEdge && asked.recipientEdge >= record.recipientEdge;
}

/** §8.2 step 2: what such an answer may say, which is a hint and no more. */
function saysNotFound({ code, payload }: OscoreContent): boolean {
  return code === Code.Unauthorized && decodeUtf8(payload) === 'Security context not found';
}

/** The store fails, or the numbers are used up: not for a proxy to keep. */
function unavailable(): OscoreContent {
  return {
    code: Code.ServiceUnavailable,
    options: new OptionSet().add(OptionNumber.MaxAge, 0),
    payload: noBytes,
  };
}

function createCounters(): OscoreCounters {
  return {
    requestsProtected: 0,
    responsesProtected: 0,
    requestsVerified: 0,
    responsesVerified: 0,
    refused: { malformed: 0, 'context-not-found': 0, replay: 0, 'decryption-failed': 0 },
    discarded: {
      malformed: 0,
      'decryption-failed': 0,
      'unexpected-notification': 0,
      'stale-notification': 0,
      'already-answered': 0,
      closed: 0,
    },
    unprotectedResponses: 0,
    challenged: 0,
    rederived: 0,
    repeated: 0,
    waited: 0,
    storesFailed: 0,
    unsendable: 0,
  };
}
