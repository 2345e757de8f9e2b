/**
 * URIs of serial lines on the command line: `coaps+serial://ttyUSB0:115200/a`.
 *
 * `COAPSULE_SERIAL=PATH[,BAUD]` in the environment is the line of URIs that name none, `coap+serial:///a`.
 *
 * @module
 */

import {
  formatSerialUri,
  isDecodeFault,
  parseSerialUri,
  type SerialScheme,
  type SerialUri,
} from 'coapsule/message';
import { parseSerialLine } from '../server/serial-option.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** The line of a URI. */
export type TargetLine = Pick<SerialUri, 'device' | 'baudRate'>;

/** A URI of a resource behind a line; `text` always names the line. */
export interface SerialTarget {
  readonly text: string;
  readonly scheme: SerialScheme;
  readonly secure: boolean;
  readonly line: TargetLine;
}

/** Reads a URI with a scheme of serial lines. Throws a `CommandFailure` that names the character that does not fit. */
export function serialTarget(
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
): SerialTarget {
  const parsed = parseSerialUri(text);
  if (isDecodeFault(parsed)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `"${text}" is not a URI of a serial line, character ${parsed.offset + 1}: ${parsed.reason}`,
      'write coap+serial://DEVICE[:BAUD]/PATH?QUERY, such as coap+serial://ttyUSB0:115200/a; a path as device is percent-encoded (%2Fdev%2FttyUSB0)',
    );
  }
  const { secure } = parsed;
  const { device, baudRate } = parsed.device === '' ? defaultLine(text, parsed, variables) : parsed;
  return {
    text: formatSerialUri({ ...parsed, device, baudRate }),
    scheme: secure ? 'coaps+serial' : 'coap+serial',
    secure,
    line: { device, baudRate },
  };
}

/** That of the environment, at the rate of the URI when it has one. */
function defaultLine(
  text: string,
  { baudRate }: SerialUri,
  { COAPSULE_SERIAL = '' }: Readonly<Record<string, string | undefined>>,
): TargetLine {
  if (COAPSULE_SERIAL === '') {
    // `coap+serial:///dev/ttyUSB0/a`: what was meant is most likely the device.
    const [, scheme, device = ''] = /^([^:]+:\/\/)(\/dev\/[^/?:]+)/.exec(text) ?? [];
    throw new CommandFailure(
      ExitCode.Usage,
      `"${text}" names no serial device`,
      device !== ''
        ? `a path is percent-encoded: ${scheme}${encodeURIComponent(device)}, or ${scheme}${device.slice(5)} for what is in /dev`
        : 'write it behind the scheme, such as coap+serial://ttyUSB0/, or set COAPSULE_SERIAL=PATH[,BAUD]; "coapsule serial list" says which there are',
    );
  }
  const line = parseSerialLine(COAPSULE_SERIAL);
  if ('problem' in line || line.security !== undefined || line.framing !== undefined) {
    const problem = 'problem' in line ? line.problem : 'expected a device and its rate alone';
    throw new CommandFailure(
      ExitCode.Usage,
      `COAPSULE_SERIAL is "${COAPSULE_SERIAL}": ${problem}`,
      'set it to PATH[,BAUD], such as /dev/ttyUSB0,9600',
    );
  }
  const isRateGiven = /^[^:]+:\/\/:\d/.test(text);
  return { device: line.device, baudRate: isRateGiven ? baudRate : line.baudRate };
}
