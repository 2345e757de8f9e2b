/**
 * `npm run pictures`: takes the pictures of docs/console-views.md anew, with the browser tests of the console's pages, and says
 * which of them is larger than a picture in the repository should be.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, root } from './install.js';

const mostBytes = 60_000;

ensureInstalled();
const tests = ['learning-tools', 'system-views'].map(
  (name) => `packages/gateway/test/console-web/${name}.test.ts`,
);
const { status } = spawnSync(process.execPath, [join(root, 'scripts/test.js'), ...tests], {
  cwd: root,
  env: { ...process.env, COAPSULE_PICTURES: '1' },
  stdio: 'inherit',
});
const folder = join(root, 'docs/console-views');
const page = readFileSync(join(root, 'docs/console-views.md'), 'utf8');
let faults = status === 0 ? 0 : 1;
for (const file of readdirSync(folder)) {
  // Views that tests look at twice, and pages that say nothing to a reader.
  if (!page.includes(`console-views/${file}`)) {
    rmSync(join(folder, file));
    continue;
  }
  const { size } = statSync(join(folder, file));
  if (size <= mostBytes) continue;
  console.error(`docs/console-views/${file} has ${size} bytes; at most ${mostBytes}`);
  faults++;
}
process.exitCode = faults === 0 ? 0 : 1;
