/**
 * Whether the options of `coapsule serve` can be: what contradicts what, and the files that they name.
 *
 * @module
 */

import type { AccessSettings } from '../access/configured-access.ts';
import { expectDistinctNames } from '../gateway/serial-lines.ts';
import { expectDistinctPorts, type PlannedEndpoint, tryEndpoints } from '../server/endpoint-check.ts';
import type { Log } from '../server/log.ts';
import { tellCredentials } from '../server/serve-credentials.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { checkDatabase } from '../store/database.ts';
import { expectFolderFree, isFolderHeld } from '../store/folder-lock.ts';
import { StoreFault } from '../store/store-fault.ts';
import type { RetentionRule } from '../telemetry/retention-rules.ts';
import type { MasterKeySource } from '../vault/master-key.ts';
import { CommandFailure, reportOf } from './command-failure.ts';
import {
  defaultHttpEndpoint,
  type EndpointCommandOptions,
  multicastOf,
  streamEndpoints,
} from './endpoint-options.ts';
import { ExitCode } from './exit-code.ts';
import { expectCurrent, gatewayCredentials } from './gateway-credentials.ts';
import { type HttpCommandOptions, httpOptions } from './http-options.ts';
import { type MqttCommandOptions, mqttOptions } from './mqtt-options.ts';
import type { OperationsCommandOptions } from './operations-options.ts';
import { type ProxyCommandOptions, proxyOptions } from './proxy-options.ts';
import { type PskCommandOptions, pskEntries } from './psk-options.ts';
import { type SerialCommandOptions, serialOptions } from './serial-options.ts';
import { type SharedCommandOptions, sharedOptions } from './shared-options.ts';
import { type SleepyCommandOptions, sleepyOptions } from './sleepy-options.ts';
import { expectTrafficPossible, type TrafficCommandOptions } from './traffic-options.ts';
import { type UpstreamCommandOptions, upstreamServers } from './upstream-options.ts';

/** All options of `coapsule serve`. */
export interface ServeOptions
  extends EndpointCommandOptions,
    PskCommandOptions,
    ProxyCommandOptions,
    UpstreamCommandOptions,
    MqttCommandOptions,
    HttpCommandOptions,
    SharedCommandOptions,
    SleepyCommandOptions,
    OperationsCommandOptions,
    TrafficCommandOptions,
    SerialCommandOptions {
  readonly data: string;
  readonly masterKey?: string;
  /** In a file only. */
  readonly access?: AccessSettings;
  readonly cert?: string;
  readonly privateKey?: string;
  readonly passphraseFile?: string;
  readonly ca?: string;
  /** False with `--no-ems`. */
  readonly ems: boolean;
  readonly keylog?: string;
  readonly dangerouslyLogOscore?: string;
  readonly keep: number;
  readonly retain?: readonly RetentionRule[];
  readonly maxPaths: number;
  readonly maxBytes: number;
  readonly maxSessions: number;
  readonly maxFirmware: number;
  readonly workers: number;
  readonly console: 'on' | 'off';
  readonly demo?: boolean;
  readonly dangerouslyAllowPlainWrites?: boolean;
  readonly dangerouslyUnlimitedAmplification?: boolean;
  readonly config?: string;
  readonly printSchema?: true;
  readonly check?: true;
  readonly verbose: number;
}

/**
 * Refuse what contradicts itself; opens nothing.
 *
 * @throws CommandFailure or StartUpFault.
 */
