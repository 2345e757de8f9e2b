/**
 * Peers under OSCORE, by a key of their own for each pair of who it is and what carries its messages.
 *
 * RFC 8613, RFC 9175 §2.3. Bounded: the one that was used longest ago goes first.
 *
 * @module
 */

import { RecencyMap } from '../foundation/recency-map.ts';
import type { ClientSecurity, ServerSecurity } from '../oscore/peer-security.ts';
import type { OscorePeer, OscoreVia } from './protected-messages.ts';

/** What the keys of peers under OSCORE begin with. */
const prefix = 'oscore:';

/** Largest Inner block: of one of 1024 bytes the ciphertext is longer, and a proxy would have to cut it again. */
export const oscoreBlockSize = 512;

/** Whether a key is that of a peer under OSCORE: who sends under it is authenticated, message by message. */
export function isUnderOscore(key: string): boolean {
  return key.startsWith(prefix);
}

/** See the module comment. */
export class OscorePeers<Via extends OscoreVia, Peer extends { readonly key: string }> {
  readonly #max: number;
  readonly #make: (key: string, oscore: OscorePeer<Via>) => Peer;
  readonly #byKey = new RecencyMap<KnownPeer<Via, Peer>>();
  /** By the key of what carries the messages, one of which ends now and then, and by who it is. */
  readonly #behind = new Map<string, Map<ClientSecurity | ServerSecurity, KnownPeer<Via, Peer>>>();
  readonly #numbers = new WeakMap<ClientSecurity | ServerSecurity, number>();
  #lastNumber = 0;

  /**
   * @param max Peers remembered at most.
   * @param make What a peer is to the endpoint.
   */
  constructor(max: number, make: (key: string, oscore: OscorePeer<Via>) => Peer) {
    this.#max = max;
    this.#make = make;
  }

  /** The peer that `security` is for, whose messages go by `via`. */
  of(via: Via, security: ClientSecurity | ServerSecurity): Peer {
    const known = this.#behind.get(via.key)?.get(security);
    if (known !== undefined) {
      this.#byKey.use(known.peer.key);
      // What carries the messages may be another object by now, which knows where they go.
      known.oscore.via = via;
      return known.peer;
    }
    const number = this.#numbers.get(security) ?? ++this.#lastNumber;
    this.#numbers.set(security, number);
    const key = `${prefix}${number}:${via.key}`;
    const oscore = { via, security, client: 'forRequest' in security ? security : undefined };
    const added = { peer: this.#make(key, oscore), oscore };
    this.#byKey.set(key, added);
    const behind = this.#behind.get(via.key);
    if (behind === undefined) this.#behind.set(via.key, new Map([[security, added]]));
    else behind.set(security, added);
    if (this.#byKey.size > this.#max) this.#forgetOldest();
    return added.peer;
  }

  /** The peer with this key. */
  withKey(key: string): Peer | undefined {
    return this.#byKey.get(key)?.peer;
  }

  /** Who is behind the peer with this key, and who it is. */
  oscoreOf(key: string): OscorePeer<Via> | undefined {
    return this.#byKey.get(key)?.oscore;
  }

  /** Forgets all peers behind `via`, and returns their keys. */
  forget(via: Via): readonly string[] {
    const gone = [...(this.#behind.get(via.key)?.values() ?? [])].map(({ peer }) => peer.key);
    for (const key of gone) this.#byKey.delete(key);
    this.#behind.delete(via.key);
    return gone;
  }

  #forgetOldest(): void {
    const key = this.#byKey.oldest();
    const oldest = key === undefined ? undefined : this.#byKey.get(key);
    if (key === undefined || oldest === undefined) return;
    const { via, security } = oldest.oscore;
    this.#byKey.delete(key);
    const behind = this.#behind.get(via.key);
    behind?.delete(security);
    if (behind?.size === 0) this.#behind.delete(via.key);
  }
}

interface KnownPeer<Via extends OscoreVia, Peer> {
  readonly peer: Peer;
  readonly oscore: OscorePeer<Via>;
}
