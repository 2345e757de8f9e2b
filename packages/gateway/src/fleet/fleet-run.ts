/**
 * A run: devices with links and credentials of their own live through their plans, against one server.
 *
 * @module
 */

import { lookup } from 'node:dns/promises';
import { type CapturedDatagram, Client, type ClientOptions, type LinkProfileName } from 'coapsule';
import { LinkRelay, linkProfiles, type NetworkConditions } from 'coapsule/testing';
import { AwakeDevice } from './awake-device.ts';
import type { AcknowledgedMessage, DeviceSurroundings, FleetCredential } from './device-surroundings.ts';
import { FleetClock } from './fleet-clock.ts';
import type { DevicePlan } from './fleet-plan.ts';
import { streamSeed } from './fleet-random.ts';
import { FleetTally, type GroupTally } from './fleet-tally.ts';
import { SettingsBoard } from './settings-board.ts';
import { SleepingDevice } from './sleeping-device.ts';
import type { Protection } from './traffic-count.ts';

/** Where a server listens, as `scheme://authority`. */
export interface FleetServer {
  readonly text: string;
  readonly scheme: string;
  /** Empty on a serial line. */
  readonly host: string;
  readonly port: number;
}

/** What lies between devices and server. */
export interface FleetLink {
  readonly profile: LinkProfileName | undefined;
  /** Share of frames lost, 0 … 1, in the place of that of the profile. */
  readonly lossRate: number | undefined;
}

/** What is to be run. */
export interface FleetOptions {
  readonly plans: readonly DevicePlan[];
  readonly credentials: ReadonlyMap<string, FleetCredential>;
  readonly server: FleetServer;
  /** For devices under OSCORE. */
  readonly plainServer: FleetServer;
  readonly speed: number;
  readonly seed: number;
  readonly durationSeconds: number;
  /** `undefined`: sockets that talk to the server directly. */
  readonly link: FleetLink | undefined;
  readonly roams: boolean;
  readonly confirmEvery: number;
  /** See `Scenario.probingRate`. */
  readonly probingRate: number;
  readonly drainMs: number;
  readonly clientOptions?: ClientOptions;
  /** Gets what passes all devices, as they see it. */
  readonly capture?: ClientOptions['capture'];
  /** Gets the secrets of their associations. */
  readonly keylog?: ClientOptions['keylog'];
  readonly onAcknowledged?: (message: AcknowledgedMessage) => void;
  /** Told about once a second. */
  readonly onProgress?: (progress: FleetProgress) => void;
}

/** How far it is. */
export interface FleetProgress {
  readonly seconds: number;
  readonly tally: FleetTally;
  /** The run is over. */
  readonly isLast: boolean;
}

/** What came of it. */
export interface FleetResult {
  readonly tally: FleetTally;
  readonly elapsedSeconds: number;
  /** How much of the plan was run: all of it, unless it was ended before. */
  readonly simulatedSeconds: number;
  /** It was ended before its time. */
  readonly interrupted: boolean;
}

/** Links and devices that are made at the same time. */
const openAtOnce = 50;

