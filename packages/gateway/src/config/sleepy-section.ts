/**
 * The section `sleepy` of the configuration file: devices that sleep, and how long what waits for them waits.
 */
import type * as z from 'zod';
import { parsePath } from '../access/rule.ts';
import { optionBounds } from '../server/serve-options.ts';
import { keys, soundTexts, texts, whole, yesOrNo } from './config-values.ts';

/** What the section says, by the names of the options of the command line. */
export interface ConfiguredSleepy {
  readonly sleepy?: readonly string[] | undefined;
  readonly sleepyRegistered?: boolean | undefined;
  readonly sleepyAwake?: number | undefined;
  readonly sleepyWait?: number | undefined;
  readonly sleepyLifetime?: number | undefined;
  readonly sleepyQueue?: number | undefined;
  readonly sleepyMaxAge?: number | undefined;
  readonly sleepyStale?: boolean | undefined;
  readonly sleepyLatest?: readonly string[] | undefined;
}

/** Makes the schema of the section. */
export function sleepySection(): z.ZodType<ConfiguredSleepy> {
  return keys({
    devices: texts('identities of devices, or "*"')
      .describe('Devices that sleep: the gateway answers for them at /sleepy/ID/…; "*" means all.')
      .optional(),
    registered: yesOrNo('So does every device that registers with the parameter "sleepy".'),
    awakeSeconds: whole(...optionBounds.sleepyAwake)
      .describe('How long a device listens after it was heard; 10 without it.')
      .optional(),
    waitSeconds: whole(...optionBounds.sleepyWait)
      .describe('How long who asks waits for the device; 20 without it.')
      .optional(),
    lifetimeSeconds: whole(...optionBounds.sleepyLifetime)
      .describe('How long a command waits; a day without it.')
      .optional(),
    queue: whole(...optionBounds.sleepyQueue)
      .describe('Commands that may wait for one device; 32 without it.')
      .optional(),
    maxAgeSeconds: whole(...optionBounds.sleepyMaxAge)
      .describe('How long what a device tells is fresh, where it does not say; 3600 without it.')
      .optional(),
    stale: yesOrNo('Answer also with what is not fresh any more, with Max-Age 0.'),
    latest: soundTexts('paths such as /setpoint or /config/*', (given) => {
      const path = parsePath(given);
      return typeof path === 'string' ? `is wrong: ${path}` : undefined;
    })
      .describe('Paths of devices where a new command takes the place of those that wait.')
      .optional(),
  }).transform(
    (file): ConfiguredSleepy => ({
      sleepy: file.devices,
      sleepyRegistered: file.registered,
      sleepyAwake: file.awakeSeconds,
      sleepyWait: file.waitSeconds,
      sleepyLifetime: file.lifetimeSeconds,
      sleepyQueue: file.queue,
      sleepyMaxAge: file.maxAgeSeconds,
      sleepyStale: file.stale,
      sleepyLatest: file.latest,
    }),
  );
}
