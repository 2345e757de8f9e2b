/**
 * `coapsule shell`: the client verbs in one session, typed or fed.
 *
 * @module
 */

import { Command } from 'commander';
import { historyPath, ShellHistory } from '../shell/shell-history.ts';
import { runScript } from '../shell/shell-script.ts';
import { ShellSession } from '../shell/shell-session.ts';
import { ShellTerminal } from '../shell/shell-terminal.ts';
import { addClientOptions } from './client-command-options.ts';
import type { CommandEnvironment, RunLine } from './command-environment.ts';
import type { ExitCode } from './exit-code.ts';
import { warningsTo } from './warnings.ts';

const help = `
On a terminal it prompts; Tab completes commands, options and paths of the server, "help" lists commands. Lines on standard input
are a script: it ends at the first line that fails, with its exit code, unless --keep-going is given. Lines that hold a key never
go into the history (COAPSULE_HISTORY names its file; empty keeps none).

Exit codes: that of the verb that failed; see "coapsule get --help".

Examples:
  coapsule shell coaps://localhost -u sensor-7 --psk-file keys.psk
  printf 'get /temperature\\nput /light -e on\\n' | coapsule shell coap://localhost`;

interface ShellOptions {
  readonly keepGoing?: true;
  readonly history: boolean;
}

/** Makes the command. @param clientVerbs has them with their options; `runLine` runs one of them. */
export function shellCommand(
  environment: CommandEnvironment,
  end: (code: ExitCode) => void,
  clientVerbs: () => Promise<Command>,
  runLine: RunLine,
): Command {
  const command = new Command('shell')
    .argument('[uri]', 'where to begin')
    .option('--keep-going', 'a script goes on after a line that fails')
    .option('--no-history', 'keep no lines for the next time');
  const own = command.options.length;
  addClientOptions(command).addHelpText('after', help);
  const baseOptions: string[] = [];
  let capturePath: string | undefined;
  for (const option of command.options.slice(own)) {
    // As they were typed: they are options of each verb.
    command.on(`option:${option.name()}`, (value: string | null | undefined) => {
      // One file for all lines: each verb would begin it anew.
      if (option.long === '--write') capturePath = value ?? undefined;
      else baseOptions.push(option.long!, ...(typeof value === 'string' ? [value] : []));
    });
  }
  return command.action(async (uri: string | undefined, { keepGoing, history }: ShellOptions) => {
    end(
      (await runShell(
        uri,
        { baseOptions, capturePath, keepGoing, history },
        environment,
        clientVerbs,
        runLine,
      )) as ExitCode,
    );
  });
}

/** Runs the shell until its end. */
async function runShell(
  uri: string | undefined,
  options: {
    readonly baseOptions: readonly string[];
    readonly capturePath: string | undefined;
    readonly keepGoing: true | undefined;
    readonly history: boolean;
  },
  outer: CommandEnvironment,
  clientVerbs: () => Promise<Command>,
  runCommandLine: RunLine,
): Promise<number> {
  const ends = outer.terminal?.();
  const terminal = ends === undefined ? undefined : new ShellTerminal(ends);
  const environment = terminal?.environment(outer) ?? outer;
  const path = terminal === undefined || !options.history ? undefined : historyPath(outer.variables);
  const history = path === undefined ? undefined : new ShellHistory(path, warningsTo(outer));
  const session = new ShellSession({
    environment,
    runCommandLine,
    program: await clientVerbs(),
    baseOptions: options.baseOptions,
    capturePath: options.capturePath,
    history: () => history?.lines ?? [],
  });
  if (uri !== undefined) session.go(uri);
  try {
    if (terminal !== undefined)
      return await terminal.run(session, history, (stop) => outer.onInterrupt(stop));
    return await runScript(session, outer.standardInput(), options.keepGoing === true, outer.stderr);
  } finally {
    await session.close();
  }
}
