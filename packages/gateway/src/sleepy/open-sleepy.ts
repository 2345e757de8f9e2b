/**
 * Puts devices that sleep into a gateway: what its server is told of them, and how they are noticed.
 */
import type { Request, Server } from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';
import type { Registration } from '../directory/registration.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { resourcePath } from '../text/resource-path.ts';
import type { SleepyCommand, SleepyStore } from './sleepy-command.ts';
import { SleepyDevices } from './sleepy-devices.ts';
import type { SleepyOptions } from './sleepy-options.ts';
import { commandPath, type SleepyContext, sleepyPath, sleepyResources } from './sleepy-resources.ts';

/** What it needs of the gateway. */
export interface OpenSleepyParts {
  readonly server: Pick<Server, 'notify' | 'use'>;
  readonly options: SleepyOptions;
  readonly store: SleepyStore & { sleepyCommands(): Promise<readonly SleepyCommand[]> };
  /** See `SleepyParts`. */
  readonly clock: WallClock;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
}

/** Reads what an earlier process has left, and makes the server tell of devices that are heard. */
export async function openSleepy(parts: OpenSleepyParts): Promise<SleepyDevices> {
  const { server, options, store, clock, timer, onError } = parts;
  const notify = (path: string): void => server.notify(resourcePath(path) ?? path);
  const devices = new SleepyDevices({
    ...{ options, store, clock, timer, onError },
    commands: await store.sleepyCommands(),
    onChange: (device, what) =>
      notify('path' in what ? sleepyPath(device, what.path) : commandPath(device, what.command)),
  });
  await devices.recover();
  return devices;
}

/** Each request of a device that is known says that it is awake; it is asked when it has its answer. */
export function noticeDevices(server: Pick<Server, 'use'>, devices: SleepyDevices): void {
  server.use(async (request, next) => {
    const response = await next();
    const device = askable(request);
    if (device !== undefined) {
      setImmediate(() =>
        devices.heard(device, (method, path, options) => request.ask(method, path, options)),
      );
    }
    return response;
  });
}

/** Who can be asked back: over connections of TCP and the like nobody can. */
function askable({ peer }: Request): string | undefined {
  if (peer.transport !== 'udp' && peer.transport !== 'serial') return undefined;
  return provenDevice(peer)?.identity;
}

/** What the resources of devices that sleep are made of; undefined where none does. */
export interface SleepingDevicesParts extends Pick<SleepyContext, 'clock' | 'wallClock' | 'isCovered'> {
  readonly devices: SleepyDevices | undefined;
  readonly options: SleepyOptions | undefined;
  readonly registrants: SleepyRegistrants;
  readonly registrations: () => Iterable<Registration>;
}

/** Their resources. */
export function sleepingDevices(parts: SleepingDevicesParts): readonly GatewayResource[] {
  const { devices, options, registrants, registrations, ...context } = parts;
  if (devices === undefined || options === undefined) return [];
  const isSleepy = (device: string): boolean =>
    options.devices.some((name) => name === device || name === '*') ||
    (options.registered && registrants.has(device, registrations));
  return sleepyResources({ ...context, devices, options, isSleepy });
}

/** The owners of registrations that say that they sleep, with the parameter `sleepy`. */
export class SleepyRegistrants {
  #owners: ReadonlySet<string> | undefined;

  /** What is registered is something else. */
  changed(): void {
    this.#owners = undefined;
  }

  has(device: string, registrations: () => Iterable<Registration>): boolean {
    this.#owners ??= new Set(
      [...registrations()].flatMap(({ owner, attributes }) =>
        owner !== undefined && attributes.some(([name]) => name === 'sleepy') ? [owner] : [],
      ),
    );
    return this.#owners.has(device);
  }
}
