/**
 * `coapsule keys oscore --from PATH`: one end of a Security Context in the other form, with its sequence numbers.
 *
 * There is one copy at any time: the end that it was made from is renamed before the new one is written, since two programs that
 * use one end use the same numbers.
 *
 * @module
 */

import { appendFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OscoreStore, openOscoreFile } from 'coapsule';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { folderMark, readOscoreEnd, storeFailures } from './kept-oscore.ts';
import { writeNewFiles } from './new-files.ts';
import { formatOscoreConf, usedMark } from './oscore-conf.ts';
import { formatOscoreSettings, openOscoreSequence } from './oscore-folder.ts';
import type { OscoreParameters } from './oscore-parameters.ts';

/** The forms that there are. */
export type OscoreFormat = 'libcoap' | 'aiocoap';

/** What became of a conversion. */
export interface ConvertedOscore {
  /** Where the end that it was made from is now. */
  readonly kept: string;
  /** The next Sender Sequence Number; `undefined` for a context that nobody has used. */
  readonly senderEdge: number | undefined;
}

/**
 * Writes the end in `from` to `to`, in another form.
 *
 * @throws CommandFailure for what is no end, one that a process uses, one whose numbers are gone, and one that the form has no
 * words for; then nothing is changed.
 */
export async function convertOscore(
  from: string,
  to: string,
  format: OscoreFormat,
  warn: (text: string) => void,
): Promise<ConvertedOscore> {
  const { parameters, isFolder, isUsed, sequence } = readOscoreEnd(from, warn);
  const [kept, keptSequence] = [`${from}.converted`, `${from}.converted.sequence`];
  for (const path of [to, kept]) {
    if (existsSync(path))
      throw new CommandFailure(
        ExitCode.Failure,
        `${path} is there already`,
        'name another one with --out, or move it away',
      );
  }
  if (format === 'aiocoap' && parameters.deriveAnew !== undefined)
    throw new CommandFailure(
      ExitCode.Usage,
      `${from} has rfc8613_b_2, for which aiocoap has no word`,
      'make a new context for both ends without it',
    );
  const open = (path: string, inFolder: boolean): Promise<OscoreStore> =>
    storeFailures<OscoreStore>(() => (inFolder ? openOscoreSequence(path) : openOscoreFile(path)));
  const store = await open(isFolder ? from : sequence, isFolder);
  try {
    const state = await storeFailures(() => store.load());
    if (state === undefined && isUsed && parameters.deriveAnew === undefined)
      throw new CommandFailure(
        ExitCode.Security,
        `${from} has been in use, and its sequence numbers are gone: ${sequence} is missing`,
        'make a new context for both ends with "coapsule keys oscore"',
      );
    renameSync(from, kept);
    if (!isFolder && existsSync(sequence)) renameSync(sequence, keptSequence);
    writeEnd(to, format, parameters);
    if (state !== undefined) {
      const inFolder = format === 'aiocoap';
      const target = await open(inFolder ? to : `${to}.sequence`, inFolder);
      await target.save(state);
      await target.close?.();
      if (inFolder) writeFileSync(folderMark(to), 'coapsule: sequence.json belongs to this folder.\n');
      else appendFileSync(to, `${usedMark}\n`);
    }
    return { kept, senderEdge: state?.senderEdge };
  } finally {
    await store.close?.();
  }
}

/** Writes one end. */
function writeEnd(path: string, format: OscoreFormat, parameters: OscoreParameters): void {
  if (format === 'aiocoap') mkdirSync(path, { recursive: true, mode: 0o700 });
  const file =
    format === 'aiocoap'
      ? { path: join(path, 'settings.json'), text: formatOscoreSettings(parameters), secret: true }
      : { path, text: formatOscoreConf(parameters, 'OSCORE Security Context, one end'), secret: true };
  writeNewFiles([file], false);
}
