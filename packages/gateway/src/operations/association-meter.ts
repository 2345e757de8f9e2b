/**
 * Counts what became of handshakes, and how associations ended, on all secured endpoints of a thread.
 */
import type { AssociationEvent } from 'coapsule';

/** As plain values: counts by label. */
export interface AssociationMeterCounts {
  /** `full`, `resumed`, `kept` (taken over from an earlier process, without a handshake). */
  readonly connected: Readonly<Record<string, number>>;
  /** By cause. */
  readonly failed: Readonly<Record<string, number>>;
  /** By reason. */
  readonly closed: Readonly<Record<string, number>>;
}

/** See the module comment. */
export class AssociationMeter {
  readonly #connected = new Map<string, number>();
  readonly #failed = new Map<string, number>();
  readonly #closed = new Map<string, number>();

  note(event: AssociationEvent): void {
    switch (event.kind) {
      case 'connected': {
        const { security } = event.peer;
        const isResumed = security.kind === 'dtls' && security.resumed;
        count(this.#connected, event.imported === true ? 'kept' : isResumed ? 'resumed' : 'full');
        return;
      }
      case 'handshake-failed':
        count(this.#failed, event.failure.cause);
        return;
      case 'closed':
        count(this.#closed, event.reason);
        return;
    }
  }

  counts(): AssociationMeterCounts {
    return {
      connected: Object.fromEntries(this.#connected),
      failed: Object.fromEntries(this.#failed),
      closed: Object.fromEntries(this.#closed),
    };
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
