/**
 * The commands of the shell: the client verbs from where it is, and a few of its own.
 *
 * Verbs run as they do on the command line, with the options the shell was started with, those that were `set`, and one
 * client for all that goes to the same server with the same credentials.
 *
 * @module
 */

import type { Command, Option } from 'commander';
import type { CommandEnvironment, RunLine } from '../cli/command-environment.ts';
import { CommandFailure, reportOf, reportText } from '../cli/command-failure.ts';
import { ExitCode } from '../cli/exit-code.ts';
import { KeptClients } from '../cli/kept-clients.ts';
import { targetUri } from '../cli/target-uri.ts';
import { commandWords, isWordsFault } from '../text/command-words.ts';
import { nearestWord } from '../text/nearest-word.ts';
import { printable } from '../text/printable.ts';
import { discoveredPaths } from './shell-discovery.ts';
import { shellLine, takesNextWord } from './shell-line.ts';
import { ShellObservations } from './shell-observations.ts';
import { resolved, type ShellTarget, targetOf } from './shell-target.ts';

/** The verbs of the command line that there are in the shell. */
export const shellVerbs: readonly string[] = [
  'get',
  'put',
  'post',
  'delete',
  'fetch',
  'patch',
  'ipatch',
  'observe',
  'ping',
  'discover',
];

/** Commands of the shell alone, with what they do. */
export const shellCommands: Readonly<Record<string, string>> = {
  cd: 'cd [PATH|URI]      go to a path, or to another server',
  pwd: 'pwd                where we are',
  ls: 'ls [PATH]          paths there, from /.well-known/core',
  set: 'set [NAME [VALUE]] an option for all verbs from here on, such as set accept json; alone: those that are set',
  unset: 'unset NAME         no longer',
  observations: 'observations       those that run (observe begins one in the background)',
  cancel: 'cancel N|all       end observations',
  wait: 'wait [N]           until observations end, those with -s by themselves',
  sleep: 'sleep SECONDS      do nothing that long',
  history: 'history            lines of before, without those that hold keys',
  help: 'help [COMMAND]     this list, or the options of a verb',
  exit: 'exit               leave; Ctrl-D too',
};

/** Options that belong to one process and not to one of many commands. */
const refusedOptions: Readonly<Record<string, string>> = {
  '--session': 'the shell keeps its association by itself, and leaves it when it ends',
  '--session-key': 'the shell keeps its association by itself, and leaves it when it ends',
};

/** What came of a line. */
export interface LineOutcome {
  readonly exitCode: number;
  /** Whether it was a command with options that there are. */
  readonly wasUnderstood: boolean;
  readonly isEnd: boolean;
}

/** What the session is told of the world. */
export interface SessionParts {
  readonly environment: CommandEnvironment;
  readonly runCommandLine: RunLine;
  /** Client verbs with their options. */
  readonly program: Command;
  /** Options for all verbs, as words. */
  readonly baseOptions: readonly string[];
  /** File that gets what all lines send and receive. */
  readonly capturePath: string | undefined;
  /** Lines of before, for `history`. */
  readonly history: () => readonly string[];
}

