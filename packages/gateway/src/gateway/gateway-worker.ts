/**
 * What each other thread of the gateway runs: a server on its coap and coaps ports, with associations of its own.
 *
 * It serves what remembers nothing but in the store; all other requests it hands to worker 0, which also writes the log and
 * tells observers of changes (gateway-workers.ts, docs/workers.md).
 *
 * @module
 */

import { type Listener, OscoreContexts, portWorker, Server } from 'coapsule';
import type { RefusalAudit } from '../audit/audit-log.ts';
import { RefusalRelay } from '../audit/refusal-relay.ts';
import { isForHttp } from '../cross-proxy/coap-to-http.ts';
import { hello, helloWorld, large } from '../resources/constant-resources.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { openDemoPaths, telemetryResources } from '../resources/telemetry.ts';
import { lifetimeClock } from '../server/lifetime-clock.ts';
import type { AdjustableLog } from '../server/log.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { Store } from '../store/store.ts';
import { listen, renewCredentials } from './gateway-listeners.ts';
import type { GatewayOptions, LiveOptions } from './gateway-options.ts';
import type { FromGatewayWorker, ThreadPort, ToGatewayWorker } from './gateway-workers.ts';
import { LiveConfiguration } from './live-configuration.ts';
import { errorLogger, quotaLogger } from './request-log.ts';
import { ResourceRules, useGatewayMiddleware } from './resource-rules.ts';
import { ReviewedDevices } from './reviewed-devices.ts';
import { ownedElsewhere, ServedResources } from './served-resources.ts';

const worker = portWorker();
const port = worker?.port;
if (worker === undefined || port === undefined) throw new Error('gateway-worker.ts runs in a worker only');
const tell = (message: FromGatewayWorker): void => port.postMessage(message);
const begin = await beginOf(port);
const { options: given, proxy } = begin;
const clock = systemWallClock;
const log: AdjustableLog = {
  verbosity: begin.verbosity,
  error: (text) => tell({ kind: 'error', text }),
  warning: (text) => tell({ kind: 'warning', text }),
  detail(verbosity, text) {
    if (this.verbosity >= verbosity) tell({ kind: 'detail', verbosity, text });
  },
};
const refusals: Pick<RefusalAudit, 'add'> = new RefusalRelay(
  (refused) => tell({ kind: 'refused', refused }),
  systemTickTimer.after,
);
const options: GatewayOptions = {
  ...given,
  ...begin.live,
  dataFolder: '',
  log,
  ...(begin.hasKeylog ? { keylog: (line: string) => tell({ kind: 'keylog', line }) } : {}),
  ...(begin.hasTrace ? { trace: (event) => tell({ kind: 'trace', event }) } : {}),
};

let devicesChanged = (): void => {};
const store = Store.connect(begin.store, {
  onDevicesChanged: () => devicesChanged(),
  onWarning: (text) => log.warning(text),
});
store.useLifetimes(lifetimeClock(begin.lifetimes));
const live = new LiveConfiguration(options);
const onError = errorLogger(log, clock);
const server = new Server({ onError });
const listeners: Listener[] = [];
const devices = new ReviewedDevices({ ...{ store, live, listeners, onError }, demo: given.demo ?? false });
const { directory, review } = devices;
devicesChanged = () => devices.changed();

const rules = new ResourceRules({ ...{ directory, live, options, clock, refusals } });
const kept = telemetryResources(
  {
    ...{ store, clock },
    notify: (path) => tell({ kind: 'notify', path }),
    retention: () => live.retention,
    // With a broker, worker 0 stores what goes there.
    outboxBytes: () => undefined,
    onQuotaExceeded: quotaLogger(log, clock),
    readable: (request) => rules.readable(request),
  },
  given.demo ? openDemoPaths : [],
);
const own = new Map([...kept, helloWorld, hello, large].map((resource) => [resource.path, resource]));
const served = new ServedResources(server, (resource) => rules.guarded(resource));
const add = (shape: Parameters<typeof ownedElsewhere>[0]): void => {
  const resource: GatewayResource | undefined = shape.isEverywhere ? own.get(shape.path) : undefined;
  served.add(resource ?? ownedElsewhere(shape));
};
for (const shape of begin.resources) add(shape);
useGatewayMiddleware(server, log, clock);
if (proxy !== undefined) {
  const { streamsHttp, ...shape } = proxy;
  server.proxy({
    ...shape,
    streamRequestBody: streamsHttp && isForHttp,
    oneOwner: true,
    answer: () => Promise.reject(new Error('worker 0 is the proxy')),
    close: () => Promise.resolve(),
  });
}

let renewed: LiveOptions['credentials'];
port.on('message', (message: ToGatewayWorker) => {
  switch (message.kind) {
    case 'settings':
      live.change(message.live);
      if (message.live.credentials !== undefined) {
        renewed = message.live.credentials;
        renewCredentials(listeners, renewed);
      }
      log.verbosity = message.verbosity;
      devicesChanged();
      return;
    case 'resource':
      if (message.shape === undefined) void served.remove(message.path).catch(onError);
      else add(message.shape);
      return;
    case 'begin':
      return; // it was the first
  }
});
// What keeps the thread alive is its sockets.
port.unref();
const context = {
  server,
  store,
  listeners,
  directory,
  review,
  refusals,
  lines: [],
  oscore: new OscoreContexts(),
};
await listen(context, options, worker);
// They may have been renewed while the sockets were opened.
if (renewed !== undefined) renewCredentials(listeners, renewed);
// A device may have been changed while the sockets were opened.
devicesChanged();

function beginOf(from: ThreadPort): Promise<Extract<ToGatewayWorker, { kind: 'begin' }>> {
  return new Promise((resolve, reject) => {
    const handleClose = (): void => reject(new Error('worker 0 has nothing to begin with'));
    from.once('close', handleClose);
    from.once('message', (message: ToGatewayWorker) => {
      from.off('close', handleClose);
      if (message.kind === 'begin') resolve(message);
    });
  });
}
