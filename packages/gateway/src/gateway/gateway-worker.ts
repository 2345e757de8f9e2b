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
import { outboxTerms } from '../bridge/outbox-terms.ts';
import { isForHttp } from '../cross-proxy/coap-to-http.ts';
import { Farewell } from '../operations/farewell.ts';
import type { OperationsQuestion } from '../operations/operations-answers.ts';
import { peersOf } from '../operations/peers-view.ts';
import { ThreadOperations } from '../operations/thread-operations.ts';
import { hello, helloWorld, large } from '../resources/constant-resources.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { openDemoPaths, telemetryResources } from '../resources/telemetry.ts';
import { lifetimeClock } from '../server/lifetime-clock.ts';
import type { Log } from '../server/log.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { Store } from '../store/store.ts';
import { listen, renewCredentials } from './gateway-listeners.ts';
import { type GatewayOptions, type LiveOptions, observerLimits } from './gateway-options.ts';
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
const log: Log & { verbosity: number } = {
  verbosity: begin.verbosity,
  error: (text, fields) => tell({ kind: 'error', text, fields }),
  warning: (text, fields) => tell({ kind: 'warning', text, fields }),
  detail(verbosity, text, fields) {
    if (this.verbosity >= verbosity) tell({ kind: 'detail', verbosity, text, fields });
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
  ...(begin.hasCapture ? { capture: (captured) => tell({ kind: 'captured', captured }) } : {}),
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
const server = new Server({ onError, ...observerLimits(options) });
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
    outbox: (request) => outboxTerms(given.outbox, live.overload.alerts, request),
    onQuotaExceeded: quotaLogger(log, clock),
    readable: (request) => rules.readable(request),
  },
  given.demo ? openDemoPaths : [],
);
const own = new Map([...kept, helloWorld, hello, large].map((resource) => [resource.path, resource]));
const operations = new ThreadOperations({
  ...{ listeners, store, log, worker: worker.index },
  overload: () => live.overload,
  rateOf: (identity) => live.access.rateOf(identity),
});
const farewell = new Farewell();
const served = new ServedResources(server, ({ resource, ...entry }) =>
  rules.guarded({ ...entry, resource: operations.gated(resource) }),
);
const add = (shape: Parameters<typeof ownedElsewhere>[0]): void => {
  const resource: GatewayResource | undefined = shape.isEverywhere ? own.get(shape.path) : undefined;
  served.add(resource ?? ownedElsewhere(shape));
};
for (const shape of begin.resources) add(shape);
for (const link of begin.links) server.link(link);
useGatewayMiddleware(server, log, clock, [...operations.middleware, farewell.middleware]);
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
    case 'link':
      server.link(message.link);
      return;
    case 'asked':
      void answerTo(message.question)
        .then((answer) => tell({ kind: 'told', id: message.id, answer }))
        .catch(onError);
      return;
    case 'begin':
      return; // it was the first
  }
});
// What keeps the thread alive is its sockets.
port.unref();
const context = {
  index: worker.index,
  server,
  store,
  listeners,
  directory,
  review,
  refusals,
  noteAssociation: operations.noteAssociation,
  lines: [],
  oscore: new OscoreContexts(),
};
await listen(context, options, worker);
// They may have been renewed while the sockets were opened.
if (renewed !== undefined) renewCredentials(listeners, renewed);
// A device may have been changed while the sockets were opened.
devicesChanged();

async function answerTo(question: OperationsQuestion): Promise<unknown> {
  switch (question.kind) {
    case 'statistics':
      return operations.statistics();
    case 'load':
      return operations.load;
    case 'handshakes':
      return operations.handshakes;
    case 'observed':
      return operations.observed;
    case 'devices':
      devices.changed();
      return undefined;
    case 'peers':
      return peersOf({ listeners, oscorePeers: operations.oscorePeers, worker: context.index }, question.ask);
    case 'farewell':
      await farewell.say(listeners, systemTickTimer);
      return undefined;
  }
}

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
