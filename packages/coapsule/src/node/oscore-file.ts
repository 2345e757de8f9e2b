/**
 * The state of one OSCORE Security Context in a file: old state or new state after any loss of power, and one process at a
 * time.
 *
 * RFC 8613 §7.5 and Appendix B.1.1. The file is written beside its place, made durable, and moved there; then the folder is
 * made durable. A lock file beside it names the process that has it, and is taken over from one that is gone. It knows
 * nothing of OSCORE: numbers and an ID are all that it keeps.
 *
 * @module
 */

import { type FileHandle, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromHex, toHex } from '../core/foundation/bytes.ts';

/** What the file holds. */
export interface OscoreFileState {
  readonly senderEdge: number;
  readonly recipientEdge: number;
  readonly idContext?: Uint8Array;
}

/** Another process has the file, or what is in it is no state. */
export class OscoreFileError extends Error {
  override readonly name = 'OscoreFileError';
  readonly code: 'ERR_LOCKED' | 'ERR_DAMAGED';

  constructor(code: 'ERR_LOCKED' | 'ERR_DAMAGED', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A store for `OscoreContext`. Made by `openOscoreFile`. */
export class OscoreFile {
  readonly #path: string;
  readonly #lock: string;

  /** For `openOscoreFile`, which has taken the lock. */
  constructor(path: string, lock: string) {
    this.#path = path;
    this.#lock = lock;
  }

  /**
   * What the file holds; `undefined` when there is none.
   *
   * @throws OscoreFileError for a file that holds something else: guessing would repeat numbers.
   */
  async load(): Promise<OscoreFileState | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const state = decodeState(text);
    if (state === undefined) {
      throw new OscoreFileError(
        'ERR_DAMAGED',
        `${this.#path} is no state of a Security Context; agree on a new context with the peer, or restore nothing older`,
      );
    }
    return state;
  }

  /** Writes a state. When it rejects, the file holds the state of before. */
  async save(state: OscoreFileState): Promise<void> {
    const next = `${this.#path}.next`;
    const file = await open(next, 'w', 0o600);
    await durable(file, encodeState(state));
    await rename(next, this.#path);
    await syncFolder(this.#path);
  }

  /** Gives the lock back. */
  async close(): Promise<void> {
    await unlink(this.#lock).catch(() => undefined);
  }
}

/**
 * Opens a file for the state of one context; it need not exist.
 *
 * @throws OscoreFileError when another process has it.
 */
export async function openOscoreFile(path: string): Promise<OscoreFile> {
  const lock = `${path}.lock`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(lock, 'wx', 0o600);
      await durable(file, `${process.pid}\n`).catch(async (error: unknown) => {
        // Such as a full disk: a lock without a name would only hold up the next one.
        await unlink(lock).catch(() => undefined);
        throw error;
      });
      return new OscoreFile(path, lock);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number((await readFile(lock, 'utf8').catch(() => '')).trim());
    if (owner === 0 ? attempt === 0 : isAlive(owner)) {
      if (owner === 0) {
        // It is being written at this moment, or was cut off.
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      throw new OscoreFileError(
        'ERR_LOCKED',
        `${path} is in use by process ${owner}; two processes would use the same numbers (RFC 8613 §7.2). End it first; if it is another program, since the machine was started anew, remove ${lock}`,
      );
    }
    await unlink(lock).catch(() => undefined);
  }
  throw new OscoreFileError('ERR_LOCKED', `${lock} cannot be taken; another process wants it at this moment`);
}

async function durable(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A file is at its place after a loss of power when its folder is on disk too. Windows has no such call. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function encodeState({ senderEdge, recipientEdge, idContext }: OscoreFileState): string {
  const id = idContext === undefined ? {} : { idContext: toHex(idContext) };
  return `${JSON.stringify({ senderEdge, recipientEdge, ...id })}\n`;
}

function decodeState(text: string): OscoreFileState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { senderEdge, recipientEdge, idContext } = value as Record<string, unknown>;
  if (!isEdge(senderEdge) || !isEdge(recipientEdge)) return undefined;
  if (idContext === undefined) return { senderEdge, recipientEdge };
  const id = typeof idContext === 'string' ? fromHex(idContext) : undefined;
  return id === undefined ? undefined : { senderEdge, recipientEdge, idContext: id };
}

function isEdge(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2 ** 40;
}
