/**
 * The remote side of an exchange: a CoAP endpoint, identified by its transport address on plain CoAP and by
 * its security association on CoAPs (RFC 7252 §1.2 "Endpoint").
 *
 * @module
 */

import type { AssociationId } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import { ipAddressOfKey, type PeerAddress } from '../foundation/peer-address.ts';
import { RecencyMap } from '../foundation/recency-map.ts';
import type { ClientSecurity, ServerSecurity } from '../oscore/peer-security.ts';
import { isUnderOscore, OscorePeers, oscoreBlockSize } from './oscore-peers.ts';
import type { OscorePeer } from './protected-messages.ts';

/** One remote CoAP endpoint. `key` is what the layers compare. */
export interface Peer {
  readonly key: string;
  /** Where it is now; that of a secured peer with a connection id can change (RFC 9146 §6). */
  address: PeerAddress;
  /** The DTLS association, on a secured endpoint. */
  readonly association: AssociationId | undefined;
  /** When the last authenticated message came; for secured peers only. */
  heardAt: Instant | undefined;
  /** Largest block that fits a record to it; without the field the endpoint's own. */
  blockSize?: number;
  /** Whether its address changed and nothing proves that it receives there. */
  isAddressUnproved?: boolean;
  /** Whom OSCORE vouches for, behind whatever carries his messages; without the field nobody. */
  readonly oscore?: OscorePeer<Peer>;
  /** Acknowledgements and Resets of messages that it was never sent, while its address was to be proved. */
  guesses?: number;
}

/**
 * The peers an endpoint may have to send to: those it has heard of lately.
 *
 * Bounded, since anybody can invent source addresses: the plain peer that was silent longest goes first. It is
 * still found by its key, which holds its address. Secured peers live as long as their association.
 */
export class PeerTable {
  readonly #plain = new RecencyMap<Peer>();
  readonly #secured = new Map<AssociationId, Peer>();
  readonly #securedByKey = new Map<string, Peer>();
  readonly #maxPlain: number;
  readonly #underOscore: OscorePeers<Peer, Peer>;

  /** @param maxPlain Plain peers remembered at most. */
  constructor(maxPlain: number) {
    this.#maxPlain = maxPlain;
    this.#underOscore = new OscorePeers(maxPlain, (key, oscore) => ({
      key,
      get address() {
        return oscore.via.address;
      },
      association: undefined,
      heardAt: undefined,
      oscore,
    }));
  }

  /** The plain peer at `address`. */
  atAddress(address: PeerAddress): Peer {
    const known = this.#plain.use(address.key);
    if (known) return known;
    const peer: Peer = { key: address.key, address, association: undefined, heardAt: undefined };
    this.#plain.set(peer.key, peer);
    if (this.#plain.size > this.#maxPlain) this.#plain.delete(this.#plain.oldest() as string);
    return peer;
  }

  /** The peer of a DTLS association. Its key differs for each association, so that none inherits another's state. */
  ofAssociation(association: AssociationId, address: PeerAddress): Peer {
    const known = this.#secured.get(association);
    if (known) return known;
    const peer: Peer = { key: `dtls:${association}`, address, association, heardAt: undefined };
    this.#secured.set(association, peer);
    this.#securedByKey.set(peer.key, peer);
    return peer;
  }

  /** The peer that `security` is for, whose messages go by `via`. Its key differs for each pair of them. */
  underOscore(via: Peer, security: ClientSecurity | ServerSecurity): Peer {
    return this.#underOscore.of(via, security);
  }

  /** Forgets all peers under OSCORE behind a peer, and returns their keys. */
  forgetUnderOscore(via: Peer): readonly string[] {
    return this.#underOscore.forget(via);
  }

  /** The peer with this key; `undefined` when its association is closed. */
  withKey(key: string): Peer | undefined {
    const known = this.#plain.get(key) ?? this.#securedByKey.get(key) ?? this.#underOscore.withKey(key);
    if (known || isUnderOscore(key)) return known;
    const address = ipAddressOfKey(key);
    return address && { key, address, association: undefined, heardAt: undefined };
  }

  /** Largest block for a peer, when it is smaller than what the endpoint would use. */
  blockSizeFor(key: string): number {
    const carrier = this.#underOscore.oscoreOf(key)?.via.key;
    const size = this.#securedByKey.get(carrier ?? key)?.blockSize ?? Infinity;
    return carrier === undefined ? size : Math.min(size, oscoreBlockSize);
  }

  /** All live associations. */
  associations(): AssociationId[] {
    return [...this.#secured.keys()];
  }

  /** Forgets the peer of a closed association and returns it. */
  forgetAssociation(association: AssociationId): Peer | undefined {
    const peer = this.#secured.get(association);
    if (peer) {
      this.#secured.delete(association);
      this.#securedByKey.delete(peer.key);
    }
    return peer;
  }
}
