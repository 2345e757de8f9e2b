/**
 * `coapsule keys`: makes credentials.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { newMasterKey } from '../vault/master-key.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { addCertificateCommands } from './keys-certificate.ts';
import { addOscoreCommand } from './keys-oscore.ts';
import { addRenewalCommands } from './keys-renewal.ts';
import { writeNewFiles } from './new-files.ts';
import { hexText, wholeNumber } from './option-values.ts';
import { appendPskLine, formatPskLine } from './psk-file.ts';
import { addQrOptions, expectQrPlace, type QrOptions, showQr, wantsQr } from './qr-options.ts';
import { warningsTo } from './warnings.ts';

interface PskOptions extends QrOptions {
  readonly text?: true;
  readonly length?: number;
  readonly file?: string;
}

/** 128 bits. */
const defaultLength = 16;
/** 132 bits. */
const defaultTextLength = 22;

/** 6 bits a character; without "0", since a key that begins with 0x would be taken for hexadecimal digits. */
const keyCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz123456789.-_';

/** Makes the command. */
export function keysCommand(environment: CommandEnvironment): Command {
  const keys = new Command('keys');
  const psk = keys
    .command('psk')
    .argument('[id]', 'identity; a random one when left out')
    .description('make a pre-shared key and print it as IDENTITY:0xKEY, the form of --psk-file')
    .option('--text', 'a key of letters, digits, ".", "-" and "_", for devices that take no other')
    .addOption(
      new Option('--length <bytes>', 'length of the key, 1 to 64')
        .argParser((text) => wholeNumber(text, 1, 64))
        .default(undefined, `${defaultLength}, or ${defaultTextLength} with --text`),
    )
    .option('--file <file>', 'append it to this identity file instead (created with mode 0600)');
  addQrOptions(psk)
    .addHelpText('after', pskHelp)
    .action((id: string | undefined, options: PskOptions) => makePsk(environment, id, options));
  keys
    .command('master')
    .argument('<file>', 'where it goes; for its owner only')
    .description('make a master key, which opens the secrets in the store of a gateway')
    .addHelpText('after', masterHelp)
    .action((file: string) => {
      const { text } = newMasterKey((length) => environment.randomBytes(length));
      writeNewFiles([{ path: file, text, secret: true }], false, 'name another file: what it opens needs it');
      environment.stderr.write(
        `a master key is in ${file}: keep a copy apart from the data, since without it nobody can open the store\n`,
      );
    });
  addCertificateCommands(keys, environment);
  addRenewalCommands(keys, environment);
  addOscoreCommand(keys, environment);
  return keys;
}

async function makePsk(
  environment: CommandEnvironment,
  id: string | undefined,
  options: PskOptions,
): Promise<void> {
  const { text = false, length = text ? defaultTextLength : defaultLength, file } = options;
  const { stdout, stderr } = environment;
  const identity = new TextEncoder().encode(id ?? `device-${hexText(environment.randomBytes(4))}`);
  if (identity.length === 0 || identity.length > 128) {
    // RFC 4279 §5.3: implementations take identities of up to 128 bytes.
    throw new CommandFailure(
      ExitCode.Usage,
      `the identity has ${identity.length} bytes`,
      'an identity has 1 to 128 bytes',
    );
  }
  expectQrPlace(options, environment);
  const least = text ? defaultTextLength : defaultLength;
  if (length < least)
    warningsTo(environment)(
      `a key of ${length} ${text ? 'characters' : 'bytes'} can be guessed, ${least} are the least that is safe`,
    );
  const random = environment.randomBytes(length);
  const key = text
    ? new TextEncoder().encode(Array.from(random, (byte) => keyCharacters[byte & 63]).join(''))
    : random;
  const line = formatPskLine({ identity, key }, text);
  if (file !== undefined) {
    appendPskLine(file, { identity, key });
    stderr.write(`a key for ${new TextDecoder().decode(identity)} is in ${file}\n`);
  } else if (options.qrFile !== '-') {
    stdout.write(`${line}\n`);
  }
  if (wantsQr(options)) await showQr(line, options, environment);
}

const masterHelp = `
Examples:
  coapsule keys master /etc/coapsule/master.key
  coapsule serve --master-key /etc/coapsule/master.key`;

const pskHelp = `
A line is split at its first ":", so an identity is written percent-encoded where it has to be:
%3A for ":", %25 for "%", %23 for a leading "#".
A QR code holds this line, in UTF-8, and nothing else: who sees it has the key.

Examples:
  coapsule keys psk sensor-042
  coapsule keys psk sensor-042 --file keys.psk --qr
  coapsule keys psk sensor-042 --text
  coapsule get coaps://localhost/temperature --psk-file keys.psk -u sensor-042`;
