/**
 * The command line: which command, its options, and the exit code of what went wrong.
 *
 * Commands are loaded when they are called, so that a client verb does not wait for the gateway to load.
 *
 * @module
 */

import type { Method } from 'coapsule/message';
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../text/package-version.ts';
import { spreadSuites } from './cipher-suite-option.ts';
import {
  addClientOptions,
  addRequestOptions,
  type ClientCommandOptions,
  type RequestCommandOptions,
  withoutBareCid,
} from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure, reportOf, reportText } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** Commands of later parts of the product, refused by name. */
const laterCommands = ['probe', 'doctor', 'tap', 'shell', 'run', 'mcp', 'completion', 'console'];

const requestVerbs: readonly (readonly [
  verb: string,
  method: Method,
  description: string,
  example: string,
])[] = [
  ['get', 'GET', 'read a resource', 'coapsule get coaps://localhost/sensors -u sensor-7 -k KEY'],
  [
    'put',
    'PUT',
    'create or replace a resource',
    'coapsule put coaps://localhost/sensors/sensor-7/temp -e 21.9 -u sensor-7 -k KEY',
  ],
  [
    'post',
    'POST',
    'let a resource process the payload',
    'coapsule post coaps://localhost/sensor -e 22.5 -u sensor-7 -k KEY',
  ],
  ['delete', 'DELETE', 'delete a resource', 'coapsule delete coap://localhost/store/note'],
  [
    'fetch',
    'FETCH',
    'read a part of a resource',
    'coapsule fetch coap://localhost/config -t application/json -f query.json',
  ],
  [
    'patch',
    'PATCH',
    'change a part of a resource',
    'coapsule patch coap://localhost/config -t application/merge-patch+json -f change.json',
  ],
  [
    'ipatch',
    'IPATCH',
    'change a part of a resource, and repeating it does no harm',
    'coapsule ipatch coap://localhost/config -t application/merge-patch+json -f change.json',
  ],
];

