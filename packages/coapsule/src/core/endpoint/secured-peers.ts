/**
 * The peers of DTLS associations. What is known of one follows from its association, so that a `Peer` is made when it is
 * first needed and given up when many others were needed since: an idle association has none.
 *
 * @module
 */

import type { AssociationId, AssociationInfo } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { blockSizes, messageOverhead } from './endpoint-config.ts';
import { neverHeard, type Peer, peerAt } from './peer.ts';

/** Most peers that are held: as many as a server talks with at a time. */
const mostHeld = 12_288;

/** To make room for one so many are looked at, so that one more costs the same however many there are. */
const mostLooks = 8;

const prefix = 'dtls:';

/** The key of the peer of an association. It differs for each, so that none inherits another's state. */
export function securedPeerKey(association: AssociationId): string {
  return `${prefix}${association}`;
}

/**
 * See the module comment.
 *
 * Finding one costs a look into one table and changes nothing, whether few peers take turns or ten thousand. Only where a
 * further one has no room does a hand go around (the clock algorithm): what was not heard since its last round is given up.
 */
export class SecuredPeers {
  readonly #associationOf: (association: AssociationId) => AssociationInfo | undefined;
  readonly #most: number;
  readonly #held = new Map<AssociationId, Peer>();
  /** Found last: a message is looked up several times on its way. */
  #last: Peer | undefined;
  #hand = this.#held.values();
  /** Those that were heard later have had no look of the hand since. */
  #roundBegan = neverHeard;

  /** @param most Peers held; those of which more is known than follows from their association come on top. */
  constructor(
    associationOf: (association: AssociationId) => AssociationInfo | undefined,
    most: number = mostHeld,
  ) {
    this.#associationOf = associationOf;
    this.#most = most;
  }

  /** The peer of an association. */
  ofAssociation(association: AssociationId, address: PeerAddress): Peer {
    return this.#find(association) ?? this.#make(association, address, this.#associationOf(association));
  }

  /** The peer with this key; `undefined` when its association is closed. */
  withKey(key: string): Peer | undefined {
    if (this.#last?.key === key) return this.#last;
    if (!key.startsWith(prefix)) return undefined;
    const association = Number(key.slice(prefix.length));
    const known = this.#find(association);
    if (known !== undefined) return known;
    const info = this.#associationOf(association);
    return info?.established === true ? this.#make(association, info.address, info) : undefined;
  }

  /** The association is closed. The peer is returned for what still has to be ended. */
  forget(association: AssociationId, address: PeerAddress): Peer {
    const peer = this.ofAssociation(association, address);
    this.#held.delete(association);
    this.#last = undefined;
    return peer;
  }

  #find(association: AssociationId): Peer | undefined {
    if (this.#last?.association === association) return this.#last;
    const peer = this.#held.get(association);
    if (peer !== undefined) this.#last = peer;
    return peer;
  }

  #make(association: AssociationId, address: PeerAddress, info: AssociationInfo | undefined): Peer {
    const peer = peerAt(securedPeerKey(association), address, association);
    if (info?.established !== true) return peer;
    peer.heardAt = info.lastActivity;
    // Its records may be too small for the block size that others get.
    peer.blockSize = blockSizes.find((size) => size <= info.maxDataLength - messageOverhead) ?? 16;
    this.#makeRoom(peer.heardAt);
    this.#held.set(association, peer);
    this.#last = peer;
    return peer;
  }

  /** What does not follow from an association is not given up. */
  #makeRoom(now: Instant): void {
    for (let look = 1; look <= mostLooks && this.#held.size >= this.#most; look++) {
      const { value: peer } = this.#hand.next();
      if (peer === undefined) {
        this.#hand = this.#held.values();
        this.#roundBegan = now;
        continue;
      }
      if (peer.association === undefined || peer.isAddressUnproved === true || peer.guesses !== undefined) {
        continue;
      }
      if (peer.heardAt < this.#roundBegan || look === mostLooks) this.#held.delete(peer.association);
    }
  }
}
