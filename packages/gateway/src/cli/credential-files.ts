/**
 * The files of certificates and keys that options name, read for the library.
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { ClientOptions } from 'coapsule';
import { CommandFailure } from './command-failure.ts';
import {
  certificatesOf,
  expectNoPartOfFingerprint,
  expectPrivateKey,
  holdsPrivateKey,
  publicKeyFingerprint,
} from './credential-content.ts';
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

/** How the options are called where the files were named. */
export interface CredentialFlags {
  readonly cert: string;
  readonly privateKey: string;
  readonly rpk: string;
  readonly ca: string;
  readonly peerRpk: string;
  /** What to do about an encrypted key. */
  readonly encrypted: string;
}

/** Those of the verbs. */
const verbFlags: CredentialFlags = {
  cert: '-c',
  privateKey: '-j',
  rpk: '-M',
  ca: '-C',
  peerRpk: '--peer-rpk',
  encrypted: 'give its passphrase with --passphrase-file FILE',
};

/**
 * Reads the files, and refuses those that hold something else than their option is for.
 *
 * @param warn Is told of a private key that others can read.
 */
export function readCredentialFiles(
  { cert, privateKey, passphraseFile, ca, rpk, peerRpk }: CredentialFiles,
  warn: (text: string) => void,
  flags: CredentialFlags = verbFlags,
): CertificateClientOptions {
  if (privateKey !== undefined && cert === undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${flags.privateKey} is the key of a certificate, and there is none`,
      `name the certificate with ${flags.cert} FILE, or give the key alone with ${flags.rpk} FILE`,
    );
  }
  const secrets = secretReader(warn);
  const passphrase =
    passphraseFile === undefined
      ? undefined
      : new TextDecoder().decode(secrets(passphraseFile, () => true)).replace(/\r?\n$/, '');
  const withPassphrase = passphrase === undefined ? {} : { passphrase };
  const privateBytes = (flag: string, path: string): Uint8Array => {
    const bytes = secrets(path, holdsPrivateKey);
    expectPrivateKey({ flag, path, bytes }, passphrase, {
      otherFile: `give the private key to ${flag}, the file that was made together with it`,
      encrypted: flags.encrypted,
    });
    return bytes;
  };
  const own =
    cert === undefined ? undefined : ownCertificate(cert, privateKey, { flags, passphrase, secrets });
  return {
    ...(own !== undefined && { certificate: { ...own, ...withPassphrase } }),
    ...(rpk !== undefined && {
      rawPublicKey: { privateKey: privateBytes(flags.rpk, rpk), ...withPassphrase },
    }),
    ...(ca !== undefined && { trustAnchors: ca === 'system' ? 'system' : authorities(flags.ca, ca) }),
    ...(peerRpk !== undefined && { peerPublicKeys: peerKey(flags.peerRpk, peerRpk) }),
  };
}

type SecretReader = (path: string, isSecret: (bytes: Uint8Array) => boolean) => Uint8Array;

function ownCertificate(
  cert: string,
  privateKey: string | undefined,
  {
    flags,
    passphrase,
    secrets,
  }: {
    readonly flags: CredentialFlags;
    readonly passphrase: string | undefined;
    readonly secrets: SecretReader;
  },
): { readonly chain: Uint8Array; readonly privateKey: Uint8Array } {
  const chain = secrets(cert, holdsPrivateKey);
  const [certificate] = certificatesOf(
    { flag: flags.cert, path: cert, bytes: chain },
    `give the certificate to ${flags.cert}${holdsPrivateKey(chain) ? `, and this key to ${flags.privateKey}` : ''}`,
  );
  if (privateKey === undefined && !holdsPrivateKey(chain)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${flags.cert} ${cert}: the private key of the certificate is missing`,
      `give it with ${flags.privateKey} FILE`,
    );
  }
  const key =
    privateKey === undefined
      ? { flag: flags.cert, path: cert, bytes: chain }
      : { flag: flags.privateKey, path: privateKey, bytes: secrets(privateKey, holdsPrivateKey) };
  const fingerprint = expectPrivateKey(key, passphrase, {
    otherFile: `give the private key to ${flags.privateKey}, the file that was made together with ${cert}`,
    encrypted: flags.encrypted,
  });
  if (certificate !== undefined && fingerprint !== certificate.publicKey.fingerprint) {
    throw new CommandFailure(
      ExitCode.Failure,
      `${key.flag} ${key.path} is not the key of ${certificate.subject}, the first certificate in ${cert}`,
      'give the key that was made together with the certificate; the own certificate comes first in its file',
    );
  }
  return { chain, privateKey: key.bytes };
}

function authorities(flag: string, path: string): Uint8Array {
  const bytes = readFileSync(path);
  certificatesOf({ flag, path, bytes }, `give the certificate of the authority to ${flag}, such as ca.pem`);
  return bytes;
}

function peerKey(flag: string, text: string): string | Uint8Array {
  if (isFingerprint(text)) return text;
  expectNoPartOfFingerprint(flag, text);
  const bytes = readFileSync(text);
  publicKeyFingerprint({ flag, path: text, bytes }, `give the public key of the other side to ${flag}`);
  return bytes;
}

/** `sha256:` and 64 hexadecimal digits, the prefix and colons between the bytes as people like. */
export function isFingerprint(text: string): boolean {
  return /^(?:sha-?256:)?[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i.test(text);
}

/** A fingerprint as the store has it: `sha256:` and 64 digits in lower case. @param text One that `isFingerprint`. */
export function storedFingerprint(text: string): string {
  const digits = text
    .replace(/^sha-?256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  return `sha256:${digits}`;
}

/** The file names of a map stand beside the map. */
export function besideFile(file: string, name: string): string {
  return isAbsolute(name) || name === 'system' || isFingerprint(name) ? name : join(file, '..', name);
}

/** Reads files, and warns once of each that holds a secret and can be read by others. */
function secretReader(warn: (text: string) => void): SecretReader {
  const warned = new Set<string>();
  return (path, isSecret) => {
    const bytes = readFileSync(path);
    const isOpen = process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0;
    if (isOpen && !warned.has(path) && isSecret(bytes)) {
      warned.add(path);
      warn(`${path} can be read by others: chmod 600 ${path}`);
    }
    return bytes;
  };
}
