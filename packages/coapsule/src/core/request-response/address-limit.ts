/**
 * What this layer asks about a peer's address before it answers there.
 *
 * RFC 7252 §11.3, RFC 9175 §2.4 (item 3). The accounts are kept outside of this layer, where datagrams are counted.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { PeerKey } from './exchange.ts';

/** How much may go to peers, some of whose addresses nothing proves. */
export interface AddressLimit {
  /** Bytes of UDP payload that may go to a peer now; `Infinity` where its address is proved. */
  allowance(peer: PeerKey, now: Instant): number;
  /** Whether the response that is made now should carry an Echo although it fits; asked once for each. */
  takesEcho(peer: PeerKey, now: Instant): boolean;
  /** Whether a ping may prove the address, and none is on its way. */
  mayAsk(peer: PeerKey, now: Instant): boolean;
  /** Whether such a ping is on its way. */
  isAsking(peer: PeerKey): boolean;
}

/** Where every peer is an association, or whoever listens has asked for no limit. */
export const noAddressLimit: AddressLimit = {
  allowance: () => Infinity,
  takesEcho: () => false,
  mayAsk: () => false,
  isAsking: () => false,
};
