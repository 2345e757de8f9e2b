/**
 * The process of `coapsule`: runs the command line with the real environment and ends with its exit code.
 *
 * @module
 */

import { runCommandLine } from './command-line.ts';
import { ExitCode } from './exit-code.ts';
import { processEnvironment } from './process-environment.ts';

// The launcher keeps a channel open, which passes its signals on: when it closes, the launcher was killed, and so are we.
const { COAPSULE_LAUNCHED } = process.env;
delete process.env['COAPSULE_LAUNCHED'];
if (COAPSULE_LAUNCHED === '1') {
  process.channel?.unref();
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.on('message', ({ signal }: { signal: NodeJS.Signals }) => {
    if (!process.emit(signal, signal)) process.kill(process.pid, signal);
  });
}

const environment = processEnvironment();
let exitCode = await runCommandLine(process.argv.slice(2), environment);
const outputFailure = environment.outputFailure();
if (outputFailure !== undefined) {
  environment.stderr.write(`coapsule: standard output cannot be written: ${outputFailure.message}\n`);
  environment.stderr.write('  the output is not complete: make room, or write somewhere else\n');
  exitCode ||= ExitCode.Failure;
}
// A command that runs on, as the gateway does, may set the exit code of the process later.
if (exitCode !== 0) process.exitCode = exitCode;
