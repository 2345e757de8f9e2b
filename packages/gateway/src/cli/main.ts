/**
 * The process of `coapsule`: runs the command line with the real environment and ends with its exit code.
 *
 * @module
 */

import { runCommandLine } from './command-line.ts';
import { processEnvironment } from './process-environment.ts';

// The launcher keeps a channel open that carries nothing: when it closes, the launcher was killed, and so are we.
if (process.env['COAPSULE_LAUNCHED'] === '1' && process.channel !== undefined) {
  delete process.env['COAPSULE_LAUNCHED'];
  process.channel?.unref();
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}

process.exitCode = await runCommandLine(process.argv.slice(2), processEnvironment());
