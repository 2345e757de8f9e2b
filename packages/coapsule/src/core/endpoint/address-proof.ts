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
import { sendProbe } from './association-care.ts';
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
  return owner?.role === 'ping' || amplification.spend(peer, datagram.length, now);
}

/** A request with an Echo: the address is proved if the value went there, not longer than the proof holds from then. */
export function proveByEcho({ amplification, echo }: EndpointLayers, peer: Peer, message: MessageView): void {
  const value = message.options.first(OptionNumber.Echo);
  if (amplification === undefined || value === undefined) return;
  const issuedAt = echo?.issuedAt(peer.key, value);
  if (issuedAt !== undefined) amplification.echoed(peer.key, issuedAt);
}

/** A message of ours was acknowledged or reset. */
export function proveByAnswer(layers: EndpointLayers, transmission: TransmissionId, now: Instant): void {
  const { amplification, exchanges, requests } = layers;
  const peer = requests.takeProof(transmission);
  if (amplification === undefined || peer === undefined) return;
  amplification.acknowledged(peer, now);
  if (amplification.isProved(peer, now)) exchanges.addressProved(peer, now);
  else exchanges.addressUnproved(peer);
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

/** Less went to a peer than was there for it: a ping of 4 bytes, where they are left, finds out whether it is there. */
export function askForProof(layers: EndpointLayers, key: PeerKey, now: Instant): void {
  const { amplification, exchanges, peers, requests } = layers;
  const peer = peers.withKey(key);
  if (amplification === undefined || peer === undefined) return;
  amplification.fellShort(key);
  if (requests.probeOf(key) !== undefined) return;
  if (!amplification.wantsAcknowledgement(key, now)) {
    exchanges.addressUnproved(key);
    return;
  }
  const transmission = sendProbe(layers, peer, 'address', now);
  if (transmission !== undefined) requests.expectProof(transmission, key);
}
