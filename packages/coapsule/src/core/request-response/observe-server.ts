/**
 * When which observer is sent a notification.
 *
 * RFC 7641 §4: sequence numbers (§4.4), CON or NON (§4.5), one outstanding notification for each peer and skipping of
 * intermediate states (§4.5.1, §4.5.2). The list of observers itself (§4.1) is in `observer-table.ts`.
 *
 * A NON notification that is the last for a while is followed by a CON one, because nobody else would tell an
 * observer that missed it (RFC 7641 §1.3: eventual consistency). It is a notification of its own, with the
 * state of its time and a greater number (§4.4), so §4.5 holds for it as for any other.
 *
 * What the application is asked and what a notification contains is in `server-role.ts`.
 *
 * A CON notification is sent once more as long as its state, and so its Observe value, is current. When it is not, the
 * application is asked at the time of the retransmission, and the new state takes its place (§4.4, §4.5.2).
 *
 * @module
 */

import { after, earliest, elapsedMs, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { ExchangeId, PeerKey, ReadyResponse, ServerExchange } from './exchange.ts';
import {
  detachedFromMessage,
  heldBytes,
  type NotificationInFlight,
  type Observer,
  type ObserverActions,
  type ObservingPeer,
} from './observer.ts';
import { ObserverTable } from './observer-table.ts';
import type { RequestResponseConfig } from './request-response-config.ts';
import { isMeant, pathOf } from './resource-key.ts';

/** All observers of this endpoint's resources. */
export class ObserverList {
  readonly #config: RequestResponseConfig;
  readonly #counters: RequestResponseCounters;
  readonly #actions: ObserverActions;
  readonly #table: ObserverTable;
  /** Peers that wait for the time of their next notification. */
  readonly #pacing = new TimerQueue<PeerKey>();
  /** Observers that are due for a CON notification (§4.5: every 24 hours). */
  readonly #liveness = new TimerQueue<Observer>();
  /** Observers whose last notification was NON, until it is too late for a newer state to stand in for it. */
  readonly #confirmations = new TimerQueue<Observer>();
  #sequence: number;

  constructor(config: RequestResponseConfig, counters: RequestResponseCounters, actions: ObserverActions) {
    this.#config = config;
    this.#table = new ObserverTable(config);
    this.#counters = counters;
    this.#actions = actions;
    this.#sequence = config.observeSequenceStart;
  }

  /** Number of observers. */
  get size(): number {
    return this.#table.size;
  }

  /** Number of peers that have an observer. */
  get peers(): number {
    return this.#table.peers;
  }

  /** Bytes of memory charged to observers. */
  get bytes(): number {
    return this.#table.bytes;
  }

  /** Number of observers of one peer. */
  countOf(peer: PeerKey): number {
    return this.#table.peer(peer)?.observers.size ?? 0;
  }

  values(): IterableIterator<Observer> {
    return this.#table.values();
  }

  /** The observer of an Exchange. */
  get(exchange: ExchangeId): Observer | undefined {
    return this.#table.get(exchange);
  }

  /** Adds an observer, or renews the one with this peer and token (§4.1); `undefined` when the list is full. */
  register(
    exchange: ServerExchange,
    contentFormat: Uint8Array | undefined,
    now: Instant,
  ): Observer | undefined {
    const resource = this.#config.resourceName(exchange.options);
    const existing = this.#table.withToken(exchange.peer, exchange.token);
    if (existing !== undefined && existing.resource !== resource) this.remove(existing);
    else if (existing !== undefined) return this.#renew(existing, exchange, contentFormat);
    const path = pathOf(resource);
    const bytes = heldBytes(exchange);
    if (this.#table.isFullFor(exchange.peer, path, bytes)) {
      this.#counters.refusedObservers++;
      return undefined;
    }
    const observer: Observer = {
      exchange: detachedFromMessage(exchange),
      resource,
      path,
      bytes,
      contentFormat,
      // One number for all resources, greater than any that was sent: a token used again stays in order.
      sequence: ++this.#sequence,
      dirty: false,
      computing: false,
      held: undefined,
      isHeldBack: false,
      skipped: false,
      inFlight: undefined,
      isConfirmable:
        this.#config.notificationType === 'CON' || this.#config.confirmableNotifications(exchange),
      sinceConfirmable: this.#config.confirmFirstNotification ? this.#config.confirmableEvery : 0,
    };
    this.#table.add(observer, now);
    this.#liveness.set(observer, after(now, this.#config.confirmableAtLeastEveryMs));
    return observer;
  }

  /** Whether there is an observation with this peer and token. */
  has(peer: PeerKey, token: Uint8Array): boolean {
    return this.#table.withToken(peer, token) !== undefined;
  }

  /** Ends the observation with this peer and token, if there is one (§4.1). */
  deregister(peer: PeerKey, token: Uint8Array): void {
    const observer = this.#table.withToken(peer, token);
    if (observer !== undefined) this.remove(observer);
  }

  /** The registration was answered by a CON message of its own: no notification before its acknowledgement. */
  awaitAcknowledgement(observer: Observer, now: Instant): void {
    if (observer.inFlight === undefined) this.#takeOff(observer, now);
  }

  /** The resource changed: a path alone means it with every query. */
  changed(resource: string, now: Instant): void {
    const observers = this.#table.ofPath(pathOf(resource));
    if (observers.length === 0) return;
    // One number for a change, not one for each observer: §4.4 bounds how fast it may grow.
    this.#sequence++;
    for (const observer of observers) {
      if (!isMeant(resource, observer.resource)) continue;
      this.#markDirty(observer);
      this.#pump(observer, now);
    }
  }

  /** The resource has changed for this one observer. */
  renewState(observer: Observer, now: Instant): void {
    this.#sequence++;
    this.#markDirty(observer);
    this.#pump(observer, now);
  }

  /** Takes the application's answer to `ask`. */
  answered(observer: Observer, response: ReadyResponse, now: Instant): void {
    observer.computing = false;
    if (observer.inFlight?.isDue) {
      this.#supersede(observer, response, now);
      return;
    }
    observer.held = response;
    this.#table.peerOf(observer).waiting.add(observer);
    this.#pumpPeer(observer.exchange.peer, now);
  }

  /** The application will not answer `ask`. */
  unanswered(observer: Observer, now: Instant): void {
    observer.computing = false;
    if (observer.inFlight?.isDue) {
      this.#actions.stop(observer.inFlight.exchange);
      this.#landed(observer);
    }
    this.#pump(observer, now);
    this.#pumpPeer(observer.exchange.peer, now);
  }

  /**
   * A CON notification that is outdated would be sent once more: asks for the state that takes its place. False when none
   * will, as for one of a former registration.
   */
  due(exchange: ExchangeId, now: Instant): boolean {
    const observer = this.#table.get(exchange);
    if (observer?.inFlight?.exchange !== exchange) return false;
    if (this.#landedFormer(observer, exchange, now)) return false;
    observer.inFlight.isDue = true;
    this.#ask(observer, now);
    return true;
  }

  /** A CON notification was acknowledged: the client is there, and the next one may go. */
  acknowledged(exchange: ExchangeId, now: Instant): void {
    const observer = this.#table.get(exchange);
    if (observer?.inFlight?.exchange !== exchange) return;
    const peer = this.#table.peerOf(observer);
    peer.roundTripMs = Math.min(elapsedMs(observer.inFlight.at, now), this.#config.nonNotificationSpacingMs);
    this.#landed(observer);
    this.#pump(observer, now);
    this.#pumpPeer(observer.exchange.peer, now);
  }

  /** The client rejected a notification: it is no longer interested (§4.5). */
  rejected(exchange: ExchangeId, now: Instant): void {
    const observer = this.#table.get(exchange);
    if (observer === undefined || this.#landedFormer(observer, exchange, now)) return;
    this.#counters.lostObservers++;
    this.remove(observer);
    this.#pumpPeer(observer.exchange.peer, now);
  }

  /**
   * A notification or separate response was never sent, because too much waits for its peer; or it was given up, while an
   * earlier one that it took the place of was acknowledged (§4.5.2). It is as if the resource had changed once more, and
   * the observer stays.
   */
  refused(exchange: ExchangeId, now: Instant): void {
    const observer = this.#table.get(exchange);
    if (observer === undefined) return;
    if (observer.inFlight?.exchange === exchange) this.#landed(observer);
    this.#sequence++;
    this.#markDirty(observer);
    this.#confirmations.set(observer, after(now, this.#config.confirmLastAfterMs));
  }

  /** A notification may not go before the peer's address is proved: it is as if the resource had changed once more. */
  holdBack(observer: Observer): void {
    if (observer.inFlight !== undefined) this.#landed(observer);
    observer.isHeldBack = true;
    this.#confirmations.cancel(observer);
    this.#sequence++;
    this.#markDirty(observer);
  }

  /** The peer's address is proved. */
  release(peer: PeerKey, now: Instant): void {
    for (const observer of this.#table.ofPeer(peer)) {
      if (!observer.isHeldBack) continue;
      observer.isHeldBack = false;
      this.#pump(observer, now);
    }
  }

  /** Nobody proves the peer's address: observers whose notifications wait for that are no longer on the list. */
  giveUpHeld(peer: PeerKey): void {
    for (const observer of this.#table.ofPeer(peer)) {
      if (!observer.isHeldBack) continue;
      this.#counters.lostObservers++;
      this.remove(observer);
    }
  }

  /** A CON notification was never acknowledged: the client is gone, with all its observations. */
  timedOut(exchange: ExchangeId, now: Instant): void {
    const observer = this.#table.get(exchange);
    if (observer === undefined || this.#landedFormer(observer, exchange, now)) return;
    this.#counters.lostObservers += this.#table.ofPeer(observer.exchange.peer).length;
    this.forgetPeer(observer.exchange.peer);
  }

  forgetPeer(peer: PeerKey): void {
    for (const observer of this.#table.ofPeer(peer)) this.remove(observer);
  }

  /** Takes an observer off the list. */
  remove(observer: Observer): void {
    const { exchange } = observer;
    if (observer.inFlight !== undefined) this.#landed(observer);
    const peer = this.#table.peerOf(observer);
    this.#table.remove(observer);
    this.#liveness.cancel(observer);
    this.#confirmations.cancel(observer);
    if (observer.computing) this.#actions.askNoMore(observer);
    this.#dropHeld(observer);
    if (peer.observers.size === 0) this.#pacing.cancel(exchange.peer);
    // It may have been this one's notification in flight that the others waited for.
    else if (peer.waiting.size > 0) this.#pacing.set(exchange.peer, peer.nextAt);
    this.#actions.ended(exchange.id);
  }

  handleTimeout(now: Instant): void {
    for (let peer = this.#pacing.expire(now); peer !== undefined; peer = this.#pacing.expire(now)) {
      this.#pumpPeer(peer, now);
    }
    for (let due = this.#liveness.expire(now); due !== undefined; due = this.#liveness.expire(now)) {
      this.#liveness.set(due, after(now, this.#config.confirmableAtLeastEveryMs));
      due.sinceConfirmable = this.#config.confirmableEvery;
      this.renewState(due, now);
    }
    for (let due = this.#confirmations.expire(now); due; due = this.#confirmations.expire(now)) {
      due.sinceConfirmable = this.#config.confirmableEvery;
      // With a state on its way already, that one is CON now.
      if (due.dirty || !(due.computing || due.held !== undefined)) this.renewState(due, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#confirmations.next(), earliest(this.#pacing.next(), this.#liveness.next()));
  }

  #renew(observer: Observer, exchange: ServerExchange, contentFormat: Uint8Array | undefined): Observer {
    const former = observer.exchange.id;
    // This response carries the present state: what is in flight for the former registration is old.
    if (observer.inFlight?.isDue) {
      this.#landed(observer);
      const { waiting, nextAt } = this.#table.peerOf(observer);
      if (waiting.size > 0) this.#pacing.set(exchange.peer, nextAt);
    } else if (observer.inFlight !== undefined) this.#outdate(observer.inFlight);
    const isFree = observer.inFlight?.exchange !== former;
    if (observer.computing) this.#actions.askNoMore(observer);
    if (isFree) this.#table.forgetExchange(former);
    this.#table.replaceExchange(observer, exchange);
    observer.contentFormat = contentFormat;
    observer.sequence = ++this.#sequence;
    observer.dirty = false;
    observer.computing = false;
    this.#dropHeld(observer);
    observer.isHeldBack = false;
    this.#table.peerOf(observer).waiting.delete(observer);
    // The message layer reports by Exchange: one with a notification in flight ends when that has landed.
    if (isFree && former !== exchange.id) this.#actions.ended(former);
    return observer;
  }

  #dropHeld(observer: Observer): void {
    if (observer.held !== undefined) this.#actions.drop(observer.held);
    observer.held = undefined;
  }

  #markDirty(observer: Observer): void {
    if (observer.dirty) this.#counters.conflatedNotifications++;
    observer.dirty = true;
  }

  /** Asks the application when the observer's last notification is out of the way. */
  #pump(observer: Observer, now: Instant): void {
    if (!observer.dirty || observer.computing || observer.isHeldBack) return;
    if (observer.inFlight !== undefined) {
      this.#outdate(observer.inFlight);
      return;
    }
    if (observer.held !== undefined) return; // it is asked again when its turn to send comes
    this.#ask(observer, now);
  }

  #ask(observer: Observer, now: Instant): void {
    observer.dirty = false;
    observer.computing = true;
    // There was a change since the application was last asked, so this is greater than the last number.
    observer.sequence = this.#sequence;
    this.#actions.ask(observer, now);
  }

  /** Sends what waits for this peer, as far as §4.5.1 allows. */
  #pumpPeer(key: PeerKey, now: Instant): void {
    const peer = this.#table.peer(key);
    if (peer === undefined) return;
    for (const observer of [...peer.waiting]) {
      if (peer.inFlight >= this.#config.notificationsInFlight) return;
      if (now < peer.nextAt) {
        this.#pacing.set(key, peer.nextAt);
        return;
      }
      const { held } = observer;
      peer.waiting.delete(observer);
      observer.held = undefined;
      if (held === undefined) continue;
      // A newer state is there: ask for it. But not twice in a row, or a busy resource would never be sent.
      observer.skipped = observer.dirty && !observer.skipped;
      if (observer.skipped) {
        this.#counters.conflatedNotifications++;
        this.#actions.drop(held);
      } else this.#send(observer, peer, held, now);
      if (this.#table.get(observer.exchange.id) !== undefined) this.#pump(observer, now);
    }
  }

  #outdate(inFlight: NotificationInFlight): void {
    // What a reliable transport has taken is not sent once more.
    if (inFlight.isOutdated || this.#config.reliableTransport) return;
    inFlight.isOutdated = true;
    this.#actions.outdate(inFlight.exchange);
  }

  /** §4.5.2, steps 3 and 4: the new state, under a new Message ID, with the counter and the timeout of the former. */
  #supersede(observer: Observer, response: ReadyResponse, now: Instant): void {
    // As in `#pumpPeer`: a still newer state is there, but the one in hand is not given up twice in a row.
    observer.skipped = observer.dirty && !observer.skipped;
    if (observer.skipped) {
      this.#counters.conflatedNotifications++;
      this.#actions.drop(response);
      this.#ask(observer, now);
      return;
    }
    this.#landed(observer);
    this.#takeOff(observer, now);
    this.#confirmations.cancel(observer);
    this.#liveness.set(observer, after(now, this.#config.confirmableAtLeastEveryMs));
    this.#counters.notificationsSent++;
    this.#actions.send(observer, { response, type: 'CON', supersedes: true }, now);
    if (this.#table.get(observer.exchange.id) !== undefined) this.#pump(observer, now);
  }

  #send(observer: Observer, peer: ObservingPeer, response: ReadyResponse, now: Instant): void {
    const type = this.#typeFor(observer);
    this.#confirmations.cancel(observer);
    if (type === 'CON') {
      observer.sinceConfirmable = 0;
      this.#takeOff(observer, now);
      this.#liveness.set(observer, after(now, this.#config.confirmableAtLeastEveryMs));
    } else {
      observer.sinceConfirmable++;
      peer.nextAt = after(now, peer.roundTripMs ?? this.#config.nonNotificationSpacingMs);
      this.#confirmations.set(observer, after(now, this.#config.confirmLastAfterMs));
    }
    this.#counters.notificationsSent++;
    this.#actions.send(observer, { response, type, supersedes: false }, now);
  }

  #typeFor(observer: Observer): 'CON' | 'NON' {
    const { isConfirmable, sinceConfirmable } = observer;
    return isConfirmable || sinceConfirmable + 1 >= this.#config.confirmableEvery ? 'CON' : 'NON';
  }

  #takeOff(observer: Observer, now: Instant): void {
    observer.inFlight = { exchange: observer.exchange.id, at: now, isOutdated: false, isDue: false };
    this.#table.peerOf(observer).inFlight++;
  }

  #landed(observer: Observer): void {
    const { inFlight } = observer;
    if (inFlight === undefined) return;
    observer.inFlight = undefined;
    this.#table.peerOf(observer).inFlight--;
    if (inFlight.exchange === observer.exchange.id) return;
    this.#table.forgetExchange(inFlight.exchange);
    this.#actions.ended(inFlight.exchange);
  }

  /** Whether `exchange` is a former registration: the client was there since, and the next one may go. */
  #landedFormer(observer: Observer, exchange: ExchangeId, now: Instant): boolean {
    if (observer.exchange.id === exchange) return false;
    this.#landed(observer);
    this.#pump(observer, now);
    this.#pumpPeer(observer.exchange.peer, now);
    return true;
  }
}
