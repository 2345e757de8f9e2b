/**
 * The devices of a gateway in one of its threads: who they are, and that their associations end when their keys do not count any
 * more. Both look at the store and at the configuration that counts now.
 */
import type { Listener } from 'coapsule';
import type { Credentials } from '../keeping/credentials.ts';
import { systemTickTimer, type TickTimer } from '../resources/periodic-tick.ts';
import { demoKeys } from '../server/demo-credentials.ts';
import { systemWallClock, type WallClock } from '../server/wall-clock.ts';
import type { Store } from '../store/store.ts';
import { AssociationReview, reviewRetryMs } from './association-review.ts';
import { DeviceDirectory } from './device-directory.ts';
import type { LiveConfiguration } from './live-configuration.ts';

/** What they work with. */
export interface ReviewedDevicesParts {
  readonly store: Credentials & Pick<Store, 'overlapEnd' | 'endOverlap'>;
  readonly live: LiveConfiguration;
  readonly demo: boolean;
  /** Those with associations; may grow. */
  readonly listeners: readonly Listener[];
  readonly onError: (error: unknown) => void;
  readonly clock?: WallClock;
  readonly timer?: Pick<TickTimer, 'after'>;
}

/** Many overlaps that end one after the other are few reviews. */
const leastDelayMs = 1000;
const mostDelayMs = 3_600_000;

/** See the module comment. */
export class ReviewedDevices {
  readonly directory: DeviceDirectory;
  readonly review: AssociationReview;
  readonly #parts: ReviewedDevicesParts;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: ReviewedDevicesParts) {
    const { store, live, demo, listeners, onError, clock = systemWallClock } = parts;
    this.#parts = parts;
    this.directory = new DeviceDirectory({
      device: (id) => store.device(id),
      deviceByFingerprint: (fingerprint) => store.deviceByFingerprint(fingerprint),
      keyVersions: (ids) => store.keyVersions(ids),
      endOverlap: (ended) => store.endOverlap(ended),
      clock,
      demo: demo ? demoKeys : [],
      configured: () => live.options,
      access: () => live.access,
    });
    this.review = new AssociationReview({
      ...{ directory: this.directory, listeners, onError },
      later: (action) => systemTickTimer.after(reviewRetryMs, action),
    });
  }

  /** The store was written by another process, or the configuration is another one. */
  changed(): void {
    this.directory.storeChanged();
    this.review.all();
    this.#waitForOverlap().catch(this.#parts.onError);
  }

  /** No more reviews. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.review.stop();
  }

  /** When the time of a credential is over, nobody writes: its associations end, and rules are looked up again. */
  async #waitForOverlap(): Promise<void> {
    const { store, clock = systemWallClock, timer = systemTickTimer } = this.#parts;
    const end = await store.overlapEnd(clock());
    this.#cancel?.();
    if (end === undefined || this.#isStopped) return;
    // Clocks are set: one that was far off is asked again.
    const delayMs = Math.min(Math.max(end - clock(), leastDelayMs), mostDelayMs);
    this.#cancel = timer.after(delayMs, () => this.changed());
  }
}
