/**
 * Which clients may begin a handshake, and which one goes when there is no room for another.
 *
 * All this comes after the cookie, so that nobody is counted who is not where he says he is. What is refused is
 * dropped without an answer: the client sends its ClientHello again by its own timer.
 *
 * @module
 */

import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import type { DurationMs, Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { TokenBucket } from '../foundation/token-bucket.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { AssociationId, DtlsDiscardReason } from './dtls-output.ts';
import { FailedAttempts } from './failed-attempts.ts';
import type { Handshake } from './handshake/handshake.ts';
import type { HandshakeFailure } from './handshake/handshake-failure.ts';
import { HandshakeRate } from './handshake-rate.ts';
import { networkOf } from './network-of.ts';
import type { PendingHandshakes } from './pending-handshakes.ts';

/** Handshakes at one address: the present one, and some that it may be a replay beside. */
const maxHandshakesPerAddress = 4;

/** Told about clients that never began: each costs its sender one datagram, so it must not cost us more. */
const reportsPerSecond = 10;

/** Messages looked at anew, for each handshake that may begin, and at most so many a second. */
const checks = { forHandshake: 4, most: 2000 } as const;

/** The same for messages with public-key work, up to half a millisecond each. */
const keyChecks = { forHandshake: 0.6, most: 300 } as const;

/** Ends a handshake in favour of another one. */
type GiveUp = (handshake: Handshake, cause: 'replaced' | 'capacity', detail: string, now: Instant) => void;

/** The handshakes of clients on their way in. */
export class HandshakeAdmission {
  readonly #config: CheckedDtlsConfig;
  readonly #pending: PendingHandshakes;
  readonly #giveUp: GiveUp;
  readonly #rate: HandshakeRate;
  readonly #checks: TokenBucket;
  readonly #keyChecks: TokenBucket;
  readonly #reports = new TokenBucket(reportsPerSecond, reportsPerSecond);
  readonly #attempts: FailedAttempts;
  /** The identities that clients named in handshakes under way. */
  readonly #identities = new Map<AssociationId, Uint8Array>();

  constructor(options: {
    readonly config: CheckedDtlsConfig;
    readonly crypto: CryptoProvider;
    readonly pending: PendingHandshakes;
    readonly giveUp: GiveUp;
  }) {
    this.#config = options.config;
    this.#pending = options.pending;
    this.#giveUp = options.giveUp;
    const { handshakeRate, maxAttemptDelayMs } = options.config;
    this.#rate = new HandshakeRate(handshakeRate);
    const checksPerSecond = Math.min(checks.most, checks.forHandshake * handshakeRate);
    this.#checks = new TokenBucket(checksPerSecond, checksPerSecond);
    const keyChecksPerSecond = Math.min(keyChecks.most, Math.max(1, keyChecks.forHandshake * handshakeRate));
    this.#keyChecks = new TokenBucket(keyChecksPerSecond, keyChecksPerSecond);
    this.#attempts = new FailedAttempts(options.crypto, maxAttemptDelayMs);
  }

  /** Whether more than half of the room is taken: then slow clients are not waited for. */
  get isCrowded(): boolean {
    return this.#pending.serverCount > this.#config.maxHandshakes / 2;
  }

  /** Whether a client may begin now; makes room for it. Returns why not. */
  admit(address: PeerAddress, now: Instant): HandshakeRefusal | undefined {
    const waitMs = this.#attempts.waitOfHost(address.host, now);
    if (waitMs > 0) return { reason: 'too-many-attempts', waitMs };
    if (!this.#rate.take(address.host, now)) return { reason: 'handshake-rate', waitMs: 0 };
    this.#makeRoom(address, now);
    return undefined;
  }

  /**
   * Whether a message may be looked at after another in its place was refused. Anybody can send such messages in the
   * clear; many times as fast as handshakes begin, so that a forger does not keep the right one out, and yet bounded.
   */
  mayCheckAgain(now: Instant): boolean {
    return this.#checks.take(now);
  }

  /** The same for one that costs public-key work; in all handshakes together. */
  mayCheckKeyAgain(now: Instant): boolean {
    return this.#keyChecks.take(now);
  }

  /** The table has one more handshake: those that were waited for patiently are not any more. */
  noteBegun(): void {
    if (this.#pending.serverCount === Math.floor(this.#config.maxHandshakes / 2) + 1) {
      this.#pending.scheduleAll();
    }
  }

  /** A client has named its identity. Returns the failure to end its handshake with, in silence, if it has to wait. */
  noteIdentity(
    association: AssociationId,
    { host }: PeerAddress,
    identity: Uint8Array,
    now: Instant,
  ): HandshakeFailure | undefined {
    const waitMs = this.#attempts.waitOfIdentity(host, identity, now);
    if (waitMs > 0) {
      return {
        cause: 'too-many-attempts',
        detail: `the last attempts of ${host} with this identity failed; the next one is taken in ${seconds(waitMs)}`,
      };
    }
    this.#identities.set(association, identity);
    return undefined;
  }

  /** A handshake of a client is over. */
  noteEnd({ association, address, hasDoubtfulKey }: Handshake, isConnected: boolean, now: Instant): void {
    const identity = this.#identities.get(association);
    if (identity === undefined) return;
    this.#identities.delete(association);
    if (isConnected) this.#attempts.noteSuccess(address.host, identity);
    // Whatever ended it: a guesser who begins anew has his earlier handshakes replaced, and they count.
    else if (hasDoubtfulKey) this.#attempts.noteFailure(address.host, identity, now);
  }

  /** Whether to tell about a client that never began; at most so often. */
  mayReport(now: Instant): boolean {
    return this.#reports.take(now);
  }

  /**
   * Room for one more handshake. The oldest one goes: of its address, of its host, or, when there is no room at all,
   * of the host that has the most, so that no host can crowd out the others. A host is what `network-of.ts` counts.
   */
  #makeRoom(address: PeerAddress, now: Instant): void {
    const { maxHandshakes, maxHandshakesPerHost } = this.#config;
    const [oldest, ...others] = this.#pending.allAt(address);
    if (oldest !== undefined && others.length + 1 >= maxHandshakesPerAddress) {
      this.#giveUp(oldest, 'replaced', 'the client began again', now);
    }
    const network = networkOf(address.host);
    if (this.#pending.serverCountOf(network) >= maxHandshakesPerHost) {
      this.#giveUpOldest(network, `${maxHandshakesPerHost} handshakes with its host are under way`, now);
    }
    if (this.#pending.serverCount >= maxHandshakes) {
      this.#giveUpOldest(this.#pending.busiestNetwork(), `${maxHandshakes} handshakes are under way`, now);
    }
  }

  #giveUpOldest(network: string | undefined, detail: string, now: Instant): void {
    const oldest = network === undefined ? undefined : this.#pending.oldestServerOf(network);
    if (oldest !== undefined) this.#giveUp(oldest, 'capacity', detail, now);
  }
}

/** Why a client may not begin. */
export interface HandshakeRefusal {
  readonly reason: Extract<DtlsDiscardReason, 'too-many-attempts' | 'handshake-rate'>;
  readonly waitMs: DurationMs;
}

/** The failure to report for a host that has to wait. */
export function failureOfHost({ host }: PeerAddress, waitMs: DurationMs): HandshakeFailure {
  return {
    cause: 'too-many-attempts',
    detail: `the last attempts of ${host} failed for identity or key; the next one is taken in ${seconds(waitMs)}`,
  };
}

function seconds(ms: DurationMs): string {
  return `${Math.ceil(ms / 1000)} s`;
}
