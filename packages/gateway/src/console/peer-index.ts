/**
 * Who is connected, of all threads, for views that ask again and again: gathered at most once a second.
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
const freshMs = 1000;

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

  /** As they are, or were a second ago. */
  async peers(): Promise<Peers> {
    if (this.#gathering === undefined || this.#now() >= this.#freshUntil) {
      this.#freshUntil = this.#now() + freshMs;
      this.#gathering = this.#gather();
      this.#gathering.catch(() => {
        this.#gathering = undefined;
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
};

/** As the console has it. */
export function associationView({ authentication, resumed, ...peer }: PeerView): AssociationView {
  return { ...peer, security: kinds[authentication] ?? 'none', isResumed: resumed };
}
