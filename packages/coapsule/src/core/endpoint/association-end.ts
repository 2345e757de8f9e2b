/**
 * An association is over: what was under way by it ends, moves to its successor, or fails.
 *
 * RFC 7252 §9.1. What ends an association is decided in the DTLS layer, and in `timeout-path.ts` for a silent one.
 *
 * @module
 */

import type { DtlsOutput } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import { forgetRenewal, moveRequests } from './association-care.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import type { RequestError } from './outputs.ts';
import type { Peer } from './peer.ts';
import { failPing } from './pings.ts';
import { failWaiting } from './send-path.ts';
import { failUnsent } from './waiting-requests.ts';

/** Ends everything with an association. */
export function endAssociation(
  layers: EndpointLayers,
  { association, address, reason, was }: Extract<DtlsOutput, { kind: 'closed' }>,
  now: Instant,
): void {
  const error: RequestError = { kind: 'association-closed', reason };
  layers.ended.set(association, was);
  const peer = layers.peers.forgetAssociation(association, address);
  if (reason === 'replaced') moveRequests(layers, association, peer);
  layers.requests.endProbe(peer.key);
  // RFC 7252 §9.1: an exchange lives within one association; nothing of it may reach the next.
  for (const request of layers.requests.pingsTo(peer.key)) failPing(layers, request, error);
  failUnsent(layers, peer, error);
  forgetPeer(layers, peer, now);
  forgetRenewal(layers, association);
  failWaiting(layers, association, error);
}

/** Nothing comes from a peer any more: its exchanges and observations are over, those under OSCORE too. */
export function forgetPeer(layers: EndpointLayers, peer: Peer, now: Instant): void {
  layers.messages.forgetPeer(peer.key, now);
  layers.exchanges.peerClosed(peer.key, now);
  for (const key of layers.peers.forgetUnderOscore(peer)) layers.exchanges.peerClosed(key, now);
}