export function expectPossible(options: ServeOptions): void {
  const { coap, coaps, serial = [] } = options;
  if (coap === 'off' && coaps === 'off' && streamEndpoints(options).length === 0 && serial.length === 0) {
    throw new CommandFailure(ExitCode.Usage, 'all endpoints are off', 'leave --coap or --coaps on');
  }
  mqttOptions(options);
  httpOptions(options);
  sharedOptions(options);
  if (options.redisLink !== undefined && options.workers > 1) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--redis-link is for gateways of one thread: records are passed on by machine, or by worker, not by both',
      'leave --workers out, or run a gateway for each core',
    );
  }
  sleepyOptions(options);
  expectTrafficPossible(options);
  if (options.coap === 'off' && multicastOf(options) !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--multicast has no plain endpoint, and DTLS has no multicast (RFC 7252 §8.1)',
      'leave --coap on, or --multicast out',
    );
  }
  if (options.coap === 'off' && options.dangerouslyUnlimitedAmplification) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--dangerously-unlimited-amplification is for the plain endpoint, which is off; others have no such limit',
      'leave it out',
    );
  }
  if (options.wss !== 'off' && options.cert === undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--wss has no certificate to show',
      'give --cert and --private-key',
    );
  }
  expectDistinctPorts(plannedEndpoints(options));
}

/**
 * Reads all files that options name, and gives nothing back but the faults.
 *
 * @throws CommandFailure for the first that cannot be used.
 */
export function expectFilesUsable(options: ServeOptions, log: Log): void {
  for (const check of fileChecks(options, log)) check();
}

/** One for each part that names files. */
function fileChecks(options: ServeOptions, log: Log): readonly (() => void)[] {
  const warn = (text: string): void => log.warning(text);
  return [
    () => void pskEntries(options, log),
    () => expectDistinctNames(serialOptions(options, warn).serial ?? []),
    () => void proxyOptions(options, warn),
    () => void upstreamServers(options, warn),
    () => {
      const credentials = gatewayCredentials(options, log);
      if (credentials === undefined) return;
      const now = systemWallClock();
      expectCurrent(credentials, now);
      tellCredentials(credentials, log, now);
    },
  ];
}

/** What is wrong, found one after the other and told together. */
class Faults {
  readonly #found: unknown[] = [];

  async try(check: () => void | Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      this.#found.push(error);
    }
  }

  /** @throws the fault when there is one; of several all are told, and then how many there are. */
  expectNone(log: Log): void {
    const [first, ...more] = this.#found;
    if (first === undefined) return;
    if (more.length === 0) throw first;
    const reports = this.#found.map(reportOf);
    for (const { cause, nextStep } of reports) log.error(`${cause}; ${nextStep}`);
    const exitCode = reports[0]?.exitCode ?? ExitCode.Failure;
    throw new CommandFailure(exitCode, `there are ${reports.length} faults`, 'correct them, and check again');
  }
}

/** For `--check`. Changes nothing: a data folder that is not there yet is fine. */
export async function checkServe(options: ServeOptions, masterKey: MasterKeySource, log: Log): Promise<void> {
  const { data } = options;
  const faults = new Faults();
  for (const check of fileChecks(options, log)) await faults.try(check);
  let isHeld = false;
  await faults.try(() => {
    try {
      const folder = checkDatabase(data, masterKey);
      // A file is checked while the gateway runs that shall read it again: its ports are its own.
      isHeld = options.config !== undefined && isFolderHeld(folder);
      if (!isHeld) expectFolderFree(folder);
    } catch (error) {
      if (!(error instanceof StoreFault && error.code === 'no-store')) throw error;
    }
  });
  if (!isHeld)
    for (const endpoint of plannedEndpoints(options)) await faults.try(() => tryEndpoints([endpoint]));
  faults.expectNone(log);
  if (isHeld) {
    log.detail(0, 'options and data folder are usable; a gateway runs with them, so that no port was tried');
    return;
  }
  log.detail(0, 'options, data folder and ports are usable');
}

/** The sockets that are asked for. */
function plannedEndpoints(options: ServeOptions): readonly PlannedEndpoint[] {
  const { coap, coaps, http, metrics } = options;
  return [
    ...(coap === 'off' ? [] : [{ scheme: 'coap' as const, address: coap }]),
    ...(coaps === 'off' ? [] : [{ scheme: 'coaps' as const, address: coaps }]),
    ...streamEndpoints(options),
    // The gateway goes on without the usual one.
    ...(http === 'off' || http === defaultHttpEndpoint ? [] : [{ scheme: 'http' as const, address: http }]),
    ...(metrics === 'off' ? [] : [{ scheme: 'metrics' as const, address: metrics }]),
  ];
}
