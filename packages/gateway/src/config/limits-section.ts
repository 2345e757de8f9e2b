/**
 * The section `limits` of the configuration file: how much is kept of what devices send, and when they are turned away.
 */
import * as z from 'zod';
import { parseAlert } from '../overload/alerts.ts';
import { optionBounds } from '../server/serve-options.ts';
import { parseRetention, type RetentionRule } from '../telemetry/retention-rules.ts';
import { keys, refused, size, soundTexts, text, whole } from './config-values.ts';

/** What the section says, by the names of the options of the command line. */
export interface ConfiguredLimits {
  readonly keep?: number | undefined;
  readonly retain?: readonly RetentionRule[] | undefined;
  readonly maxPaths?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxSessions?: number | undefined;
  readonly maxFirmware?: number | undefined;
  readonly maxRate?: number | undefined;
  readonly alert?: readonly string[] | undefined;
  readonly maxDelay?: number | undefined;
  readonly maxObservers?: number | undefined;
}

/** Makes the schema of the section. */
export function limitsSection(): z.ZodType<ConfiguredLimits> {
  return keys({
    keep: whole(...optionBounds.keep)
      .describe('Newest readings kept of each path; 0 keeps all.')
      .optional(),
    retain: z
      .array(retentionRule(), { error: 'expected a list of rules such as /sensors/*=raw:7d,1h:2y' })
      .describe(
        'How long measurements of a path stay, and their aggregates: /sensors/*=raw:7d,newest:10000,1m:30d,15m:180d,1h:2y.',
      )
      .optional(),
    maxPaths: whole(...optionBounds.maxPaths)
      .describe('Paths that one identity may write; more are refused with 4.29.')
      .optional(),
    maxSessions: whole(...optionBounds.maxSessions)
      .describe(
        'DTLS sessions of each endpoint and worker, live and kept over a restart; those of the longest silence give way.',
      )
      .optional(),
    maxBytes: size()
      .describe('What the readings of one identity may take: bytes, or with K, M or G.')
      .optional(),
    maxFirmware: size()
      .describe('What all firmware may take on the disk, unfinished uploads too: bytes, or with K, M or G.')
      .optional(),
    maxRate: whole(...optionBounds.maxRate)
      .describe(
        'Requests a second of one identity, where access says nothing else; more get 4.29; 0: no limit.',
      )
      .optional(),
    alerts: soundTexts('paths such as /sensors/*/alarm, or identities such as icu-*', (given) => {
      const pattern = parseAlert(given);
      return typeof pattern === 'string' ? pattern : undefined;
    })
      .describe(
        'Paths such as /sensors/*/alarm, and identities such as icu-*, whose requests go before all others.',
      )
      .optional(),
    maxDelay: whole(...optionBounds.maxDelay)
      .describe('Delay of the event loop, in ms, from which on what is least urgent gets 5.03; 0: never.')
      .optional(),
    maxObservers: whole(...optionBounds.maxObservers)
      .describe('Resources that one peer may observe.')
      .optional(),
  }).transform(
    // The name of the command line is in the singular, where it repeats the option.
    ({ alerts, ...limits }): ConfiguredLimits => ({ ...limits, alert: alerts }),
  );
}

function retentionRule() {
  return text('a rule such as /sensors/*=raw:7d,1h:2y').transform((value, context): RetentionRule => {
    const rule = parseRetention(value);
    return typeof rule === 'string' ? refused(context, `is wrong: ${rule}`) : rule;
  });
}
