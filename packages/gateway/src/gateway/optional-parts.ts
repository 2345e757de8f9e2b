/**
 * Parts that not every gateway has: HTTP, the console, metrics, the message broker, and what is shared with other gateways. What each
 * needs is loaded only where it is configured.
 */
import type { PeerInfo, Server } from 'coapsule';
import type { MqttBridge } from '../bridge/mqtt-bridge.ts';
import type { Console } from '../console/console.ts';
import type { HttpEndpoint } from '../http/http-endpoint.ts';
import type { TelemetryApiParts } from '../http/telemetry-api.ts';
import type { GatewayOperations } from '../operations/gateway-operations.ts';
import type { MetricsEndpoint } from '../operations/metrics-endpoint.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { Sharing } from '../shared/sharing.ts';
import type { Store } from '../store/store.ts';
import type { GatewayConsoleParts } from './gateway-console.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { errorLogger } from './request-log.ts';

/** Begins to load what the HTTP endpoint and the console need, while the thread of the store opens the database. */
export function loadHttp({ http, console }: GatewayOptions): void {
  if (http === undefined) return;
  // A failure is told where it is awaited.
  import('../http/http-endpoint.ts').catch(() => {});
  if (console !== undefined) import('./gateway-console.ts').catch(() => {});
}

/** The HTTP endpoint. */
export async function openHttp(
  server: Server,
  operations: GatewayOperations,
  { http: options, log, traffic }: GatewayOptions,
  name: string,
  telemetry: TelemetryApiParts,
  webConsole: Console | undefined,
): Promise<HttpEndpoint | undefined> {
  if (options === undefined) return undefined;
  const { HttpEndpoint: Endpoint } = await import('../http/http-endpoint.ts');
  const parts = { options, server, log, telemetry, name, operations, traffic };
  try {
    return await Endpoint.open({ ...parts, console: webConsole });
  } catch (error) {
    if (options.isOptional !== true || !(error instanceof StartUpFault)) throw error;
    log.warning(`no HTTP and no console: ${error.message}; give --http PORT, or --http off`);
    return undefined;
  }
}

/** The console on the HTTP endpoint. */
export async function openConsole(
  { console: options, http, ...gateway }: GatewayOptions,
  parts: GatewayConsoleParts,
): Promise<Console | undefined> {
  if (options === undefined || http === undefined) return undefined;
  const { gatewayConsole } = await import('./gateway-console.ts');
  return gatewayConsole({ ...gateway, ...options, trustedProxies: http.trustedProxies }, parts);
}

/** The endpoint for metrics alone. */
export async function openMetrics(
  operations: GatewayOperations,
  { metrics: address, log }: GatewayOptions,
): Promise<MetricsEndpoint | undefined> {
  if (address === undefined) return undefined;
  const { MetricsEndpoint: Endpoint } = await import('../operations/metrics-endpoint.ts');
  return Endpoint.open(address, operations, (error) => log.error(`metrics: ${error.message}`));
}

/** The connection to a message broker. */
export async function openBridge(
  server: Server,
  store: Store,
  peer: PeerInfo | undefined,
  { mqtt: options, dataFolder, log, clock = systemWallClock }: GatewayOptions,
): Promise<MqttBridge | undefined> {
  if (options === undefined || peer === undefined) return undefined;
  const { MqttBridge: Bridge } = await import('../bridge/mqtt-bridge.ts');
  return new Bridge({ options, server, store, peer, dataFolder, log, clock });
}

/** What is shared with other gateways. */
export async function openSharing(
  store: Store,
  { shared: options, log, clock = systemWallClock }: GatewayOptions,
): Promise<Sharing | undefined> {
  if (options === undefined) {
    // Nobody tells this gateway any more which of them were removed or rotated.
    if ((await store.sharedState('node')) === undefined) return undefined;
    const { forgetOthers } = await import('../shared/shared-devices.ts');
    const count = await forgetOthers(store);
    if (count > 0) {
      log.warning(
        `shared: without --redis the ${count} devices of other gateways are not let in any more; with it they are there again`,
      );
    }
    return undefined;
  }
  const { Sharing: Opened } = await import('../shared/sharing.ts');
  const onError = errorLogger(log, clock);
  return Opened.open({ options, store, log, clock, timer: systemTickTimer, onError });
}
