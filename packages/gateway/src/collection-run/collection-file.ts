/**
 * A collection from its file, with the secrets of its environment: what can be run, or why it cannot.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ClientCommandOptions } from '../cli/client-command-options.ts';
import { CommandFailure } from '../cli/command-failure.ts';
import { ExitCode } from '../cli/exit-code.ts';
import { keyValue } from '../cli/option-values.ts';
import type { Collection, CollectionCredentials, SecretReference } from '../collection/collection.ts';
import { parseCollection } from '../collection/parse-collection.ts';
import {
  type CollectionPlan,
  chosenEnvironment,
  planCollection,
  secretsOf,
} from '../collection/plan-collection.ts';

/** What a run is asked for. */
export interface CollectionChoice {
  readonly environment?: string | undefined;
  readonly only?: readonly string[] | undefined;
  readonly variables: ReadonlyMap<string, string>;
  readonly environmentVariables: Readonly<Record<string, string | undefined>>;
}

/** A file that can be run. */
export interface CollectionFile {
  readonly path: string;
  readonly folder: string;
  readonly plan: CollectionPlan;
}

/** Reads and plans a file. @throws CommandFailure that names file, line and key of everything that is wrong. */
export function readCollectionFile(path: string, choice: CollectionChoice): CollectionFile {
  const folder = dirname(resolve(path));
  const read = parseCollection(readFileSync(path, 'utf8'));
  if ('faults' in read) {
    throw refused(
      read.faults.map(
        ({ line, column, key, problem }) =>
          `${path}:${line}:${column}: ${key === '' ? '' : `${key} `}${problem}`,
      ),
    );
  }
  const { collection, lineOf } = read;
  const secrets = readSecrets(path, folder, collection, lineOf, choice);
  const { environment, only, variables } = choice;
  const planned = planCollection(collection, { lineOf, environment, only, secrets, variables });
  if ('faults' in planned)
    throw refused(planned.faults.map(({ line, problem }) => `${path}:${line}: ${problem}`));
  return { path, folder, plan: planned.plan };
}

/** The credentials of a collection as options of the client verbs; files are from its folder. */
export function credentialOptions(
  { identity, key, ...files }: CollectionCredentials,
  folder: string,
): Partial<ClientCommandOptions> {
  return {
    ...(identity !== undefined && { identity }),
    ...(key !== undefined && { key: keyValue(key) }),
    ...Object.fromEntries(
      Object.entries(files).flatMap(([name, file]) => {
        if (file === undefined) return [];
        const isName =
          (name === 'ca' && file === 'system') || (name === 'peerRpk' && /^sha-?256:/i.test(file));
        return [[name, isName ? file : resolve(folder, file)]];
      }),
    ),
  };
}

function readSecrets(
  path: string,
  folder: string,
  collection: Collection,
  lineOf: (path: readonly PropertyKey[]) => number,
  { environment, environmentVariables }: CollectionChoice,
): ReadonlyMap<string, string> {
  const chosen = chosenEnvironment(collection, environment);
  // The plan says what is wrong with it.
  if ('problem' in chosen) return new Map();
  const faults: string[] = [];
  const secrets = new Map<string, string>();
  for (const [name, reference] of secretsOf(collection, chosen.name)) {
    const value = secretValue(reference, folder, environmentVariables);
    if ('value' in value) secrets.set(name, value.value);
    else
      faults.push(
        `${path}:${lineOf(['environments', chosen.name!, 'secrets', name])}: secret ${name}: ${value.problem}`,
      );
  }
  if (faults.length > 0) throw refused(faults);
  return secrets;
}

function secretValue(
  { env, file }: SecretReference,
  folder: string,
  variables: Readonly<Record<string, string | undefined>>,
): { readonly value: string } | { readonly problem: string } {
  if (env !== undefined) {
    const value = variables[env];
    return value ? { value } : { problem: `the environment variable ${env} is not set` };
  }
  try {
    // Without the line feed that editors put at the end.
    const value = readFileSync(resolve(folder, file!), 'utf8').replace(/\r?\n$/, '');
    return value === '' ? { problem: `${file} is empty` } : { value };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return {
      problem: `${file} cannot be read${code === 'ENOENT' ? ': there is no such file' : ` (${code})`}`,
    };
  }
}

function refused(faults: readonly string[]): CommandFailure {
  return new CollectionRefused(faults);
}

/** All that is wrong with a file. */
export class CollectionRefused extends CommandFailure {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(
      ExitCode.Usage,
      faults[0]!,
      'what may stand in a collection is told by "coapsule run --print-schema"',
    );
    this.faults = faults;
  }
}
