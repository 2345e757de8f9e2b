/**
 * The layers of one endpoint on reliable transports, as its receive path and its send path see them.
 *
 * @module
 */

import type { ConnectionEnd } from '../connection/connection-output.ts';
import type { Instant } from '../foundation/instant.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ExchangeId, RequestResponseLayer } from '../request-response/request-response-layer.ts';
import type { BackOff } from './back-off.ts';
import type { OscoreExchanges } from './oscore-exchanges.ts';
import type { OscorePeers } from './oscore-peers.ts';
import type { OutgoingRequest, RequestId } from './outputs.ts';
import type { StreamConfig } from './stream-config.ts';
import type { StreamConnection, StreamConnections } from './stream-connections.ts';
import type { StreamOutput, StreamPeer } from './stream-outputs.ts';

/** A request of ours with its exchange. */
export interface StreamRequest {
  readonly request: RequestId;
  readonly connection: StreamConnection;
  readonly content: OutgoingRequest;
  /** It was sent on another connection before, which ended. */
  readonly isRepeated: boolean;
  /** A response, or notification, came. */
  isAnswered: boolean;
}

/** Everything that the plot files work on. Each of them changes only these parts. */
export interface StreamLayers {
  readonly config: StreamConfig;
  readonly connections: StreamConnections;
  readonly exchanges: RequestResponseLayer;
  readonly oscore: OscoreExchanges<StreamPeer>;
  readonly underOscore: OscorePeers<StreamPeer, StreamPeer>;
  readonly outputs: OutputQueue<StreamOutput>;
  readonly counters: StreamCounters;
  readonly requests: Map<ExchangeId, StreamRequest>;
  readonly exchangeOf: Map<RequestId, ExchangeId>;
  /** Requests of peers that the application has not answered, and where they came from. */
  readonly serving: Map<ExchangeId, StreamConnection>;
  /** Addresses whose server asked not to be connected to (RFC 8323 §5.5), and until when. */
  readonly holdOffs: Map<string, Instant>;
  /** Servers that asked for time (5.03, 4.29). */
  readonly backOff: BackOff;
  /** Connections whose machine may have something to say. */
  readonly talking: Set<StreamConnection>;
  nextRequest: RequestId;
}

/** What went wrong, or was refused, since the start. */
export interface StreamCounters {
  /** Connections ended because what came is no message. */
  malformedMessages: number;
  /** Responses and notifications whose token belongs to no exchange. */
  unmatchedResponses: number;
  /** Messages that were larger than their peer takes. */
  tooLarge: number;
  /** Requests answered 5.01, as this endpoint serves none. */
  notServed: number;
  /** Requests held back because their server had asked for time. */
  backedOff: number;
  /** Connections given up, or not taken, for want of room. */
  noRoom: number;
  /** Connections whose peer sent no CSM, or a bad one. */
  badCsm: number;
  /** Connections whose peer was too slow with a message, or took nothing for too long. */
  tooSlow: number;
}

/** The connection to a peer, or to the one behind a peer under OSCORE. */
export function connectionTo(layers: StreamLayers, key: string): StreamConnection | undefined {
  return layers.connections.withKey(layers.underOscore.oscoreOf(key)?.via.key ?? key);
}

/** Tells about something dropped, where a trace is wanted. */
export function traceStreamDiscarded(
  layers: StreamLayers,
  layer: 'connection' | 'oscore' | 'request-response',
  address: PeerAddress,
  reason: string,
): void {
  if (!layers.config.trace) return;
  layers.outputs.push({ kind: 'trace', event: { kind: 'discarded', layer, address, reason } });
}

/** Tells about one whole message, where a trace is wanted. */
export function traceStreamMessage(
  layers: StreamLayers,
  direction: 'sent' | 'received',
  { peer }: StreamConnection,
  bytes: Uint8Array,
): void {
  const { trace, framing, secure } = layers.config;
  if (!trace) return;
  const { address } = peer;
  layers.outputs.push({
    kind: 'trace',
    event: { kind: 'stream-message', direction, address, transport: framing, secure, bytes },
  });
}

/** Tells how a connection ended, where a trace is wanted. */
export function traceConnectionEnded(
  { config, outputs }: StreamLayers,
  { peer: { address } }: StreamConnection,
  { cause, detail }: ConnectionEnd,
): void {
  if (config.trace)
    outputs.push({ kind: 'trace', event: { kind: 'connection-ended', address, cause, detail } });
}
