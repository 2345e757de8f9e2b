/**
 * `coapsule keys oscore --from PATH`: one end of a Security Context in the other form, with its sequence numbers.
 *
 * There is one copy at any time: the end that it was made from is renamed before the new one is written, since two programs that
 * use one end use the same numbers.
 *
 * @module
 */

import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { loadNumbers, markFolder, openNumbers, readOscoreEnd, storeFailures } from './kept-oscore.ts';
import { writeNewFiles } from './new-files.ts';
import { formatOscoreConf, usedMark } from './oscore-conf.ts';
import { formatOscoreSettings } from './oscore-folder.ts';
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
  const end = readOscoreEnd(from, warn);
  const { parameters, isFolder, sequence } = end;
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
  const store = await openNumbers(end);
  try {
    const state = await loadNumbers(store, end, sequence);
    renameSync(from, kept);
    if (!isFolder && existsSync(sequence)) renameSync(sequence, keptSequence);
    writeEnd(to, format, parameters, state !== undefined);
    if (state !== undefined) {
      const target = await openNumbers(readOscoreEnd(to, warn));
      try {
        await storeFailures(() => target.save(state));
      } finally {
        await target.close?.();
      }
    }
    return { kept, senderEdge: state?.senderEdge };
  } finally {
    await store.close?.();
    // The lock of a folder is in it, and went with it.
    if (isFolder) rmSync(join(kept, 'sequence.json.lock'), { force: true });
  }
}

/**
 * Writes one end. One that has been in use says so from the start: when its numbers cannot be written, it is refused and does not
 * begin with 0 again.
 */
function writeEnd(path: string, format: OscoreFormat, parameters: OscoreParameters, isUsed: boolean): void {
  if (format === 'libcoap') {
    const text = formatOscoreConf(parameters, 'OSCORE Security Context, one end');
    writeNewFiles([{ path, text: isUsed ? `${text}${usedMark}\n` : text, secret: true }], false);
    return;
  }
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (isUsed) markFolder(path);
  const text = formatOscoreSettings(parameters);
  writeNewFiles([{ path: join(path, 'settings.json'), text, secret: true }], false);
}
