/**
 * All resources that a gateway serves itself, with what keeps them: sensors and readings, firmware, the Resource Directory, serial
 * lines, devices that sleep, and those of the demo. Those of other servers come and go in upstream-servers.ts.
 */
import type { PeerInfo, Request, Server } from 'coapsule';
import { ChangeAudit } from '../audit/audit-log.ts';
import { outboxTerms } from '../bridge/outbox-terms.ts';
import { directoryResources, lookupPaths } from '../directory/directory-resources.ts';
import type { Registration } from '../directory/registration.ts';
import { ResourceDirectory } from '../directory/resource-directory.ts';
import { defaultFirmwareBytes, firmwareResources } from '../firmware/firmware-resources.ts';
import { demoResources } from '../resources/demo-resources.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { guardedResources } from '../resources/guarded-resources.ts';
import { openDemoResources } from '../resources/open-demo-resources.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { SensorCollection } from '../resources/sensor-collection.ts';
import { openDemoPaths, openDemoRetention, telemetryResources } from '../resources/telemetry.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { sharedStore } from '../shared/shared-store.ts';
import type { Sharing } from '../shared/sharing.ts';
import { type SleepyRegistrants, sleepingDevices } from '../sleepy/open-sleepy.ts';
import type { SleepyDevices } from '../sleepy/sleepy-devices.ts';
import type { Store } from '../store/store.ts';
import { RetentionSweep } from '../telemetry/retention-sweep.ts';
import type { GatewayOptions } from './gateway-options.ts';
import type { LiveConfiguration } from './live-configuration.ts';
import { auditErrorLogger, errorLogger, quotaLogger } from './request-log.ts';
import { type ResourceRules, rulesAlone } from './resource-rules.ts';
import type { ServedResources } from './served-resources.ts';

/** What they work with. */
export interface ResourceParts {
  readonly server: Server;
  readonly store: Store;
  readonly served: ServedResources;
  readonly rules: ResourceRules;
  readonly live: LiveConfiguration;
  readonly stops: (() => void)[];
  readonly options: GatewayOptions;
  readonly clock: WallClock;
  /** For what lasts (server/lifetime-clock.ts). */
  readonly lasting: WallClock;
  readonly lineStates: readonly GatewayResource[];
  /** Undefined where no device sleeps. */
  readonly sleepers: SleepyDevices | undefined;
  readonly registrants: SleepyRegistrants;
  /** As whom the bridge to a message broker asks. */
  readonly bridgeSelf: PeerInfo | undefined;
  readonly sharing: Sharing | undefined;
}

/** The Resource Directory, with what the store has kept of it. */
export function registryOf(
  {
    server,
    store,
    stops,
    options,
    clock,
    sharing,
  }: Pick<ResourceParts, 'server' | 'store' | 'stops' | 'options' | 'clock' | 'sharing'>,
  registrations: readonly Registration[],
  changed: () => void,
): ResourceDirectory {
  const registry = new ResourceDirectory({
    ...{ store: sharing?.registrations ?? store, registrations, clock },
    timer: systemTickTimer,
    onChange: () => {
      changed();
      for (const path of Object.values(lookupPaths)) server.notify(path);
    },
    onError: errorLogger(options.log, clock),
  });
  stops.push(() => registry.stop());
  return registry;
}

/** All resources of the gateway but those of other servers, which come and go. */
export async function addResources(
  {
    server,
    store,
    served,
    rules,
    live,
    stops,
    options,
    clock,
    lasting,
    lineStates,
    bridgeSelf,
    sleepers,
    registrants,
    sharing,
  }: ResourceParts,
  registry: ResourceDirectory,
): Promise<void> {
  const notify = (path: string): void => server.notify(path);
  const { demo = false, dataFolder, log } = options;
  const readable = (request: Request) => rules.readable(request);
  const states = await store.states('');
  const sensors = new SensorCollection({
    // What the demo makes is gone with it.
    ...(demo ? { store: undefined, states: [] } : { store, states }),
    notify,
    add: (resource) => served.add(resource),
    remove: (path) => void served.remove(path).catch(errorLogger(log, clock)),
    mayCreate: async (request) => demo || rules.isCovered(request),
    isTaken: async (path) =>
      (await store.latest(path)) !== undefined || (await store.device(path.slice(9))) !== undefined,
  });
  const kept = telemetryResources(
    {
      ...{ store: sharing === undefined ? store : sharedStore(store, sharing.readings), notify, clock },
      // What came from the broker does not go back there.
      outbox: (request) =>
        request.peer === bridgeSelf ? undefined : outboxTerms(options.mqtt, live.overload.alerts, request),
      retention: () => live.retention,
      onQuotaExceeded: quotaLogger(options.log, clock),
      readable,
      created: () => sensors.paths,
    },
    demo ? openDemoPaths : [],
  );
  const resources = kept.map((each) => (each.path === '/sensors' ? sensors.withPost(each) : each));
  if (!demo) resources.push(...guardedResources(store, states, notify));
  else {
    for (const made of [demoResources(notify, systemTickTimer), openDemoResources(notify, systemTickTimer)]) {
      resources.push(...made.resources);
      stops.push(made.stop);
    }
  }
  stops.push(sweepMeasurements({ store, live, options, clock }));
  const isCovered = (request: Request): Promise<boolean> => rules.isCovered(request);
  const audit = new ChangeAudit(dataFolder, clock, auditErrorLogger(log, clock));
  const firmware = await firmwareResources({
    ...{ store, states, dataFolder, clock, lasting, notify, readable, timer: systemTickTimer },
    maxBytes: options.maxFirmwareBytes ?? defaultFirmwareBytes,
    warn: (text) => log.warning(text),
    audit: (change) => audit.add(change),
    isDemo: demo,
  });
  stops.push(firmware.stop);
  for (const resource of [
    ...resources,
    ...firmware.resources,
    ...directoryResources({ directory: registry, isCovered }),
    ...lineStates,
    ...sleepingDevices({
      ...{ devices: sleepers, options: options.sleepy, clock: lasting, wallClock: clock, registrants },
      registrations: () => registry.current(),
      isCovered: (request) => rules.isCovered(request, rulesAlone),
    }),
  ]) {
    served.add(resource);
  }
  sensors.begin();
}

/** What is measured does not stay as it came for ever. @returns what ends that. */
function sweepMeasurements({
  store,
  live,
  options: { log, demo },
  clock,
}: Pick<ResourceParts, 'store' | 'live' | 'options' | 'clock'>): () => void {
  const open = demo ? openDemoRetention : [];
  const sweep = new RetentionSweep({
    ...{ store, clock, timer: systemTickTimer, onError: errorLogger(log, clock) },
    rules: () => [...open, ...(live.options.measurements ?? [])],
    onJump: (aheadMs) =>
      log.warning(
        `the clock went ahead by ${Math.round(aheadMs / 3_600_000)} h: measurements grow old by it when it has held for a day`,
      ),
  });
  return () => sweep.stop();
}
