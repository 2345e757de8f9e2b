/**
 * The client's Exchanges that are not finished: their request messages, how long each waits, and how each ends.
 *
 * RFC 7252 §5.2 and §5.3. What a response means is decided in `client-role.ts`.
 *
 * @module
 */

import { isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { after, earliest, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { ClientExchange } from './client-exchange.ts';
import { ConcurrentOperations } from './concurrent-operations.ts';
import type {
  ClientRequest,
  Content,
  ExchangeError,
  ExchangeId,
  OutgoingMessage,
  PeerKey,
} from './exchange.ts';
import { ExchangeTable } from './exchange-table.ts';
import type { RoleContext } from './role-context.ts';
import { TokenSource } from './token-source.ts';

/** The Exchanges of the client role, and what they wait for. */
export class ClientExchanges {
  readonly #context: RoleContext;
  readonly tokens: TokenSource;
  readonly table: ExchangeTable = new ExchangeTable();
  readonly operations: ConcurrentOperations = new ConcurrentOperations();
  /** The caller's `timeoutMs`. */
  readonly deadlines: TimerQueue<ClientExchange> = new TimerQueue();
  /** Waiting for a response that is not retransmitted for any more. */
  readonly waits: TimerQueue<ClientExchange> = new TimerQueue();
  /** Observations that register again when nothing comes. */
  readonly reregistrations: TimerQueue<ClientExchange> = new TimerQueue();

  constructor(context: RoleContext) {
    this.#context = context;
    this.tokens = new TokenSource(context.random);
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.deadlines.next(), earliest(this.waits.next(), this.reregistrations.next()));
  }

  /** The caller's token, if it gave one and that is free; else a fresh one. */
  chooseToken(peer: PeerKey, request: ClientRequest): Uint8Array | undefined {
    if (request.token === undefined) return this.freshToken(peer, request.secure);
    if (this.table.inUse(peer, request.token)) return undefined;
    if (request.secure) this.tokens.noteUsed(peer, request.token);
    return request.token;
  }

  /** A token that is in use by no Exchange with `peer`. */
  freshToken(peer: PeerKey, secure: boolean): Uint8Array {
    return this.tokens.next(peer, secure, (token) => this.table.inUse(peer, token));
  }

  /** Each message of a transfer gets a token of its own, but for the caller's and for that of an observation. */
  renewToken(exchange: ClientExchange): void {
    if (exchange.ownToken || exchange.observation?.established) return;
    this.table.changeToken(exchange, this.freshToken(exchange.peer, exchange.secure));
  }

  /** Hands a request message to the message layer. */
  transmit(exchange: ClientExchange, content: Content, now: Instant): void {
    exchange.outstanding = true;
    exchange.acknowledged = false;
    exchange.answeredEarly = false;
    this.#context.counters.requestsSent++;
    const { outputs } = this.#context;
    // A CON request ends by Reset or time-out until it is acknowledged; for a NON nobody else watches the time.
    if (exchange.type === 'NON') this.waits.set(exchange, after(now, this.#patienceMs(exchange)));
    else this.waits.cancel(exchange);
    const { id, peer, type, token } = exchange;
    outputs.push({ kind: 'send-request', peer, exchange: id, type, message: { ...content, token } });
  }

  /** Nothing is retransmitted any more: a separate response may come, or, at the client's wish, none (RFC 7967 §2.1). */
  acknowledged(exchange: ClientExchange, now: Instant): void {
    if (exchange.silence === 'wanted' && exchange.observation === undefined) this.#silent(exchange);
    else this.waits.set(exchange, after(now, this.#patienceMs(exchange)));
  }

  /** A request that nobody waits for an answer to: the Exchange ends with its only message. */
  sendOnly(exchange: ExchangeId, peer: PeerKey, message: OutgoingMessage): void {
    const { counters, outputs } = this.#context;
    counters.requestsSent++;
    outputs.push({ kind: 'send-request', peer, exchange, type: 'NON', message });
    outputs.push({ kind: 'sent', exchange });
  }

  /** No more retransmissions of the request message. */
  stop(exchange: ClientExchange): void {
    this.waits.cancel(exchange);
    if (!exchange.outstanding) return;
    exchange.outstanding = false;
    this.#context.outputs.push({ kind: 'stop-request', exchange: exchange.id });
  }

  /** Gives a response to the caller. */
  deliver(exchange: ClientExchange, response: Content, final: boolean): void {
    const { id, peer } = exchange;
    this.#context.outputs.push({ kind: 'response', peer, exchange: id, response, final });
  }

  /** Ends an Exchange with its last response, or the fetch of a notification with the whole of that. */
  finish(exchange: ClientExchange, response: Content): void {
    const { parent } = exchange;
    this.#remove(exchange);
    if (parent === undefined) {
      this.deliver(exchange, response, true);
      return;
    }
    delete parent.fetch;
    if (!isSuccessCode(response.code)) {
      this.#context.counters.incompleteNotifications++;
      return;
    }
    const options = OptionSet.from(response.options.entries());
    options.set(OptionNumber.Observe, parent.observation?.sequence ?? 0);
    this.deliver(parent, { code: response.code, options, payload: response.payload }, false);
  }

  /** Ends an Exchange without a response. */
  fail(exchange: ClientExchange, error: ExchangeError, detail?: string): void {
    this.stop(exchange);
    this.abortFetch(exchange);
    this.#remove(exchange);
    if (exchange.parent !== undefined) {
      // The state changed or the peer is away: a newer notification or the re-registration will tell.
      delete exchange.parent.fetch;
      this.#context.counters.incompleteNotifications++;
      return;
    }
    const { counters, outputs } = this.#context;
    if (error !== 'cancelled') counters.failedExchanges++;
    outputs.push({
      kind: 'failed',
      exchange: exchange.id,
      error,
      ...(detail === undefined ? {} : { detail }),
    });
  }

  /** Nothing came in time. */
  timedOut(exchange: ClientExchange): void {
    if (exchange.deregistering) this.fail(exchange, 'cancelled', 'the deregistration was not answered');
    else if (allowsSilence(exchange)) this.#silent(exchange);
    else this.fail(exchange, 'timeout');
  }

  /** Gives up the fetch of an observation's latest notification. */
  abortFetch(exchange: ClientExchange): void {
    const { fetch } = exchange;
    if (fetch === undefined) return;
    delete exchange.fetch;
    this.stop(fetch);
    this.#remove(fetch);
    this.#context.counters.incompleteNotifications++;
  }

  /** How long a response is waited for once nothing is retransmitted. */
  #patienceMs({ silence, observation }: ClientExchange): number {
    const { responseTimeoutMs, silenceAfterMs } = this.#context.config;
    return silence === 'loss' || observation !== undefined ? responseTimeoutMs : silenceAfterMs;
  }

  /** No response came, as the client wanted or allowed. */
  #silent(exchange: ClientExchange): void {
    this.stop(exchange);
    this.#remove(exchange);
    this.#context.outputs.push({ kind: 'sent', exchange: exchange.id });
  }

  #remove(exchange: ClientExchange): void {
    this.table.remove(exchange);
    this.deadlines.cancel(exchange);
    this.waits.cancel(exchange);
    this.reregistrations.cancel(exchange);
    if (exchange.operation !== undefined) this.operations.end(exchange.operation);
    // The caller of `request` never heard of this one: nothing else tells that its id is done with.
    if (exchange.parent !== undefined)
      this.#context.outputs.push({ kind: 'exchange-ended', exchange: exchange.id });
  }
}

/** Whether the request has most likely arrived, and no response can be what it asked for (RFC 7967 §2.1). */
function allowsSilence({ silence, observation, type, acknowledged }: ClientExchange): boolean {
  return silence !== 'loss' && observation === undefined && (type === 'NON' || acknowledged);
}