/** One shell. */
export class ShellSession {
  readonly #parts: SessionParts;
  readonly #environment: CommandEnvironment;
  readonly #clients: KeptClients;
  readonly #set = new Map<string, string | undefined>();
  /** Paths by origin, as far as they were asked for. */
  readonly #paths = new Map<string, readonly string[]>();
  readonly observations: ShellObservations = new ShellObservations();
  #place: ShellTarget | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#clients = new KeptClients((options) => parts.environment.createClient(options), parts.capturePath);
    this.#environment = {
      ...parts.environment,
      createClient: (options) => this.#clients.take(options),
      // Lines of commands are no payload.
      readStandardInput: async () => refuseStandardInput(),
      standardInput: () => refuseStandardInput(),
    };
    refuseOptions(parts.baseOptions);
  }

  /** Where it is. */
  get place(): ShellTarget | undefined {
    return this.#place;
  }

  /** Names of options that can be set. */
  get settable(): readonly string[] {
    return this.#widest.options.flatMap(({ long }) => (long?.startsWith('--') ? [long.slice(2)] : []));
  }

  /** Names of options that are set. */
  get settings(): readonly string[] {
    return [...this.#set.keys()];
  }

  /** A verb with its options. */
  command(name: string): Command | undefined {
    return this.#parts.program.commands.find(
      (command) => command.name() === name && shellVerbs.includes(name),
    );
  }

  /** `get` has the options of all verbs but `discover`'s filter. */
  get #widest(): Command {
    return this.command('get')!;
  }

  /** Goes to a server, or a path of it. Throws `CommandFailure` for what is no URI. */
  go(name: string): void {
    const uri = resolved(this.#place, name) ?? name;
    targetUri(uri, this.#environment.variables);
    this.#place = targetOf(uri);
  }

  /** Runs a line. What goes wrong is printed. */
  async run(line: string): Promise<LineOutcome> {
    const outcome = (exitCode: number, isEnd = false): LineOutcome => ({
      exitCode,
      wasUnderstood: exitCode !== ExitCode.Usage,
      isEnd,
    });
    try {
      const words = commandWords(line, true);
      if (isWordsFault(words)) {
        throw usage(
          `character ${words.offset + 1}: ${words.reason}`,
          'quotes come in pairs; \\ takes the next character as it is',
        );
      }
      const [name, ...others] = words;
      if (name === undefined) return outcome(ExitCode.Success);
      if (name === 'exit' || name === 'quit') return outcome(ExitCode.Success, true);
      return outcome(await this.#runWords(name, others));
    } catch (error) {
      this.#environment.stderr.write(reportText('coapsule', error));
      return outcome(reportOf(error).exitCode);
    }
  }

  /** Ends observations, and closes what is open. */
  async close(): Promise<void> {
    await this.observations.cancelAll();
    await this.#clients.close();
  }

  /** Paths of the server, from its /.well-known/core; those of before where they are known. Never throws. */
  async paths(isFresh = false): Promise<readonly string[]> {
    const origin = this.#place?.origin;
    if (origin === undefined) return [];
    const known = this.#paths.get(origin);
    if (known !== undefined && !isFresh) return known;
    const quiet = { isTerminal: false, write: () => {} };
    const found = await this.#discover(origin, { ...this.#environment, stderr: quiet });
    return 'exitCode' in found ? (known ?? []) : found.paths;
  }

  async #discover(
    origin: string,
    environment: CommandEnvironment,
  ): Promise<{ readonly paths: readonly string[] } | { readonly exitCode: number }> {
    const parts: Uint8Array[] = [];
    const stdout = {
      isTerminal: false,
      write: (data: Uint8Array | string): void => {
        parts.push(Buffer.from(data));
      },
    };
    const args = ['discover', origin, ...this.#optionsFor('discover'), '--json'];
    const exitCode = await this.#parts.runCommandLine(args, { ...environment, stdout });
    if (exitCode !== 0) return { exitCode };
    const paths = discoveredPaths(Buffer.concat(parts).toString(), origin);
    this.#paths.set(origin, paths);
    return { paths };
  }

  async #runWords(name: string, words: readonly string[]): Promise<number> {
    const { stdout } = this.#environment;
    if (shellVerbs.includes(name)) return this.#verb(name, words);
    switch (name) {
      case 'cd':
        this.go(words[0] ?? '/');
        return ExitCode.Success;
      case 'pwd':
        stdout.write(`${this.#uri(name, undefined)}\n`);
        return ExitCode.Success;
      case 'ls':
        return this.#list(words[0]);
      case 'set':
        return this.#setOption(words);
      case 'unset':
        return this.#unsetOption(words[0]);
      case 'observations':
        for (const { number, uri, lines } of this.observations.list)
          stdout.write(`[${number}] ${printable(uri)}, ${lines} notifications\n`);
        return ExitCode.Success;
      case 'cancel':
        return this.#cancel(words[0]);
      case 'wait':
        return this.#wait(words[0]);
      case 'sleep':
        return this.#sleep(words[0]);
      case 'history':
        for (const line of this.#parts.history()) stdout.write(`${printable(line, 1000)}\n`);
        return ExitCode.Success;
      case 'help':
        return this.#help(words[0]);
    }
    const known = [...shellVerbs, ...Object.keys(shellCommands)];
    const meant = nearestWord(name, known);
    throw usage(
      `there is no command "${printable(name)}" here`,
      meant === undefined
        ? '"help" lists what there is'
        : `did you mean ${meant}? "help" lists what there is`,
    );
  }

  async #verb(name: string, words: readonly string[]): Promise<number> {
    const command = this.command(name)!;
    if (words.includes('--help') || words.includes('-h')) return this.#help(name);
    refuseOptions(words);
    const { operand, others } = shellLine(words, command);
    const isServer = name === 'ping' || name === 'discover';
    const uri = isServer && operand === undefined ? this.#origin(name) : this.#uri(name, operand);
    const args = [name, ...this.#optionsFor(name), ...others, '--', uri];
    if (name !== 'observe') return this.#parts.runCommandLine(args, this.#environment);
    if (this.observations.isFull) {
      throw new CommandFailure(
        ExitCode.Failure,
        'there are as many observations as there may be',
        '"observations" lists them, "cancel N" ends one',
      );
    }
    const { number, begun } = this.observations.begin(uri, this.#environment, (environment) =>
      this.#parts.runCommandLine(args, environment),
    );
    this.#environment.stderr.write(`[${number}] observes ${printable(uri)}\n`);
    // What follows can count on it: a change that the next line makes is seen.
    const forget = this.#environment.onInterrupt(() => void this.observations.cancel(number));
    try {
      return (await begun) ?? ExitCode.Success;
    } finally {
      forget();
    }
  }

  /** Those of the start and those that were set, as far as the verb has them. */
  #optionsFor(verb: string): readonly string[] {
    const command = this.command(verb)!;
    const has = (flag: string): boolean =>
      command.options.some(({ long, short }) => long === flag || short === flag);
    const words: string[] = [];
    const { baseOptions } = this.#parts;
    const settings = [...this.#set].flatMap(([name, value]) => [
      `--${name}`,
      ...(value === undefined ? [] : [value]),
    ]);
    for (const list of [baseOptions, settings]) {
      for (let at = 0; at < list.length; at++) {
        const flag = list[at]!;
        const takesNext = [command, this.#widest].some((one) => takesNextWord(flag, one));
        if (has(flag)) words.push(...list.slice(at, at + (takesNext ? 2 : 1)));
        if (takesNext) at++;
      }
    }
    return words;
  }

  async #list(name: string | undefined): Promise<number> {
    const origin = this.#origin('ls');
    const found = await this.#discover(origin, this.#environment);
    if ('exitCode' in found) return found.exitCode;
    const below = name === undefined ? this.#place!.path : targetOf(resolved(this.#place, name)!).path;
    const folder = below.endsWith('/') ? below : `${below}/`;
    for (const path of found.paths) {
      if (path === below || path.startsWith(folder))
        this.#environment.stdout.write(`${printable(path, 1000)}\n`);
    }
    return ExitCode.Success;
  }

  #setOption([name, ...values]: readonly string[]): number {
    if (name === undefined) {
      for (const [set, value] of this.#set)
        this.#environment.stdout.write(
          `${set}${value === undefined ? '' : ` ${set === 'key' ? '***' : printable(value)}`}\n`,
        );
      return ExitCode.Success;
    }
    const plain = name.replace(/^--/, '');
    const option = this.#widest.options.find(({ long }) => long === `--${plain}`);
    if (option === undefined) {
      const meant = nearestWord(plain, this.settable);
      throw usage(
        `there is no option "${printable(plain)}"`,
        meant === undefined ? '"help get" lists those that there are' : `did you mean ${meant}?`,
      );
    }
    refuseOptions([`--${plain}`]);
    if (option.required && values.length === 0)
      throw usage(`"${plain}" needs a value`, `write set ${plain} VALUE`);
    if (!option.required && values.length > 0)
      throw usage(`"${plain}" has no value`, `write set ${plain}, or unset ${plain}`);
    const value = option.required ? values.join(' ') : undefined;
    if (value !== undefined) expectValue(option, plain, value);
    this.#set.set(plain, value);
    return ExitCode.Success;
  }

  #unsetOption(name: string | undefined): number {
    const plain = name?.replace(/^--/, '') ?? '';
    if (!this.#set.delete(plain)) {
      throw usage(`"${printable(plain)}" is not set`, '"set" lists what is');
    }
    return ExitCode.Success;
  }

  async #cancel(which: string | undefined): Promise<number> {
    if (which === 'all') await this.observations.cancelAll();
    else if (!(await this.observations.cancel(numberOf(which))))
      throw usage(
        `there is no observation ${printable(which ?? '')}`,
        '"observations" lists those that run; or cancel all',
      );
    return ExitCode.Success;
  }

  async #wait(which: string | undefined): Promise<number> {
    const stop = this.#environment.onInterrupt(() => void this.observations.cancelAll());
    try {
      const exitCode = await this.observations.wait(which === undefined ? undefined : numberOf(which));
      if (exitCode === undefined)
        throw usage(
          `there is no observation ${printable(which ?? '')}`,
          '"observations" lists those that run',
        );
      return exitCode;
    } finally {
      stop();
    }
  }

  async #sleep(text: string | undefined): Promise<number> {
    const seconds = Number(text);
    if (text === undefined || !(seconds >= 0 && seconds <= 86_400))
      throw usage('sleep needs seconds, 0 to 86400', 'such as sleep 1.5');
    await new Promise<void>((resolve) => {
      const clear = this.#environment.after(seconds * 1000, done);
      const forget = this.#environment.onInterrupt(done);
      function done(): void {
        clear();
        forget();
        resolve();
      }
    });
    return ExitCode.Success;
  }

  #help(name: string | undefined): number {
    const { stdout } = this.#environment;
    const command = name === undefined ? undefined : this.command(name);
    if (command !== undefined) {
      stdout.write(
        command.helpInformation().replace(/^Usage:.*$/m, `Usage: ${command.name()} [options] [path or URI]`),
      );
      return ExitCode.Success;
    }
    if (name !== undefined && shellCommands[name] !== undefined) {
      stdout.write(`${shellCommands[name]}\n`);
      return ExitCode.Success;
    }
    const verbs = this.#parts.program.commands.filter((one) => shellVerbs.includes(one.name()));
    stdout.write(
      'Verbs, each with a path from here, a path from the root, or a URI; "help get" lists options:\n',
    );
    for (const verb of verbs) stdout.write(`  ${verb.name().padEnd(10)} ${verb.description()}\n`);
    stdout.write('\nOf the shell:\n');
    for (const line of Object.values(shellCommands)) stdout.write(`  ${line}\n`);
    stdout.write('\nTab completes, arrows bring back, Ctrl-C ends what runs.\n');
    return ExitCode.Success;
  }

  #origin(name: string): string {
    if (this.#place === undefined) throw noPlace(name);
    return this.#place.origin;
  }

  #uri(name: string, operand: string | undefined): string {
    const uri = resolved(this.#place, operand);
    if (uri === undefined) throw noPlace(name);
    return uri;
  }
}

function refuseOptions(words: readonly string[]): void {
  for (const word of words) {
    const reason = refusedOptions[word.split('=', 1)[0]!];
    if (reason !== undefined) throw usage(`${word.split('=', 1)[0]} is not for the shell`, reason);
  }
}

/** Refuses a value now, and not at the next verb. */
function expectValue(option: Option, name: string, value: string): void {
  try {
    option.parseArg?.(value, undefined);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw usage(
      `set ${name}${name === 'key' ? '' : ` ${printable(value)}`}: ${(error as Error).message}`,
      `"help get" tells what --${name} takes`,
    );
  }
}

function refuseStandardInput(): never {
  throw usage(
    'standard input is where the shell has its lines from',
    'name a file with -f FILE, or give the payload with -e',
  );
}

function numberOf(text: string | undefined): number {
  return /^\d{1,9}$/.test(text ?? '') ? Number(text) : 0;
}

function noPlace(name: string): CommandFailure {
  return usage(`${name} needs a server`, 'go to one with cd coap://HOST, or write a whole URI');
}

function usage(cause: string, nextStep: string): CommandFailure {
  return new CommandFailure(ExitCode.Usage, cause, nextStep);
}
