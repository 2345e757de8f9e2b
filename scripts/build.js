/** `npm run build`: compiles what is published (JavaScript and declarations) into an empty dist/ of each package. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, root, workspaceNode } from './install.js';

ensureInstalled();
for (const name of ['coapsule', 'gateway']) {
  rmSync(join(root, 'packages', name, 'dist'), { recursive: true, force: true });
}
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(workspaceNode(), [compiler, '-b', 'packages/gateway'], {
  cwd: root,
  stdio: 'inherit',
});
if (status === 0) process.stdout.write('built packages/coapsule/dist and packages/gateway/dist\n');
process.exit(status ?? 1);
