/**
 * What a file of a certificate or key holds, and what is said when it is not what its option is for.
 *
 * The library would refuse it too, but in the words of its own options.
 *
 * @module
 */

import { createPublicKey, X509Certificate } from 'node:crypto';
import { type CertificateInfo, Client, describeCertificates, describePublicKey } from 'coapsule';
import { readPrivateKey } from '../keys/private-key.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** A file, its bytes, and the option that names it, such as `-c`. */
export interface NamedFile {
  readonly flag: string;
  readonly path: string;
  readonly bytes: Uint8Array;
}

type Content = 'certificate' | 'private key' | 'encrypted private key' | 'public key';

/** In the order in which they are told; PEM files may hold several. */
function contentsOf(bytes: Uint8Array): ReadonlySet<Content> {
  // DER: every structure here is a SEQUENCE.
  if (bytes[0] === 0x30)
    return new Set(
      derContents
        .filter(([, read]) => succeeds(() => read(bytes)))
        .map(([content]) => content)
        .slice(0, 1),
    );
  const text = Buffer.from(bytes).toString('latin1');
  const found = new Set<Content>();
  for (const [, label = ''] of text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)) {
    if (label.endsWith('CERTIFICATE')) found.add('certificate');
    else if (label === 'ENCRYPTED PRIVATE KEY') found.add('encrypted private key');
    else if (label.endsWith('PRIVATE KEY'))
      found.add(text.includes('Proc-Type: 4,ENCRYPTED') ? 'encrypted private key' : 'private key');
    else if (label.endsWith('PUBLIC KEY')) found.add('public key');
  }
  return found;
}

const derContents: readonly (readonly [Content, (bytes: Uint8Array) => unknown])[] = [
  ['certificate', (bytes) => new X509Certificate(bytes)],
  ['private key', (bytes) => readPrivateKey(bytes, undefined)],
  ['public key', (bytes) => createPublicKey({ key: Buffer.from(bytes), format: 'der', type: 'spki' })],
];

/** Whether a private key is in it, encrypted or not. */
export function holdsPrivateKey(bytes: Uint8Array): boolean {
  const contents = contentsOf(bytes);
  return contents.has('private key') || contents.has('encrypted private key');
}

/** The certificates of the file. @throws CommandFailure when there is none, or one cannot be read. */
export function certificatesOf(file: NamedFile, nextStep: string): CertificateInfo[] {
  try {
    return describeCertificates(file.bytes);
  } catch (error) {
    throw unfit(file, 'certificate', error, nextStep);
  }
}

/** The fingerprint of the public key in the file. @throws CommandFailure when there is none. */
export function publicKeyFingerprint(file: NamedFile, nextStep: string): string {
  try {
    return describePublicKey(file.bytes).fingerprint;
  } catch (error) {
    throw unfit(file, 'public key', error, nextStep);
  }
}

/** What is wrong with a private key, and what to do: the options that help differ from command to command. */
export interface PrivateKeySteps {
  /** When the file holds something else. */
  readonly otherFile: string;
  /** When it is encrypted. */
  readonly encrypted: string;
}

/**
 * Sees to it that the library can use the private key.
 *
 * @returns the fingerprint of its public half.
 */
export function expectPrivateKey(
  file: NamedFile,
  passphrase: string | undefined,
  { otherFile, encrypted }: PrivateKeySteps,
): string {
  const contents = contentsOf(file.bytes);
  if (contents.has('encrypted private key') && passphrase === undefined) {
    throw new CommandFailure(ExitCode.Failure, `${file.flag} ${file.path}: the key is encrypted`, encrypted);
  }
  try {
    new Client({
      rawPublicKey: { privateKey: file.bytes, ...(passphrase !== undefined && { passphrase }) },
    });
    return describePublicKey(createPublicKey(readPrivateKey(file.bytes, passphrase))).fingerprint;
  } catch (error) {
    throw unfit(file, 'private key', error, holdsPrivateKey(file.bytes) ? unusableKey : otherFile);
  }
}

const unusableKey =
  'check the file and its passphrase; "coapsule keys rpk" and "keys cert" make keys that do';

/** A fingerprint that was meant, and is none: otherwise it would be taken for the name of a file. */
export function expectNoPartOfFingerprint(flag: string, text: string): void {
  const digits = /^sha-?256:(.*)$/i.exec(text)?.[1]?.replaceAll(':', '');
  if (digits === undefined || /^[0-9a-f]{64}$/i.test(digits)) return;
  throw new CommandFailure(
    ExitCode.Usage,
    `${flag} ${text}: a fingerprint is sha256: and 64 hexadecimal digits, ${/^[0-9a-f]*$/i.test(digits) ? `here are ${digits.length}` : 'here are other characters'}`,
    'copy the whole fingerprint, or name the file of the public key',
  );
}

function unfit(
  { flag, path, bytes }: NamedFile,
  wanted: Content,
  error: unknown,
  nextStep: string,
): CommandFailure {
  const contents = contentsOf(bytes);
  const holds = [...contents]
    .map((one) => `${one === 'encrypted private key' ? 'an' : 'a'} ${one}`)
    .join(' and ');
  const isThere = contents.has(wanted) || (wanted === 'private key' && contents.has('encrypted private key'));
  const reason = isThere
    ? (error as Error).message.replace(/^(?:new Client: |describe\w+: |rawPublicKey\.\w+: )+/, '')
    : `${holds === '' ? 'it holds nothing known' : `it holds ${holds}`}, not a ${wanted}`;
  return new CommandFailure(ExitCode.Failure, `${flag} ${path}: ${reason}`, nextStep);
}

function succeeds(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch {
    return false;
  }
}
