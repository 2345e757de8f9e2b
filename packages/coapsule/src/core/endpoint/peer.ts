/**
 * The remote side of an exchange: a CoAP endpoint, identified by its transport address on plain CoAP and by
 * its security association on CoAPs (RFC 7252 §1.2 "Endpoint").
 *
 * @module
 */

import type { AssociationId } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { OscorePeer } from './protected-messages.ts';

/** One remote CoAP endpoint. `key` is what the layers compare. */
export interface Peer {
  readonly key: string;
  /** Where it is now; that of a secured peer with a connection id can change (RFC 9146 §6). */
  address: PeerAddress;
  /** The DTLS association, on a secured endpoint. */
  readonly association: AssociationId | undefined;
  /** When the last authenticated message came, on a secured peer; `neverHeard` on others. Always a number: one that comes and goes would be a new object in each message. */
  heardAt: Instant;
  /** Largest block that fits a record to it; without the field the endpoint's own. */
  blockSize?: number;
  /** Whether its address changed and nothing proves that it receives there. */
  isAddressUnproved?: boolean;
  /** Whom OSCORE vouches for, behind whatever carries his messages; without the field nobody. */
  readonly oscore?: OscorePeer<Peer>;
  /** Acknowledgements and Resets of messages that it was never sent, while its address was to be proved. */
  guesses?: number;
  /** What the user of the endpoint keeps with the peer: it goes when the peer does, and is to be found again then. */
  note: unknown;
}

/** Of a peer that nothing authenticated came from. */
export const neverHeard: Instant = Number.NEGATIVE_INFINITY as Instant;

/** A peer of which nothing more is known. */
export function peerAt(key: string, address: PeerAddress, association?: AssociationId): Peer {
  return { key, address, association, heardAt: neverHeard, note: undefined };
}
