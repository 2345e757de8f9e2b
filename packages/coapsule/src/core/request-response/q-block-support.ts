/**
 * Which servers are known to speak Q-Block, and which not to.
 *
 * RFC 9177 §4.1: found out by a Confirmable request with one of the options, which a server that does not know them
 * answers 4.02. Addresses change hands and servers get new software, so what was found out holds for half an hour, as with
 * extended tokens (RFC 8974 §2.2.2).
 *
 * @module
 */

import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import type { PeerKey } from './exchange.ts';

/** What is known about a server. */
export type QBlockKnowledge = 'spoken' | 'unspoken' | 'unknown';

const lifetimeMs: DurationMs = 1_800_000;

/** Servers remembered; of more, the one that was found out longest ago is tried again. */
const maxServers = 1_024;

/** What was found out. */
export class QBlockSupport {
  readonly #servers = new Map<PeerKey, { readonly spoken: boolean; readonly until: Instant }>();

  /** What is known about `peer` now. */
  of(peer: PeerKey, now: Instant): QBlockKnowledge {
    const known = this.#servers.get(peer);
    if (known === undefined || known.until <= now) return 'unknown';
    return known.spoken ? 'spoken' : 'unspoken';
  }

  /** A server has taken a Q-Block option, or has refused it. */
  learned(peer: PeerKey, spoken: boolean, now: Instant): void {
    this.#servers.delete(peer);
    this.#servers.set(peer, { spoken, until: after(now, lifetimeMs) });
    if (this.#servers.size <= maxServers) return;
    const [oldest] = this.#servers.keys();
    this.#servers.delete(oldest as PeerKey);
  }

  /** What was found out is in doubt, or the endpoint is gone. */
  forgetPeer(peer: PeerKey): void {
    this.#servers.delete(peer);
  }
}
