/**
 * `--qr` and `--qr-file`: a pre-shared key as a QR code, for a sticker or for the camera of who sets a device up.
 *
 * The code holds the line `IDENTITY:0xKEY` of an identity file, in UTF-8, and nothing else.
 *
 * @module
 */

import type { Command } from 'commander';
import type { DeviceCredential } from '../store/device-table.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { writeNewFiles } from './new-files.ts';
import { pathValue } from './option-values.ts';
import { formatPskLine } from './psk-file.ts';

/** As they stand on the command line. */
export interface QrOptions {
  readonly qr?: true;
  readonly qrFile?: string;
}

type OutputStreams = Pick<CommandEnvironment, 'stdout' | 'stderr' | 'variables'>;

/** Adds the two options. */
export function addQrOptions(command: Command): Command {
  return command
    .option('--qr', 'show identity and key as a QR code too, on a terminal only')
    .option(
      '--qr-file <file.svg>',
      'write that QR code as a picture, for its owner only; - for standard output',
      pathValue,
    );
}

/** Whether a code is asked for. */
export function wantsQr({ qr, qrFile }: QrOptions): boolean {
  return qr === true || qrFile !== undefined;
}

/** Refuses a code that would go into a pipe or a file by accident, before a key is made. */
export function expectQrPlace({ qr }: QrOptions, { stdout }: OutputStreams): void {
  if (qr !== true || stdout.isTerminal) return;
  throw new CommandFailure(
    ExitCode.Usage,
    '--qr shows the key on a terminal, and standard output is none',
    'write it to a file with --qr-file FILE.svg, or to standard output with --qr-file -',
  );
}

/** Refuses a code for what does not fit one. */
export function expectQrKey(options: QrOptions, { kind }: DeviceCredential): void {
  if (!wantsQr(options) || kind === 'psk') return;
  throw new CommandFailure(
    ExitCode.Usage,
    `a QR code holds a pre-shared key, and this is ${{ rpk: 'a raw public key', cert: 'a certificate', oscore: 'an OSCORE context' }[kind]}`,
    'leave --qr and --qr-file out: the device gets a file',
  );
}

/** Shows and writes the code of a device, where one is asked for. */
export async function tellQr(
  streams: OutputStreams,
  id: string,
  options: QrOptions,
  credential: DeviceCredential,
): Promise<void> {
  if (!wantsQr(options) || credential.kind !== 'psk') return;
  const line = formatPskLine({ identity: new TextEncoder().encode(id), key: credential.key });
  await showQr(line, options, streams);
}

/** Shows and writes the code. @param line as `keys psk` prints it. */
export async function showQr(line: string, { qr, qrFile }: QrOptions, streams: OutputStreams): Promise<void> {
  const { stdout, stderr, variables } = streams;
  const { qrSvg, qrText } = await import('../keys/qr-code.ts');
  if (qr === true)
    stdout.write(qrText(line, (variables['NO_COLOR'] ?? '') === '' && variables['TERM'] !== 'dumb'));
  if (qrFile === '-') stdout.write(qrSvg(line));
  else if (qrFile !== undefined) {
    writeNewFiles(
      [{ path: qrFile, text: qrSvg(line), secret: true }],
      false,
      'name another file with --qr-file',
    );
    stderr.write(`${qrFile} is the QR code of identity and key: who sees it has the key\n`);
  }
}
