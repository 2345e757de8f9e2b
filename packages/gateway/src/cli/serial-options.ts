/**
 * The options of `serve` that are about serial lines.
 *
 * @module
 */

import type { ClientOptions } from 'coapsule';
import { serialLineUri } from 'coapsule/message';
import { type Command, InvalidArgumentError } from 'commander';
import type { GatewayOptions } from '../gateway/gateway-options.ts';
import { parseSerialLine, type SerialLineOption } from '../server/serial-option.ts';
import { optionBounds } from '../server/serve-options.ts';
import { mappedCredentials } from './client-credentials.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { wholeNumber } from './option-values.ts';
import { targetUri } from './target-uri.ts';

/** As they stand on the command line. */
export interface SerialCommandOptions {
  readonly serial?: readonly SerialLineOption[];
  readonly serialCredentials?: string;
  readonly serialMtu?: number;
}

/** Adds the options. */
export function addSerialOptions(command: Command): void {
  command
    .option(
      '--serial <path[,baud[,secured|plain[,framing]]]>',
      'serial line, such as /dev/ttyUSB0,115200, whose device is asked at /serial/ttyUSB0/…; secured when there are credentials; framing slipmux, slip or raw; repeatable',
      lineValue,
    )
    .option(
      '--serial-credentials <file>',
      'what to prove itself with to devices on lines that wait to be connected to (README: Credentials in a file)',
    )
    .option('--serial-mtu <bytes>', 'largest packet on serial lines (default: 1024)', (text) =>
      wholeNumber(text, ...optionBounds.serialMtu),
    );
}

/**
 * What the gateway is told.
 *
 * @throws CommandFailure for credentials that cannot be read, or are given without a line.
 */
export function serialOptions(
  { serial = [], serialCredentials: credentials, serialMtu: mtu }: SerialCommandOptions,
  warn: (text: string) => void,
): Pick<GatewayOptions, 'serial' | 'lineMtu' | 'lineCredentials'> {
  const idle = credentials !== undefined ? '--serial-credentials' : mtu !== undefined && '--serial-mtu';
  if (idle && serial.length === 0) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${idle} is for serial lines, and there is none`,
      'name them with --serial, such as --serial /dev/ttyUSB0,115200',
    );
  }
  const lines = { serial, ...(mtu === undefined ? {} : { lineMtu: mtu }) };
  if (credentials === undefined) return lines;
  // Read once, and before anything is opened: what cannot be read, and what others can read, is told once.
  const told = new Set<string>();
  const warnOnce = (text: string): void => {
    if (!told.has(text)) warn(text);
    told.add(text);
  };
  const found = new Map<string, ClientOptions>();
  for (const { device, baudRate } of serial) {
    const uri = serialLineUri({ secure: true, device, baudRate });
    found.set(uri, mappedCredentials(targetUri(uri), credentials, warnOnce));
  }
  if ([...found.values()].every((own) => Object.keys(own).length === 0)) {
    warn(`${credentials} has nothing for any line; it names them as ${[...found.keys()].join(', ')}`);
  }
  return { ...lines, lineCredentials: (uri) => found.get(uri) ?? {} };
}

function lineValue(text: string, before: readonly SerialLineOption[] = []): readonly SerialLineOption[] {
  const line = parseSerialLine(text);
  if ('problem' in line) throw new InvalidArgumentError(`${line.problem}.`);
  return [...before, line];
}
