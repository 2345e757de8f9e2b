/**
 * Warnings of commands: a line each, on standard error.
 *
 * @module
 */

import type { CommandEnvironment } from './command-environment.ts';

/** Writes warnings there. */
export function warningsTo({ stderr }: Pick<CommandEnvironment, 'stderr'>): (text: string) => void {
  return (text) => stderr.write(`coapsule: warning: ${text}\n`);
}
