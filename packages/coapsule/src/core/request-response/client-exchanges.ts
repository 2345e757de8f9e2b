/**
 * The client's Exchanges that are not finished: their request messages, how long each waits, and how each ends.
 *
 * RFC 7252 §5.2 and §5.3. What a response means is decided in `client-role.ts`.
 *
 * @module
 */

import { Code, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { baseTokenLength } from '../coap/token-length.ts';
import { after, earliest, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { DownloadStep } from './block2-download.ts';
import type { ClientExchange } from './client-exchange.ts';
import { uploadPosition } from './client-upload.ts';
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
import { ExtendedTokenSupport } from './extended-token-support.ts';
import { ReceivedEchoes } from './received-echoes.ts';
import type { RoleContext } from './role-context.ts';
import { TokenSource } from './token-source.ts';

/** The Exchanges of the client role, and what they wait for. */
export class ClientExchanges {
  readonly #context: RoleContext;
  readonly tokens: TokenSource;
  readonly table: ExchangeTable = new ExchangeTable();
  readonly echoes: ReceivedEchoes = new ReceivedEchoes();
  readonly extendedTokens: ExtendedTokenSupport = new ExtendedTokenSupport();
  readonly operations: ConcurrentOperations = new ConcurrentOperations();
  /** The caller's `timeoutMs`. */
  readonly deadlines: TimerQueue<ClientExchange> = new TimerQueue();
  /** Waiting for a response that is not retransmitted for any more. */
  readonly waits: TimerQueue<ClientExchange> = new TimerQueue();
  /** Bodies in Q-Blocks that wait for their next message, or for what should come (RFC 9177 §7.2). */
  readonly qBlockWaits: TimerQueue<ClientExchange> = new TimerQueue();
  /** Observations that register again when nothing comes. */
  readonly reregistrations: TimerQueue<ClientExchange> = new TimerQueue();

  constructor(context: RoleContext) {
    this.#context = context;
    this.tokens = new TokenSource(context.random);
  }

  /** A body in Q-Blocks waits until `deadline`, or for nothing. */
  waitForQBlocks(exchange: ClientExchange, deadline: Instant | undefined): void {
    if (deadline === undefined) this.qBlockWaits.cancel(exchange);
    else this.qBlockWaits.set(exchange, deadline);
  }

  /** The caller's time begins, or begins anew. */
  giveTime(exchange: ClientExchange, now: Instant): void {
    const { timeoutMs } = exchange;
    if (timeoutMs !== undefined) this.deadlines.set(exchange, after(now, timeoutMs));
  }

  nextTimeout(): Instant | undefined {
    const waits = earliest(this.waits.next(), this.qBlockWaits.next());
    return earliest(this.deadlines.next(), earliest(waits, this.reregistrations.next()));
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

  /** RFC 8974 §2.2.2: any response but a refusal with a long token tells that the server takes such ones. */
  noteToken({ peer, token }: Pick<ClientExchange, 'peer' | 'token'>, code: Code, now: Instant): void {
    if (token.length <= baseTokenLength || code === Code.BadRequest) return;
    this.extendedTokens.taken(peer, token.length, now);
  }

  /** The endpoint is gone. */
  forgetPeer(peer: PeerKey): void {
    this.echoes.forgetPeer(peer);
    this.extendedTokens.forgetPeer(peer);
  }

  /** Hands a request message to the message layer. */
  transmit(exchange: ClientExchange, content: Content, now: Instant): void {
    exchange.outstanding = true;
    exchange.acknowledged = false;
    exchange.answeredEarly = false;
    exchange.latest = content;
    this.#context.counters.requestsSent++;
    const { outputs } = this.#context;
    const { id, peer, token } = exchange;
    const mustBeTried = exchange.qBlock?.tries || this.extendedTokens.mustBeTried(peer, token, now);
    const type = mustBeTried ? 'CON' : exchange.type;
    // A CON request ends by Reset or time-out until it is acknowledged; for a NON nobody else watches the time.
    if (type === 'NON') this.waits.set(exchange, after(now, this.#patienceMs(exchange)));
    else this.waits.cancel(exchange);
    const message = { ...(exchange.forwarded ? content : this.#withEcho(peer, content, now)), token };
    outputs.push({ kind: 'send-request', peer, exchange: id, type, message });
  }

  /**
   * Hands one of several request messages to the message layer, with a token that is claimed. How long its answer is waited
   * for is the caller's matter.
   */
  transmitPart(
    { id, peer }: ClientExchange,
    type: 'CON' | 'NON',
    request: OutgoingMessage,
    now: Instant,
    part?: { readonly first: boolean },
  ): void {
    this.#context.counters.requestsSent++;
    const message = { ...this.#withEcho(peer, request, now), token: request.token };
    const output = { kind: 'send-request', peer, exchange: id, type, message } as const;
    this.#context.outputs.push(part === undefined ? output : { ...output, part });
  }

  /** Sends the latest request message once more, with the Echo that came for it (RFC 9175 §2.3). */
  repeatWithEcho(exchange: ClientExchange, now: Instant): void {
    this.#context.counters.echoesRepeated++;
    exchange.repeatedForEcho = true;
    this.stop(exchange);
    this.renewToken(exchange);
    if (exchange.latest !== undefined) this.transmit(exchange, exchange.latest, now);
  }

  /** The request with the server's latest Echo, unless the caller gave one. */
  #withEcho(peer: PeerKey, content: Content, now: Instant): Content {
    const echo = this.echoes.of(peer, now);
    if (echo === undefined || content.options.has(OptionNumber.Echo)) return content;
    const options = OptionSet.from(content.options.entries()).set(OptionNumber.Echo, echo);
    return { ...content, options };
  }

  /** Nothing is retransmitted any more: a separate response may come, or, at the client's wish, none (RFC 7967 §2.1). */
  acknowledged(exchange: ClientExchange, now: Instant): void {
    if (exchange.silence === 'wanted' && exchange.observation === undefined) this.#silent(exchange);
    else this.waits.set(exchange, after(now, this.#patienceMs(exchange)));
  }

  /** A request that nobody waits for an answer to: the Exchange ends with its only message. */
  sendOnly(exchange: ExchangeId, peer: PeerKey, request: OutgoingMessage, now: Instant): void {
    const { counters, outputs } = this.#context;
    counters.requestsSent++;
    const message = { ...this.#withEcho(peer, request, now), token: request.token };
    outputs.push({ kind: 'send-request', peer, exchange, type: 'NON', message });
    outputs.push({ kind: 'sent', exchange });
  }

  /** No more retransmissions of the request message. */
  stop(exchange: ClientExchange): void {
    this.waits.cancel(exchange);
    const { qBlock } = exchange;
    if (!exchange.outstanding && !qBlock?.outstanding) return;
    exchange.outstanding = false;
    if (qBlock !== undefined) qBlock.outstanding = false;
    this.#context.outputs.push({ kind: 'stop-request', exchange: exchange.id });
  }

  /** Gives a response to the caller. */
  deliver(exchange: ClientExchange, response: Content, final: boolean, bodyFollows = false): void {
    const { id, peer } = exchange;
    this.#context.outputs.push({ kind: 'response', peer, exchange: id, response, final, bodyFollows });
  }

  /** Gives a part of a response to the caller; the last one ends the Exchange, or the fetch of a notification. */
  handOver(exchange: ClientExchange, part: Extract<DownloadStep, { kind: 'part' }>): void {
    const { parent } = exchange;
    const { head, payload, next } = part;
    const last = next === undefined;
    if (last) {
      this.#remove(exchange);
      if (parent !== undefined) delete parent.fetch;
    }
    // The caller's `timeoutMs` is for the first block: how long the others take is for whoever takes them.
    this.deadlines.cancel(exchange);
    exchange.handedOver = { next };
    if (head === undefined) {
      const { id } = parent ?? exchange;
      const final = last && parent === undefined;
      this.#context.outputs.push({ kind: 'response-body', exchange: id, payload, last, final });
    } else if (parent === undefined) this.deliver(exchange, head, last, !last);
    else this.deliver(parent, notification(parent, head), false, !last);
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
      parent.observation?.forgetBody();
      this.#context.counters.incompleteNotifications++;
      return;
    }
    this.deliver(parent, notification(parent, response), false);
  }

  /** Ends an Exchange without a response. */
  fail(exchange: ClientExchange, error: ExchangeError, detail?: string): void {
    if (exchange.parent !== undefined) {
      // The state changed or the peer is away: a newer notification or the re-registration will tell.
      this.abortFetch(exchange.parent, detail ?? error);
      return;
    }
    this.stop(exchange);
    this.abortFetch(exchange, detail ?? error);
    const upload = uploadPosition(exchange);
    this.#remove(exchange, false);
    const { counters, outputs } = this.#context;
    if (error !== 'cancelled') counters.failedExchanges++;
    outputs.push({
      kind: 'failed',
      exchange: exchange.id,
      error,
      ...(detail === undefined ? {} : { detail }),
      ...(upload === undefined ? {} : { upload }),
    });
  }

  /** Ends what has waited too long, and returns the observations that are to be registered again. */
  expire(now: Instant): readonly ClientExchange[] {
    const { deadlines, waits, reregistrations } = this;
    for (let due = deadlines.expire(now); due !== undefined; due = deadlines.expire(now)) this.timedOut(due);
    for (let due = waits.expire(now); due !== undefined; due = waits.expire(now)) this.timedOut(due);
    const { config, outputs } = this.#context;
    const found: ClientExchange[] = [];
    for (let due = reregistrations.expire(now); due !== undefined; due = reregistrations.expire(now)) {
      if (!config.reliableTransport) found.push(due);
      else {
        outputs.push({ kind: 'observation-quiet', peer: due.peer, exchange: due.id });
        const { observation } = due;
        if (observation !== undefined) reregistrations.set(due, observation.reregisterAt(undefined, now));
      }
    }
    return found;
  }

  /** Nothing came in time. */
  timedOut(exchange: ClientExchange): void {
    if (exchange.deregistering) this.fail(exchange, 'cancelled', 'the deregistration was not answered');
    else if (allowsSilence(exchange)) this.#silent(exchange);
    else this.fail(exchange, 'timeout');
  }

  /** Gives up the fetch of an observation's latest notification. */
  abortFetch(exchange: ClientExchange, detail = 'the representation changed'): void {
    const { fetch } = exchange;
    if (fetch === undefined) return;
    delete exchange.fetch;
    exchange.observation?.forgetBody();
    this.stop(fetch);
    this.#remove(fetch);
    const { counters, outputs } = this.#context;
    counters.incompleteNotifications++;
    if (fetch.handedOver) outputs.push({ kind: 'response-body-aborted', exchange: exchange.id, detail });
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

  #remove(exchange: ClientExchange, isAnswered = true): void {
    this.table.remove(exchange);
    this.#context.supply.release(exchange.body);
    this.deadlines.cancel(exchange);
    this.waits.cancel(exchange);
    this.qBlockWaits.cancel(exchange);
    this.reregistrations.cancel(exchange);
    const { operation, peer, secure, uploaded, retransmitted } = exchange;
    if (operation !== undefined) {
      const isConcluded = isAnswered && !retransmitted;
      if (secure && uploaded && !isConcluded) this.operations.useUp(peer, operation);
      else this.operations.end(operation);
    }
    // The caller of `request` never heard of this one: nothing else tells that its id is done with.
    if (exchange.parent !== undefined)
      this.#context.outputs.push({ kind: 'exchange-ended', exchange: exchange.id });
  }
}

/** Whether the request has most likely arrived, and no response can be what it asked for (RFC 7967 §2.1). */
function allowsSilence({ silence, observation, type, acknowledged }: ClientExchange): boolean {
  return silence !== 'loss' && observation === undefined && (type === 'NON' || acknowledged);
}

/** A response as the notification of an observation. */
export function notification(
  { observation }: ClientExchange,
  { code, options: all, payload }: Content,
): Content {
  const options = OptionSet.from(all.entries()).set(OptionNumber.Observe, observation?.sequence ?? 0);
  return { code, options, payload };
}
