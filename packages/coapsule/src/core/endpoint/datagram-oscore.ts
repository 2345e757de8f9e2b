/**
 * OSCORE on an endpoint for datagrams: its peers, and how its messages go.
 *
 * The road is in `oscore-path.ts`.
 *
 * @module
 */

import { encodedLength } from '../coap/message-codec.ts';
import type { MessageContent } from '../coap/message-view.ts';
import type { Instant } from '../foundation/instant.ts';
import type { ReplyHandle } from '../message-layer/message-layer.ts';
import type { ServerSecurity } from '../oscore/peer-security.ts';
import type { ExchangeId, RequestResponseLayer } from '../request-response/request-response-layer.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { traceDiscarded } from './endpoint-trace.ts';
import type { OscoreCarrier, StoreOutput } from './oscore-carrier.ts';
import type { OscoreExchanges } from './oscore-exchanges.ts';
import { stopDueResponses } from './outdated-responses.ts';
import type { Peer } from './peer.ts';
import type { OscorePeer, ProtectedArrival, ProtectedDispatch } from './protected-messages.ts';
import { holdQueued, sendFromExchange } from './send-path.ts';

/** See `OscoreCarrier`. */
class DatagramOscore implements OscoreCarrier<Peer> {
  readonly oscore: OscoreExchanges<Peer>;
  readonly exchanges: RequestResponseLayer;
  readonly #layers: EndpointLayers;

  constructor(layers: EndpointLayers) {
    this.#layers = layers;
    this.oscore = layers.oscore;
    this.exchanges = layers.exchanges;
  }

  peerUnderOscore(key: string): OscorePeer<Peer> | undefined {
    return this.#layers.peers.withKey(key)?.oscore;
  }

  peerBehind(key: string): Peer | undefined {
    return this.#layers.peers.withKey(key);
  }

  keyUnderOscore(via: Peer, security: ServerSecurity): string {
    return this.#layers.peers.underOscore(via, security).key;
  }

  answer({ reply }: ProtectedArrival<Peer>, message: MessageContent, now: Instant): void {
    this.#layers.messages.reply(reply as ReplyHandle, message, { keepAnswer: false }, now);
  }

  passOver({ reply }: ProtectedArrival<Peer>): void {
    this.#layers.messages.forget(reply as ReplyHandle);
  }

  send(output: ProtectedDispatch, now: Instant): void {
    const { amplification } = this.#layers;
    // What goes outside may be an error of OSCORE; what is no error was vouched for before it was cut.
    if (output.kind === 'send-response' && !this.oscore.outer.isRequest(output.exchange))
      amplification?.vouchedFor(output.peer, encodedLength(output.message));
    sendFromExchange(this.#layers, output, now);
  }

  vouchedFor({ key }: Peer, response: MessageContent): void {
    this.#layers.amplification?.vouchedFor(key, encodedLength(response));
  }

  endedOutside(exchange: ExchangeId): void {
    stopDueResponses(this.#layers, exchange);
    this.#layers.requests.end(exchange);
  }

  verified(reply: object): void {
    this.#layers.messages.mayForget(reply as ReplyHandle);
  }

  leaveUnanswered(reply: object, now: Instant): void {
    this.#layers.messages.suppressReply(reply as ReplyHandle, false, now);
  }

  stopDue(exchange: ExchangeId): void {
    stopDueResponses(this.#layers, exchange);
  }

  backOff(
    { exchange, peer: key }: ProtectedDispatch,
    response: Parameters<OscoreCarrier<Peer>['backOff']>[1],
    now: Instant,
  ): void {
    const bound = this.#layers.requests.requestOf(exchange);
    const peer = this.#layers.peers.withKey(key);
    if (bound === undefined || peer === undefined) return;
    this.#layers.backOff.note(peer.address, bound.content, response, now);
    holdQueued(this.#layers, peer, now);
  }

  discarded({ address }: Peer, reason: string): void {
    traceDiscarded(this.#layers, 'oscore', address, reason);
  }

  store({ store, context, record }: StoreOutput): void {
    this.#layers.outputs.push({ kind: 'store-context', store, context, record });
  }
}

/** The layers of an endpoint with what carries messages under OSCORE between them. */
export function withCarrier(parts: Omit<EndpointLayers, 'carrier'>): EndpointLayers {
  // The one refers to the other.
  const layers = { ...parts } as { -readonly [Part in keyof EndpointLayers]: EndpointLayers[Part] };
  layers.carrier = new DatagramOscore(layers);
  return layers;
}
