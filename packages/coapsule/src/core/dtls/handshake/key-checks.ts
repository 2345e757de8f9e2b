/**
 * Public-key work for messages that anybody can send in the clear: bounded once one of them was refused.
 *
 * The first is always looked at. After a refusal the same bytes are refused again without work, a datagram brings two
 * candidates of a type (one may have lain in wait for it, forged, before its turn), and a handshake has four tries at
 * once and five a second then, out of a budget of all handshakes together. What is passed over counts for nothing: its
 * peer sends it again by its timer, and it gets its turn. A forger who goes on meanwhile ends the handshake at an expiry
 * of the flight timer (`unproven-end.ts`), and with it the work.
 *
 * @module
 */

import { equalBytes } from '../../foundation/bytes.ts';
import type { Instant } from '../../foundation/instant.ts';
import { TokenBucket } from '../../foundation/token-bucket.ts';
import type { FailureOfState } from './handshake-context.ts';
import type { HandshakeMessage } from './message-header.ts';

const tries = { atOnce: 4, perSecond: 5, perDatagram: 2 } as const;

/** Refused messages that are known again by their bytes. */
const maxRemembered = 4;

interface Refused {
  readonly type: number;
  /** A digest of the body. */
  readonly digest: Uint8Array;
  readonly failure: FailureOfState;
}

/** The public-key work of one handshake. */
export class KeyChecks {
  readonly #digest: (body: Uint8Array) => Uint8Array;
  readonly #mayCheckAgain: (now: Instant) => boolean;
  /** The latest last. */
  readonly #refused: Refused[] = [];
  /** How many of each type. */
  readonly #refusedInDatagram = new Map<number, number>();
  #tries: TokenBucket | undefined;

  /** @param mayCheckAgain The budget of all handshakes; asked for each check after a refusal. */
  constructor(digest: (body: Uint8Array) => Uint8Array, mayCheckAgain: (now: Instant) => boolean) {
    this.#digest = digest;
    this.#mayCheckAgain = mayCheckAgain;
  }

  /** A new datagram begins. */
  beginDatagram(): void {
    this.#refusedInDatagram.clear();
  }

  /** What the check says of a message, or said of the same bytes; `passed-over` when it is not to be made now. */
  check<T extends object>(
    { type, body }: HandshakeMessage,
    check: () => T | FailureOfState,
    now: Instant,
  ): T | FailureOfState | 'passed-over' {
    const inDatagram = this.#refusedInDatagram.get(type) ?? 0;
    if (inDatagram >= tries.perDatagram) return 'passed-over';
    if (this.#tries !== undefined) {
      const digest = this.#digest(body);
      const before = this.#refused.find((one) => one.type === type && equalBytes(one.digest, digest));
      if (before !== undefined) return before.failure;
      if (!this.#tries.take(now) || !this.#mayCheckAgain(now)) return 'passed-over';
    }
    const result = check();
    if (!('alert' in result)) return result;
    this.#tries ??= new TokenBucket(tries.perSecond, tries.atOnce);
    this.#refusedInDatagram.set(type, inDatagram + 1);
    if (this.#refused.length >= maxRemembered) this.#refused.shift();
    this.#refused.push({ type, digest: this.#digest(body), failure: result });
    return result;
  }
}
