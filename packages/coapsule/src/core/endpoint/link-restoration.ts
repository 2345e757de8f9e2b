/**
 * What an endpoint does when its link was interrupted and is there again, as a serial line that was unplugged: what was lost
 * goes once more, and peers that may have restarted meanwhile are asked whether they live.
 *
 * A server that was pulled out and plugged in again has most likely lost its power too, and with it the association. So a
 * client that hears nothing over it in the time of a first retransmission makes a new one beside it, which takes the
 * place of the old one where that is dead (RFC 7252 §4.3 for the question).
 *
 * @module
 */

import type { DurationMs, Instant } from '../foundation/instant.ts';
import { askForSignOfLife, renewAssociation } from './association-care.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import type { Peer } from './peer.ts';

/** The link is there again. */
export function restoreLink(layers: EndpointLayers, now: Instant): void {
  const { config, dtls, doubted, messages } = layers;
  dtls?.linkRestored(now);
  messages.linkRestored(now);
  for (const association of dtls?.associations() ?? []) {
    const info = dtls?.association(association);
    if (info?.established !== true) continue;
    // A server asks too: a client whose end of the link was there first learns by it that what it sent since was lost.
    askForSignOfLife(layers, association, now);
    if (info.role === 'client') doubted.doubt(association, now, patienceMs(config));
  }
}

/** In less time the peer may be about to answer what went when the link was there again. */
const bothAtOnceMs = 500;

/** A peer asks for a sign of life: if it is one in doubt, its end of the link was there later than ours. */
export function peerRestored({ doubted, messages }: EndpointLayers, peer: Peer, now: Instant): void {
  const since = peer.association === undefined ? undefined : doubted.believe(peer.association);
  if (since !== undefined && now - since >= bothAtOnceMs) messages.linkRestored(now);
}

/** Those that were silent for too long get a successor. */
export function renewSilentAssociations(layers: EndpointLayers, now: Instant): void {
  for (let due = layers.doubted.expire(now); due !== undefined; due = layers.doubted.expire(now)) {
    const { association, since } = due;
    const info = layers.dtls?.association(association);
    if (info?.established !== true) continue;
    const { heardAt } = layers.peers.ofAssociation(association, info.address);
    if (heardAt >= since) continue;
    renewAssociation(layers, { association, address: info.address, role: info.role }, now);
  }
}

/** A question and its answer, behind a packet of full size each way. */
function patienceMs({ transmission, bytesPerSecond, mtu }: EndpointConfig): DurationMs {
  return transmission.ackTimeoutMs + (2 * 1000 * mtu) / bytesPerSecond;
}
