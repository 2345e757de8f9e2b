/**
 * Associations from which nothing comes: those quiet for `idleTimeoutMs` end, those quiet for `keepAliveMs` are asked
 * for a sign of life.
 *
 * A timer is not moved for each record, only looked at again when it is due.
 *
 * @module
 */

import { after, type DurationMs, earliest, type Instant } from '../foundation/instant.ts';
import { SlotTimers } from '../foundation/slot-timers.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';

/** What is due for an association. */
export interface SilenceDue {
  readonly slot: number;
  readonly kind: 'idle' | 'keep-alive';
}

/** The timers of all associations, by their slots in the table. */
export class SilenceWatch {
  readonly #durations: Readonly<Record<SilenceDue['kind'], DurationMs>>;
  readonly #timers = { idle: new SlotTimers(), 'keep-alive': new SlotTimers() };

  constructor({ idleTimeoutMs, keepAliveMs }: Pick<CheckedDtlsConfig, 'idleTimeoutMs' | 'keepAliveMs'>) {
    this.#durations = { idle: idleTimeoutMs, 'keep-alive': keepAliveMs };
  }

  /** Begins to watch; `keepAlive` tells whether the association is to be kept alive from this side. */
  add(slot: number, keepAlive: boolean, now: Instant): void {
    this.#set('idle', slot, now);
    if (keepAlive) this.#set('keep-alive', slot, now);
  }

  forget(slot: number): void {
    this.#timers.idle.cancel(slot);
    this.#timers['keep-alive'].cancel(slot);
  }

  /**
   * The next association that was quiet for too long.
   *
   * @param lastActivity When something came from an association.
   */
  expire(now: Instant, lastActivity: (slot: number) => Instant): SilenceDue | undefined {
    for (const kind of ['idle', 'keep-alive'] as const) {
      for (;;) {
        const slot = this.#timers[kind].expire(now);
        if (slot === undefined) break;
        const heardAt = lastActivity(slot);
        if (after(heardAt, this.#durations[kind]) > now) {
          this.#set(kind, slot, heardAt);
          continue;
        }
        if (kind === 'keep-alive') this.#set(kind, slot, now);
        return { slot, kind };
      }
    }
    return undefined;
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#timers.idle.next(), this.#timers['keep-alive'].next());
  }

  #set(kind: SilenceDue['kind'], slot: number, from: Instant): void {
    if (this.#durations[kind] < Infinity) this.#timers[kind].set(slot, after(from, this.#durations[kind]));
  }
}