const exitCodesHelp = `
Exit codes: 0 for 2.xx; 4 for 4.xx; 5 for 5.xx; 6 no answer in time; 7 security (handshake, credentials, replay);
64 wrong usage; 1 anything else.`;

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
    if (args[0] === 'client') {
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
  const program = new Command('coapsule')
    .description('Secure CoAP from the command line: client, gateway and tools.')
    .version(packageVersion(), '-V, --version')
    .helpCommand('help [command]', 'help for a command')
    .addHelpText(
      'after',
      `${exitCodesHelp}\n\nExamples:\n  coapsule serve --demo\n  coapsule get coap://localhost/temperature`,
    );

  for (const [verb, method, description, example] of requestVerbs) {
    addRequestOptions(program.command(verb).argument('<uri>').description(description), verb === 'get')
      .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  ${example}`)
      .action(async (uri: string, options: RequestCommandOptions) => {
        if (options.seconds === undefined) {
          const { runRequest } = await import('./request-verb.ts');
          exitCode = await runRequest(method, uri, options, environment);
        } else {
          const { runObserve } = await import('./observe-verb.ts');
          exitCode = await runObserve(uri, options, environment);
        }
      });
  }
  addRequestOptions(
    program
      .command('observe')
      .argument('<uri>')
      .description('follow a resource: print it each time it changes'),
    true,
  )
    .addHelpText(
      'after',
      `${exitCodesHelp}\nCtrl-C cancels the observation and exits with 0.\n\nExample:\n  coapsule observe coaps://localhost/sensors/sensor-7/temp -s 60 -u sensor-7 -k KEY`,
    )
    .action(async (uri: string, options: RequestCommandOptions) => {
      const { runObserve } = await import('./observe-verb.ts');
      exitCode = await runObserve(uri, options, environment);
    });
  addClientOptions(program.command('ping').argument('<uri>').description('is a CoAP endpoint alive'))
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  coapsule ping coap://localhost`)
    .action(async (uri: string, options: ClientCommandOptions) => {
      const { runPing } = await import('./ping-verb.ts');
      exitCode = await runPing(uri, options, environment);
    });
  addClientOptions(
    program
      .command('discover')
      .argument('<uri>')
      .description('list the resources of a server')
      .option(
        '-q, --query <filter>',
        'only links that match, such as rt=temperature or href=/sensors*; repeatable',
        (text: string, before: readonly string[] = []) => [...before, text],
      ),
  )
    .addHelpText(
      'after',
      `${exitCodesHelp}\n\nExample:\n  coapsule discover coap://localhost -q rt=coapsule.telemetry`,
    )
    .action(async (uri: string, options: ClientCommandOptions & { readonly query?: readonly string[] }) => {
      const { runDiscover } = await import('./discover-verb.ts');
      exitCode = await runDiscover(uri, options, environment);
    });
  // Only for the overview: `runCommandLine` has gone another way when it is called.
  program.command('client').description("libcoap's coap-client: the same flags, output and exit codes");

  await addCommand(program, args, 'keys', 'make credentials', async () =>
    (await import('./keys-command.ts')).keysCommand(environment),
  );
  await addCommand(program, args, 'serve', 'run the gateway', async () =>
    (await import('./serve.ts')).serveCommand(environment.variables),
  );
  await addCommand(program, args, 'device', 'devices and their keys in the store of the gateway', async () =>
    (await import('./device.ts')).deviceCommand(environment),
  );
  await addCommand(program, args, 'backup', 'copy the store of the gateway into a file', async () =>
    (await import('./backup-command.ts')).backupCommand(environment),
  );
  await addCommand(program, args, 'restore', 'make a data folder of a backup', async () =>
    (await import('./backup-command.ts')).restoreCommand(environment),
  );
  await addCommand(program, args, 'store', 'the store of the gateway as a whole', async () =>
    (await import('./store-command.ts')).storeCommand(environment),
  );
  await addCommand(program, args, 'firmware', 'bring firmware to a gateway, and fetch it', async () =>
    (await import('./firmware-command.ts')).firmwareCommand(environment, (code) => {
      exitCode = code;
    }),
  );
  await addCommand(program, args, 'bench', 'load a server and measure rate and latency', async () =>
    (await import('./bench-command.ts')).benchCommand(environment, (code) => {
      exitCode = code;
    }),
  );
  await addCommand(program, args, 'simulate', 'run a fleet of devices against a gateway', async () =>
    (await import('./simulate-command.ts')).simulateCommand(environment, (code) => {
      exitCode = code;
    }),
  );
  await addCommand(program, args, 'serial', 'serial lines of this machine', async () =>
    (await import('./serial-command.ts')).serialCommand(environment),
  );
  await addCommand(program, args, 'recommend', 'what to use, and why', async () =>
    (await import('./recommend-command.ts')).recommendCommand(environment),
  );
  await addCommand(program, args, 'calculate', 'energy, latency, bytes and what they come to', async () =>
    (await import('./calculate-command.ts')).calculateCommand(environment),
  );
  await addCommand(program, args, 'codes', 'what response codes mean', async () =>
    (await import('./codes-command.ts')).codesCommand(environment),
  );
  await addCommand(program, args, 'decode', 'what the bytes of captures and messages mean', async () =>
    (await import('./decode-command.ts')).decodeCommand(environment, (code) => {
      exitCode = code;
    }),
  );
  await addCommand(program, args, 'diagnose', 'what is wrong in a capture', async () =>
    (await import('./diagnose-command.ts')).diagnoseCommand(environment, (code) => {
      exitCode = code;
    }),
  );
  for (const name of laterCommands) {
    program
      .command(name, { hidden: true })
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new CommandFailure(
          ExitCode.Usage,
          `"coapsule ${name}" is not there yet`,
          'see "coapsule --help" for what there is',
        );
      });
  }

  prepare(program, environment);
  await program.parseAsync(withoutBareCid(spreadSuites(args)), { from: 'user' });
  return exitCode;
}

/** Adds the real command when it is the one that is called for, else its name and description. */
async function addCommand(
  program: Command,
  args: readonly string[],
  name: string,
  description: string,
  load: () => Promise<Command>,
): Promise<void> {
  const isCalled = args[0] === name || (args[0] === 'help' && args[1] === name);
  if (isCalled) program.addCommand(await load());
  else program.command(name).description(description);
}

/** Output goes to the environment, and errors are thrown instead of ending the process; for sub-commands too. */
function prepare(command: Command, environment: CommandEnvironment): void {
  command.exitOverride();
  command.showHelpAfterError('(add --help for the options and an example)');
  command.configureOutput({
    writeOut: (text) => environment.stdout.write(text),
    writeErr: (text) => environment.stderr.write(text),
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
