/**
 * Ends associations whose key does not count any more: rotated, removed, or come from another source.
 *
 * Each association carries the stamp of the key it was made with (device-directory.ts). All are compared when the
 * store was written by another process, and each one at its birth, since its handshake may have begun before the
 * change. So there is no moment at which an old key could slip through.
 */
import type { Listener, PeerInfo, PeerSecurity } from 'coapsule';
import type { DeviceDirectory } from './device-directory.ts';

/** When the store could not say which keys count, it is asked again after this time. */
export const reviewRetryMs = 1000;

/** What a review works with. */
export interface ReviewContext {
  readonly directory: Pick<DeviceDirectory, 'areCurrent'>;
  /** Those with associations; may grow. */
  readonly listeners: readonly Pick<Listener, 'peers' | 'disconnect' | 'line'>[];
  /** The store could not be asked; it is asked again until it answers. */
  readonly onError: (error: unknown) => void;
  /** Calls back once later; the returned function prevents it. */
  readonly later: (action: () => void) => () => void;
}

/** The store is asked about so many in one question. */
const comparedAtOnce = 500;

/** Keeps the associations of a gateway in step with its devices. */
export class AssociationReview {
  readonly #context: ReviewContext;
  #isDue = false;
  #isRunning = false;
  #isStopped = false;
  #cancelRetry: (() => void) | undefined;

  constructor(context: ReviewContext) {
    this.#context = context;
  }

  /** Compare all associations: something has changed. */
  all(): void {
    this.#isDue = true;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (!this.#isRunning) void this.#run();
  }

  /** Compare one association that has just begun. */
  one({ security, transport }: PeerInfo): void {
    if (transport === 'serial' && isBegunHere(security)) return;
    this.#endStale([security]).catch((error) => this.#retryLater(error));
  }

  /** No more attempts. */
  stop(): void {
    this.#isStopped = true;
    this.#isDue = false;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isDue) {
      this.#isDue = false;
      try {
        const peers = this.#context.listeners.flatMap((listener) =>
          listener.peers().filter((security) => listener.line === undefined || !isBegunHere(security)),
        );
        for (let start = 0; start < peers.length; start += comparedAtOnce) {
          await this.#endStale(peers.slice(start, start + comparedAtOnce));
        }
      } catch (error) {
        this.#retryLater(error);
      }
    }
    this.#isRunning = false;
  }

  async #endStale(securities: readonly PeerSecurity[]): Promise<void> {
    const proven = securities.filter(isProven);
    const areCurrent = await this.#context.directory.areCurrent(
      proven.map(({ identity, context }) => ({ identity, stamp: context })),
    );
    const stale = new Set(proven.filter((_, i) => !areCurrent[i]).map(({ association }) => association));
    if (stale.size === 0) return;
    for (const listener of this.#context.listeners) {
      listener.disconnect((other) => other.kind !== 'none' && stale.has(other.association));
    }
  }

  #retryLater(error: unknown): void {
    if (this.#isStopped) return;
    this.#context.onError(error);
    this.#cancelRetry ??= this.#context.later(() => this.all());
  }
}

/**
 * Whether an association on a line is one that the gateway has connected to: its own credentials decide on that one, which
 * has no stamp, and so no rights here.
 */
function isBegunHere(security: PeerSecurity): boolean {
  return security.kind === 'dtls' && security.context === undefined;
}

function isProven(security: PeerSecurity): security is Exclude<PeerSecurity, { readonly kind: 'none' }> {
  return security.kind !== 'none' && security.authentication.kind !== 'none';
}
