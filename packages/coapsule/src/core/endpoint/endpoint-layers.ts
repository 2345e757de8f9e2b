/**
 * The layers of one endpoint, as the receive path and the send path see them.
 *
 * @module
 */

import type { AssociationId, DtlsLayer } from '../dtls/dtls-layer.ts';
import type { DtlsDiscardReason } from '../dtls/dtls-output.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { MessageLayer } from '../message-layer/message-layer.ts';
import type { EchoValues } from '../request-response/echo.ts';
import type { RequestResponseLayer } from '../request-response/request-response-layer.ts';
import type { AmplificationLimit } from './amplification-limit.ts';
import type { BackOff } from './back-off.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { EndpointOutput, RequestError, RequestId } from './outputs.ts';
import type { PeerTable } from './peer.ts';
import type { RequestTable } from './request-table.ts';

/** Everything that the plot files work on. Each of them changes only these parts. */
export interface EndpointLayers {
  readonly config: EndpointConfig;
  /** Absent on plain CoAP. */
  readonly dtls: DtlsLayer | undefined;
  /** Absent where every peer is an association, where this side only asks, or where no limit was wanted. */
  readonly amplification: AmplificationLimit | undefined;
  /** Absent without cryptography. */
  readonly echo: EchoValues | undefined;
  readonly messages: MessageLayer;
  readonly exchanges: RequestResponseLayer;
  readonly peers: PeerTable;
  readonly requests: RequestTable;
  readonly outputs: OutputQueue<EndpointOutput>;
  readonly counters: EndpointCounters;
  /** Servers that asked for time. */
  readonly backOff: BackOff;
  /** Associations whose keys are nearly used up, and the handshakes that are to replace them. */
  readonly renewals: Map<AssociationId, AssociationId>;
}

/** What went wrong, or was refused, since the start. */
export interface EndpointCounters {
  /** Datagrams that are not CoAP messages. */
  malformedMessages: number;
  /** Datagrams to a group that are no NON request: never answered (RFC 7252 §8.1). */
  ignoredFromGroups: number;
  /** Responses and notifications whose token belongs to no exchange (requirement G08). */
  unmatchedResponses: number;
  /** Requests answered 5.03 because stored answers fill their bounds. */
  overloaded: number;
  /** Requests that failed or waited because the server had asked for time (5.03, 4.29). */
  backedOff: number;
  /** Messages that had no association or peer to go to. */
  unsendable: number;
  /** Messages not sent, as more than three times the bytes that came would go to an unproved address (RFC 7252 §11.3). */
  overAmplificationLimit: number;
  /** Records kept back because the peer's new address was not proved (RFC 9146 §9). */
  keptBack: number;
  /** What the DTLS layer dropped, by reason (requirement P04): `authentication-failed`, `handshake-rate`, … */
  readonly droppedByDtls: Partial<Record<DtlsDiscardReason, number>>;
}

/** Tells about something dropped, where a trace is wanted. */
export function traceDiscarded(
  layers: EndpointLayers,
  layer: 'dtls' | 'message' | 'request-response',
  address: PeerAddress,
  reason: string,
): void {
  if (!layers.config.trace) return;
  layers.outputs.push({ kind: 'trace', event: { kind: 'discarded', layer, address, reason } });
}

/** A ping gets no answer. */
export function failPing(layers: EndpointLayers, request: RequestId, error: RequestError): void {
  layers.requests.endPing(request);
  layers.outputs.push({ kind: 'request-failed', request, error });
}
