/**
 * A configuration file, read: YAML or JSON to options, or everything that is wrong with it, with line and key.
 *
 * Keys that hold secrets are never shown, nor is any line of the file. What the values mean is config-schema.ts.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  type Alias,
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml';
import type * as z from 'zod';
import { nearestWord } from '../text/nearest-word.ts';
import { printable } from '../text/printable.ts';
import { type ConfigSurroundings, type ConfiguredOptions, configSchema } from './config-schema.ts';
import { keysAt } from './json-schema.ts';

/** One thing that is wrong with a file. */
export interface ConfigFault {
  /** From 1; of the nearest thing that is there when it is about something missing. */
  readonly line: number;
  readonly column: number;
  /** `endpoints.coap`; empty for the file itself. */
  readonly key: string;
  /** What is wrong, with what would be right. */
  readonly problem: string;
}

/** What a file says, or what is wrong with it. */
export type ConfigFile =
  | { readonly options: ConfiguredOptions; readonly warnings: readonly string[] }
  | { readonly faults: readonly ConfigFault[] };

/** More than anybody writes by hand. */
const maxBytes = 1024 * 1024;

/**
 * Read a file. JSON is read as the YAML that it is.
 *
 * @param surroundings what is not taken from the file; paths in it are from its folder.
 * @throws the error of the system for a file that cannot be read.
 */
export function readConfigFile(
  path: string,
  surroundings: Pick<ConfigSurroundings, 'variables' | 'keyOf'>,
): ConfigFile {
  const folder = dirname(resolve(path));
  const text = readFileSync(path, 'utf8');
  const file = parseConfig(text, {
    ...surroundings,
    resolvePath: (named) => resolve(folder, named),
    readSecret: (named) => readFileSync(named, 'utf8'),
  });
  if ('faults' in file) return file;
  const holdsSecret = (file.options.psk ?? []).length > 0;
  if (!holdsSecret || process.platform === 'win32' || (statSync(path).mode & 0o077) === 0) return file;
  return { ...file, warnings: [`${path} has keys and can be read by others: chmod 600 ${path}`] };
}

/** The same for a text. */
export function parseConfig(text: string, surroundings: ConfigSurroundings): ConfigFile {
  const lines = new LineCounter();
  if (text.length > maxBytes) return { faults: [fault(lines, 0, '', 'the file has more than 1 MiB')] };
  // Its pretty errors would show lines of the file, which may hold keys.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const unreadable = [...document.errors, ...document.warnings];
  if (unreadable.length > 0) {
    return { faults: unreadable.map(({ pos: [at], message }) => fault(lines, at, '', printable(message))) };
  }
  const dangling = danglingAliases(document);
  if (dangling.length > 0)
    return {
      faults: dangling.map((alias) =>
        fault(lines, startOf(alias), '', `there is no &${printable(alias.source)} above`),
      ),
    };
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    // Aliases that grow without end.
    return { faults: [fault(lines, 0, '', printable((error as Error).message))] };
  }
  const schema = configSchema(surroundings);
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return { options: data, warnings: [] };
  const faults = error.issues.flatMap((issue) => issueFaults(document, lines, schema, issue));
  return { faults: faults.sort((one, other) => one.line - other.line || one.column - other.column) };
}

function danglingAliases(document: Document): readonly Alias[] {
  const found: Alias[] = [];
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) === undefined) found.push(alias);
    },
  });
  return found;
}

function issueFaults(
  document: Document,
  lines: LineCounter,
  schema: z.ZodType,
  issue: z.core.$ZodIssue,
): ConfigFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      const known = keysAt(schema, issue.path);
      const meant = nearestWord(key, known);
      const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
      const problem = `is no key here${hint} (keys: ${known.join(', ')})`;
      return fault(lines, placeOf(document, path, true), keyText(path), problem);
    });
  }
  const node = document.getIn(issue.path, true);
  const isMissing = issue.path.length > 0 && node === undefined;
  const problem = isMissing ? `is missing: ${issue.message}` : `${shown(node, issue)}${issue.message}`;
  return [fault(lines, placeOf(document, issue.path, isMissing), keyText(issue.path), problem)];
}

/** Values are repeated where they can be no secret: those of keys with a fixed form. */
function shown(node: unknown, { code, path, message }: z.core.$ZodIssue): string {
  if (!message.startsWith('expected') || path.includes('psk')) return '';
  if (
    isScalar(node) &&
    (code === 'too_small' || code === 'too_big' || code === 'invalid_value' || code === 'invalid_type')
  )
    return `is ${printable(JSON.stringify(node.value) ?? 'nothing')}; `;
  return '';
}

/** Where a key stands, or its value; of what is not there, the nearest thing above it. */
function placeOf(document: Document, path: readonly PropertyKey[], wantsKey: boolean): number {
  let node: unknown = document.contents;
  let place = startOf(node);
  for (const [index, segment] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
      if (pair === undefined) return place;
      const isLast = index === path.length - 1;
      place = startOf(isLast && !wantsKey && isNode(pair.value) ? pair.value : pair.key);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(segment)];
      if (node === undefined) return place;
      place = startOf(node);
    } else return place;
  }
  return place;
}

function startOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

function keyText(path: readonly PropertyKey[]): string {
  return printable(
    path
      .map((segment) => (typeof segment === 'number' ? `[${segment}]` : `.${String(segment)}`))
      .join('')
      .slice(1),
  );
}

function fault(lines: LineCounter, offset: number, key: string, problem: string): ConfigFault {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col), key, problem };
}
