/**
 * What an operator says of devices that sleep.
 */
import { pathCovers, type RulePath } from '../access/rule.ts';

/** See the file comment. */
export interface SleepyOptions {
  /** Identities; `*` for all. */
  readonly devices: readonly string[];
  /** Those too that say so when they register, with the parameter `sleepy` (docs/proxies.md). */
  readonly registered: boolean;
  /** How long a device listens after it was heard. */
  readonly awakeMs: number;
  /** How long who asks waits for the device; then it is told what is known. */
  readonly waitMs: number;
  /** How long a command waits. */
  readonly lifetimeMs: number;
  /** Commands that may wait for one device. */
  readonly mostCommands: number;
  /** How long what a device tells is fresh, where it does not say so. */
  readonly freshMs: number;
  /** Whether what is not fresh any more is answered all the same, with Max-Age 0. */
  readonly servesStale: boolean;
  /** Paths of devices where a new PUT or DELETE takes the place of those that wait. */
  readonly latestOnly: readonly RulePath[];
}

export const sleepyDefaults = {
  awakeMs: 10_000,
  waitMs: 20_000,
  lifetimeMs: 86_400_000,
  mostCommands: 32,
  freshMs: 3_600_000,
} as const;

/** Whether the last command for a path is the only one that counts. */
export function isLatestOnly({ latestOnly }: SleepyOptions, segments: readonly string[]): boolean {
  return latestOnly.some((path) => pathCovers(path, segments));
}
