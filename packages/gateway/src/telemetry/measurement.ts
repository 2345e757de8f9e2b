/**
 * One measured value of a reading.
 */
import type { SenmlValue } from 'coapsule/senml';

/** A value with what is known of it besides the path that it was sent to. */
export interface Measurement {
  /** Within its path: the name of a SenML Record, or the key of a JSON object; empty for a reading that is one value. */
  readonly name: string;
  /** Undefined only where there is a sum. */
  readonly value: SenmlValue | undefined;
  /** As the device wrote it, or the symbol of RFC 8428 for a spelling that is known; empty for none. */
  readonly unit: string;
  /** The value integrated over time (RFC 8428 §4.2). */
  readonly sum?: number | undefined;
  /** When it was measured, by the device, in ms since 1970; undefined: when it was received. */
  readonly deviceAtMs?: number | undefined;
}

/** A measurement as it is kept. */
export interface StoredMeasurement extends Measurement {
  /** Empty for a writer without identity. */
  readonly identity: string;
  readonly path: string;
  /** What it is found by: the time of the device, or that of its receipt where the device said none, or one that cannot be. */
  readonly atMs: number;
  readonly receivedAtMs: number;
}

/** How far ahead of the gateway the clock of a device may be. */
const aheadMs = 24 * 60 * 60 * 1000;

/** By which time a measurement is found. */
export function timeOf(deviceAtMs: number | undefined, receivedAtMs: number): number {
  // A clock that is far ahead would keep a value the newest for ever, and out of reach of retention.
  if (deviceAtMs === undefined || deviceAtMs < 0 || deviceAtMs > receivedAtMs + aheadMs) return receivedAtMs;
  return Math.floor(deviceAtMs);
}

/** Furthest time that a date can have, in ms from 1970. */
const furthestMs = 8.64e15;

/** A time that a device says, as it is kept; undefined for one that no date can have. */
export function deviceTime(atMs: number): number | undefined {
  return Number.isFinite(atMs) && Math.abs(atMs) <= furthestMs ? Math.round(atMs) : undefined;
}
