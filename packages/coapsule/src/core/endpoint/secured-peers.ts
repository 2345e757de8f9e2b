/**
 * The peers of DTLS associations. What is known of one follows from its association, so that a `Peer` is made when it is
 * first needed and given up when many others were needed since: an idle association has none.
 *
 * @module
 */

import type { AssociationId, AssociationInfo } from '../dtls/dtls-layer.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { blockSizes, messageOverhead } from './endpoint-config.ts';
import type { Peer } from './peer.ts';

/** After so many peers those that were not needed meanwhile are given up: with the ones before, as many as a server talks with. */
const mostRecent = 8192;

const prefix = 'dtls:';

/** The key of the peer of an association. It differs for each, so that none inherits another's state. */
export function securedPeerKey(association: AssociationId): string {
  return `${prefix}${association}`;
}

interface Peers {
  readonly byAssociation: Map<AssociationId, Peer>;
  readonly byKey: Map<string, Peer>;
}

/** See the module comment. */
export class SecuredPeers {
  readonly #associationOf: (association: AssociationId) => AssociationInfo | undefined;
  readonly #most: number;
  #recent: Peers = { byAssociation: new Map(), byKey: new Map() };
  /** Not needed since `#recent` began. */
  #before: Peers = { byAssociation: new Map(), byKey: new Map() };

  constructor(
    associationOf: (association: AssociationId) => AssociationInfo | undefined,
    most: number = mostRecent,
  ) {
    this.#associationOf = associationOf;
    this.#most = most;
  }

  /** The peer of an association. */
  ofAssociation(association: AssociationId, address: PeerAddress): Peer {
    return (
      this.#recent.byAssociation.get(association) ??
      this.#recall(this.#before.byAssociation.get(association)) ??
      this.#make(association, address, this.#associationOf(association))
    );
  }

  /** The peer with this key; `undefined` when its association is closed. */
  withKey(key: string): Peer | undefined {
    const known = this.#recent.byKey.get(key) ?? this.#recall(this.#before.byKey.get(key));
    if (known !== undefined || !key.startsWith(prefix)) return known;
    const association = Number(key.slice(prefix.length));
    const info = this.#associationOf(association);
    return info?.established === true ? this.#make(association, info.address, info) : undefined;
  }

  /** The association is closed. The peer is returned for what still has to be ended. */
  forget(association: AssociationId, address: PeerAddress): Peer {
    const peer = this.ofAssociation(association, address);
    for (const { byAssociation, byKey } of [this.#recent, this.#before]) {
      byAssociation.delete(association);
      byKey.delete(peer.key);
    }
    return peer;
  }

  #make(association: AssociationId, address: PeerAddress, info: AssociationInfo | undefined): Peer {
    const peer: Peer = { key: securedPeerKey(association), address, association, heardAt: undefined };
    if (info?.established !== true) return peer;
    peer.heardAt = info.lastActivity;
    // Its records may be too small for the block size that others get.
    peer.blockSize = blockSizes.find((size) => size <= info.maxDataLength - messageOverhead) ?? 16;
    this.#keep(peer, association);
    return peer;
  }

  #recall(peer: Peer | undefined): Peer | undefined {
    if (peer?.association !== undefined) this.#keep(peer, peer.association);
    return peer;
  }

  #keep(peer: Peer, association: AssociationId): void {
    if (this.#recent.byAssociation.size >= this.#most) this.#age();
    this.#recent.byAssociation.set(association, peer);
    this.#recent.byKey.set(peer.key, peer);
  }

  /** What does not follow from an association is not given up. */
  #age(): void {
    const gone = this.#before;
    this.#before = this.#recent;
    this.#recent = { byAssociation: new Map(), byKey: new Map() };
    for (const [association, peer] of gone.byAssociation) {
      const isToBeKept = peer.isAddressUnproved === true || peer.guesses !== undefined;
      if (!isToBeKept || this.#before.byAssociation.has(association)) continue;
      this.#recent.byAssociation.set(association, peer);
      this.#recent.byKey.set(peer.key, peer);
    }
  }
}
