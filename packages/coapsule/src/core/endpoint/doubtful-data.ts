/**
 * What comes by an association that goes on after a crash, as long as it may be old.
 *
 * RFC 9146 and RFC 6347 know no such thing: docs/sleep-and-wake.md. Which data is in doubt is decided in
 * `dtls/association-keeping.ts`.
 *
 * @module
 */

import { decodeMessage, isDecodeFault } from '../coap/message-codec.ts';
import type { DtlsOutput } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import { askForFreshness, stopProbe } from './association-care.ts';
import type { EndpointLayers } from './endpoint-layers.ts';

/**
 * Takes data that may be old. It counts only as the Reset that answers a ping of this process
 * (RFC 7252 §4.3), whose Message ID nobody could know before. Whatever else it is, it may make one be sent.
 */
export function receiveDoubtfulData(
  layers: EndpointLayers,
  {
    association,
    address,
    data,
    sequenceNumber,
    ask,
    isFromNewAddress,
  }: Extract<DtlsOutput, { kind: 'doubtful-data' }>,
  now: Instant,
): void {
  const { dtls, messages, peers, requests } = layers;
  const peer = peers.ofAssociation(association, address);
  const { key } = peer;
  const message = decodeMessage(data);
  const probe = requests.probeOf(key);
  if (probe?.purpose === 'freshness' && !isDecodeFault(message) && message.type === 'RST') {
    const isRight = messages.isSentAs(probe.transmission, message.messageId);
    // The Reset of an earlier ping is no proof, and no guess either.
    if (!isRight && messages.hasUsedMessageId(key, message.messageId)) return;
    const verdict = dtls?.keeping.judgeAnswer(association, sequenceNumber, isRight, now);
    if (verdict === 'proved') messages.receive(key, message, now);
    if (verdict === 'given-up') stopProbe(layers, peer);
    if (verdict !== 'nothing') return;
  }
  // It is repeated like any Confirmable message.
  if (ask) askForFreshness(layers, peer, association, isFromNewAddress, now);
}
