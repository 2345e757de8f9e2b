/**
 * Proofs that the peer at a plain address receives there: who spoofs an address can give none.
 *
 * RFC 9175 §2.4 (item 3): an Echo that was sent there and came back; or the acknowledgement, or Reset, of a Confirmable
 * message whose ID nobody can guess, such as a notification, a separate response or a ping (RFC 7252 §4.3). How much goes
 * to others is in `amplification-limit.ts`. Addresses of associations are proved by DTLS: `association-care.ts`.
 *
 * @module
 */

import { isRequestCode } from '../coap/code.ts';
import type { MessageView } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { Instant } from '../foundation/instant.ts';
import type { MessageLayerOutput, PeerKey, TransmissionId } from '../message-layer/message-layer.ts';
import { sendProbe, stopProbe } from './association-care.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import type { Peer } from './peer.ts';

/**
 * Whether a message may go to its address, whose account it is then taken from. Requests and pings of our own application
 * always may: no peer brought them about.
 */
export function mayBeSent(
  { amplification, requests }: EndpointLayers,
  output: Extract<MessageLayerOutput, { kind: 'transmit' }>,
  now: Instant,
): boolean {
  const { peer, datagram, transmission, isProbe } = output;
  if (amplification === undefined || isProbe || isRequestCode(datagram[1] as number)) return true;
  const owner = transmission === undefined ? undefined : requests.ownerOf(transmission);
  if (owner?.role === 'ping') return true;
  const mayGo = amplification.spend(peer, datagram.length, now);
  const probe = owner?.role === 'probe' ? requests.probeOf(peer) : undefined;
  if (probe !== undefined && probe.state !== 'sent') probe.state = mayGo ? 'sent' : 'kept-back';
  return mayGo;
}

/** A request with an Echo: the address is proved if the value went there, not longer than the proof holds from then. */
export function proveByEcho(layers: EndpointLayers, peer: Peer, message: MessageView, now: Instant): void {
  const { amplification, echo, exchanges } = layers;
  const value = message.options.first(OptionNumber.Echo);
  if (amplification === undefined || value === undefined) return;
  const issuedAt = echo?.issuedAt(peer.key, value);
  if (issuedAt === undefined) return;
  const isNews = !amplification.isProved(peer.key, now);
  amplification.echoed(peer.key, issuedAt);
  if (!isNews || !amplification.isProved(peer.key, now)) return;
  // A ping that did not go out is not needed any more.
  const probe = layers.requests.probeOf(peer.key);
  if (probe?.state === 'kept-back') {
    layers.requests.takeProof(probe.transmission);
    stopProbe(layers, peer);
    amplification.asked(peer.key, false);
  }
  exchanges.addressProved(peer.key, now);
}

/** A message of ours was acknowledged or reset. */
export function proveByAnswer(layers: EndpointLayers, transmission: TransmissionId, now: Instant): void {
  const { amplification, exchanges, requests } = layers;
  const peer = requests.takeProof(transmission);
  if (amplification === undefined || peer === undefined) return;
  amplification.asked(peer, false);
  amplification.acknowledged(peer, now);
  if (amplification.isProved(peer, now)) exchanges.addressProved(peer, now);
  else exchanges.addressUnproved(peer, now);
}

/** A message of ours was not acknowledged, or never sent. */
export function missProof(layers: EndpointLayers, transmission: TransmissionId, now: Instant): void {
  const peer = layers.requests.takeProof(transmission);
  if (peer === undefined) return;
  layers.amplification?.asked(peer, false);
  layers.exchanges.addressUnproved(peer, now);
}

/** An acknowledgement or Reset matched nothing. One of a message that there never was is a guess. */
export function noteGuess(
  { amplification, messages }: EndpointLayers,
  { key }: Peer,
  { messageId }: MessageView,
  now: Instant,
): void {
  if (amplification === undefined || amplification.isProved(key, now)) return;
  if (!messages.hasUsedMessageId(key, messageId)) amplification.guessed(key);
}

/**
 * Less went to a peer than was there for it: a ping of 4 bytes finds out whether it is there. Where they are not left it
 * is repeated like any Confirmable message, and `sendKeptBack` sends it as soon as they are.
 */
export function askForProof(
  layers: EndpointLayers,
  key: PeerKey,
  response: 'waits' | 'cut',
  now: Instant,
): void {
  const { amplification, exchanges, peers, requests } = layers;
  const peer = peers.withKey(key);
  if (amplification === undefined || peer === undefined) return;
  if (response === 'cut') amplification.fellShort(key);
  if (requests.probeOf(key) !== undefined) return;
  if (!amplification.wantsAcknowledgement(key, now)) {
    exchanges.addressUnproved(key, now);
    return;
  }
  sendProof(layers, peer, now);
}

/** A response went to a peer: the ping that nothing was left for goes as well, where there is something now. */
export function sendKeptBack(layers: EndpointLayers, peer: Peer, now: Instant): void {
  const { amplification, requests } = layers;
  const probe = requests.probeOf(peer.key);
  if (amplification === undefined || probe?.state !== 'kept-back') return;
  if (amplification.allowance(peer.key, now) < pingLength) return;
  requests.takeProof(probe.transmission);
  // One of its own: its retransmissions count from now.
  sendProof(layers, peer, now);
}

function sendProof(layers: EndpointLayers, peer: Peer, now: Instant): void {
  makeRoom(layers, now);
  const transmission = sendProbe(layers, peer, 'address', now);
  if (transmission === undefined) return;
  layers.requests.expectProof(transmission, peer.key);
  layers.amplification?.asked(peer.key, true);
}

/** Anybody brings about pings, in the name of many addresses: the one that has had the longest time for its answer ends. */
function makeRoom(layers: EndpointLayers, now: Instant): void {
  const { messages, requests } = layers;
  const oldest = requests.oldestProbed(layers.config.maxPlainPeers);
  const probe = oldest === undefined ? undefined : requests.probeOf(oldest);
  if (oldest === undefined || probe === undefined) return;
  messages.stop(probe.transmission);
  requests.endProbe(oldest);
  missProof(layers, probe.transmission, now);
}

/** An Empty Confirmable message (RFC 7252 §4.3). */
const pingLength = 4;
