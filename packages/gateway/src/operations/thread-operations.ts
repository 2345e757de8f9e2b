/**
 * What watches over one thread of the gateway: its counters, who is turned away when there is too much to do, and which writes go
 * first.
 */
import {
  type AssociationEvent,
  type Handler,
  type Listener,
  type Middleware,
  type Request,
  type Resource,
  type ServerResponse,
  statisticsSum,
} from 'coapsule';
import { Admission, type Load, overloaded, type TurnedAway } from '../overload/admission.ts';
import { LoadWatch } from '../overload/load-watch.ts';
import type { OverloadSettings } from '../overload/overload-options.ts';
import { PriorityGate } from '../overload/priority-gate.ts';
import type { RequestRate } from '../overload/request-rate.ts';
import { systemTickTimer, type TickTimer } from '../resources/periodic-tick.ts';
import { type Log, RateLimit } from '../server/log.ts';
import { systemWallClock, type WallClock } from '../server/wall-clock.ts';
import { AssociationMeter } from './association-meter.ts';
import { HandshakeLog, type HandshakeReport } from './handshake-log.ts';
import { type ObservedResource, observedResources } from './observed-resources.ts';
import { OscorePeers } from './oscore-peers.ts';
import { RequestMeter } from './request-meter.ts';
import type { StoreLoad, ThreadStatistics } from './thread-statistics.ts';

/** What it works with. */
export interface ThreadOperationsParts {
  readonly worker: number;
  readonly listeners: readonly Listener[];
  readonly store: { readonly load: StoreLoad };
  readonly overload: () => OverloadSettings;
  readonly rateOf: (identity: string) => RequestRate | undefined;
  readonly log: Log;
  readonly timer?: TickTimer;
  readonly clock?: WallClock;
}

/** Readings at work at a time: several groups of what the store commits together. */
const gateBounds = { atWork: 2000, waiting: 8000, waitingBytes: 32 * 1024 * 1024 } as const;

/** How full the room to wait for the store is when the least urgent is turned away, and when all but alerts is. */
const fullness = { busy: 0.5, overloaded: 0.8 } as const;

const writingHandlers = ['post', 'put', 'delete', 'patch', 'ipatch'] as const;

/** See the module comment. */
export class ThreadOperations {
  readonly #parts: ThreadOperationsParts;
  readonly #requests = new RequestMeter();
  readonly #associations = new AssociationMeter();
  readonly #handshakes: HandshakeLog;
  /** Those without an association. */
  readonly oscorePeers: OscorePeers = new OscorePeers();
  readonly #admission: Admission;
  readonly #gate = new PriorityGate(gateBounds);
  readonly #watch: LoadWatch;
  readonly #timer: TickTimer;
  readonly #turnedAway: Record<TurnedAway | 'gave-way', number> = {
    rate: 0,
    busy: 0,
    overloaded: 0,
    'gave-way': 0,
  };
  readonly #told = new RateLimit(1, 60_000);

  constructor(parts: ThreadOperationsParts) {
    const { overload: settings, rateOf, timer = systemTickTimer, clock = systemWallClock } = parts;
    this.#parts = parts;
    this.#timer = timer;
    this.#handshakes = new HandshakeLog(clock);
    this.#watch = new LoadWatch(timer);
    this.#admission = new Admission({
      ...{ settings, rateOf },
      load: () => this.load,
      now: () => timer.now(),
      onTurnedAway: (why) => this.#turnAway(why),
    });
  }

  /** The outermost first. */
  get middleware(): readonly Middleware[] {
    return [this.#requests.middleware, this.oscorePeers.middleware, this.#admission.middleware];
  }

  /** How loaded this thread is. */
  get load(): Load {
    const { maxDelayMs } = this.#parts.overload();
    const { delayMs } = this.#watch;
    const isLate = (times: number): boolean => maxDelayMs > 0 && delayMs > times * maxDelayMs;
    const full = this.#gate.fullness;
    if (isLate(2) || full > fullness.overloaded) return 'overloaded';
    return isLate(1) || full > fullness.busy ? 'busy' : 'normal';
  }

  /** Is told of what happens to associations. */
  readonly noteAssociation = (event: AssociationEvent): void => {
    this.#associations.note(event);
    this.#handshakes.note(event);
  };

  /** Of its endpoints, the newest first. */
  get handshakes(): readonly HandshakeReport[] {
    return this.#handshakes.handshakes;
  }

  /** At its endpoints, what most observe first. */
  get observed(): readonly ObservedResource[] {
    return observedResources(this.#parts.listeners.flatMap((listener) => listener.observers()));
  }

  /** The resource with its writes behind the door to the store, where that is where they go. */
  gated(resource: Resource): Resource {
    if (resource.effectsInStore !== true) return resource;
    const gated: Partial<Record<(typeof writingHandlers)[number], Handler>> = {};
    for (const name of writingHandlers) {
      const handler = resource[name];
      if (handler !== undefined) gated[name] = (request) => this.#throughGate(request, handler);
    }
    return { ...resource, ...gated };
  }

  statistics(): ThreadStatistics {
    const { worker, listeners, store } = this.#parts;
    const schemes = [...new Set(listeners.map(({ scheme }) => scheme))];
    return {
      worker,
      requests: this.#requests.counts(),
      associations: this.#associations.counts(),
      endpoints: schemes.map((scheme) => ({
        scheme,
        statistics: statisticsSum(
          listeners.filter((one) => one.scheme === scheme).map((one) => one.statistics()),
        ),
      })),
      turnedAway: { ...this.#turnedAway },
      gate: { atWork: this.#gate.atWork, waiting: this.#gate.waiting },
      store: store.load,
      eventLoop: { latestDelayMs: this.#watch.latestMs, longestDelayMs: this.#watch.takeLongestMs() },
      heapUsedBytes: process.memoryUsage().heapUsed,
    };
  }

  stop(): void {
    this.#watch.stop();
  }

  async #throughGate(request: Request, handler: Handler): Promise<ServerResponse> {
    const urgency = this.#admission.urgencyOf(request);
    const answer = await this.#gate.pass(urgency, request.payload.length, async () => handler(request));
    if (answer !== undefined) return answer;
    this.#turnAway('gave-way');
    return overloaded();
  }

  #turnAway(why: TurnedAway | 'gave-way'): void {
    this.#turnedAway[why]++;
    if (why === 'rate') return;
    const passed = this.#told.pass(this.#timer.now());
    if (passed === undefined) return;
    const more = passed.heldBack === 0 ? '' : `, ${passed.heldBack} since the last such line`;
    const { delayMs } = this.#watch;
    this.#parts.log.warning(
      `overload: requests are turned away with 5.03${more} (event loop ${Math.round(delayMs)} ms late, ${this.#gate.waiting} writes wait for the store); alerts still go through`,
    );
  }
}
