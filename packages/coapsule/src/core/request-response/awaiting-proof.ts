/**
 * Responses that wait for the proof of their peer's address, because they would be cut without it.
 *
 * RFC 9175 §2.4 (item 3), RFC 7252 §5.2.2. A client takes the size of the first block for all of a body (RFC 7959 §2.4), so
 * one small block costs it hundreds of round trips, and the wait for its answer to a ping costs one. A response waits no
 * longer than its request can do without an Empty ACK, a separate one no longer than ACK_TIMEOUT. Sends nothing itself: see `server-role.ts`.
 *
 * @module
 */

import type { PeerKey, ReadyResponse, ServerExchange } from './exchange.ts';
import { ExchangesOfPeers } from './exchanges-of-peers.ts';

/** A response that waits, and what it answers. */
export interface AwaitingResponse {
  readonly exchange: ServerExchange;
  readonly response: ReadyResponse;
}

/** All that wait; each is one of the Exchanges that are not answered, whose bounds hold for it. */
export class AwaitingProof {
  readonly #responses = new Map<object, AwaitingResponse>();
  readonly #byPeer = new ExchangesOfPeers<ServerExchange>();

  /** Whether the response of an Exchange waits. */
  has(exchange: ServerExchange): boolean {
    return this.#responses.has(exchange);
  }

  add(exchange: ServerExchange, response: ReadyResponse): void {
    this.#responses.set(exchange, { exchange, response });
    this.#byPeer.add(exchange);
  }

  /** The response that answers a request, and waits no more. */
  take(pending: object): AwaitingResponse | undefined {
    const taken = this.#responses.get(pending);
    if (taken === undefined) return undefined;
    this.#responses.delete(pending);
    this.#byPeer.delete(taken.exchange);
    return taken;
  }

  /** All responses to a peer, the oldest first. */
  takeOf(peer: PeerKey): AwaitingResponse[] {
    return this.#byPeer.of(peer).flatMap((exchange) => this.take(exchange) ?? []);
  }
}
