/**
 * Associations of a process that crashed, whose peers have to prove that their records are not old ones.
 *
 * After a crash it is not known which records up to the stored edge were received. A record beyond it never was, so
 * that it proves itself. One at or below it, though authentic, is not acted on: the peer is asked something that only
 * a living peer can answer, by a return routability check where that was agreed on (RFC 9853 §4), else by the layer
 * above. The answer proves all records after it; the peer's own retransmission carries what was not acted on.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import type { AssociationId } from './dtls-output.ts';
import { decodePathMessage, PathMessageType, pathCookieLength } from './return-routability-message.ts';

interface Doubt {
  /** Cookies that were sent lately. */
  cookies: Uint8Array[];
  challengedAt: Instant | undefined;
  /** Where the latest record in doubt came from. */
  from: PeerAddress | undefined;
}

/** A peer is asked once in this time, however many old records come. */
const challengeIntervalMs = 1000;

/** An answer may take this many challenges. */
const maxCookies = 4;

/** The associations in doubt of a layer. */
export class FreshnessProofs {
  readonly #random: RandomSource;
  readonly #doubts = new Map<AssociationId, Doubt>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** The process that had it crashed. */
  doubt(association: AssociationId): void {
    this.#doubts.set(association, { cookies: [], challengedAt: undefined, from: undefined });
  }

  isInDoubt(association: AssociationId): boolean {
    return this.#doubts.has(association);
  }

  /** A record proved itself, or the association is over. */
  settle(association: AssociationId): void {
    this.#doubts.delete(association);
  }

  /** Whether it is time to ask the peer again because of a record in doubt. */
  shouldAsk(association: AssociationId, from: PeerAddress, now: Instant): boolean {
    const doubt = this.#doubts.get(association);
    if (doubt === undefined) return false;
    doubt.from = from;
    const { challengedAt } = doubt;
    if (challengedAt !== undefined && elapsedMs(challengedAt, now) < challengeIntervalMs) return false;
    doubt.challengedAt = now;
    return true;
  }

  /** The cookie of a new challenge. */
  newCookie(association: AssociationId): Uint8Array {
    const cookie = randomBytes(this.#random, pathCookieLength);
    const doubt = this.#doubts.get(association);
    if (doubt !== undefined) doubt.cookies = [...doubt.cookies.slice(1 - maxCookies), cookie];
    return cookie;
  }

  /** Whether a return_routability_check message answers one of our challenges. */
  isAnswer(association: AssociationId, content: Uint8Array): boolean {
    const message = decodePathMessage(content);
    if (typeof message === 'string' || message.type === PathMessageType.Challenge) return false;
    const cookies = this.#doubts.get(association)?.cookies ?? [];
    return cookies.some((cookie) => equalBytes(cookie, message.cookie));
  }

  /** Where questions go too, besides the association's address: the peer's may have changed meanwhile. */
  alsoAt(association: AssociationId): PeerAddress | undefined {
    return this.#doubts.get(association)?.from;
  }
}
