/**
 * `npm start [-- arguments]`: installs what is missing and runs the gateway from its sources on the pinned Node.
 *
 * Arguments, signals and the exit code pass through unchanged; data goes to ./data unless --data says otherwise.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root, workspaceNode } from './install.js';

ensureInstalled();
const gateway = spawn(
  workspaceNode(),
  [
    '--conditions=@coapsule/source',
    join(root, 'packages/gateway/src/cli/main.ts'),
    'serve',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) {
  process.on(signal, () => {
    // Ctrl-C on a terminal reaches the whole process group: the gateway has it already.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) gateway.kill(signal);
  });
}
// npm runs this script through a shell, which dies of a signal without passing it on: the gateway must not outlive it.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) gateway.kill('SIGTERM');
}, 200).unref();
gateway.on('error', (error) => {
  process.stderr.write(`The gateway could not be started: ${error.message}\n`);
  process.exitCode = 1;
});
gateway.on('exit', (code, signal) => {
  if (signal === null) {
    process.exitCode = code ?? 1;
    return;
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
