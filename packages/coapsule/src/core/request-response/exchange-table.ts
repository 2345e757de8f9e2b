/**
 * The client's Exchanges: found by peer and token, never by order of arrival.
 *
 * RFC 7252 §5.3.2: a response belongs to the request with the same token and the same endpoint. A token is
 * in use from `claim` until `release`. An Exchange may have more tokens than its own: each block of a body in Q-Blocks is a
 * request of its own (RFC 9177 §6).
 *
 * @module
 */

import { byteKey } from './byte-key.ts';
import type { ClientExchange } from './client-exchange.ts';
import type { ExchangeId, PeerKey } from './exchange.ts';

/** All Exchanges of the client role that are not finished. */
export class ExchangeTable {
  readonly #byId = new Map<ExchangeId, ClientExchange>();
  readonly #byPeer = new Map<PeerKey, Map<string, ClientExchange>>();
  /** Further tokens of an Exchange, the oldest first. */
  readonly #further = new Map<ExchangeId, Map<string, Uint8Array>>();
  /** Tokens of requests to groups: they are matched without the peer, so no other request may have them. */
  readonly #reserved = new Set<string>();

  /** Number of Exchanges. */
  get size(): number {
    return this.#byId.size;
  }

  /** Whether a token is in use with a peer. */
  inUse(peer: PeerKey, token: Uint8Array): boolean {
    return this.isReserved(token) || (this.#byPeer.get(peer)?.has(byteKey(token)) ?? false);
  }

  /** Keeps a token for a request to a group, and for the time after it (groupcomm-bis §3.1.5). */
  reserve(token: Uint8Array): void {
    this.#reserved.add(byteKey(token));
  }

  /** Whether a token is, or was lately, that of a request to a group. */
  isReserved(token: Uint8Array): boolean {
    return this.#reserved.size > 0 && this.#reserved.has(byteKey(token));
  }

  /** Ends a reservation, by the token's `byteKey`. */
  free(key: string): void {
    this.#reserved.delete(key);
  }

  /** Adds an Exchange under its present token, which must be free. */
  add(exchange: ClientExchange): void {
    this.#byId.set(exchange.id, exchange);
    this.#claim(exchange);
  }

  /** Gives an Exchange another token, which must be free; the old one is free again. */
  changeToken(exchange: ClientExchange, token: Uint8Array): void {
    this.#release(exchange);
    exchange.token = token;
    this.#claim(exchange);
  }

  /** Takes an Exchange out; its tokens are free again. */
  remove(exchange: ClientExchange): void {
    this.#byId.delete(exchange.id);
    this.releaseFurther(exchange);
    this.#release(exchange);
  }

  /** Gives an Exchange one more token, which must be free; of more than `most` the oldest is free again. */
  claimFurther(exchange: ClientExchange, token: Uint8Array, most: number): void {
    const further = this.#further.get(exchange.id) ?? new Map<string, Uint8Array>();
    this.#further.set(exchange.id, further);
    const key = byteKey(token);
    further.set(key, token);
    this.#tokensOf(exchange.peer).set(key, exchange);
    for (const oldest of further.keys()) {
      if (further.size <= most) break;
      further.delete(oldest);
      this.#free(exchange.peer, oldest);
    }
  }

  /** Makes one of an Exchange's tokens its own, and frees all others. */
  keepOnly(exchange: ClientExchange, token: Uint8Array): void {
    this.releaseFurther(exchange);
    this.changeToken(exchange, token.slice());
  }

  /** Frees all tokens of an Exchange but its own. */
  releaseFurther(exchange: ClientExchange): void {
    for (const key of this.#further.get(exchange.id)?.keys() ?? []) this.#free(exchange.peer, key);
    this.#further.delete(exchange.id);
  }

  /** The Exchange with an id. */
  get(id: ExchangeId): ClientExchange | undefined {
    return this.#byId.get(id);
  }

  /** The Exchange a response with this token belongs to. */
  match(peer: PeerKey, token: Uint8Array): ClientExchange | undefined {
    return this.#byPeer.get(peer)?.get(byteKey(token));
  }

  /** All Exchanges with a peer. */
  ofPeer(peer: PeerKey): readonly ClientExchange[] {
    return [...new Set(this.#byPeer.get(peer)?.values() ?? [])];
  }

  /** All Exchanges. */
  values(): IterableIterator<ClientExchange> {
    return this.#byId.values();
  }

  #claim(exchange: ClientExchange): void {
    this.#tokensOf(exchange.peer).set(byteKey(exchange.token), exchange);
  }

  #release({ peer, token }: ClientExchange): void {
    this.#free(peer, byteKey(token));
  }

  #tokensOf(peer: PeerKey): Map<string, ClientExchange> {
    const known = this.#byPeer.get(peer);
    if (known !== undefined) return known;
    const tokens = new Map<string, ClientExchange>();
    this.#byPeer.set(peer, tokens);
    return tokens;
  }

  #free(peer: PeerKey, key: string): void {
    const tokens = this.#byPeer.get(peer);
    tokens?.delete(key);
    if (tokens?.size === 0) this.#byPeer.delete(peer);
  }
}
