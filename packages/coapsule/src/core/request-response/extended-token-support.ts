/**
 * Which servers are known to take tokens of more than 8 bytes.
 *
 * RFC 8974 §2.2.2: over UDP that is found out by trial. A Confirmable request with such a token is answered, with the
 * token, by a server that takes it; by a Reset where it is a format error. Addresses change hands, so what was found out
 * holds for half an hour. Over TCP the peer says it (§2.2.1): `signaling.ts`.
 *
 * @module
 */

import { baseTokenLength } from '../coap/token-length.ts';
import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import type { PeerKey } from './exchange.ts';

/** §2.2.2: "a minimum of 1800 s". */
const lifetimeMs: DurationMs = 1_800_000;

/** Servers remembered; of more, the one that was found out longest ago is tried again. */
const maxServers = 1_024;

/** What was found out. */
export class ExtendedTokenSupport {
  readonly #servers = new Map<PeerKey, { readonly length: number; readonly until: Instant }>();

  /** A server has answered a request with a token of `length` bytes. */
  taken(peer: PeerKey, length: number, now: Instant): void {
    const known = this.#servers.get(peer);
    if (known !== undefined && known.length >= length && now < known.until) return;
    this.#servers.delete(peer);
    this.#servers.set(peer, { length, until: after(now, lifetimeMs) });
    if (this.#servers.size <= maxServers) return;
    const [oldest] = this.#servers.keys();
    this.#servers.delete(oldest as PeerKey);
  }

  /** Whether a request with this token must be Confirmable, as only then a refusal is sure to be heard of. */
  mustBeTried(peer: PeerKey, { length }: Uint8Array, now: Instant): boolean {
    if (length <= baseTokenLength) return false;
    const known = this.#servers.get(peer);
    return known === undefined || known.length < length || known.until <= now;
  }

  forgetPeer(peer: PeerKey): void {
    this.#servers.delete(peer);
  }
}
