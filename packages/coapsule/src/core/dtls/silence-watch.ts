/**
 * Associations from which nothing comes: those quiet for `idleTimeoutMs` end, those quiet for `keepAliveMs` are asked
 * for a sign of life.
 *
 * A timer is not moved for each record, only looked at again when it is due.
 *
 * @module
 */

import { after, type DurationMs, earliest, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { AssociationId } from './dtls-output.ts';

/** What is due for an association. */
export interface SilenceDue {
  readonly association: AssociationId;
  readonly kind: 'idle' | 'keep-alive';
}

/** The timers of all associations. */
export class SilenceWatch {
  readonly #durations: Readonly<Record<SilenceDue['kind'], DurationMs>>;
  readonly #timers = { idle: new TimerQueue<AssociationId>(), 'keep-alive': new TimerQueue<AssociationId>() };

  constructor({ idleTimeoutMs, keepAliveMs }: Pick<CheckedDtlsConfig, 'idleTimeoutMs' | 'keepAliveMs'>) {
    this.#durations = { idle: idleTimeoutMs, 'keep-alive': keepAliveMs };
  }

  /** Begins to watch; `keepAlive` tells whether the association is to be kept alive from this side. */
  add(association: AssociationId, keepAlive: boolean, now: Instant): void {
    this.#set('idle', association, now);
    if (keepAlive) this.#set('keep-alive', association, now);
  }

  forget(association: AssociationId): void {
    this.#timers.idle.cancel(association);
    this.#timers['keep-alive'].cancel(association);
  }

  /**
   * The next association that was quiet for too long.
   *
   * @param lastActivity When something came from an association; `undefined` when it is over.
   */
  expire(
    now: Instant,
    lastActivity: (association: AssociationId) => Instant | undefined,
  ): SilenceDue | undefined {
    for (const kind of ['idle', 'keep-alive'] as const) {
      for (;;) {
        const association = this.#timers[kind].expire(now);
        if (association === undefined) break;
        const heardAt = lastActivity(association);
        if (heardAt === undefined) continue;
        if (after(heardAt, this.#durations[kind]) > now) {
          this.#set(kind, association, heardAt);
          continue;
        }
        if (kind === 'keep-alive') this.#set(kind, association, now);
        return { association, kind };
      }
    }
    return undefined;
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#timers.idle.next(), this.#timers['keep-alive'].next());
  }

  #set(kind: SilenceDue['kind'], association: AssociationId, from: Instant): void {
    if (this.#durations[kind] < Infinity)
      this.#timers[kind].set(association, after(from, this.#durations[kind]));
  }
}
