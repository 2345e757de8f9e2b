/**
 * The options of `serve` for what passes it: a capture file, and the last datagrams in memory.
 *
 * @module
 */

import type { CapturedDatagram } from 'coapsule';
import { type Command, InvalidArgumentError } from 'commander';
import type { Log } from '../server/log.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import { printable } from '../text/printable.ts';
import { TrafficFile } from '../traffic/traffic-file.ts';
import { TrafficRing } from '../traffic/traffic-ring.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { pathValue, sizeValue } from './option-values.ts';
import { openSecretFile } from './secret-file.ts';

/** As they stand on the command line. */
export interface TrafficCommandOptions {
  readonly write?: string;
  readonly writeLimit: number;
  readonly traffic?: number | 'off';
  readonly dangerouslyTrafficKeys?: boolean;
}

/** Of both files of `--write`, unless something else is said. */
const usualWriteLimit = 64 * 1024 * 1024;

/** Smaller ones would hold nothing. */
const leastBytes = 64 * 1024;

/** Adds the options. */
export function addTrafficOptions(command: Command): void {
  command
    .option(
      '--write <file.pcapng>',
      'capture of all datagrams, for diagnose and Wireshark (debugging only)',
      pathValue,
    )
    .option(
      '--write-limit <size>',
      'what the capture and the one before it (FILE.1) may take, such as 64M',
      bytesValue,
      usualWriteLimit,
    )
    .option(
      '--traffic <size>',
      'keep the last datagrams in so much memory, for GET /api/traffic and diagnose --gateway; off without it',
      (text) => (text === 'off' ? text : bytesValue(text)),
    )
    .option(
      '--dangerously-traffic-keys',
      'put the keys of DTLS into --write and --traffic: who gets them can read all traffic',
    );
}

/** @throws CommandFailure for keys that would go nowhere. */
export function expectTrafficPossible(options: TrafficCommandOptions): void {
  const { write, traffic = 'off', dangerouslyTrafficKeys = false } = options;
  if (!dangerouslyTrafficKeys || write !== undefined || traffic !== 'off') return;
  throw new CommandFailure(
    ExitCode.Usage,
    '--dangerously-traffic-keys has no place to put keys',
    'give --write or --traffic too, or leave it out',
  );
}

/** What takes the traffic of a gateway. */
export interface OpenedTraffic {
  /** Undefined: nobody wants it, and nothing is copied. */
  readonly capture: ((captured: CapturedDatagram) => void) | undefined;
  /** Gets lines of the key log; undefined: they are not wanted. */
  readonly keylog: ((line: string) => void) | undefined;
  readonly ring: TrafficRing | undefined;
  close(): void;
}

/** Opens the file. @throws StartUpFault when that cannot be. */
export function openTraffic(options: TrafficCommandOptions, log: Log): OpenedTraffic {
  const { write, writeLimit, traffic = 'off', dangerouslyTrafficKeys: keepSecrets = false } = options;
  const ring = traffic === 'off' ? undefined : new TrafficRing({ maxBytes: traffic, keepSecrets });
  const file = write === undefined ? undefined : openFile(write, writeLimit, keepSecrets, log);
  if (keepSecrets)
    log.warning(
      '--dangerously-traffic-keys: whoever gets the capture can decrypt all traffic; for debugging only',
    );
  const isWanted = ring !== undefined || file !== undefined;
  return {
    capture: isWanted
      ? (captured) => {
          ring?.add(captured);
          file?.add(captured);
        }
      : undefined,
    keylog:
      isWanted && keepSecrets
        ? (line) => {
            ring?.addSecret(line);
            file?.addSecret(line);
          }
        : undefined,
    ring,
    close: () => file?.close(),
  };
}

function openFile(path: string, limit: number, hasSecrets: boolean, log: Log): TrafficFile {
  try {
    const open = (name: string): number => openSecretFile(name, 'w');
    const onFailed = (cause: string): void => log.error(`the capture ${printable(path)} ends here: ${cause}`);
    return new TrafficFile({ path, limit, open, hasSecrets, onFailed });
  } catch (error) {
    throw new StartUpFault(
      `the capture ${printable(path)} cannot be written: ${(error as Error).message}`,
      'name a writable file with --write',
    );
  }
}

function bytesValue(text: string): number {
  const bytes = sizeValue(text);
  if (bytes < leastBytes) throw new InvalidArgumentError('64K is the least that is of use.');
  return bytes;
}
