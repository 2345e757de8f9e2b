/** `npm run manual`: writes the pages of the manual, packages/gateway/man, anew out of the commands. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root, workspaceNode } from './install.js';

ensureInstalled();
const writer = join(root, 'packages/gateway/src/manual/write-manual.ts');
const { status } = spawnSync(workspaceNode(), ['--conditions=@coapsule/source', writer], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
