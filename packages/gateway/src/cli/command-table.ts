/**
 * All commands: the client verbs, and the others, which are loaded when they are called.
 *
 * @module
 */

import type { Method } from 'coapsule/message';
import { Command } from 'commander';
import {
  addClientOptions,
  addRequestOptions,
  type ClientCommandOptions,
  type RequestCommandOptions,
} from './client-command-options.ts';
import type { CommandEnvironment, RunLine } from './command-environment.ts';
import type { ExitCode } from './exit-code.ts';
import { exitCodesHelp } from './exit-codes-help.ts';
import { repeatedText } from './option-values.ts';

/** A command that is not loaded before it is called, so that the others do not wait for it. */
interface LoadedCommand {
  readonly name: string;
  /** For the overview and for its own help; the command itself says none. */
  readonly description: string;
  /**
   * @param end is given its exit code, where that can be another one than 0.
   * @param wholeProgram all commands with their options; where `isNeeded` is given, those alone that it takes, and the client verbs.
   * @param runLine runs a command line in an environment; its exit code.
   */
  readonly load: (
    environment: CommandEnvironment,
    end: (code: ExitCode) => void,
    wholeProgram: (isNeeded?: (name: string) => boolean) => Promise<Command>,
    runLine: RunLine,
  ) => Promise<Command>;
}

const loadedCommands: readonly LoadedCommand[] = [
  // Only for help and the like: `runCommandLine` has gone another way when it is called.
  {
    name: 'client',
    description: "libcoap's coap-client: the same flags, output and exit codes",
    load: async () => (await import('./coap-client-command.ts')).coapClientCommand(),
  },
  {
    name: 'keys',
    description: 'make credentials',
    load: async (environment) => (await import('./keys-command.ts')).keysCommand(environment),
  },
  {
    name: 'serve',
    description: 'run the gateway',
    load: async (environment) => (await import('./serve.ts')).serveCommand(environment.variables),
  },
  {
    name: 'device',
    description: 'devices and their keys in the store of the gateway',
    load: async (environment) => (await import('./device.ts')).deviceCommand(environment),
  },
  {
    name: 'peers',
    description: 'who is connected to a gateway that runs',
    load: async (environment) => (await import('./peers-command.ts')).peersCommand(environment),
  },
  {
    name: 'backup',
    description: 'copy the store of the gateway into a file',
    load: async (environment) => (await import('./backup-command.ts')).backupCommand(environment),
  },
  {
    name: 'restore',
    description: 'make a data folder of a backup',
    load: async (environment) => (await import('./backup-command.ts')).restoreCommand(environment),
  },
  {
    name: 'store',
    description: 'the store of the gateway as a whole',
    load: async (environment) => (await import('./store-command.ts')).storeCommand(environment),
  },
  {
    name: 'firmware',
    description: 'bring firmware to a gateway, and fetch it',
    load: async (environment, end) =>
      (await import('./firmware-command.ts')).firmwareCommand(environment, end),
  },
  {
    name: 'bench',
    description: 'load a server and measure rate and latency',
    load: async (environment, end) => (await import('./bench-command.ts')).benchCommand(environment, end),
  },
  {
    name: 'simulate',
    description: 'a fleet of devices: hospital, agriculture, metering, hvac, lighting, industrial, wearables',
    load: async (environment, end) =>
      (await import('./simulate-command.ts')).simulateCommand(environment, end),
  },
  {
    name: 'serial',
    description: 'serial lines of this machine',
    load: async (environment) => (await import('./serial-command.ts')).serialCommand(environment),
  },
  {
    name: 'recommend',
    description: 'what to use, and why',
    load: async (environment) => (await import('./recommend-command.ts')).recommendCommand(environment),
  },
  {
    name: 'calculate',
    description: 'energy, latency, bytes and what they come to',
    load: async (environment) => (await import('./calculate-command.ts')).calculateCommand(environment),
  },
  {
    name: 'codes',
    description: 'what response codes mean',
    load: async (environment) => (await import('./codes-command.ts')).codesCommand(environment),
  },
  {
    name: 'decode',
    description: 'what the bytes of captures and messages mean',
    load: async (environment, end) => (await import('./decode-command.ts')).decodeCommand(environment, end),
  },
  {
    name: 'diagnose',
    description: 'what is wrong in a capture, or on the wire',
    load: async (environment, end) =>
      (await import('./diagnose-command.ts')).diagnoseCommand(environment, end),
  },
  {
    name: 'tap',
    description: 'stand between devices and a server: show, hold, edit, drop, delay, replay',
    load: async (environment, end) => (await import('./tap-command.ts')).tapCommand(environment, end),
  },
  {
    name: 'doctor',
    description: 'what is wrong with this machine: sockets, IPv6, multicast, MTU, clock, permissions',
    load: async (environment, end) => (await import('./doctor-command.ts')).doctorCommand(environment, end),
  },
  {
    name: 'probe',
    description: 'what a peer supports, and which rules it breaks',
    load: async (environment, end) => (await import('./probe-command.ts')).probeCommand(environment, end),
  },
  {
    name: 'shell',
    description: 'client verbs in one session, with history and completion',
    load: async (environment, end, wholeProgram, runLine) =>
      // Its verbs alone: the others take longer to load than a prompt may.
      (await import('./shell-command.ts')).shellCommand(
        environment,
        end,
        () => wholeProgram(() => false),
        runLine,
      ),
  },
  {
    name: 'console',
    description: 'who may use the console of the gateway',
    load: async (environment) => (await import('./console-command.ts')).consoleCommand(environment),
  },
  {
    name: 'run',
    description: 'make the requests of a collection and check what comes back',
    load: async (environment, end) => (await import('./run-command.ts')).runCommand(environment, end),
  },
  {
    name: 'mcp',
    description: 'a server of the Model Context Protocol, so that assistants can drive a lab',
    load: async (environment, _, __, runLine) =>
      (await import('./mcp-command.ts')).mcpCommand(environment, runLine),
  },
  {
    name: 'completion',
    description: 'a script that completes commands and options in a shell',
    load: async (environment, _, wholeProgram) =>
      (await import('./completion-command.ts')).completionCommand(environment, wholeProgram),
  },
];

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

