/**
 * What an endpoint does for an association besides carrying messages: follows its peer to another address and proves
 * that address, asks a quiet peer for a sign of life, and replaces keys that are nearly used up.
 *
 * RFC 9146 §6, RFC 7252 §4.3, RFC 9325 §4.4. When each of these is due is decided in the DTLS layer.
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import type { AssociationId, DtlsOutput } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerKey, TransmissionId } from '../message-layer/message-layer.ts';
import { blockSizes, messageOverhead } from './endpoint-config.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import type { Peer } from './peer.ts';
import type { ProbePurpose } from './request-table.ts';

/** RFC 9110 §9.2.2, RFC 8132 §2.1: carried out twice, they do what they do once. */
const idempotent: readonly Code[] = [Code.Get, Code.Fetch, Code.Put, Code.Delete, Code.IPatch];

/** An association is established: its records may be too small for the block size that others get. */
export function fitBlocks(layers: EndpointLayers, peer: Peer): void {
  const { association } = peer;
  const info = association === undefined ? undefined : layers.dtls?.association(association);
  if (!info?.established) return;
  peer.blockSize = blockSizes.find((size) => size <= info.maxDataLength - messageOverhead) ?? 16;
}

/** The peer has another address. Where nobody checked it, a ping does, while there are bytes to send one. */
export function followPeer(
  layers: EndpointLayers,
  { association, from, to, validated }: Extract<DtlsOutput, { kind: 'address-changed' }>,
  now: Instant,
): void {
  const peer = layers.peers.ofAssociation(association, from);
  peer.address = to;
  const before = layers.requests.probeOf(peer.key);
  if (before?.purpose === 'address') {
    layers.messages.stop(before.transmission);
    layers.requests.endProbe(peer.key);
  }
  peer.unprovedSince = undefined;
  if (!validated) peer.unprovedSince = sendProbe(layers, peer, 'address', now);
}

/** Nothing came from the peer for long. */
export function askForSignOfLife(layers: EndpointLayers, association: AssociationId, now: Instant): void {
  const info = layers.dtls?.association(association);
  if (info === undefined) return;
  sendProbe(layers, layers.peers.ofAssociation(association, info.address), 'keep-alive', now);
}

/** Sends a CoAP ping that nobody above waits for; one of a peer at a time. */
export function sendProbe(
  layers: EndpointLayers,
  peer: Peer,
  purpose: ProbePurpose,
  now: Instant,
): TransmissionId {
  const present = layers.requests.probeOf(peer.key);
  if (present !== undefined) return present.transmission;
  const transmission = layers.messages.ping(peer.key, now);
  layers.requests.sentProbe(transmission, peer.key, purpose);
  return transmission;
}

/**
 * A message of ours was acknowledged or reset: when it was made after the peer's address changed, the peer receives
 * there. Numbers of transmissions grow, and the ping was the first one after the change.
 */
export function noteAnswered(layers: EndpointLayers, key: PeerKey, transmission: TransmissionId): void {
  if (layers.requests.probeOf(key)?.transmission === transmission) layers.requests.endProbe(key);
  const peer = layers.peers.withKey(key);
  if (peer?.association === undefined || peer.unprovedSince === undefined) return;
  if (transmission < peer.unprovedSince) return;
  peer.unprovedSince = undefined;
  layers.dtls?.confirmAddress(peer.association);
}

/** The keys are nearly used up: a client shakes hands again, while its requests go on over the old association. */
export function renewAssociation(
  layers: EndpointLayers,
  { association, address, role }: Extract<DtlsOutput, { kind: 'renew-association' }>,
  now: Instant,
): void {
  const info = layers.dtls?.association(association);
  if (role !== 'client' || layers.dtls === undefined || !info?.established) return;
  const { serverName } = info;
  const successor = layers.dtls.connect(address, serverName === undefined ? {} : { serverName }, now);
  layers.renewals.set(association, successor);
}

/**
 * The successor of an association takes its place: requests that have no answer yet begin again there, where that does
 * no harm, and observations register again. The others fail like those of any association that ends.
 */
export function moveRequests(layers: EndpointLayers, association: AssociationId, peer: Peer): void {
  const successor = layers.renewals.get(association);
  if (successor === undefined) return;
  for (const { request, exchange, content } of layers.requests.boundTo(peer.key)) {
    if (!idempotent.includes(content.code)) continue;
    layers.requests.end(exchange);
    layers.requests.wait({ request, association: successor, content });
  }
}

/** An association, or the handshake for its successor, is over. */
export function forgetRenewal(layers: EndpointLayers, association: AssociationId): void {
  layers.renewals.delete(association);
  for (const [old, successor] of layers.renewals) if (successor === association) layers.renewals.delete(old);
}
