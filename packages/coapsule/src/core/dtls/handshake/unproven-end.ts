/**
 * Signs that the handshake is over which anybody could have sent: an alert in the clear, or a message that has no
 * place in it. None is believed at once (RFC 6347 §4.1.2.7), or one forged datagram would end a handshake.
 *
 * A sign counts when it comes again after our flight was, or when the flight timer has expired twice since and
 * nothing valid came in between. So a peer that means it is believed after one or three seconds, and a forger has
 * to outlast a slow look-up or a lost datagram.
 *
 * @module
 */

import type { Alert } from '../alert.ts';
import type { FailureOfState } from './handshake-context.ts';

/** What it would end for. */
export type UnprovenSign =
  | { readonly kind: 'alert'; readonly alert: Alert }
  | { readonly kind: 'message'; readonly failure: FailureOfState };

/** Expiries of the flight timer after which a sign counts although it did not come again. */
const expiriesUntilBelieved = 2;

/** The latest sign, and how long it has stood. */
export class UnprovenEnd {
  #sign: UnprovenSign | undefined;
  #expiries = 0;

  /** A sign came. Returns what it changes: it is the first one, it counts now, or nothing. */
  note(sign: UnprovenSign): 'first' | 'believed' | 'noted' {
    const before = this.#sign;
    this.#sign = sign;
    if (before === undefined) return 'first';
    return before.kind === sign.kind && this.#expiries > 0 ? 'believed' : 'noted';
  }

  /** The flight timer expired. Returns the sign when it counts now. */
  noteTimerExpired(): UnprovenSign | undefined {
    if (this.#sign === undefined) return undefined;
    this.#expiries++;
    return this.#expiries >= expiriesUntilBelieved ? this.#sign : undefined;
  }

  /** The handshake went on: the sign was wrong. */
  forget(): void {
    this.#sign = undefined;
    this.#expiries = 0;
  }
}
