/**
 * The credential of a device as `coapsule device` is told it: `--psk`, `--rpk` or `--cert`.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { weaknessOf } from '../server/demo-credentials.ts';
import { endingText } from '../server/serve-credentials.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { DeviceCredential } from '../store/device-table.ts';
import { printable } from '../text/printable.ts';
import { CommandFailure } from './command-failure.ts';
import { certificatesOf, expectNoPartOfFingerprint, publicKeyFingerprint } from './credential-content.ts';
import { isFingerprint } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';
import { keyBytes } from './option-values.ts';

/** As the options say it. */
export interface CredentialOptions {
  readonly psk?: KeyChoice;
  readonly rpk?: string;
  readonly cert?: string;
}

type KeyChoice = { readonly kind: 'generate' } | { readonly kind: 'given'; readonly key: Uint8Array };

/** A credential, and the key that has to be shown since it was made here. */
export interface ChosenCredential {
  readonly credential: DeviceCredential;
  readonly generated: Uint8Array | undefined;
}

const generatedKeyBytes = 16;

/** Adds the three options. */
export function withCredentialOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--psk <key>',
        'text, 0x and hex, or "generate" for 16 random bytes that are printed once as 0x and hex',
      )
        .argParser(keyChoice)
        .default(undefined, 'generate'),
    )
    .option('--rpk <file>', 'its raw public key, or the fingerprint of that (RFC 7250)')
    .option('--cert <file>', 'its certificate: this one, and no other of the same name')
    .addHelpText('after', credentialHelp);
}

const credentialHelp = `
A device proves itself with one thing: a pre-shared key, the raw public key that was added for it, or exactly the
certificate that was added for it, which has to name it and to come from an authority of "serve --ca".`;

/**
 * Reads what the options name; without any, a key is made.
 *
 * @param warn Is told of weak keys and of certificates that end soon.
 */
export function chooseCredential(
  id: string,
  { psk, rpk, cert }: CredentialOptions,
  warn: (text: string) => void,
): ChosenCredential {
  if ([psk, rpk, cert].filter((one) => one !== undefined).length > 1) {
    throw new CommandFailure(
      ExitCode.Usage,
      'a device has one credential: --psk, --rpk or --cert',
      'leave the others out, or add it under a second id',
    );
  }
  if (rpk !== undefined)
    return { credential: { kind: 'rpk', fingerprint: keyFingerprint(rpk) }, generated: undefined };
  if (cert !== undefined) return { credential: certificateOf(id, cert, warn), generated: undefined };
  if (psk === undefined || psk.kind === 'generate') {
    const key = randomBytes(generatedKeyBytes);
    return { credential: { kind: 'psk', key }, generated: key };
  }
  const weakness = weaknessOf(psk.key);
  if (weakness !== undefined) warn(`the key of ${printable(id)} ${weakness}`);
  return { credential: { kind: 'psk', key: psk.key }, generated: undefined };
}

function keyFingerprint(rpk: string): string {
  if (isFingerprint(rpk))
    return `sha256:${rpk
      .replace(/^sha-?256:/i, '')
      .replaceAll(':', '')
      .toLowerCase()}`;
  expectNoPartOfFingerprint('--rpk', rpk);
  return publicKeyFingerprint(
    { flag: '--rpk', path: rpk, bytes: readFileSync(rpk) },
    'give the .pub file that "coapsule keys rpk" made, or the fingerprint that it printed',
  );
}

function certificateOf(id: string, file: string, warn: (text: string) => void): DeviceCredential {
  const [certificate] = certificatesOf(
    { flag: '--cert', path: file, bytes: readFileSync(file) },
    `give the certificate of the device, such as the .pem file of "coapsule keys cert ${printable(id)}"`,
  );
  const { identity = '', fingerprint = '', notBefore, notAfter, subject = '' } = certificate ?? {};
  if (identity !== id) {
    const name = identity === '' ? 'no device' : `the device ${printable(identity)}`;
    throw new CommandFailure(
      ExitCode.Failure,
      `${file}, the certificate of ${printable(subject)}, names ${name}, not ${printable(id)}`,
      identity === ''
        ? 'have a certificate issued with the id as common name: "coapsule keys cert ID"'
        : `coapsule device add ${printable(identity)} --cert ${file}`,
    );
  }
  const expiresAtMs = notAfter?.getTime();
  const now = systemWallClock();
  if (notBefore !== undefined && notBefore.getTime() > now) {
    warn(
      `the certificate of ${printable(id)} is not valid before ${notBefore.toISOString()}: until then it is refused`,
    );
  }
  const ending = expiresAtMs === undefined ? undefined : endingText(expiresAtMs, now);
  if (ending !== undefined) warn(`the certificate of ${printable(id)} ${ending}`);
  return { kind: 'cert', fingerprint, expiresAtMs };
}

function keyChoice(text: string): KeyChoice {
  if (text === 'generate') return { kind: 'generate' };
  const key = keyBytes(text);
  if (key !== undefined) return { kind: 'given', key };
  // Not commander's own message: it would repeat the key.
  throw new CommandFailure(
    ExitCode.Usage,
    '--psk: the key is empty, or not pairs of hexadecimal digits after 0x',
    'leave --psk out to have one made',
  );
}
