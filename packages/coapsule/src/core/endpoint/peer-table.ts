/**
 * The remote sides that an endpoint knows of: plain peers by their address, those of associations, and those that OSCORE
 * vouches for.
 *
 * @module
 */

import type { AssociationId, AssociationInfo } from '../dtls/dtls-layer.ts';
import { ipAddressOfKey, type PeerAddress } from '../foundation/peer-address.ts';
import { RecencyMap } from '../foundation/recency-map.ts';
import type { ClientSecurity, ServerSecurity } from '../oscore/peer-security.ts';
import { isUnderOscore, OscorePeers, oscoreBlockSize } from './oscore-peers.ts';
import { neverHeard, type Peer, peerAt } from './peer.ts';
import { SecuredPeers } from './secured-peers.ts';

/**
 * The peers an endpoint may have to send to: those it has heard of lately.
 *
 * Bounded, since anybody can invent source addresses: the plain peer that was silent longest goes first. It is
 * still found by its key, which holds its address. Secured peers live as long as their association.
 */
export class PeerTable {
  readonly #plain = new RecencyMap<Peer>();
  readonly #secured: SecuredPeers;
  readonly #maxPlain: number;
  readonly #underOscore: OscorePeers<Peer, Peer>;

  /**
   * @param maxPlain Plain peers remembered at most.
   * @param associationOf What is known of an association.
   */
  constructor(
    maxPlain: number,
    associationOf: (association: AssociationId) => AssociationInfo | undefined = () => undefined,
  ) {
    this.#maxPlain = maxPlain;
    this.#secured = new SecuredPeers(associationOf);
    this.#underOscore = new OscorePeers(maxPlain, (key, oscore) => ({
      key,
      get address() {
        return oscore.via.address;
      },
      association: undefined,
      heardAt: neverHeard,
      note: undefined,
      oscore,
    }));
  }

  /** The plain peer at `address`. */
  atAddress(address: PeerAddress): Peer {
    const known = this.#plain.use(address.key);
    if (known) return known;
    const peer = peerAt(address.key, address);
    this.#plain.set(peer.key, peer);
    this.#plain.keepLatest(this.#maxPlain);
    return peer;
  }

  /** The peer of a DTLS association. */
  ofAssociation(association: AssociationId, address: PeerAddress): Peer {
    return this.#secured.ofAssociation(association, address);
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
    const known = this.#plain.get(key) ?? this.#secured.withKey(key) ?? this.#underOscore.withKey(key);
    if (known || isUnderOscore(key)) return known;
    const address = ipAddressOfKey(key);
    return address && peerAt(key, address);
  }

  /** Largest block for a peer, when it is smaller than what the endpoint would use. */
  blockSizeFor(key: string): number {
    const carrier = this.#underOscore.oscoreOf(key)?.via.key;
    const size = this.#secured.withKey(carrier ?? key)?.blockSize ?? Infinity;
    return carrier === undefined ? size : Math.min(size, oscoreBlockSize);
  }

  /** Forgets the peer of a closed association and returns it. */
  forgetAssociation(association: AssociationId, address: PeerAddress): Peer {
    return this.#secured.forget(association, address);
  }
}
