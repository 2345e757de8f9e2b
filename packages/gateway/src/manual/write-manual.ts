/**
 * `npm run manual`: writes the pages of the manual anew, into the folder `man` of this package.
 *
 * @module
 */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coapsuleProgram } from '../cli/command-line.ts';
import { processEnvironment } from '../cli/process-environment.ts';
import { packageVersion } from '../text/package-version.ts';
import { commandText } from './command-text.ts';
import { manualPages } from './manual-page.ts';

const folder = join(import.meta.dirname, '../../man');
const program = await coapsuleProgram({
  environment: processEnvironment(),
  end: () => {},
  isNeeded: () => true,
});
const pages = manualPages(commandText(program), packageVersion());
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) rmSync(join(folder, name));
for (const { file, text } of pages) writeFileSync(join(folder, file), text);
process.stdout.write(`${pages.length} pages in ${folder}\n`);
