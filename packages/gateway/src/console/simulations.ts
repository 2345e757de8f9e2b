/**
 * Fleets that users of the console let run against this gateway: planned, given keys in the store for the time of the run, watched, and
 * taken away again. They run in this process, so there are few at a time and they are small; `coapsule simulate` is for large ones.
 */
import { randomBytes } from 'node:crypto';
import type { LinkProfileName } from 'coapsule';
import { linkProfileNames } from 'coapsule/testing';
import { fleetDevices, usualPrefix } from '../cli/fleet-credentials.ts';
import { type Scenario, sleepWays, withChurn } from '../fleet/fleet-plan.ts';
import { type FleetProgress, type FleetServer, runFleet } from '../fleet/fleet-run.ts';
import { scenarios } from '../fleet/scenarios/index.ts';
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { DeviceTable } from '../store/device-table.ts';
import { ApiFailure } from './api-failure.ts';
import type { ApiProblem, NewSimulation, SimulationEvents, SimulationView } from './api-types.ts';
import { boundAddress } from './bound-address.ts';
import type { Handlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import type { EventSource, EventStreams } from './event-stream.ts';

/** What they work with. */
export interface SimulationsParts {
  readonly devices: Pick<DeviceTable, 'addAll' | 'remove' | 'find'>;
  readonly audit: ConsoleAudit;
  readonly streams: EventStreams;
  readonly clock: WallClock;
  readonly timer: TickTimer;
  /** `host:port` of this gateway; undefined where one is off. */
  readonly endpoints: () => { readonly coap: string | undefined; readonly coaps: string | undefined };
}

/** At a time, of each its devices; and those that are over and still shown. */
const most = { simulations: 2, devices: 100, shown: 10 } as const;

/** What is under way at the end may take so long (MAX_TRANSMIT_WAIT, RFC 7252 §4.8.2). */
const drainMs = 93_000;

/** A gateway that has been told of new OSCORE contexts knows them by then. */
const knownAfterMs = 1500;

/** What a run takes when nothing is said of its speed. */
const usualRealSeconds = 60;

/** One of them. */
class Simulation {
  readonly stop = new AbortController();
  readonly #watchers = new Set<() => void>();
  view: SimulationView;

  constructor(view: SimulationView) {
    this.view = view;
  }

  get isRunning(): boolean {
    return this.view.state === 'running';
  }

  change(change: Partial<SimulationView>): void {
    this.view = { ...this.view, ...change };
    for (const watcher of this.#watchers) watcher();
  }

  watch(): EventSource<keyof SimulationEvents> {
    let shown: SimulationView | undefined;
    const isOver = (): boolean => !this.isRunning;
    const source: EventSource<keyof SimulationEvents> = {
      onChange: () => {},
      problem: null,
      get isOver() {
        return isOver();
      },
      take: () => {
        if (shown === this.view) return undefined;
        shown = this.view;
        return { event: 'progress', data: shown };
      },
      close: () => void this.#watchers.delete(changed),
    };
    const changed = (): void => source.onChange();
    this.#watchers.add(changed);
    return source;
  }
}

/** See the module comment. */
export class Simulations {
  readonly #parts: SimulationsParts;
  readonly #all = new Map<string, Simulation>();
  #isClosed = false;

  constructor(parts: SimulationsParts) {
    this.#parts = parts;
  }

  /** The handlers. */
  get handlers(): Pick<
    Handlers,
    | 'GET /api/simulations/scenarios'
    | 'GET /api/simulations'
    | 'POST /api/simulations'
    | 'DELETE /api/simulations/{id}'
    | 'GET /api/simulations/{id}/events'
  > {
    return {
      'GET /api/simulations/scenarios': () => ({
        scenarios: scenarios.map(({ name, summary, defaults }) => ({
          ...{ name, summary, durationSeconds: defaults.durationSeconds },
          devices: Math.min(most.devices, defaults.devices),
        })),
        linkProfiles: linkProfileNames,
        most: { simulations: most.simulations, devices: most.devices },
      }),
      'GET /api/simulations': () => ({
        simulations: [...this.#all.values()].map(({ view }) => view).toReversed(),
      }),
      'POST /api/simulations': ({ body, user }) => {
        const simulation = this.#start(body, user.name);
        const { id, scenario, devices } = simulation.view;
        this.#parts.audit.add('simulation-started', user, { id, scenario, devices });
        return simulation.view;
      },
      'DELETE /api/simulations/{id}': ({ parameters: { id }, user }) => {
        const simulation = this.#find(id);
        if (simulation.isRunning) this.#parts.audit.add('simulation-stopped', user, { id });
        simulation.stop.abort();
        return simulation.view;
      },
      'GET /api/simulations/{id}/events': ({ parameters: { id }, context, session }) => {
        const simulation = this.#find(id);
        return this.#parts.streams.answer(context, session, () => simulation.watch());
      },
    };
  }

  /** All end, and their devices go. */
  close(): void {
    for (const { stop } of this.#all.values()) stop.abort();
    this.#isClosed = true;
  }

  #find(id: string | undefined): Simulation {
    const found = this.#all.get(id ?? '');
    if (found === undefined) throw new ApiFailure('not-found', 'there is no such simulation any more');
    return found;
  }

  #start(asked: NewSimulation, startedBy: string): Simulation {
    const scenario = scenarios.find(({ name }) => name === asked.scenario);
    if (scenario === undefined) throw new ApiFailure('invalid', 'there is no such scenario');
    const running = [...this.#all.values()].filter(({ isRunning }) => isRunning);
    if (running.length >= most.simulations)
      throw new ApiFailure('busy', `${most.simulations} simulations run at a time`, 'stop one of them');
    if (running.some(({ view }) => view.scenario === scenario.name))
      throw new ApiFailure('conflict', 'this scenario runs already', 'stop it first');
    const devices = Math.min(asked.devices ?? scenario.defaults.devices, most.devices);
    const durationSeconds = asked.durationSeconds ?? scenario.defaults.durationSeconds;
    const simulation = new Simulation({
      ...{ id: randomBytes(6).toString('hex'), scenario: scenario.name, devices, durationSeconds, startedBy },
      ...{ state: 'running', problem: null, startedAtMs: this.#parts.clock() },
      ...{ simulatedSeconds: 0, outcomes: {}, groups: [], timeline: [] },
    });
    this.#all.set(simulation.view.id, simulation);
    for (const [id, { isRunning }] of this.#all) {
      if (this.#all.size <= most.shown) break;
      if (!isRunning) this.#all.delete(id);
    }
    void this.#run(simulation, scenario, asked);
    return simulation;
  }

  async #run(simulation: Simulation, scenario: Scenario, asked: NewSimulation): Promise<void> {
    const { devices, durationSeconds } = simulation.view;
    const { signal } = simulation.stop;
    let ids: readonly string[] = [];
    let end: Partial<SimulationView>;
    try {
      const { coap, coaps } = this.#parts.endpoints();
      const server = serverOf('coaps', coaps);
      const plainServer = coap === undefined ? undefined : serverOf('coap', coap);
      const { seed = 1, lossRate, churnPerHour = 0 } = asked;
      const ways = (sleepWays['all'] ?? []).filter((way) => way !== 'oscore' || plainServer !== undefined);
      const names = Array.from(
        { length: scenario.identities(devices) },
        (_, index) => `${usualPrefix}${scenario.name}-${String(index + 1).padStart(3, '0')}`,
      );
      const plans = withChurn(
        scenario.plan({ ids: names, seed, durationSeconds, ways }),
        churnPerHour === 0 ? undefined : { perHour: churnPerHour, state: 'mixed' },
        seed,
        durationSeconds,
      );
      const fleet = fleetDevices(plans, this.#parts.clock());
      ids = fleet.devices.map(({ id }) => id);
      // Those of a run that was killed.
      for (const id of ids) this.#parts.devices.remove(id);
      this.#parts.devices.addAll(fleet.devices);
      const needsTime = fleet.devices.some(({ credential }) => credential.kind === 'oscore');
      if (needsTime) await new Promise<void>((resolve) => this.#parts.timer.after(knownAfterMs, resolve));
      const profile = asked.linkProfile as LinkProfileName | undefined;
      if (profile !== undefined && !linkProfileNames.includes(profile))
        throw new ApiFailure('invalid', 'there is no link profile of this name');
      const result = await runFleet(
        {
          ...{ plans, credentials: fleet.credentials, server, plainServer: plainServer ?? server, seed },
          ...{ durationSeconds, drainMs, probingRate: scenario.probingRate },
          speed: asked.speed ?? Math.max(1, durationSeconds / usualRealSeconds),
          link: profile === undefined && lossRate === undefined ? undefined : { profile, lossRate },
          roams: asked.roams ?? scenario.roams,
          confirmEvery: scenario.defaults.confirmEvery,
          onProgress: (progress) => simulation.change(progressView(progress, durationSeconds)),
        },
        signal,
      );
      end = {
        ...progressView({ seconds: result.simulatedSeconds, tally: result.tally }, durationSeconds),
        state: result.interrupted ? 'stopped' : 'ended',
      };
    } catch (error) {
      end = { state: signal.aborted ? 'stopped' : 'failed', problem: problemOf(error) };
    }
    // Their readings stay. The next run of the scenario takes away what is left when the gateway ends before.
    if (!this.#isClosed) for (const id of ids) this.#parts.devices.remove(id);
    simulation.change(end);
  }
}

function problemOf(error: unknown): ApiProblem {
  return error instanceof ApiFailure ? error.problem : { code: 'failed', message: (error as Error).message };
}

function serverOf(scheme: 'coap' | 'coaps', address: string | undefined): FleetServer {
  if (address === undefined)
    throw new ApiFailure('unavailable', `this gateway has no ${scheme} endpoint, which the devices need`);
  const { port, ...bound } = boundAddress(address);
  const host = bound.isEveryAddress ? '127.0.0.1' : bound.host;
  return { text: `${scheme}://${host}:${port}`, scheme, host: host.replace(/^\[|\]$/g, ''), port };
}

function progressView(
  { seconds, tally }: Pick<FleetProgress, 'seconds' | 'tally'>,
  durationSeconds: number,
): Pick<SimulationView, 'simulatedSeconds' | 'outcomes' | 'groups' | 'timeline'> {
  return {
    simulatedSeconds: Math.min(durationSeconds, Math.floor(seconds)),
    outcomes: { ...tally.total().outcomes },
    groups: [...tally.groups].map(([name, group]) => ({
      ...{ name, devices: group.devices, sent: group.sent },
      ...{ acknowledged: group.outcomes.acknowledged, lost: group.outcomes.lost },
      ...{ handshakes: group.traffic.fullHandshakes, lostDatagrams: group.lostDatagrams },
      addressChanges: group.addressChanges,
    })),
    timeline: tally.timeline.map(({ sent, acknowledged, lost }) => ({ sent, acknowledged, lost })),
  };
}
