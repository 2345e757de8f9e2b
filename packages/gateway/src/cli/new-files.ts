/**
 * Files that must not replace others by accident: all of them are written, or none.
 *
 * @module
 */

import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** A file to make. */
export interface NewFile {
  readonly path: string;
  readonly text: string;
  /** A secret gets mode 0600, anything else what the process gives its files. */
  readonly secret: boolean;
}

/**
 * Writes the files under names of their own and then gives them theirs.
 *
 * @param force Replaces files that are there.
 * @param nextStep Of the failure, where the options of a command are called otherwise.
 * @throws CommandFailure when one of them is there and `force` is not set; nothing is written then.
 */
export function writeNewFiles(
  files: readonly NewFile[],
  force: boolean,
  nextStep: string = 'name others with --out, or replace them with --force',
): void {
  const inTheWay = force ? [] : files.filter(({ path }) => existsSync(path));
  if (inTheWay.length > 0) {
    throw new CommandFailure(
      ExitCode.Failure,
      `${inTheWay.map(({ path }) => path).join(' and ')} ${inTheWay.length === 1 ? 'is' : 'are'} there already; nothing was written`,
      nextStep,
    );
  }
  const written: string[] = [];
  try {
    for (const { path, text, secret } of files) {
      const temporary = `${path}.new`;
      // A file that somebody put there beforehand, or a link, must not get the key.
      rmSync(temporary, { force: true });
      const file = openSync(temporary, 'wx', secret ? 0o600 : 0o666);
      written.push(temporary);
      try {
        if (secret) fchmodSync(file, 0o600);
        writeSync(file, text);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    }
    for (const { path } of files) renameSync(`${path}.new`, path);
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    throw error;
  }
}
