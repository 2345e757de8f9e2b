/**
 * The options of `serve` for who runs the gateway: metrics, the form of the log, and when requests are turned away.
 *
 * @module
 */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { type AlertPattern, parseAlert } from '../overload/alerts.ts';
import { defaultOverload, type OverloadSettings } from '../overload/overload-options.ts';
import { burstOf } from '../overload/request-rate.ts';
import { type EndpointAddress, type LogFormat, logFormats, optionBounds } from '../server/serve-options.ts';
import { metricsEndpointOption } from './endpoint-options.ts';
import { wholeNumber } from './option-values.ts';

/** As they stand on the command line. */
export interface OperationsCommandOptions {
  readonly metrics: EndpointAddress | 'off';
  readonly logFormat: LogFormat;
  readonly maxRate: number;
  readonly alert?: readonly string[];
  readonly maxDelay: number;
  readonly maxObservers: number;
}

/** Adds the options. */
export function addOperationsOptions(command: Command): void {
  command
    .addOption(metricsEndpointOption())
    .addOption(
      new Option('--log-format <form>', 'lines for people, or JSON for programs')
        .choices([...logFormats])
        .default('text'),
    )
    .option(
      '--max-rate <n>',
      'requests a second of one identity, where access says nothing else; more are refused with 4.29; 0: no limit',
      (text) => wholeNumber(text, ...optionBounds.maxRate),
      0,
    )
    .addOption(
      new Option(
        '--alert <what>',
        'path such as /sensors/*/alarm, or identity such as icu-*, whose requests go before all others; repeatable',
      ).argParser(alertValue),
    )
    .option(
      '--max-delay <ms>',
      'delay of the event loop from which on what is least urgent is refused with 5.03; 0: never',
      (text) => wholeNumber(text, ...optionBounds.maxDelay),
      defaultOverload.maxDelayMs,
    )
    .option(
      '--max-observers <n>',
      'resources that one peer may observe',
      (text) => wholeNumber(text, ...optionBounds.maxObservers),
      1000,
    );
}

/** When the gateway turns requests away. */
export function overloadSettings({
  maxRate,
  alert = [],
  maxDelay,
}: OperationsCommandOptions): OverloadSettings {
  return {
    maxRate: maxRate === 0 ? undefined : { perSecond: maxRate, burst: burstOf(maxRate) },
    alerts: alert.map(parseAlert).filter((pattern): pattern is AlertPattern => typeof pattern !== 'string'),
    maxDelayMs: maxDelay,
  };
}

function alertValue(text: string, before: readonly string[] = []): readonly string[] {
  const pattern = parseAlert(text);
  if (typeof pattern === 'string') throw new InvalidArgumentError(pattern);
  return [...before, text];
}
