/**
 * Two endpoints that are one to their peers: one for what is under OSCORE, whose contexts have one owner, one for the rest.
 *
 * Whatever comes to the second one and is for the first it hands out (`message-elsewhere`). A message is under OSCORE by its
 * option (RFC 8613 §2); an Acknowledgement or Reset has none, and is for whoever used its Message ID, so that each of the two
 * has half of them (RFC 7252 §4.4).
 *
 * @module
 */

import type { MessageView } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { MessageIdRange } from '../message-layer/message-layer.ts';

/** What of its peers an endpoint has. */
export type PeerShare = 'all' | 'all-but-oscore' | 'oscore';

const half = 32_768;

/** The Message IDs that an endpoint uses. */
export const messageIdsOf: Readonly<Record<PeerShare, MessageIdRange>> = {
  all: { first: 0, count: 2 * half },
  'all-but-oscore': { first: 0, count: half },
  oscore: { first: half, count: half },
};

/** Whether a message that came here is for the endpoint that has what is under OSCORE. */
export function isElsewhere(share: PeerShare, { type, messageId, options }: MessageView): boolean {
  if (share !== 'all-but-oscore') return false;
  if ((type === 'ACK' || type === 'RST') && messageId >= half) return true;
  return options.has(OptionNumber.Oscore);
}
