/**
 * Options with which captures are read: keys, key logs, OSCORE contexts, ports.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { OscoreMessages } from '../decode/oscore-messages.ts';
import { type KnownKey, KnownSecrets } from '../decode/secrets.ts';
import { printable } from '../text/printable.ts';
import { secretKeyValue } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { readOscoreEnd } from './kept-oscore.ts';
import { repeatedNumber, repeatedText } from './option-values.ts';
import { readPskFile } from './psk-file.ts';
import { warningsTo } from './warnings.ts';

/** What was given. */
export interface SecretOptions {
  readonly identity?: string;
  readonly key?: Uint8Array;
  readonly pskFile?: string;
  readonly keylog?: string;
  readonly oscore?: readonly string[];
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
    .option(
      '--oscore <file>',
      'OSCORE context, of either end: a file of libcoap’s form, or a folder of aiocoap’s; repeatable',
      repeatedText,
    )
    .option('--port <n>', 'CoAP or DTLS is at this port too; repeatable', repeatedNumber(1, 65_535));
}

/** The OSCORE contexts that they name. @throws CommandFailure for what is none; no message quotes a secret. */
export function knownContexts(
  { oscore = [] }: SecretOptions,
  { stderr }: Pick<CommandEnvironment, 'stderr'>,
): OscoreMessages | undefined {
  if (oscore.length === 0) return undefined;
  return new OscoreMessages(
    oscore.map((name) => {
      const { parameters } = readOscoreEnd(name, warningsTo({ stderr }));
      const { replayWindow } = parameters;
      return { name, parameters, ...(replayWindow !== undefined && { replayWindow }) };
    }),
  );
}

/** Says which contexts have opened nothing: they may be those of others. */
export function tellUnused(
  contexts: OscoreMessages | undefined,
  { stderr }: Pick<CommandEnvironment, 'stderr'>,
): void {
  for (const name of contexts?.unused ?? []) {
    stderr.write(
      `coapsule: ${printable(name)} opened no message: nothing here has its kids, or its secret is another one\n`,
    );
  }
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
