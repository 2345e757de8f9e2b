/**
 * The command line: which command, its options, and the exit code of what went wrong.
 *
 * Commands are loaded when they are called, so that a client verb does not wait for the gateway to load.
 *
 * @module
 */

import { Command, CommanderError } from 'commander';
import { packageVersion } from '../text/package-version.ts';
import { spreadSuites } from './cipher-suite-option.ts';
import { withoutBareCid } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { reportOf, reportText } from './command-failure.ts';
import { addCommands, type ProgramParts } from './command-table.ts';
import { ExitCode } from './exit-code.ts';
import { exitCodesHelp } from './exit-codes-help.ts';
import { helpColumns, helpFormat, wrapped } from './help-format.ts';

/**
 * Runs a command line.
 *
 * @param args What stands behind `coapsule`.
 * @returns the exit code. Never throws: what went wrong is printed.
 */
export async function runCommandLine(
  args: readonly string[],
  environment: CommandEnvironment,
): Promise<number> {
  try {
    // Flags of coap-client are its own: nothing of the options here applies to them.
    if (args[0] === 'client' && !(args.length === 2 && args[1] === '--help')) {
      const { runCoapClient } = await import('./coap-client.ts');
      return await runCoapClient(args.slice(1), environment);
    }
    return await runProgram(args, environment);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Success : ExitCode.Usage;
    environment.stderr.write(reportText('coapsule', error));
    return reportOf(error).exitCode;
  }
}

async function runProgram(args: readonly string[], environment: CommandEnvironment): Promise<number> {
  let exitCode: number = ExitCode.Success;
  const program = await coapsuleProgram({
    environment,
    end: (code) => {
      exitCode = code;
    },
    isNeeded: (name) => args[0] === name || (args[0] === 'help' && args[1] === name),
  });
  await program.parseAsync(withoutBareCid(spreadSuites(args)), { from: 'user' });
  return exitCode;
}

/** `coapsule` with its commands. */
export async function coapsuleProgram(parts: Omit<ProgramParts, 'runLine'>): Promise<Command> {
  const program = new Command('coapsule')
    .description('Secure CoAP from the command line: client, gateway and tools.')
    .version(packageVersion(), '-V, --version', 'the version')
    .helpCommand('help [command]', 'help for a command')
    .addHelpText(
      'after',
      `${exitCodesHelp}\n\nExamples:\n  coapsule serve --demo\n  coapsule get coap://localhost/temperature`,
    );
  await addCommands(program, { ...parts, runLine: runCommandLine });
  prepare(program, parts.environment);
  return program;
}

/** Output goes to the environment, and errors are thrown instead of ending the process; for sub-commands too. */
function prepare(command: Command, environment: CommandEnvironment): void {
  command.exitOverride();
  command.showHelpAfterError('(add --help for the options and an example)');
  const { stdout, stderr } = environment;
  const columns = helpColumns(stdout.isTerminal ? process.stdout.columns : undefined);
  command.configureHelp(helpFormat);
  command.configureOutput({
    getOutHelpWidth: () => columns,
    getErrHelpWidth: () => columns,
    writeOut: (text) => stdout.write(wrapped(text, columns)),
    writeErr: (text) => stderr.write(text.startsWith('error: ') ? text : wrapped(text, columns)),
    outputError: (text, write) => write(withoutValues(text)),
  });
  for (const subcommand of command.commands) prepare(subcommand, environment);
}

/** What does not belong there is not repeated: `--pskk=ID:KEY` and `device add ID KEY` hold a key. */
function withoutValues(text: string): string {
  const unknown = /^error: unknown option '(--[^=']*|-.)/.exec(text)?.[1];
  if (unknown !== undefined) {
    const suggestion = /\n\(Did you mean [^\n]*\)\n$/.exec(text)?.[0] ?? '\n';
    return `error: unknown option '${unknown}'${suggestion}`;
  }
  const tooMany = /^error: too many arguments[^.]*\. Expected \d+ arguments? but got \d+/.exec(text)?.[0];
  return tooMany === undefined ? text : `${tooMany}.\n`;
}
