/**
 * `coapsule keys`: makes credentials.
 *
 * @module
 */

import { Command } from 'commander';
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

/** Makes the command. */
export function keysCommand(environment: CommandEnvironment): Command {
  const keys = new Command('keys').description('make credentials');
  keys
    .command('psk')
    .argument('[id]', 'identity; a random one when left out')
    .description('make a pre-shared key and print it as IDENTITY:0xKEY, the form of --psk-file')
    .option('--length <bytes>', 'length of the key, 1 to 64', (text) => wholeNumber(text, 1, 64), 16)
    .option('--file <file>', 'append it to this identity file instead (created with mode 0600)')
    .addHelpText('after', pskHelp)
    .action((id: string | undefined, { length, file }: { length: number; file?: string }) => {
      const identity = new TextEncoder().encode(id ?? `device-${hexText(environment.randomBytes(4))}`);
      if (identity.length === 0 || identity.length > 128) {
        // RFC 4279 §5.3: implementations take identities of up to 128 bytes.
        throw new CommandFailure(
          ExitCode.Usage,
          `the identity has ${identity.length} bytes`,
          'an identity has 1 to 128 bytes',
        );
      }
      const entry = { identity, key: environment.randomBytes(length) };
      if (length < 16)
        environment.stderr.write(
          `coapsule: warning: a key of ${length} bytes can be guessed, 16 are the least that is safe\n`,
        );
      if (file === undefined) {
        environment.stdout.write(`${formatPskLine(entry)}\n`);
      } else {
        appendPskLine(file, entry);
        environment.stderr.write(`a key for ${new TextDecoder().decode(identity)} is in ${file}\n`);
      }
    });
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

const masterHelp = `
Examples:
  coapsule keys master /etc/coapsule/master.key
  coapsule serve --master-key /etc/coapsule/master.key`;

const pskHelp = `
A line is split at its first ":", so an identity is written percent-encoded where it has to be:
%3A for ":", %25 for "%", %23 for a leading "#".

Examples:
  coapsule keys psk sensor-042
  coapsule keys psk sensor-042 --file keys.psk
  coapsule get coaps://localhost/temperature --psk-file keys.psk -u sensor-042`;
