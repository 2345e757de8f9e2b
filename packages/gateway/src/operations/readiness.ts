/**
 * Whether the gateway can do its work, made of what was found. Pure.
 *
 * Not ready is a gateway that acknowledges nothing, or is about to end. One that has lost something it can do without for a while,
 * such as the message broker, is degraded: readings wait on disk, and another gateway could do no better.
 */
import type { Load } from '../overload/admission.ts';
import type { StoreFaultCode } from '../store/store-fault.ts';

/** What was found. */
export interface ReadinessFacts {
  readonly isStopping: boolean;
  readonly storeFault: { readonly code: StoreFaultCode } | undefined;
  readonly freeDiskBytes: number | undefined;
  readonly broker: { readonly isConnected: boolean } | undefined;
  readonly lines: readonly { readonly uri: string; readonly isOpen: boolean }[];
  readonly workers: { readonly all: number; readonly answering: number };
  readonly load: Load;
}

/** One part, and what is wrong with it. */
export interface ReadinessCheck {
  readonly ok: boolean;
  /** A word, where it is not. */
  readonly reason?: string;
  readonly [detail: string]: unknown;
}

/** As `/ready` gives it. */
export interface Readiness {
  readonly status: 'ready' | 'degraded' | 'not-ready';
  /** Names of what is wrong. */
  readonly reasons: readonly string[];
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
}

/** With less than this the next readings may be refused, in bytes. */
const leastFreeDisk = 64 * 1024 * 1024;

/** Faults of the store that say nothing about the next write. */
const passing: ReadonlySet<StoreFaultCode> = new Set(['overloaded']);

/** See the module comment. */
export function readinessOf(facts: ReadinessFacts): Readiness {
  const { isStopping, storeFault, freeDiskBytes, broker, lines, workers, load } = facts;
  const hasStore = storeFault === undefined || passing.has(storeFault.code);
  const missing = lines.filter((line) => !line.isOpen).map(({ uri }) => uri);
  const isDiskLow = freeDiskBytes !== undefined && freeDiskBytes < leastFreeDisk;
  const checks: Record<string, ReadinessCheck> = {
    store: hasStore ? { ok: true } : { ok: false, reason: storeFault.code },
    disk: {
      ok: !isDiskLow,
      ...(isDiskLow ? { reason: 'low' } : {}),
      ...(freeDiskBytes === undefined ? {} : { freeBytes: freeDiskBytes }),
    },
    load: load === 'normal' ? { ok: true } : { ok: false, reason: load },
    workers: {
      ok: workers.answering === workers.all,
      ...(workers.answering === workers.all ? {} : { reason: 'not-answering' }),
      ...workers,
    },
    ...(broker === undefined
      ? {}
      : { broker: broker.isConnected ? { ok: true } : { ok: false, reason: 'away' } }),
    ...(lines.length === 0
      ? {}
      : { lines: missing.length === 0 ? { ok: true } : { ok: false, reason: 'missing', missing } }),
    ...(isStopping ? { process: { ok: false, reason: 'stopping' } } : {}),
  };
  const reasons = Object.entries(checks).flatMap(([name, { ok, reason }]) =>
    ok ? [] : [`${name}: ${reason}`],
  );
  const status = !hasStore || isStopping ? 'not-ready' : reasons.length > 0 ? 'degraded' : 'ready';
  return { status, reasons, checks };
}
