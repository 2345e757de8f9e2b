/**
 * OSCORE on an endpoint for reliable transports: its peers, and how its messages go.
 *
 * RFC 8613 §1, §4.3: signaling is not protected. The road is in `oscore-path.ts`.
 *
 * @module
 */

import type { MessageContent } from '../coap/message-view.ts';
import type { Instant } from '../foundation/instant.ts';
import type { ServerSecurity } from '../oscore/peer-security.ts';
import type { RequestResponseLayer } from '../request-response/request-response-layer.ts';
import type { OscoreCarrier, StoreOutput } from './oscore-carrier.ts';
import type { OscoreExchanges } from './oscore-exchanges.ts';
import type { OscorePeer, ProtectedArrival, ProtectedDispatch } from './protected-messages.ts';
import { type StreamLayers, traceStreamDiscarded } from './stream-layers.ts';
import type { StreamPeer } from './stream-outputs.ts';
import { sendFromStreamExchange, sendMessage } from './stream-send-path.ts';

/** See `OscoreCarrier`. */
export class StreamOscore implements OscoreCarrier<StreamPeer> {
  readonly oscore: OscoreExchanges<StreamPeer>;
  readonly exchanges: RequestResponseLayer;
  readonly #layers: StreamLayers;

  constructor(layers: StreamLayers) {
    this.#layers = layers;
    this.oscore = layers.oscore;
    this.exchanges = layers.exchanges;
  }

  peerUnderOscore(key: string): OscorePeer<StreamPeer> | undefined {
    return this.#layers.underOscore.oscoreOf(key);
  }

  peerBehind(key: string): StreamPeer | undefined {
    return this.#layers.connections.withKey(key)?.peer;
  }

  keyUnderOscore(via: StreamPeer, security: ServerSecurity): string {
    return this.#layers.underOscore.of(via, security).key;
  }

  answer({ via }: ProtectedArrival<StreamPeer>, message: MessageContent): void {
    const connection = this.#layers.connections.withKey(via.key);
    if (connection !== undefined) sendMessage(this.#layers, connection, message);
  }

  passOver(arrival: ProtectedArrival<StreamPeer>, message: MessageContent): void {
    this.answer(arrival, message);
  }

  send(output: ProtectedDispatch, now: Instant): void {
    sendFromStreamExchange(this.#layers, output, now);
  }

  vouchedFor(): void {
    // A transport proves the address.
  }

  endedOutside(): void {
    // Nothing is remembered of messages that the transport has taken.
  }

  verified(): void {
    // There are no copies.
  }

  leaveUnanswered(): void {
    // There is no acknowledgement to be given.
  }

  stopDue(): void {
    // Nothing is sent once more.
  }

  backOff(
    { exchange, peer: key }: ProtectedDispatch,
    response: Parameters<OscoreCarrier<StreamPeer>['backOff']>[1],
    now: Instant,
  ): void {
    const bound = this.#layers.requests.get(exchange);
    const via = this.peerUnderOscore(key)?.via;
    if (bound !== undefined && via !== undefined)
      this.#layers.backOff.note(via.address, bound.content, response, now);
  }

  discarded({ address }: StreamPeer, reason: string): void {
    traceStreamDiscarded(this.#layers, 'oscore', address, reason);
  }

  store({ store, context, record }: StoreOutput): void {
    this.#layers.outputs.push({ kind: 'store-context', store, context, record });
  }
}
