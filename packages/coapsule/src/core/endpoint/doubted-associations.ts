/**
 * Associations whose peer was not heard since the link is there again (`link-restoration.ts`).
 *
 * @module
 */

import type { AssociationId } from '../dtls/dtls-layer.ts';
import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';

/** See the module comment. */
export class DoubtedAssociations {
  readonly #timers = new TimerQueue<AssociationId>();
  #since: Instant | undefined;

  /** Doubts an association from `now` until it is heard, or until it has been silent for `patienceMs`. */
  doubt(association: AssociationId, now: Instant, patienceMs: DurationMs): void {
    this.#since = now;
    this.#timers.set(association, after(now, patienceMs));
  }

  /** One that is due, and since when it was doubted. */
  expire(now: Instant): { readonly association: AssociationId; readonly since: Instant } | undefined {
    const association = this.#timers.expire(now);
    return association === undefined || this.#since === undefined
      ? undefined
      : { association, since: this.#since };
  }

  /** It is alive. @returns since when it was doubted; `undefined` when it was not. */
  believe(association: AssociationId): Instant | undefined {
    if (this.#timers.deadline(association) === undefined) return undefined;
    this.#timers.cancel(association);
    return this.#since;
  }

  nextTimeout(): Instant | undefined {
    return this.#timers.next();
  }
}
