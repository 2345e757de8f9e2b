/**
 * What can be wrong with the data folder, as a closed union with a cause and a next step.
 *
 * Everything that opens or writes the store fails with this one error, so that a start-up fault has its own
 * message and nothing is ever repaired or overwritten silently. It never holds key material.
 */

/** Why the store cannot be used. */
export type StoreFaultCode =
  | 'no-store' // there is no database and the caller did not ask for one
  | 'no-permission' // the folder or a file in it may not be read or written
  | 'not-a-folder' // the path, or one above it, is a file
  | 'open-to-others' // a file with keys can be read by other users
  | 'damaged' // SQLite cannot read the database
  | 'not-ours' // a healthy SQLite database of another program, or a link
  | 'newer-schema' // written by a later version
  | 'in-the-way' // a file or folder that should be new is there
  | 'in-use' // another gateway holds the folder
  | 'disk-full'
  | 'master-key' // the key that opens the secrets is missing, unreadable or another one
  | 'overloaded' // more writes wait than may wait
  | 'away' // the engine that gateways share cannot be reached now
  | 'closed'
  | 'failed'; // anything else the operating system or SQLite reports

/** A store that cannot be used: `message` is the cause with the path, `nextStep` what to do about it. */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
  readonly code: StoreFaultCode;
  readonly nextStep: string;

  constructor(code: StoreFaultCode, message: string, nextStep: string) {
    super(message);
    this.code = code;
    this.nextStep = nextStep;
  }
}

const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;
const sqliteFull = 13;
const sqliteReadOnly = 8;
const sqliteCannotOpen = 14;
const sqlitePermission = 3;
const sqliteBusy = 5;

/**
 * Turn an error of the file system or of SQLite into a StoreFault.
 *
 * @param error what was thrown; a StoreFault is returned as it is.
 * @param path the file or folder that was worked on, for the message.
 */
export function storeFaultOf(error: unknown, path: string): StoreFault {
  if (error instanceof StoreFault) return error;
  const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
  if (code === 'EACCES' || code === 'EPERM') {
    return new StoreFault(
      'no-permission',
      `no permission to use ${path}`,
      'run as the user that owns it, or name another folder with --data',
    );
  }
  if (code === 'EROFS') {
    return new StoreFault(
      'no-permission',
      `${path} is on a read-only file system`,
      'name a writable folder with --data',
    );
  }
  if (code === 'ENOENT') {
    // Where folders can be made they are: this is a file system such as /proc.
    return new StoreFault(
      'no-permission',
      `${path} cannot be made or read`,
      'name a folder on a disk with --data',
    );
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    return new StoreFault(
      'not-a-folder',
      `${path} is not a folder, or lies below a file`,
      'name a folder with --data',
    );
  }
  if (code === 'ENOSPC') return diskFull(path);
  if (errcode !== undefined) {
    switch (errcode & 0xff) {
      case sqliteCorrupt:
      case sqliteNotADatabase:
        return damaged(path, message ?? 'unreadable');
      case sqliteFull:
        return diskFull(path);
      case sqliteReadOnly:
      case sqliteCannotOpen:
      case sqlitePermission:
        return new StoreFault(
          'no-permission',
          `no permission to write ${path}`,
          'run as the user that owns the folder, or name another one with --data',
        );
      case sqliteBusy:
        return new StoreFault(
          'in-use',
          `${path} stayed locked by another process`,
          'wait for the other process to end, then try again',
        );
    }
  }
  return new StoreFault(
    'failed',
    `${path} cannot be used: ${message ?? String(error)}`,
    'see the cause; nothing was changed',
  );
}

/** The fault for a database that SQLite cannot read; it is left as it is. */
export function damaged(path: string, detail: string): StoreFault {
  return new StoreFault(
    'damaged',
    `the database ${path} is damaged (${detail})`,
    'it was left untouched: move the data folder aside and restore a backup, or start with an empty --data folder',
  );
}

function diskFull(path: string): StoreFault {
  return new StoreFault(
    'disk-full',
    `no space left to write ${path}`,
    'free disk space; then it goes on by itself',
  );
}
