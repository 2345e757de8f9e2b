/**
 * The files of certificates and keys that options name, read for the library.
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { ClientOptions } from 'coapsule';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** Files, and what can stand in their place. */
export interface CredentialFiles {
  /** Certificate chain; may hold the private key too. */
  readonly cert?: string;
  readonly privateKey?: string;
  readonly passphraseFile?: string;
  /** Trust anchors, or `system`. */
  readonly ca?: string;
  /** Private key of a raw public key. */
  readonly rpk?: string;
  /** Public keys, or the fingerprint of one. */
  readonly peerRpk?: string;
}

/** The part of the library's client options that is about certificates and raw public keys. */
export type CertificateClientOptions = Pick<
  ClientOptions,
  'certificate' | 'rawPublicKey' | 'trustAnchors' | 'peerPublicKeys' | 'dangerouslySkipVerification'
>;

/**
 * Reads the files.
 *
 * @param warn Is told of a private key that others can read.
 */
export function readCredentialFiles(
  { cert, privateKey, passphraseFile, ca, rpk, peerRpk }: CredentialFiles,
  warn: (text: string) => void,
): CertificateClientOptions {
  if (privateKey !== undefined && cert === undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '-j is the key of a certificate, and there is none',
      'name the certificate with -c FILE, or give the key alone with -M FILE',
    );
  }
  const passphrase =
    passphraseFile === undefined
      ? {}
      : { passphrase: secretText(passphraseFile, warn).replace(/\r?\n$/, '') };
  return {
    ...(cert !== undefined && {
      certificate: {
        chain: readFileSync(cert),
        privateKey: secretBytes(privateKey ?? cert, warn),
        ...passphrase,
      },
    }),
    ...(rpk !== undefined && { rawPublicKey: { privateKey: secretBytes(rpk, warn), ...passphrase } }),
    ...(ca !== undefined && { trustAnchors: ca === 'system' ? 'system' : readFileSync(ca) }),
    ...(peerRpk !== undefined && {
      peerPublicKeys: isFingerprint(peerRpk) ? peerRpk : readFileSync(peerRpk),
    }),
  };
}

/** `sha256:` and 64 hexadecimal digits, the prefix and colons between the bytes as people like. */
export function isFingerprint(text: string): boolean {
  return /^(?:sha-?256:)?[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i.test(text);
}

/** The file names of a map stand beside the map. */
export function besideFile(file: string, name: string): string {
  return isAbsolute(name) || name === 'system' || isFingerprint(name) ? name : join(file, '..', name);
}

function secretBytes(path: string, warn: (text: string) => void): Uint8Array {
  const bytes = readFileSync(path);
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    warn(`${path} can be read by others: chmod 600 ${path}`);
  }
  return bytes;
}

function secretText(path: string, warn: (text: string) => void): string {
  return new TextDecoder().decode(secretBytes(path, warn));
}
