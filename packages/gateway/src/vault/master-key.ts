/**
 * The key that the secrets of a data folder are sealed with: where it is, how it is read, and how one is made.
 *
 * It stands in a file that `--master-key` names, in a credential of the service manager (systemd's LoadCredential), or beside
 * the data, where it is made at the first start. What it seals is secret-box.ts.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { StoreFault } from '../store/store-fault.ts';
import { shownPath, systemReason } from '../text/shown-path.ts';
import { masterKeyBytes } from './secret-box.ts';

/** Where the master key of a data folder is. */
export type MasterKeySource =
  /** `from` is what named it, for messages. */
  | { readonly kind: 'file'; readonly path: string; readonly from: string }
  /** `master.key` in the data folder; made when it is needed. */
  | { readonly kind: 'beside' };

/** A key that was read, and what the operator should know about its file. */
export interface ReadMasterKey {
  readonly key: Uint8Array;
  readonly warning: string | undefined;
}

/** The name of the credential of the service manager. */
const credentialName = 'coapsule-master-key';

/** More is no key; a device such as /dev/zero has no end. */
const longestFile = 1024;

/** What came through pipes, by their paths: they give it once, and a command may open the store more than once. */
const piped = new Map<string, Buffer>();

/** What was said, else the credential of the service manager, else beside the data. */
export function masterKeySource(
  path: string | undefined,
  variables: Readonly<Record<string, string | undefined>>,
): MasterKeySource {
  if (path !== undefined) return { kind: 'file', path, from: '--master-key' };
  const { CREDENTIALS_DIRECTORY: folder } = variables;
  const credential = folder === undefined || folder === '' ? undefined : join(folder, credentialName);
  return credential !== undefined && existsSync(credential)
    ? { kind: 'file', path: credential, from: 'the credential coapsule-master-key' }
    : { kind: 'beside' };
}

/** The file beside the data. */
export function keyBeside(folder: string): string {
  return join(folder, 'master.key');
}

/** Where a key that was beside the data goes when another one takes its place. */
export function formerKey(path: string, keyId: string): string {
  return `${path}.${keyId}`;
}

/**
 * Reads a key: 32 bytes, or 64 hexadecimal digits, or 44 characters of base64.
 *
 * @param from What named the file, for messages.
 * @throws StoreFault `master-key`; it holds nothing of the file.
 */
export function readMasterKey(path: string, from: string): ReadMasterKey {
  let content = piped.get(path);
  let mode = 0;
  try {
    if (content === undefined) {
      const file = openSync(path, 'r');
      try {
        const stat = fstatSync(file);
        if (stat.isFile()) mode = stat.mode;
        const bytes = Buffer.alloc(longestFile + 1);
        content = bytes.subarray(0, readSync(file, bytes));
        if (stat.isFIFO()) piped.set(path, content);
      } finally {
        closeSync(file);
      }
    }
  } catch (error) {
    throw new StoreFault(
      'master-key',
      `the master key ${shownPath(path)} cannot be read (${from}): ${systemReason(error)}`,
      'name the file with --master-key; without it nobody can open the secrets of the store',
    );
  }
  const key = keyOf(content);
  if (key === undefined) {
    throw new StoreFault(
      'master-key',
      `${path} holds no master key (${from}): it has ${content.length > longestFile ? 'too many' : content.length} bytes`,
      'a master key is 32 random bytes, as they are or as 64 hexadecimal digits: coapsule keys master FILE',
    );
  }
  const isOpen = process.platform !== 'win32' && (mode & 0o077) !== 0;
  return {
    key,
    warning: isOpen
      ? `the master key ${path} can be read by other users; close it with: chmod 600 ${path}`
      : undefined,
  };
}

/** A new key, and its text for a file. */
export function newMasterKey(random: (length: number) => Uint8Array = randomBytes): {
  readonly key: Uint8Array;
  readonly text: string;
} {
  const key = random(masterKeyBytes);
  return { key, text: `${Buffer.from(key).toString('hex')}\n` };
}

/** Puts a key on the disk, durably, for its owner only; what was there before is replaced as a whole. */
export function writeMasterKey(path: string, text: string): void {
  const temporary = `${path}.part`;
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  moveDurably(temporary, path);
}

/** Gives a file another name in its folder, also after a loss of power. */
export function moveDurably(from: string, to: string): void {
  renameSync(from, to);
  // Windows has no such call.
  if (process.platform === 'win32') return;
  const folder = openSync(dirname(to), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function keyOf(content: Buffer): Uint8Array | undefined {
  if (content.length === masterKeyBytes) return new Uint8Array(content);
  const text = content.toString('latin1').trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return new Uint8Array(Buffer.from(text, 'hex'));
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return new Uint8Array(Buffer.from(text, 'base64'));
  return undefined;
}
