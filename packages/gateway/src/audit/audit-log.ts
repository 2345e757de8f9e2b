/**
 * Who changed what, and what was refused to whom: `audit-changes.ndjson`, `audit-refusals.ndjson` and `audit-strangers.ndjson` in
 * the data folder.
 *
 * Several files, so that a flood of refusals cannot push a change out of a bounded file, nor strangers what was refused to who has
 * proved an identity. No line holds a key. Lines are for
 * programs; what a person should see at once is in the log.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { WallClock } from '../server/wall-clock.ts';
import { AuditFile } from './audit-file.ts';
import type { RefusalLine } from './refusal-count.ts';
import { RefusalRelay } from './refusal-relay.ts';

/** A change, by what did it. */
export interface AuditedChange {
  readonly event:
    | 'device-added'
    | 'device-allowed'
    | 'device-rotated'
    | 'credential-retired'
    | 'device-removed'
    | 'credential-denied'
    | 'credential-undenied'
    | 'store-rekeyed'
    | 'store-backed-up'
    | 'store-restored'
    | 'firmware-uploaded'
    | 'firmware-removed'
    | 'gateway-started'
    | 'gateway-stopped'
    | 'configuration-read'
    | 'configuration-refused'
    | 'console-user-added'
    | 'console-user-removed'
    | 'console-password-changed'
    | 'console-link-made'
    | 'explorer-credential-added'
    | 'explorer-credential-removed'
    | 'traffic-exported'
    | 'simulation-started'
    | 'simulation-stopped';
  /** `coapsule device add`, `SIGHUP`, `console`. */
  readonly how: string;
  readonly [detail: string]: unknown;
}

/** The file of changes, for the gateway and for `coapsule device`. */
export class ChangeAudit {
  readonly #file: AuditFile;
  readonly #clock: WallClock;
  readonly #onError: (text: string) => void;

  /** @param onError is told that a line could not be written: what was done is done. */
  constructor(dataFolder: string, clock: WallClock, onError: (text: string) => void) {
    this.#file = new AuditFile(join(dataFolder, 'audit-changes.ndjson'));
    this.#clock = clock;
    this.#onError = onError;
  }

  /** Writes a line, with the time and the user of this process. */
  add(change: AuditedChange): void {
    try {
      this.#file.append({ at: timeText(this.#clock()), ...change, by: userText() });
    } catch (error) {
      this.#onError(`the change was not noted in ${this.#file.path}: ${(error as Error).message}`);
    }
  }
}

/**
 * What users of the console do without changing anything: `audit-console.ndjson`, a file of its own, so that whoever asks much cannot
 * push a change out of the bounded file of changes.
 */
export class UseAudit {
  readonly #file: AuditFile;
  readonly #clock: WallClock;
  readonly #onError: (text: string) => void;

  /** @param onError is told that a line could not be written. */
  constructor(dataFolder: string, clock: WallClock, onError: (text: string) => void) {
    this.#file = new AuditFile(join(dataFolder, 'audit-console.ndjson'));
    this.#clock = clock;
    this.#onError = onError;
  }

  /** Writes a line, with the time. */
  add(use: {
    readonly event: 'console-login' | 'console-logout' | 'request-sent' | 'traffic-exported';
    readonly user: string;
    readonly [detail: string]: unknown;
  }): void {
    try {
      this.#file.append({ at: timeText(this.#clock()), ...use });
    } catch (error) {
      this.#onError(`a use of the console was not noted in ${this.#file.path}: ${(error as Error).message}`);
    }
  }
}

/** What the file of refusals works with. */
export interface RefusalAuditContext {
  readonly dataFolder: string;
  readonly clock: WallClock;
  /** Calls back once later; the returned function prevents it. */
  readonly after: (delayMs: number, action: () => void) => () => void;
  readonly onError: (text: string) => void;
}

/** The file of refusals. */
export class RefusalAudit {
  readonly #context: RefusalAuditContext;
  readonly #files: Readonly<Record<'proven' | 'strangers', AuditFile>>;
  readonly #relay: RefusalRelay;
  #cancel = (): void => {};
  #isClosed = false;

  constructor(context: RefusalAuditContext) {
    this.#context = context;
    const fileOf = (name: string): AuditFile => new AuditFile(join(context.dataFolder, name));
    this.#files = { proven: fileOf('audit-refusals.ndjson'), strangers: fileOf('audit-strangers.ndjson') };
    this.#relay = new RefusalRelay(
      (line) => this.#write(line),
      (delayMs, action) => {
        this.#cancel = context.after(delayMs, action);
      },
    );
  }

  /** Writes a line, or counts it; one of another thread may be of many. */
  add(refused: RefusalLine): void {
    if (!this.#isClosed) this.#relay.add(refused);
  }

  /** Writes what was counted. */
  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#relay.sendCounted();
  }

  #write({ reason, peer, isProven, details, repeated }: RefusalLine): void {
    const file = this.#files[isProven ? 'proven' : 'strangers'];
    try {
      file.append({
        at: timeText(this.#context.clock()),
        event: 'refused',
        reason,
        peer,
        ...details,
        ...(repeated === undefined ? {} : { repeated }),
      });
    } catch (error) {
      this.#context.onError(`a refusal was not noted in ${file.path}: ${(error as Error).message}`);
    }
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

function userText(): string {
  try {
    return userInfo().username;
  } catch {
    // Such as a container's user that has no name.
    return String(process.getuid?.() ?? 'unknown');
  }
}
