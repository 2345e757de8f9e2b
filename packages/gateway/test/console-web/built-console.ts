/**
 * The built pages that tests serve: built anew when a source is newer.
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Where they are. */
export const appFolder: string = join(import.meta.dirname, '../../dist/console');

/** Builds them where that is needed. */
export function buildConsole(): void {
  const script = join(import.meta.dirname, '../../scripts/build-console.js');
  execFileSync(process.execPath, [script, '--if-older'], { stdio: ['ignore', 'inherit', 'inherit'] });
}
