/**
 * The options of `coapsule serve` from all places that they can stand in: flag before environment variable before file
 * before default.
 *
 * What a list is given by one place is all of it: those of others do not count then. The modules that read files are loaded
 * when there is a file.
 *
 * @module
 */

import { type Command, InvalidArgumentError, type Option } from 'commander';
import type { ConfiguredOptions } from '../config/config-schema.ts';
import type { DocumentFault } from '../config/read-document.ts';
import type { Log } from '../server/log.ts';
import { optionBounds } from '../server/serve-options.ts';
import { nearestWord } from '../text/nearest-word.ts';
import { printable } from '../text/printable.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { keyValue, wholeNumber } from './option-values.ts';

/** Environment variables by name. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Options that are asked once and cannot stand in a file. */
const commandOnly: readonly string[] = ['check', 'printSchema', 'help'];

/**
 * All options, and the path of the file when there is one.
 *
 * @throws CommandFailure with every fault of the file told to `log`.
 */
export async function configuredOptions<Options extends ConfiguredOptions & { readonly config?: string }>(
  command: Command,
  variables: Variables,
  log: Log,
): Promise<Options> {
  const given = { ...command.opts() } as Record<string, unknown>;
  const settled = new Set<string>();
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) === 'cli') settled.add(name);
  }
  for (const option of command.options) {
    const name = option.attributeName();
    const text = variables[environmentName(option)];
    if (text === undefined || settled.has(name) || commandOnly.includes(name)) continue;
    given[name] = environmentValue(option, text);
    settled.add(name);
  }
  warnOfTypingErrors(command, variables, log);
  const { config } = given as { config?: string };
  const inFile = config === undefined ? {} : await readFile(config, variables, log);
  for (const [name, value] of Object.entries(inFile)) {
    if (value !== undefined && !settled.has(name)) given[name] = value;
  }
  return given as unknown as Options;
}

/** `--psk-hint` is `COAPSULE_PSK_HINT`. */
export function environmentName(option: Pick<Option, 'long'>): string {
  return `COAPSULE_${(option.long ?? '').slice(2).replaceAll('-', '_').toUpperCase()}`;
}

async function readFile(path: string, variables: Variables, log: Log): Promise<ConfiguredOptions> {
  const { readConfigFile } = await import('../config/config-file.ts');
  const file = readConfigFile(path, { variables, keyOf: keyValue });
  if ('options' in file) {
    for (const warning of file.warnings) log.warning(warning);
    return file.options;
  }
  const [first, ...more] = file.faults.map((fault) => faultText(path, fault));
  if (first !== undefined && more.length > 0) for (const text of [first, ...more]) log.error(text);
  throw new CommandFailure(
    ExitCode.Usage,
    more.length === 0 ? (first as string) : `${path} has ${file.faults.length} faults`,
    'correct the file, and try it with: coapsule serve --check --config FILE; docs/configuration.md has all keys',
  );
}

/** `gateway.yaml:3:9: endpoints.coap: …`, which editors jump to. */
function faultText(path: string, { line, column, key, problem }: DocumentFault): string {
  return `${printable(path)}:${line}:${column}: ${key === '' ? '' : `${key}: `}${problem}`;
}

/** A variable whose name is nearly that of an option would otherwise be left out without a word. */
function warnOfTypingErrors(command: Command, variables: Variables, log: Log): void {
  const known = command.options.map(environmentName);
  for (const name of Object.keys(variables)) {
    if (!name.startsWith('COAPSULE_') || known.includes(name)) continue;
    const prefix = 'COAPSULE_'.length;
    const meant = nearestWord(
      name.slice(prefix),
      known.map((other) => other.slice(prefix)),
    );
    if (meant !== undefined)
      log.warning(`the environment variable ${name} is not known; did you mean COAPSULE_${meant}?`);
  }
}

const answers: Readonly<Record<string, boolean>> = {
  '1': true,
  true: true,
  yes: true,
  on: true,
  '0': false,
  false: false,
  no: false,
  off: false,
};

/** Never shows the text: it may be a key. */
function environmentValue(option: Option, text: string): unknown {
  const refuse = (problem: string): never => {
    throw new CommandFailure(
      ExitCode.Usage,
      `the environment variable ${environmentName(option)} cannot be used: ${problem}`,
      'correct it, or unset it; "coapsule serve --help" has what the option takes',
    );
  };
  const parse = (value: string, before?: unknown): unknown => {
    try {
      return option.parseArg === undefined ? value : option.parseArg(value, before);
    } catch (error) {
      if (error instanceof InvalidArgumentError) return refuse(error.message);
      if (error instanceof CommandFailure) return refuse(error.message);
      throw error;
    }
  };
  if (option.attributeName() === 'verbose') return countValue(text, refuse);
  const answer = answers[text.toLowerCase()];
  if (option.isBoolean() || option.negate) {
    if (answer === undefined) return refuse('give true or false');
    return option.negate ? !answer : answer;
  }
  if (option.optional && answer !== undefined) return answer || ['off'];
  if (option.variadic) return listOf(text, refuse);
  if (!repeatable.has(option.attributeName())) return parse(text);
  return listOf(text, refuse).reduce((before: unknown, value) => parse(value, before), undefined);
}

function countValue(text: string, refuse: (problem: string) => never): number {
  try {
    return wholeNumber(text, ...optionBounds.verbose);
  } catch (error) {
    return refuse((error as Error).message);
  }
}

/** Options that are given once for each of their values. */
const repeatable: ReadonlySet<string> = new Set([
  'psk',
  'serial',
  'proxy',
  'proxyNetwork',
  'reverseProxy',
  'retain',
  'sleepy',
  'sleepyLatest',
  'httpCors',
  'httpName',
  'httpTemplate',
  'trustedProxy',
  'alert',
] satisfies (keyof ConfiguredOptions)[]);

/** Several values: with spaces between, or a JSON array of texts. */
function listOf(text: string, refuse: (problem: string) => never): readonly string[] {
  if (!text.trimStart().startsWith('[')) return text.split(/\s+/).filter((value) => value !== '');
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return refuse('it begins with [ and is no JSON array');
  }
  if (Array.isArray(list) && list.every((value) => typeof value === 'string')) return list;
  return refuse('give a JSON array of texts');
}
