/**
 * Who tried wrong keys and unknown identities, and how long each has to wait: guessing a pre-shared key over the network
 * is slowed down, for each host and for each identity as one host tries it.
 *
 * An identity is never locked for everybody: its owner elsewhere does not notice. Known and unknown identities are
 * counted alike, so that waiting tells nothing about which of them exist. Tables are bounded, the longest unused entry
 * goes first. A host is what `network-of.ts` counts as one.
 *
 * @module
 */

import { toHex } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { after, type DurationMs, elapsedMs, type Instant } from '../foundation/instant.ts';
import { networkOf } from './network-of.ts';

const limits = {
  entries: 4096,
  /** Failures in a row that cost no waiting, of one identity and of one host. */
  freeOfIdentity: 5,
  freeOfHost: 20,
  firstDelayMs: 1000,
  forgottenAfterMs: 3_600_000,
} as const;

interface Attempts {
  failures: number;
  /** The next attempt is taken from then on. */
  allowedAt: Instant;
  lastAt: Instant;
}

/** The failed attempts of the clients of one layer. */
export class FailedAttempts {
  readonly #hosts: AttemptTable;
  readonly #identities: AttemptTable;
  readonly #crypto: CryptoProvider;

  /** @param maxDelayMs Longest wait between two attempts; 0 turns all of this off. */
  constructor(crypto: CryptoProvider, maxDelayMs: DurationMs) {
    this.#crypto = crypto;
    this.#hosts = new AttemptTable(limits.freeOfHost, maxDelayMs);
    this.#identities = new AttemptTable(limits.freeOfIdentity, maxDelayMs);
  }

  /** A client of the host begins. Returns how long the host has to wait before one is taken; 0 when this one is. */
  waitOfHost(host: string, now: Instant): DurationMs {
    return this.#hosts.attempt(networkOf(host), now);
  }

  /** A client of the host names its identity. Returns how long it has to wait with it; 0 when it need not. */
  waitOfIdentity(host: string, identity: Uint8Array, now: Instant): DurationMs {
    if (this.#identities.size === 0) return 0;
    return this.#identities.attempt(this.#identityKey(host, identity), now);
  }

  noteFailure(host: string, identity: Uint8Array, now: Instant): void {
    this.#hosts.fail(networkOf(host), now);
    this.#identities.fail(this.#identityKey(host, identity), now);
  }

  noteSuccess(host: string, identity: Uint8Array): void {
    if (this.#hosts.size === 0) return;
    this.#hosts.forget(networkOf(host));
    this.#identities.forget(this.#identityKey(host, identity));
  }

  /** Entries in both tables, for tests of the limits. */
  get size(): number {
    return this.#hosts.size + this.#identities.size;
  }

  #identityKey(host: string, identity: Uint8Array): string {
    return `${networkOf(host)} ${toHex(this.#crypto.digest('SHA-256', identity).slice(0, 8))}`;
  }
}

class AttemptTable {
  readonly #free: number;
  readonly #maxDelayMs: DurationMs;
  /** The longest unused first. */
  readonly #entries = new Map<string, Attempts>();

  constructor(free: number, maxDelayMs: DurationMs) {
    this.#free = free;
    this.#maxDelayMs = maxDelayMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  attempt(key: string, now: Instant): DurationMs {
    const entry = this.#current(key, now);
    if (entry === undefined || entry.failures < this.#free) return 0;
    if (entry.allowedAt > now) return elapsedMs(now, entry.allowedAt);
    // One at a time from here on: many begun at once would be many guesses for one wait.
    entry.allowedAt = after(now, this.#delayMs(entry.failures));
    return 0;
  }

  fail(key: string, now: Instant): void {
    if (this.#maxDelayMs === 0) return;
    const failures = (this.#current(key, now)?.failures ?? 0) + 1;
    const allowedAt = failures < this.#free ? now : after(now, this.#delayMs(failures));
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < limits.entries) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, { failures, allowedAt, lastAt: now });
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  #current(key: string, now: Instant): Attempts | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || elapsedMs(entry.lastAt, now) < limits.forgottenAfterMs) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** 1 s, and twice as long with each further failure. */
  #delayMs(failures: number): DurationMs {
    const doublings = Math.min(failures - this.#free, 32);
    return Math.min(limits.firstDelayMs * 2 ** doublings, this.#maxDelayMs);
  }
}
