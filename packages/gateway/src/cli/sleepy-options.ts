/**
 * The options of `serve` for devices that sleep (docs/proxies.md).
 *
 * @module
 */

import type { Command } from 'commander';
import { parsePath } from '../access/rule.ts';
import { optionBounds } from '../server/serve-options.ts';
import { type SleepyOptions, sleepyDefaults } from '../sleepy/sleepy-options.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { repeatedText, wholeNumber } from './option-values.ts';

/** As they stand on the command line. */
export interface SleepyCommandOptions {
  readonly sleepy?: readonly string[];
  readonly sleepyRegistered?: boolean;
  readonly sleepyAwake?: number;
  readonly sleepyWait?: number;
  readonly sleepyLifetime?: number;
  readonly sleepyQueue?: number;
  readonly sleepyMaxAge?: number;
  readonly sleepyStale?: boolean;
  readonly sleepyLatest?: readonly string[];
}

const seconds =
  (name: 'sleepyAwake' | 'sleepyWait' | 'sleepyLifetime' | 'sleepyMaxAge') =>
  (text: string): number =>
    wholeNumber(text, ...optionBounds[name]);

/** Adds the options. */
export function addSleepyOptions(command: Command): void {
  command
    .option(
      '--sleepy <id>',
      'this device sleeps: answer for it and keep commands for it at /sleepy/ID/…; "*" means all; repeatable',
      repeatedText,
    )
    .option('--sleepy-registered', 'so does every device that registers with the parameter "sleepy"')
    .option(
      '--sleepy-awake <seconds>',
      'how long a device listens after it was heard (10)',
      seconds('sleepyAwake'),
    )
    .option('--sleepy-wait <seconds>', 'how long who asks waits for the device (20)', seconds('sleepyWait'))
    .option('--sleepy-lifetime <seconds>', 'how long a command waits (86400)', seconds('sleepyLifetime'))
    .option('--sleepy-queue <n>', 'commands that may wait for one device (32)', (text) =>
      wholeNumber(text, ...optionBounds.sleepyQueue),
    )
    .option(
      '--sleepy-max-age <seconds>',
      'how long what a device tells is fresh, where it does not say (3600)',
      seconds('sleepyMaxAge'),
    )
    .option('--sleepy-stale', 'answer also with what is not fresh any more, with Max-Age 0')
    .option(
      '--sleepy-latest <path>',
      'where a new command takes the place of those that wait, such as /setpoint or /config/*; repeatable',
      repeatedText,
    );
}

/**
 * What the gateway is told; undefined where no device sleeps.
 *
 * @throws CommandFailure for options that cannot be, or that are of no use without devices.
 */
export function sleepyOptions(options: SleepyCommandOptions): SleepyOptions | undefined {
  const { sleepy: devices = [], sleepyRegistered: registered = false } = options;
  if (devices.length === 0 && !registered) {
    const idle = Object.entries(flags).find(([name]) => options[name as keyof typeof flags] !== undefined);
    if (idle === undefined) return undefined;
    throw new CommandFailure(
      ExitCode.Usage,
      `${idle[1]} is for devices that sleep, and none does`,
      'name them with --sleepy ID, or give --sleepy-registered',
    );
  }
  const { sleepyAwake, sleepyWait, sleepyLifetime, sleepyMaxAge } = options;
  const milliseconds = (given: number | undefined, otherwise: number): number =>
    given === undefined ? otherwise : given * 1000;
  return {
    devices,
    registered,
    awakeMs: milliseconds(sleepyAwake, sleepyDefaults.awakeMs),
    waitMs: milliseconds(sleepyWait, sleepyDefaults.waitMs),
    lifetimeMs: milliseconds(sleepyLifetime, sleepyDefaults.lifetimeMs),
    mostCommands: options.sleepyQueue ?? sleepyDefaults.mostCommands,
    freshMs: milliseconds(sleepyMaxAge, sleepyDefaults.freshMs),
    servesStale: options.sleepyStale ?? false,
    latestOnly: (options.sleepyLatest ?? []).map((text) => {
      const path = parsePath(text);
      if (typeof path !== 'string') return path;
      throw new CommandFailure(
        ExitCode.Usage,
        `--sleepy-latest: ${path}`,
        'such as --sleepy-latest /setpoint',
      );
    }),
  };
}

const flags = {
  sleepyAwake: '--sleepy-awake',
  sleepyWait: '--sleepy-wait',
  sleepyLifetime: '--sleepy-lifetime',
  sleepyQueue: '--sleepy-queue',
  sleepyMaxAge: '--sleepy-max-age',
  sleepyStale: '--sleepy-stale',
  sleepyLatest: '--sleepy-latest',
} as const;
