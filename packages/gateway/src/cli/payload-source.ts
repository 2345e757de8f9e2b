/**
 * The payload of a request: `-e` text, or `-f` file.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** The bytes, or nothing when neither option was given. */
export async function requestPayload(
  { payload, file }: { readonly payload?: string; readonly file?: string },
  environment: CommandEnvironment,
): Promise<Uint8Array | undefined> {
  if (payload !== undefined && file !== undefined) {
    throw new CommandFailure(ExitCode.Usage, '-e and -f cannot be used together', 'leave one of them out');
  }
  if (payload !== undefined) return new TextEncoder().encode(payload);
  if (file === '-') return environment.readStandardInput();
  return file === undefined ? undefined : readFileSync(file);
}
