/**
 * Who observes what: the list of observers by token, by Exchange, by path and by peer, and how many there may be.
 *
 * RFC 7641 §4.1. When which of them is sent a notification is in `observe-server.ts`.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { ExchangeId, PeerKey, ServerExchange } from './exchange.ts';
import { detachedFromMessage, heldBytes, type Observer, type ObservingPeer, tokenKey } from './observer.ts';
import type { RequestResponseConfig } from './request-response-config.ts';

/** See the module comment. */
export class ObserverTable {
  readonly #config: RequestResponseConfig;
  readonly #byToken = new Map<string, Observer>();
  readonly #byExchange = new Map<ExchangeId, Observer>();
  readonly #byPath = new Map<string, Set<Observer>>();
  readonly #peers = new Map<PeerKey, ObservingPeer>();
  #bytes = 0;

  constructor(config: RequestResponseConfig) {
    this.#config = config;
  }

  /** Number of observers. */
  get size(): number {
    return this.#byToken.size;
  }

  /** Number of peers that have an observer. */
  get peers(): number {
    return this.#peers.size;
  }

  /** Bytes of memory charged to observers. */
  get bytes(): number {
    return this.#bytes;
  }

  values(): IterableIterator<Observer> {
    return this.#byToken.values();
  }

  /** The observer of an Exchange: that of its registration, or of a former one whose notification has not landed. */
  get(exchange: ExchangeId): Observer | undefined {
    return this.#byExchange.get(exchange);
  }

  /** The observer with this peer and token (§4.1). */
  withToken(peer: PeerKey, token: Uint8Array): Observer | undefined {
    // Most peers observe nothing: for them no key is made.
    return this.#peers.has(peer) ? this.#byToken.get(tokenKey(peer, token)) : undefined;
  }

  /** The observers of a path, with any query. */
  ofPath(path: string): readonly Observer[] {
    return [...(this.#byPath.get(path) ?? [])];
  }

  /** The observers of a peer. */
  ofPeer(peer: PeerKey): readonly Observer[] {
    return [...(this.#peers.get(peer)?.observers ?? [])];
  }

  /** A client as a receiver of notifications; `undefined` when it observes nothing. */
  peer(key: PeerKey): ObservingPeer | undefined {
    return this.#peers.get(key);
  }

  /** The client of an observer that is on the list. */
  peerOf(observer: Observer): ObservingPeer {
    return this.#peers.get(observer.exchange.peer) as ObservingPeer;
  }

  /** Whether one more is too much: for its peer, its path, or in all. */
  isFullFor(peer: PeerKey, path: string, bytes: number): boolean {
    const { maxObservers, maxObserversPerPeer, maxObserversPerResource, totalObserverBytes } = this.#config;
    return (
      this.#bytes + bytes > totalObserverBytes ||
      this.#byToken.size >= maxObservers ||
      (this.#peers.get(peer)?.observers.size ?? 0) >= maxObserversPerPeer ||
      (this.#byPath.get(path)?.size ?? 0) >= maxObserversPerResource
    );
  }

  /** Puts an observer on the list. */
  add(observer: Observer, now: Instant): void {
    const { exchange, path } = observer;
    this.#byToken.set(tokenKey(exchange.peer, exchange.token), observer);
    this.#byExchange.set(exchange.id, observer);
    const ofPath = this.#byPath.get(path) ?? new Set();
    this.#byPath.set(path, ofPath.add(observer));
    let peer = this.#peers.get(exchange.peer);
    if (peer === undefined) {
      peer = { observers: new Set(), waiting: new Set(), inFlight: 0, nextAt: now, roundTripMs: undefined };
      this.#peers.set(exchange.peer, peer);
    }
    peer.observers.add(observer);
    this.#bytes += observer.bytes;
  }

  /** The client has registered again; its former Exchange is known until `forgetExchange`. */
  replaceExchange(observer: Observer, exchange: ServerExchange): void {
    this.#bytes -= observer.bytes;
    observer.exchange = detachedFromMessage(exchange);
    observer.bytes = heldBytes(exchange);
    this.#bytes += observer.bytes;
    this.#byExchange.set(exchange.id, observer);
  }

  /** Nothing is reported for a former registration any more. */
  forgetExchange(exchange: ExchangeId): void {
    this.#byExchange.delete(exchange);
  }

  /** Takes an observer off the list; its peer stays there with another of its observers only. */
  remove(observer: Observer): void {
    const { exchange, path } = observer;
    this.#byToken.delete(tokenKey(exchange.peer, exchange.token));
    this.#byExchange.delete(exchange.id);
    this.#bytes -= observer.bytes;
    const ofPath = this.#byPath.get(path);
    ofPath?.delete(observer);
    if (ofPath?.size === 0) this.#byPath.delete(path);
    const peer = this.peerOf(observer);
    peer.observers.delete(observer);
    peer.waiting.delete(observer);
    if (peer.observers.size === 0) this.#peers.delete(exchange.peer);
  }
}
