/**
 * What an endpoint tells of its work, where a trace is wanted.
 *
 * The events are in `trace-event.ts`.
 *
 * @module
 */

import type { PeerAddress } from '../foundation/peer-address.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import type { DtlsTraceEvent } from './trace-event.ts';

/** Tells about something dropped. */
export function traceDiscarded(
  layers: EndpointLayers,
  layer: 'dtls' | 'message' | 'oscore' | 'request-response',
  address: PeerAddress,
  reason: string,
): void {
  if (!layers.config.trace) return;
  layers.outputs.push({ kind: 'trace', event: { kind: 'discarded', layer, address, reason } });
}

/** Tells about a message, as it is before encryption or after decryption. */
export function traceMessage(
  layers: EndpointLayers,
  direction: 'sent' | 'received',
  address: PeerAddress,
  bytes: Uint8Array,
): void {
  if (!layers.config.trace) return;
  const secure = layers.dtls !== undefined;
  layers.outputs.push({ kind: 'trace', event: { kind: 'message', direction, address, secure, bytes } });
}

/** Tells about an association. */
export function traceDtls(layers: EndpointLayers, event: DtlsTraceEvent): void {
  if (layers.config.trace) layers.outputs.push({ kind: 'trace', event });
}
