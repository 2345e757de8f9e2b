/**
 * What an endpoint does for an association besides carrying messages: follows its peer to another address and proves
 * that address, asks a quiet peer for a sign of life, and replaces keys that are nearly used up.
 *
 * RFC 9146 §6, RFC 7252 §4.3, RFC 9325 §4.4. When each of these is due is decided in the DTLS layer.
 *
 * @module
 */

import type { MessageView } from '../coap/message-view.ts';
import type { AssociationId, DtlsOutput } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerKey, TransmissionId } from '../message-layer/message-layer.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { isIdempotent } from './idempotence.ts';
import type { Peer } from './peer.ts';
import type { ProbePurpose } from './request-table.ts';

/**
 * Wrong guesses at a Message ID that an association has in all its life. An honest peer makes none, so one that makes
 * them may have spoofed the address, and no ping proves it any more.
 */
const maxGuesses = 8;

/** The peer has another address. Where nobody checked it, a ping does, while there are bytes to send one. */
export function followPeer(
  layers: EndpointLayers,
  { association, from, to, validated }: Extract<DtlsOutput, { kind: 'address-changed' }>,
  now: Instant,
): void {
  const peer = layers.peers.ofAssociation(association, from);
  peer.address = to;
  if (layers.requests.probeOf(peer.key)?.purpose === 'address') stopProbe(layers, peer);
  peer.isAddressUnproved = !validated;
  askAtNewAddress(layers, peer, now);
}

/** Sends the ping that proves an address, unless it is on its way: one that nobody answered is lost, or came to a sleeper. */
export function askAtNewAddress(layers: EndpointLayers, peer: Peer, now: Instant): void {
  if (peer.isAddressUnproved !== true || (peer.guesses ?? 0) >= maxGuesses) return;
  if (layers.requests.probeOf(peer.key)?.purpose !== 'address') sendProbe(layers, peer, 'address', now);
}

/** Nothing came from the peer for long. */
export function askForSignOfLife(layers: EndpointLayers, association: AssociationId, now: Instant): void {
  const info = layers.dtls?.association(association);
  if (info === undefined) return;
  sendProbe(layers, layers.peers.ofAssociation(association, info.address), 'keep-alive', now);
}

/**
 * Asks the peer of an association in doubt whether it is alive.
 *
 * @param isFromNewAddress Whether a question on its way did not go to where the peer seems to be.
 */
export function askForFreshness(
  layers: EndpointLayers,
  peer: Peer,
  association: AssociationId,
  isFromNewAddress: boolean,
  now: Instant,
): void {
  if (layers.requests.probeOf(peer.key)?.purpose === 'freshness' && !isFromNewAddress) return;
  layers.dtls?.keeping.noteQuestion(association, now);
  sendProbe(layers, peer, 'freshness', now);
}

/** Sends a CoAP ping that nobody above waits for. One of a peer at a time: each but a keep-alive takes the place of others. */
export function sendProbe(
  layers: EndpointLayers,
  peer: Peer,
  purpose: ProbePurpose,
  now: Instant,
): TransmissionId | undefined {
  const isProof = purpose !== 'keep-alive';
  if (layers.requests.probeOf(peer.key) !== undefined) {
    if (!isProof) return undefined;
    stopProbe(layers, peer);
  }
  // Others' Message IDs follow each other, so that a Reset of them can come from who never saw them.
  const transmission = layers.messages.ping(peer.key, now, isProof);
  layers.requests.sentProbe(transmission, peer.key, purpose);
  return transmission;
}

/** No answer to the ping on its way counts any more. */
export function stopProbe(layers: EndpointLayers, peer: Peer): void {
  const probe = layers.requests.probeOf(peer.key);
  if (probe === undefined) return;
  layers.messages.stop(probe.transmission);
  layers.requests.endProbe(peer.key);
}

/** A message of ours was acknowledged or reset. The ping to the peer's new address proves that it receives there. */
export function noteAnswered(layers: EndpointLayers, key: PeerKey, transmission: TransmissionId): void {
  const probe = layers.requests.probeOf(key);
  if (probe?.transmission !== transmission) return;
  layers.requests.endProbe(key);
  const peer = layers.peers.withKey(key);
  if (probe.purpose !== 'address' || peer?.association === undefined || !peer.isAddressUnproved) return;
  peer.isAddressUnproved = false;
  layers.dtls?.confirmAddress(peer.association);
}

/** An acknowledgement or Reset matched nothing. One of a message that there never was is a guess at the ping. */
export function noteUnmatchedAnswer(layers: EndpointLayers, peer: Peer, { messageId }: MessageView): void {
  if (!peer.isAddressUnproved || layers.messages.hasUsedMessageId(peer.key, messageId)) return;
  peer.guesses = (peer.guesses ?? 0) + 1;
  if (peer.guesses >= maxGuesses && layers.requests.probeOf(peer.key)?.purpose === 'address') {
    stopProbe(layers, peer);
  }
}

/** The keys are nearly used up: a client shakes hands again, while its requests go on over the old association. */
export function renewAssociation(
  layers: EndpointLayers,
  {
    association,
    address,
    role,
  }: Pick<Extract<DtlsOutput, { kind: 'renew-association' }>, 'association' | 'address' | 'role'>,
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
  for (const { request, exchange, serverName, content } of layers.requests.boundTo(peer.key)) {
    // A body that is handed over, or a response that was handed on, cannot begin again.
    const isUnderWay = content.body !== undefined || content.streamResponse === true;
    if (isUnderWay || !isIdempotent(content.code)) continue;
    layers.requests.end(exchange);
    layers.requests.wait({ request, association: successor, serverName, content });
  }
}

/** An association, or the handshake for its successor, is over. */
export function forgetRenewal(layers: EndpointLayers, association: AssociationId): void {
  layers.renewals.delete(association);
  for (const [old, successor] of layers.renewals) if (successor === association) layers.renewals.delete(old);
}