/** Runs the plans of all devices to their end, or until the signal. Rejects when a socket cannot be opened. */
export async function runFleet(options: FleetOptions, signal: AbortSignal): Promise<FleetResult> {
  const { plans, durationSeconds, speed, onProgress } = options;
  const tally = new FleetTally(durationSeconds);
  const clock = new FleetClock(speed, signal);
  const settings = new SettingsBoard();
  const links: OpenedLink[] = [];
  const open = new Set<Client>();
  const openClient = (clientOptions: ClientOptions): Client => {
    const client = new Client(clientOptions);
    open.add(client);
    return client;
  };
  try {
    const devices: (AwakeDevice | SleepingDevice)[] = [];
    for (let first = 0; first < plans.length; first += openAtOnce) {
      const some = plans.slice(first, first + openAtOnce).map(async (plan, index) => {
        const surroundings = await surround(options, plan, first + index, {
          ...{ tally, clock, settings, links, openClient },
        });
        return plan.sleep === undefined ? new AwakeDevice(surroundings) : new SleepingDevice(surroundings);
      });
      devices.push(...(await Promise.all(some)));
    }
    const began = performance.now();
    clock.start();
    let endedAt = signal.aborted ? 0 : durationSeconds;
    const noteEnd = (): void => {
      endedAt = Math.min(durationSeconds, clock.seconds);
    };
    signal.addEventListener('abort', noteEnd, { once: true });
    const progress = setInterval(() => onProgress?.({ seconds: clock.seconds, tally, isLast: false }), 1000);
    try {
      await Promise.all(devices.map((device) => device.run()));
    } finally {
      clearInterval(progress);
      signal.removeEventListener('abort', noteEnd);
    }
    onProgress?.({ seconds: clock.seconds, tally, isLast: true });
    for (const { relay, group } of links) {
      const { lostCount, droppedForMtu, droppedForQueue } = relay.network;
      group.lostDatagrams += lostCount + droppedForMtu + droppedForQueue;
    }
    const elapsedSeconds = (performance.now() - began) / 1000;
    return { tally, elapsedSeconds, simulatedSeconds: endedAt, interrupted: signal.aborted };
  } finally {
    await Promise.all([...open].map((client) => client.close()));
    await Promise.all(links.map(({ relay }) => relay.close()));
  }
}

interface Shared extends Pick<DeviceSurroundings, 'tally' | 'clock' | 'settings' | 'openClient'> {
  readonly links: OpenedLink[];
}

interface OpenedLink {
  readonly relay: LinkRelay;
  readonly group: GroupTally;
}

async function surround(
  options: FleetOptions,
  plan: DevicePlan,
  index: number,
  { links, tally, ...shared }: Shared,
): Promise<DeviceSurroundings> {
  const credential = options.credentials.get(plan.id) ?? { kind: 'none' };
  const isOscore = credential.kind === 'oscore';
  const server = isOscore ? options.plainServer : options.server;
  const group = tally.group(plan.group);
  group.devices++;
  const protection: Protection = isOscore ? 'oscore' : server.scheme.startsWith('coaps') ? 'dtls' : 'none';
  const link = await openLink(options, server, index);
  if (link !== undefined) links.push({ relay: link, group });
  const counted = group.traffic.options(protection, (ms) => group.handshakes.record(ms));
  const { capture, keylog } = options;
  return {
    ...{ ...shared, tally, plan, credential, protection, link, group },
    server: link === undefined ? server.text : `${server.scheme}://127.0.0.1:${link.port}`,
    clientOptions: {
      ...(options.link?.profile !== undefined && { linkProfile: options.link.profile }),
      transmission: { probingRateBytesPerSecond: options.probingRate * options.speed },
      ...options.clientOptions,
      ...(credential.kind === 'psk' && { psk: { identity: credential.identity, key: credential.key } }),
      ...counted,
      ...(capture !== undefined && {
        capture: (captured: CapturedDatagram) => {
          counted.capture(captured);
          capture(captured);
        },
      }),
      ...(keylog !== undefined && { keylog }),
    },
    confirmEvery: options.confirmEvery,
    drainMs: options.drainMs,
    onAcknowledged: options.onAcknowledged,
  };
}

/** A link of its own for each device, so that the losses of one do not depend on what another sends. */
async function openLink(
  { link, roams, seed }: FleetOptions,
  { host, port }: FleetServer,
  index: number,
): Promise<LinkRelay | undefined> {
  if ((link === undefined && !roams) || host === '') return undefined;
  const { address } = await lookup(host);
  const conditions: Partial<NetworkConditions> = {
    ...(link?.profile === undefined ? { delayMs: 0 } : linkProfiles[link.profile]),
    ...(link?.lossRate !== undefined && { lossRate: link.lossRate }),
  };
  return LinkRelay.open({
    server: { host: address, port },
    conditions,
    seed: streamSeed(seed, index, 'link'),
  });
}
