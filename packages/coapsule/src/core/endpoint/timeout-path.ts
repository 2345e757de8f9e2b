/**
 * What the passing of time does to an endpoint: due timers of the layers, and messages that nobody acknowledged.
 *
 * @module
 */

import { maxTransmitSpanMs } from '../coap/transmission-parameters.ts';
import { elapsedMs, type Instant } from '../foundation/instant.ts';
import type { MessageLayerOutput, PeerKey, TransmissionId } from '../message-layer/message-layer.ts';
import { missProof } from './address-proof.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { renewSilentAssociations } from './link-restoration.ts';
import { neverHeard } from './peer.ts';
import { failPing } from './pings.ts';
import { sendAgain, sendHeld } from './send-path.ts';
import { takeUnsent } from './waiting-requests.ts';

/** Runs what is due in each layer, bottom up, so that a time-out below is known above in the same step. */
export function runDueTimers(layers: EndpointLayers, now: Instant): void {
  layers.dtls?.handleTimeout(now);
  layers.messages.handleTimeout(now);
  layers.exchanges.handleTimeout(now);
  layers.oscore.handleTimeout(now);
  renewSilentAssociations(layers, now);
  sendHeld(layers, now);
}

/** A Confirmable message was sent MAX_RETRANSMIT + 1 times and never acknowledged (RFC 7252 §4.2). */
export function transmissionTimedOut(
  layers: EndpointLayers,
  { transmission, formerAcknowledged }: Extract<MessageLayerOutput, { kind: 'timed-out' }>,
  now: Instant,
): void {
  missProof(layers, transmission, now);
  const owner = layers.requests.ownerOf(transmission);
  if (owner === undefined) return;
  layers.requests.settled(transmission);
  switch (owner.role) {
    case 'client':
      layers.exchanges.requestTimedOut(owner.exchange, now);
      closeSilentAssociation(layers, owner.peer, now);
      return;
    case 'server':
      if (formerAcknowledged) layers.exchanges.responseRefused(owner.exchange, now);
      else layers.exchanges.responseTimedOut(owner.exchange, now);
      return;
    case 'ping':
      failPing(layers, owner.request, { kind: 'exchange', failure: 'timeout' });
      closeSilentAssociation(layers, owner.peer, now);
      return;
    case 'probe':
      layers.requests.endProbe(owner.peer);
      // One that came back, or from elsewhere, may be asleep: its next record makes it be asked again.
      if (owner.purpose === 'keep-alive') closeSilentAssociation(layers, owner.peer, now);
      return;
  }
}

/**
 * A server that was silent for as long as a Confirmable message is repeated has most likely lost the association
 * (it restarted, or forgot): without a new handshake no request would ever reach it again. One that was heard
 * meanwhile has not. Requests that wait and were never sent have not failed with it: the new handshake is for them.
 */
function closeSilentAssociation(layers: EndpointLayers, key: PeerKey, now: Instant): void {
  const peer = layers.peers.withKey(key);
  if (peer?.association === undefined || peer.heardAt === neverHeard) return;
  if (elapsedMs(peer.heardAt, now) < maxTransmitSpanMs(layers.config.transmission)) return;
  const { address, association } = peer;
  const info = layers.dtls?.association(association);
  const mayConnect = info?.established === true && info.role === 'client';
  const unsent = mayConnect ? takeUnsent(layers, peer) : [];
  layers.dtls?.close(association, now, 'silent');
  if (mayConnect) sendAgain(layers, address, info.serverName, unsent, now);
}

/** A Confirmable message was sent once more. */
export function transmissionRepeated(
  layers: EndpointLayers,
  transmission: TransmissionId,
  attempt: number,
): void {
  const owner = layers.requests.ownerOf(transmission);
  if (owner?.role === 'client') layers.exchanges.requestRetransmitted(owner.exchange);
  if (!layers.config.trace) return;
  const peer = owner && layers.peers.withKey(owner.peer);
  if (peer === undefined) return;
  layers.outputs.push({
    kind: 'trace',
    event: { kind: 'retransmission', address: peer.address, attempt },
  });
}
