/**
 * Who is connected, of all threads, for views that ask again and again: gathering takes no more than a twentieth of the time.
 */
import type { GatewayOperations } from '../operations/gateway-operations.ts';
import type { PeerView } from '../operations/peers-view.ts';
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { AssociationView, SecurityKind } from './api-types.ts';

/** Peers at one moment. */
export interface Peers {
  readonly all: readonly PeerView[];
  /** Of those with the same identity the one that was heard last. */
  readonly byIdentity: ReadonlyMap<string, PeerView>;
}

/** How many are looked at. */
const mostPeers = 20_000;
const pageSize = 1000;

/** For so many times as long as it took they are fresh, and no longer than so many ms. */
const fresh = { times: 20, longestMs: 1000 } as const;

/** See the module comment. */
export class PeerIndex {
  readonly #operations: Pick<GatewayOperations, 'peers'>;
  readonly #now: () => number;
  #gathering: Promise<Peers> | undefined;
  #freshUntil = Number.NEGATIVE_INFINITY;

  constructor(operations: Pick<GatewayOperations, 'peers'>, { now }: Pick<TickTimer, 'now'>) {
    this.#operations = operations;
    this.#now = now;
  }

  /** As they are, or were a moment ago. */
  peers(): Promise<Peers> {
    if (this.#gathering === undefined || this.#now() >= this.#freshUntil) {
      // Whoever asks meanwhile waits for the same.
      this.#freshUntil = Number.POSITIVE_INFINITY;
      const began = this.#now();
      this.#gathering = this.#gather().finally(() => {
        const now = this.#now();
        this.#freshUntil = now + Math.min(fresh.longestMs, fresh.times * (now - began));
      });
    }
    return this.#gathering;
  }

  async #gather(): Promise<Peers> {
    const all: PeerView[] = [];
    for (let after: string | undefined; all.length < mostPeers; ) {
      const page = await this.#operations.peers(pageSize, after);
      all.push(...page.peers);
      if (page.next === null) break;
      after = page.next;
    }
    const byIdentity = new Map<string, PeerView>();
    for (const peer of all) {
      if (peer.identity === '') continue;
      const known = byIdentity.get(peer.identity);
      if (known === undefined || (peer.idleSeconds ?? 0) <= (known.idleSeconds ?? 0))
        byIdentity.set(peer.identity, peer);
    }
    return { all, byIdentity };
  }
}

const kinds: Readonly<Record<string, SecurityKind>> = {
  psk: 'psk',
  x509: 'x509',
  'raw-public-key': 'rpk',
  oscore: 'oscore',
};

/** As the console has it. */
export function associationView({ authentication, resumed, ...peer }: PeerView): AssociationView {
  return { ...peer, security: kinds[authentication] ?? 'none', isResumed: resumed };
}
