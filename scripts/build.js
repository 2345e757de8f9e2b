/**
 * `npm run build`: makes what is published, JavaScript (bundle.js), declarations and the console's pages, in an empty dist/ of each
 * package.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { consoleBuild, ensureInstalled, root, workspaceNode } from './install.js';

ensureInstalled();
for (const name of ['coapsule', 'gateway']) {
  rmSync(join(root, 'packages', name, 'dist'), { recursive: true, force: true });
}
const declarations = [join(root, 'node_modules/typescript/bin/tsc'), '-b', 'packages/gateway'];
for (const args of [declarations, [join(root, 'scripts/bundle.js')], [consoleBuild]]) {
  const { status } = spawnSync(workspaceNode(), args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
process.stdout.write('built packages/coapsule/dist and packages/gateway/dist\n');