/** What is to be put together. */
export interface ProgramParts {
  readonly environment: CommandEnvironment;
  /** Is given the exit code of the command that ran. */
  readonly end: (code: ExitCode) => void;
  /** Which commands are needed whole; of the others name and description stand in the overview. */
  readonly isNeeded: (name: string) => boolean;
  /** Runs another command line: for commands that hold others. */
  readonly runLine: RunLine;
}

/** Adds all commands. */
export async function addCommands(
  program: Command,
  { environment, end, isNeeded, runLine }: ProgramParts,
): Promise<void> {
  for (const [verb, method, description, example] of requestVerbs) {
    addRequestOptions(
      program.command(verb).argument('<uri>', 'the resource').description(description),
      verb === 'get',
    )
      .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  ${example}`)
      .action(async (uri: string, options: RequestCommandOptions) => {
        if (options.seconds === undefined) {
          const { runRequest } = await import('./request-verb.ts');
          end(await runRequest(method, uri, options, environment));
        } else {
          const { runObserve } = await import('./observe-verb.ts');
          end(await runObserve(uri, options, environment));
        }
      });
  }
  addRequestOptions(
    program
      .command('observe')
      .argument('<uri>', 'the resource')
      .description('follow a resource: print it each time it changes'),
    true,
  )
    .addHelpText(
      'after',
      `${exitCodesHelp}\nCtrl-C cancels the observation and exits with 0.\n\nExample:\n  coapsule observe coaps://localhost/sensors/sensor-7/temp -s 60 -u sensor-7 -k KEY`,
    )
    .action(async (uri: string, options: RequestCommandOptions) => {
      const { runObserve } = await import('./observe-verb.ts');
      end(await runObserve(uri, options, environment));
    });
  addClientOptions(
    program.command('ping').argument('<uri>', 'the resource').description('is a CoAP endpoint alive'),
  )
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  coapsule ping coap://localhost`)
    .action(async (uri: string, options: ClientCommandOptions) => {
      const { runPing } = await import('./ping-verb.ts');
      end(await runPing(uri, options, environment));
    });
  addClientOptions(
    program
      .command('discover')
      .argument('<uri>', 'the resource')
      .description('list the resources of a server')
      .option(
        '-q, --query <filter>',
        'only links that match, such as rt=temperature or href=/sensors*; repeatable',
        repeatedText,
      ),
  )
    .addHelpText(
      'after',
      `${exitCodesHelp}\n\nExample:\n  coapsule discover coap://localhost -q rt=coapsule.telemetry`,
    )
    .action(async (uri: string, options: ClientCommandOptions & { readonly query?: readonly string[] }) => {
      const { runDiscover } = await import('./discover-verb.ts');
      end(await runDiscover(uri, options, environment));
    });

  const wholeProgram = async (isNeeded: (name: string) => boolean = () => true): Promise<Command> => {
    const whole = new Command('coapsule');
    await addCommands(whole, { environment, end: () => {}, isNeeded, runLine });
    return whole;
  };
  for (const { name, description, load } of loadedCommands) {
    if (isNeeded(name)) {
      const command = await load(environment, end, wholeProgram, runLine);
      program.addCommand(command.description(description));
    } else program.command(name).description(description);
  }
}
