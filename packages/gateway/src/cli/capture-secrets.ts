/**
 * Options with which captures are read: keys, key logs, ports.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { type KnownKey, KnownSecrets } from '../decode/secrets.ts';
import { secretKeyValue } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { repeatedNumber } from './option-values.ts';
import { readPskFile } from './psk-file.ts';
import { warningsTo } from './warnings.ts';

/** What was given. */
export interface SecretOptions {
  readonly identity?: string;
  readonly key?: Uint8Array;
  readonly pskFile?: string;
  readonly keylog?: string;
  readonly port?: readonly number[];
}

/** Adds the options to a command. */
export function addSecretOptions(command: Command): Command {
  return command
    .option('-u, --identity <id>', 'whose key -k is; anybody’s without it')
    .addOption(
      new Option('-k, --key <key>', 'pre-shared key: text, or hex with a leading 0x').argParser(
        secretKeyValue,
      ),
    )
    .option('--psk-file <file>', 'pre-shared keys, as lines IDENTITY:KEY')
    .option('--keylog <file>', 'TLS key log (SSLKEYLOGFILE)')
    .option('--port <n>', 'CoAP or DTLS is at this port too; repeatable', repeatedNumber(1, 65_535));
}

/** The secrets that they name. */
export function knownSecrets(
  { identity, key, pskFile, keylog }: SecretOptions,
  { stderr }: Pick<CommandEnvironment, 'stderr'>,
): KnownSecrets {
  const known: KnownKey[] = [];
  if (key !== undefined) {
    known.push(identity === undefined ? { key } : { identity: new TextEncoder().encode(identity), key });
  }
  if (pskFile !== undefined) {
    known.push(...readPskFile(pskFile, warningsTo({ stderr })));
  }
  const secrets = new KnownSecrets(known);
  if (keylog !== undefined)
    for (const line of readFileSync(keylog, 'utf8').split('\n')) secrets.addLine(line);
  return secrets;
}
