/**
 * `coapsule run FILE…`: makes the requests of collections and checks what comes back.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import {
  collectionReport,
  type FileResult,
  junitXml,
  resultLines,
  summaryLine,
} from '../collection/collection-report.ts';
import { type CollectionResult, runCollection } from '../collection/run-collection.ts';
import { withoutSecrets, withoutSecretsDeep } from '../collection/without-secrets.ts';
import {
  type CollectionFile,
  CollectionRefused,
  credentialOptions,
  readCollectionFile,
} from '../collection-run/collection-file.ts';
import { CommandSender } from '../collection-run/collection-sender.ts';
import { printable, printableJson } from '../text/printable.ts';
import { addClientOptions, type ClientCommandOptions } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { repeatedText } from './option-values.ts';

const help = `
A collection is a text file, such as light.coap.yml: requests, environments, what is expected (docs/collections.md).

Exit codes: 0 when all holds; 1 when something does not, or was skipped; 64 when a file or an option is wrong.

Examples:
  coapsule run light.coap.yml --env lab
  coapsule run *.coap.yml --junit report.xml`;

interface RunOptions extends ClientCommandOptions {
  readonly env?: string;
  readonly only?: readonly string[];
  readonly var?: readonly string[];
  readonly junit?: string;
  readonly check?: true;
  readonly printSchema?: true;
}

/** Makes the command. */
export function runCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('run')
    .argument('[files...]', 'collections')
    .option('--env <name>', 'environment of the collection')
    .option('--only <name>', 'this request alone, with setup and teardown; repeatable', repeatedText)
    .option('--var <name=value>', 'a variable, before those of the file; repeatable', repeatedText)
    .option('--junit <file>', 'write a report for continuous integration there')
    .option('--check', 'read the files and send nothing')
    .option('--print-schema', 'print the JSON Schema of collections');
  return addClientOptions(command)
    .addHelpText('after', help)
    .action(async (files: readonly string[], options: RunOptions) => {
      end(await runFiles(files, options, environment));
    });
}

async function runFiles(
  paths: readonly string[],
  options: RunOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const { stdout, stderr } = environment;
  if (options.printSchema === true) {
    const { collectionJsonSchema } = await import('../collection/collection-schema.ts');
    stdout.write(`${JSON.stringify(collectionJsonSchema(), undefined, 2)}\n`);
    return ExitCode.Success;
  }
  if (paths.length === 0)
    throw new CommandFailure(ExitCode.Usage, 'run needs a collection', 'such as coapsule run light.coap.yml');
  if (options.session !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--session is not for collections',
      'requests to one server share an association, which is left at the end',
    );
  }
  if (options.write !== undefined && paths.length > 1) {
    throw new CommandFailure(
      ExitCode.Usage,
      '-w captures one collection',
      'run them one by one, each with a file of its own',
    );
  }
  // All are read before anything is sent.
  const files = readAll(paths, options, environment);
  if (files === undefined) return ExitCode.Usage;
  if (options.check === true) {
    for (const { path, plan } of files)
      stdout.write(`${printable(path)}: ${plan.requests.length} requests\n`);
    return ExitCode.Success;
  }
  const results: FileResult[] = [];
  for (const file of files) results.push(await runFile(file, files.length > 1, options, environment));
  const report = collectionReport(results);
  if (options.json === true) stdout.write(`${printableJson(report)}\n`);
  else stdout.write(`${summaryLine(report)}\n`);
  if (options.junit !== undefined) writeFileSync(options.junit, junitXml(report));
  if (!report.holds && options.json === true) stderr.write(`coapsule: ${summaryLine(report)}\n`);
  return report.holds ? ExitCode.Success : ExitCode.Failure;
}

function readAll(
  paths: readonly string[],
  { env, only, var: given = [] }: RunOptions,
  { stderr, variables: environmentVariables }: CommandEnvironment,
): readonly CollectionFile[] | undefined {
  const variables = new Map(given.map(variableOf));
  const files: CollectionFile[] = [];
  let isRefused = false;
  for (const path of paths) {
    try {
      files.push(readCollectionFile(path, { environment: env, only, variables, environmentVariables }));
    } catch (error) {
      if (!(error instanceof CollectionRefused)) throw error;
      isRefused = true;
      for (const fault of error.faults) stderr.write(`coapsule: ${printable(fault, 2000)}\n`);
    }
  }
  if (isRefused)
    stderr.write(
      '  what may stand in a collection is told by docs/collections.md and "coapsule run --print-schema"\n',
    );
  return isRefused ? undefined : files;
}

function variableOf(text: string): readonly [name: string, value: string] {
  const equals = text.indexOf('=');
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new CommandFailure(
    ExitCode.Usage,
    `--var ${printable(text)} names no value`,
    'write --var NAME=VALUE',
  );
}

async function runFile(
  { path, folder, plan }: CollectionFile,
  isOneOfMany: boolean,
  options: RunOptions,
  environment: CommandEnvironment,
): Promise<FileResult> {
  const { stdout } = environment;
  const clean = withoutSecrets(plan.secrets);
  const hidden: CommandEnvironment = {
    ...environment,
    stderr: {
      isTerminal: environment.stderr.isTerminal,
      write: (data) => environment.stderr.write(typeof data === 'string' ? clean(data) : data),
    },
  };
  const given = clientOptions(options, plan.credentials, folder);
  // Bytes of messages would show secrets in pieces.
  const verbose = plan.secrets.length === 0 ? given.verbose : Math.min(given.verbose ?? 0, 2);
  const sender = new CommandSender({ ...given, ...(verbose !== undefined && { verbose }) }, folder, hidden);
  if (isOneOfMany && options.json !== true) stdout.write(`${printable(path)}\n`);
  let result: CollectionResult;
  try {
    result = await runCollection(plan, sender, (one) => {
      if (options.json === true) return;
      for (const line of resultLines(withoutSecretsDeep(one, clean))) stdout.write(`${line}\n`);
    });
  } finally {
    await sender.close();
  }
  return { file: path, ...withoutSecretsDeep(result, clean) };
}

/** What the command line names goes before what the collection has. */
function clientOptions(
  options: RunOptions,
  credentials: CollectionFile['plan']['credentials'],
  folder: string,
): ClientCommandOptions {
  const { json: _json, ...given } = options;
  const own = credentialOptions(credentials, folder);
  const isPskGiven = given.key !== undefined || given.pskFile !== undefined;
  const { identity: _identity, key: _key, pskFile: _pskFile, ...others } = own;
  return { ...(isPskGiven ? others : own), ...given };
}
