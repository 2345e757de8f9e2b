/**
 * The file of `--session`: one DTLS association, sealed, for one process at a time (docs/sleep-and-wake.md).
 *
 * | offset | bytes | what |
 * |---|---|---|
 * | 0 | 8 | `COAPSESS` |
 * | 8 | 1 | version: 2 |
 * | 9 | 16 | salt |
 * | 25 | 12 | nonce |
 * | 37 | | AES-256-GCM of: length (2) and text of the server, unanswered runs (1), the association; with all before |
 *
 * The key is HKDF-SHA-256 of the secret with the salt (RFC 5869). A write is durable when it returns: new file,
 * fsync, rename, fsync of the folder. The lock is a transaction on a file beside it, which ends with the process. Both
 * are where the file really is: through whatever links it is named, there is one session and one lock.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** What the file is sealed with. */
export interface SessionSecret {
  /** Where it comes from: the same bytes of another source make another key. */
  readonly source: 'credential' | 'key-file';
  readonly bytes: Uint8Array;
}

/** What is in the file. `unreadable`: made with another secret, for another server, or damaged. */
export type SessionContent =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'association';
      readonly state: Uint8Array;
      /** How many runs in a row had no answer on it. */
      readonly unanswered: number;
    }
  | { readonly kind: 'unreadable'; readonly why: string };

const magic = new TextEncoder().encode('COAPSESS');
const version = 2;
const saltLength = 16;
const nonceLength = 12;
const tagLength = 16;
const headerLength = magic.length + 1 + saltLength + nonceLength;

/** More than any association takes: a larger file is no session. */
const maxFileLength = 65_536;

/** A session file that this process alone uses, until `close`. */
export class SessionFile {
  readonly #path: string;
  readonly #secret: SessionSecret;
  readonly #server: string;
  readonly #lock: DatabaseSync;

  /**
   * Takes the lock.
   *
   * @param server What the association is for; one for another server is not used.
   * @throws CommandFailure when another process has it; the error of the system when it cannot be locked.
   */
  constructor(path: string, secret: SessionSecret, server: string) {
    this.#path = realPathOf(path);
    this.#secret = secret;
    this.#server = server;
    this.#lock = lockOf(path, this.#path);
  }

  /**
   * What an earlier process left.
   *
   * @throws CommandFailure for a file that is no session: it is not overwritten.
   */
  read(): SessionContent {
    let file: Uint8Array;
    try {
      file = readFileSync(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'none' };
      throw error;
    }
    if (file.length > maxFileLength || !magic.every((byte, i) => file[i] === byte)) {
      throw new CommandFailure(
        ExitCode.Usage,
        `${this.#path} is no session file`,
        'it was left untouched: name another file with --session',
      );
    }
    if (file[magic.length] !== version) return unreadable('another version of coapsule wrote it');
    const content = this.#open(file);
    if (content === undefined) return unreadable('it was made with another key, or it is damaged');
    const serverEnd = 2 + (content[0] ?? 0) * 256 + (content[1] ?? 0);
    const server = new TextDecoder().decode(content.subarray(2, serverEnd));
    if (server !== this.#server) return unreadable(`it is for ${server}`);
    const [unanswered = 0] = content.subarray(serverEnd);
    return { kind: 'association', state: content.subarray(serverEnd + 1), unanswered };
  }

  /** Puts an association into the file; durable when it returns. @param unanswered At most 255. */
  write(state: Uint8Array, unanswered = 0): void {
    const server = new TextEncoder().encode(this.#server);
    const salt = randomBytes(saltLength);
    const nonce = randomBytes(nonceLength);
    const header = Buffer.concat([magic, Uint8Array.of(version), salt, nonce]);
    const cipher = createCipheriv('aes-256-gcm', this.#key(salt), nonce).setAAD(header);
    const sealed = [
      cipher.update(Uint8Array.of(server.length >> 8, server.length & 0xff)),
      cipher.update(Buffer.concat([server, Uint8Array.of(unanswered), state])),
      cipher.final(),
      cipher.getAuthTag(),
    ];
    const temporary = `${this.#path}.new`;
    rmSync(temporary, { force: true });
    const { O_WRONLY, O_CREAT, O_EXCL } = constants;
    const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
      fchmodSync(file, 0o600);
      // All of it, or an error: a full disk takes a part without one.
      writeFileSync(file, Buffer.concat([header, ...sealed]));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, this.#path);
    syncFolder(dirname(this.#path));
  }

  /** The association is over. */
  remove(): void {
    rmSync(this.#path, { force: true });
    syncFolder(dirname(this.#path));
  }

  /** Gives up the lock. */
  close(): void {
    if (this.#lock.isOpen) this.#lock.close();
  }

  #open(file: Uint8Array): Uint8Array | undefined {
    const header = file.subarray(0, headerLength);
    const salt = header.subarray(magic.length + 1, magic.length + 1 + saltLength);
    const nonce = header.subarray(headerLength - nonceLength);
    if (file.length < headerLength + tagLength) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key(salt), nonce)
        .setAAD(header)
        .setAuthTag(file.subarray(-tagLength));
      return Buffer.concat([decipher.update(file.subarray(headerLength, -tagLength)), decipher.final()]);
    } catch {
      return undefined;
    }
  }

  #key(salt: Uint8Array): Uint8Array {
    const { source, bytes } = this.#secret;
    return new Uint8Array(hkdfSync('sha256', bytes, salt, `coapsule session file ${source}`, 32));
  }
}

function unreadable(why: string): SessionContent {
  return { kind: 'unreadable', why };
}

/** Of a file that need not be there; its folder has to be. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // A link that leads nowhere would be replaced by the first write, and who follows it then would find nothing.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${path} is a link that leads to no file`,
      'name the session file itself with --session',
    );
  }
  return join(realpathSync(dirname(path)), basename(path));
}

function lockOf(shown: string, path: string): DatabaseSync {
  const lockPath = `${path}.lock`;
  closeSync(openSync(lockPath, 'a', 0o600));
  const lock = new DatabaseSync(lockPath, { timeout: 100 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    const { errcode = 0 } = error as { errcode?: number };
    const sqliteBusy = 5;
    if ((errcode & 0xff) !== sqliteBusy) throw error;
    throw new CommandFailure(
      ExitCode.Failure,
      `another process uses the session ${shown}`,
      'wait until it has ended, or give each its own --session FILE: two of them would use a nonce twice',
    );
  }
}

/** The rename is durable with its folder; Windows has no such call and needs none. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
