/**
 * The version of this package.
 */
import { readFileSync } from 'node:fs';

/** The same place from `src/text` and from `dist/text`. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
