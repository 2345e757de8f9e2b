/**
 * The credential of a device as `coapsule device` is told it: `--psk`, `--rpk` or `--cert`.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { defaultAead } from 'coapsule/oscore';
import { type Command, Option } from 'commander';
import { weaknessOf } from '../server/demo-credentials.ts';
import { endingText } from '../server/serve-credentials.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { DeviceCredential } from '../store/device-table.ts';
import { printable } from '../text/printable.ts';
import { CommandFailure } from './command-failure.ts';
import { certificatesOf, expectNoPartOfFingerprint, publicKeyFingerprint } from './credential-content.ts';
import { isFingerprint, storedFingerprint } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';
import { markUsed, type OscoreEnd, readOscoreEnd } from './kept-oscore.ts';
import { newOscorePair } from './keys-oscore.ts';
import type { NewFile } from './new-files.ts';
import { keyBytes } from './option-values.ts';
import { formatOscoreConf } from './oscore-conf.ts';
import type { OscoreParameters } from './oscore-parameters.ts';

/** As the options say it. */
export interface CredentialOptions {
  readonly psk?: KeyChoice;
  readonly rpk?: string;
  readonly cert?: string;
  /** `generate`, or a file or folder with the gateway's end. */
  readonly oscore?: string;
  /** Where the device's end goes that was made. */
  readonly oscoreFile?: string;
}

type KeyChoice = { readonly kind: 'generate' } | { readonly kind: 'given'; readonly key: Uint8Array };

/** A credential, and the key that has to be shown since it was made here. */
export interface ChosenCredential {
  readonly credential: DeviceCredential;
  readonly generated: Uint8Array | undefined;
  /** A file for the device. */
  readonly deviceFile?: NewFile;
  /** The file or folder that it came from, to be marked: the numbers of a context are in the store from now on. */
  readonly usedEnd?: OscoreEnd;
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
    .option(
      '--oscore <file>',
      'OSCORE: "generate", or the gateway\'s end as "coapsule keys oscore" makes it (ID.server.oscore)',
    )
    .option('--oscore-file <file>', "where the device's end goes that is made; ID.oscore by default")
    .option('--cert <file>', 'its certificate: this one, and no other of the same name')
    .addHelpText('after', credentialHelp);
}

const credentialHelp = `
A device proves itself with one thing: a pre-shared key, the raw public key that was added for it, exactly the
certificate that was added for it, which has to name it and to come from an authority of "serve --ca", or an OSCORE
context, of which the device gets its end as a file for "--oscore".`;

/**
 * Reads what the options name; without any, a key is made.
 *
 * @param warn Is told of weak keys and of certificates that end soon.
 */
export function chooseCredential(
  id: string,
  { psk, rpk, cert, oscore, oscoreFile }: CredentialOptions,
  warn: (text: string) => void,
): ChosenCredential {
  if ([psk, rpk, cert, oscore].filter((one) => one !== undefined).length > 1) {
    throw new CommandFailure(
      ExitCode.Usage,
      'a device has one credential: --psk, --rpk, --cert or --oscore',
      'leave the others out, or add it under a second id',
    );
  }
  if (oscoreFile !== undefined && oscore !== 'generate') {
    throw new CommandFailure(
      ExitCode.Usage,
      '--oscore-file is for the end that is made for the device',
      'write --oscore generate, or leave it out',
    );
  }
  if (oscore === 'generate') {
    const { device, server } = newOscorePair(randomBytes);
    const text = formatOscoreConf(device, `OSCORE Security Context, end of the device ${id}`);
    return {
      credential: oscoreCredential(server),
      generated: undefined,
      deviceFile: { path: oscoreFile ?? `${id}.oscore`, text, secret: true },
    };
  }
  if (oscore !== undefined) {
    const usedEnd = unusedEnd(oscore, warn);
    return { credential: oscoreCredential(usedEnd.parameters), generated: undefined, usedEnd };
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

/** A file of the gateway's end that nobody has used. */
function unusedEnd(path: string, warn: (text: string) => void): OscoreEnd {
  const end = readOscoreEnd(path, warn);
  const hasNumbers = existsSync(end.sequence);
  if (end.isUsed || hasNumbers) {
    const where = hasNumbers ? `in ${end.sequence}` : 'elsewhere, such as in the store of a gateway';
    throw new CommandFailure(
      ExitCode.Security,
      `${path} has been in use: its numbers are ${where}, and the gateway would begin with them anew`,
      'make a new context for both ends with "coapsule keys oscore", or with --oscore generate',
    );
  }
  return end;
}

/** A context that is in the store now begins nowhere else. @param warn Told when the file cannot say so. */
export function markUsedEnd(end: OscoreEnd | undefined, warn: (text: string) => void): void {
  if (end === undefined) return;
  try {
    markUsed(end);
  } catch (error) {
    warn(
      `delete ${end.path}, which cannot be marked as used (${(error as Error).message}): its numbers are in the store from now on`,
    );
  }
}

/** The gateway's end of a context as the store has it. */
export function oscoreCredential(parameters: OscoreParameters): DeviceCredential {
  const { masterSecret, masterSalt, senderId, recipientId, idContext, aead, hkdf, deriveAnew } = parameters;
  if (deriveAnew !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      'the gateway keeps the state of its contexts and does not derive them anew',
      'leave rfc8613_b_2 out',
    );
  }
  return {
    kind: 'oscore',
    masterSecret,
    masterSalt,
    senderId,
    recipientId,
    idContext,
    aead: aead ?? defaultAead,
    hkdf: hkdf ?? 'SHA-256',
  };
}

function keyFingerprint(rpk: string): string {
  if (isFingerprint(rpk)) return storedFingerprint(rpk);
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

/** What `--psk` means. */
export function keyChoice(text: string): KeyChoice {
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
