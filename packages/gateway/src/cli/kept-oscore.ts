/**
 * `--oscore FILE` and `-E FILE[,SEQ_FILE]`: one end of a Security Context, whose sequence numbers are kept beside it for the next process.
 *
 * What is stored before a message leaves, and the lock, are the library's (docs/decisions/045). Here it is decided when a
 * context without numbers is a new one: when it bears no mark of use. Otherwise its numbers were lost, and it is refused,
 * since it would use them again.
 *
 * @module
 */

import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OscoreContext, type OscoreState, type OscoreStore, openOscoreFile } from 'coapsule';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { parseOscoreConf, usedMark } from './oscore-conf.ts';
import { openOscoreSequence, readOscoreFolder } from './oscore-folder.ts';
import type { OscoreLog } from './oscore-log.ts';
import type { OscoreParameters } from './oscore-parameters.ts';
import { openSequenceFile } from './oscore-sequence-file.ts';

/** Which end of a context is used, and where its numbers are. */
export interface KeptOscore {
  /** A file in libcoap's form, or a folder in aiocoap's. */
  readonly path: string;
  /** The file in which libcoap keeps the number (`-E FILE,SEQ_FILE`). Default: what the form has beside it. */
  readonly sequenceFile?: string;
}

/**
 * Opens an end. `close` it: that leaves the exact numbers.
 *
 * @throws CommandFailure for what is no context, one that another process uses, and one whose numbers were lost.
 */
export async function openKeptOscore(
  { path, sequenceFile }: KeptOscore,
  warn: (text: string) => void,
  dangerousLog?: OscoreLog,
): Promise<OscoreContext> {
  const end = readOscoreEnd(path, warn);
  const { parameters, sequence: ownSequence } = end;
  if (sequenceFile !== undefined && existsSync(ownSequence)) {
    throw new CommandFailure(
      ExitCode.Security,
      `the sequence numbers of ${path} are kept in ${ownSequence}, not in ${sequenceFile}`,
      'leave the second file out: numbers that are counted in two places are used twice',
    );
  }
  const sequence = sequenceFile ?? ownSequence;
  const store =
    sequenceFile === undefined
      ? await openNumbers(end)
      : await storeFailures(() => openSequenceFile(sequenceFile));
  try {
    const state = await loadNumbers(store, end, sequence);
    if (state === undefined) {
      warn(`${path} is used for the first time; its sequence numbers are kept in ${sequence}`);
      // The mark comes second: without the numbers it would refuse a context that nobody has used.
      if (parameters.deriveAnew === undefined)
        await storeFailures(() => store.save({ senderEdge: 0, recipientEdge: 0 }));
    }
    if (!end.isUsed) markUsed(end);
    const cause = dangerousLog?.add(parameters, 'client');
    if (cause !== undefined) warn(`${path} is not in ${dangerousLog?.path}: ${cause}`);
    return await OscoreContext.open({ ...parameters, store });
  } catch (error) {
    await store.close?.();
    throw error;
  }
}

/**
 * Closes an end. What was reserved is kept already: a disk that is full meanwhile costs some numbers, and nothing else.
 *
 * @param warn Told of numbers that are left out.
 */
export async function closeKeptOscore(
  context: OscoreContext | undefined,
  warn: (text: string) => void,
): Promise<void> {
  try {
    await context?.close();
  } catch (error) {
    warn(
      `the exact sequence numbers could not be kept, some are left out: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** One end of a context as a file or folder has it. */
export interface OscoreEnd {
  readonly path: string;
  readonly parameters: OscoreParameters;
  readonly isFolder: boolean;
  /** Of a file. */
  readonly text: string;
  /** Where its numbers are kept. */
  readonly sequence: string;
  /** Whether it bears the mark of use. */
  readonly isUsed: boolean;
}

/** Reads an end. @throws CommandFailure for what is none. */
export function readOscoreEnd(path: string, warn: (text: string) => void): OscoreEnd {
  const isFolder = statSync(path).isDirectory();
  const text = isFolder ? '' : readFileSync(path, 'utf8');
  const parameters = isFolder ? readOscoreFolder(path) : parseOscoreConf(text, path);
  for (const file of isFolder ? [join(path, 'settings.json'), join(path, 'secret.json')] : [path]) {
    if (process.platform !== 'win32' && existsSync(file) && (statSync(file).mode & 0o077) !== 0)
      warn(`${file} can be read by others: chmod 600 ${file}`);
  }
  const sequence = isFolder ? join(path, 'sequence.json') : `${path}.sequence`;
  const isUsed = isFolder ? existsSync(folderMark(path)) : text.split(/\r?\n/).includes(usedMark);
  return { path, parameters, isFolder, text, sequence, isUsed };
}

/** Opens the numbers that stand beside an end. @throws CommandFailure when another process uses them. */
export function openNumbers({ path, isFolder, sequence }: OscoreEnd): Promise<OscoreStore> {
  return storeFailures<OscoreStore>(() => (isFolder ? openOscoreSequence(path) : openOscoreFile(sequence)));
}

/**
 * The numbers of an end; `undefined` for one that nobody has used.
 *
 * @param sequence Where they should be.
 * @throws CommandFailure for an end that has been in use and has none.
 */
export async function loadNumbers(
  store: OscoreStore,
  { path, parameters, isUsed }: OscoreEnd,
  sequence: string,
): Promise<OscoreState | undefined> {
  const state = await storeFailures(() => store.load());
  if (state === undefined && isUsed && parameters.deriveAnew === undefined) {
    throw new CommandFailure(
      ExitCode.Security,
      `${path} has been in use, and its sequence numbers are gone: ${sequence} is missing`,
      'put that file back if it is the latest; otherwise make a new context for both ends with "coapsule keys oscore", since numbers that are used twice give the key stream away',
    );
  }
  return state;
}

/** Says in an end that nobody may begin with it any more. */
export function markUsed({ path, isFolder, text }: OscoreEnd): void {
  if (isFolder) markFolder(path);
  else appendFileSync(path, `${text.endsWith('\n') ? '' : '\n'}${usedMark}\n`);
}

/** Says that a folder has been in use; a file says it in a line of its own (`usedMark`). */
export function markFolder(folder: string): void {
  writeFileSync(folderMark(folder), 'coapsule: sequence.json belongs to this folder.\n');
}

function folderMark(folder: string): string {
  return join(folder, 'in-use');
}

/** The library's errors of state files, as the command line shows them. */
export async function storeFailures<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: string };
    if (code === 'ERR_LOCKED' || code === 'ERR_DAMAGED') {
      const [cause = '', ...rest] = String(message).split('; ');
      throw new CommandFailure(
        code === 'ERR_LOCKED' ? ExitCode.Failure : ExitCode.Security,
        cause,
        rest.join('; '),
      );
    }
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
      throw new CommandFailure(
        ExitCode.Failure,
        `the sequence numbers cannot be kept: ${message}`,
        'free disk space; nothing was sent, since numbers that are used twice give the key stream away',
      );
    }
    throw error;
  }
}
