/**
 * A YAML or JSON text, read by a schema: what it says, or everything that is wrong with it, with line and key.
 *
 * No line of the text is ever shown: it may hold a key.
 */
import {
  type Alias,
  type Document,
  isAlias,
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
import { keysAt } from './schema-keys.ts';

/** One thing that is wrong with a document. */
export interface DocumentFault {
  /** From 1; of the nearest thing that is there when it is about something missing. */
  readonly line: number;
  readonly column: number;
  /** `endpoints.coap`; empty for the document itself. */
  readonly key: string;
  /** What is wrong, with what would be right. */
  readonly problem: string;
}

/** What a document says, or what is wrong with it. */
export type ReadDocument<Value> =
  | { readonly value: Value; readonly lineOf: (path: readonly PropertyKey[]) => number }
  | { readonly faults: readonly DocumentFault[] };

/** How to read. */
export interface ReadOptions {
  /** Longest text, in characters. */
  readonly maxLength: number;
  /** Values below these keys are not shown in faults. */
  readonly secretKeys: readonly string[];
}

/** Faults of one kind that are told: to find the place of each takes time that grows with the text. */
const mostFaults = 100;

/** Each is looked for among all: more than people write would take minutes. */
const mostAliases = 1000;

/** Read a text; an empty one is `{}`. JSON is read as the YAML that it is. */
export function readDocument<Value>(
  text: string,
  schema: z.ZodType<Value>,
  { maxLength, secretKeys }: ReadOptions,
): ReadDocument<Value> {
  const lines = new LineCounter();
  if (text.length > maxLength) {
    return { faults: [fault(lines, 0, '', `the file has more than ${maxLength / 1024 / 1024} MiB`)] };
  }
  // Its pretty errors would show lines of the file, which may hold keys.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const unreadable = [...document.errors, ...document.warnings];
  if (unreadable.length > 0) {
    return {
      faults: unreadable
        .slice(0, mostFaults)
        .map(({ pos: [at], message }) => fault(lines, at, '', printable(message))),
    };
  }
  const { aliases, dangling } = aliasesOf(document);
  if (aliases > mostAliases)
    return { faults: [fault(lines, 0, '', `there are more than ${mostAliases} aliases (*name)`)] };
  if (dangling.length > 0)
    return {
      faults: dangling
        .slice(0, mostFaults)
        .map((alias) => fault(lines, startOf(alias), '', `there is no &${printable(alias.source)} above`)),
    };
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    // Aliases that grow without end.
    return { faults: [fault(lines, 0, '', printable((error as Error).message))] };
  }
  const { data, error } = schema.safeParse(value);
  if (error === undefined) {
    const lineOf = (path: readonly PropertyKey[]): number =>
      lines.linePos(placeOf(document, path, false)).line;
    return { value: data, lineOf };
  }
  const issues = error.issues.slice(0, mostFaults);
  const faults = issues.flatMap((issue) => issueFaults(document, lines, schema, issue, secretKeys));
  return { faults: faults.sort((one, other) => one.line - other.line || one.column - other.column) };
}

/** How many there are, and those of names that stand nowhere above them: in one walk, where resolving each takes one for each. */
function aliasesOf(document: Document): { readonly aliases: number; readonly dangling: readonly Alias[] } {
  const anchors = new Set<string>();
  const dangling: Alias[] = [];
  let aliases = 0;
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) {
        aliases++;
        if (!anchors.has(node.source)) dangling.push(node);
      } else if (node.anchor !== undefined) anchors.add(node.anchor);
    },
  });
  return { aliases, dangling };
}

function issueFaults(
  document: Document,
  lines: LineCounter,
  schema: z.ZodType,
  issue: z.core.$ZodIssue,
  secretKeys: readonly string[],
): DocumentFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.slice(0, mostFaults).map((key) => {
      const path = [...issue.path, key];
      const known = keysAt(schema, issue.path);
      const meant = nearestWord(key, known);
      const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
      const problem = `is no key here${hint} (keys: ${known.join(', ')})`;
      return fault(lines, placeOf(document, path, true), keyText(path), problem);
    });
  }
  const inner = innerIssues(issue);
  if (inner !== undefined)
    return inner.flatMap((one) => issueFaults(document, lines, schema, one, secretKeys));
  const node = document.getIn(issue.path, true);
  const isMissing = issue.path.length > 0 && node === undefined;
  const problem = isMissing
    ? `is missing: ${issue.message}`
    : `${shown(node, issue, secretKeys)}${issue.message}`;
  return [fault(lines, placeOf(document, issue.path, isMissing), keyText(issue.path), problem)];
}

/**
 * Of several forms that a value may have, what is wrong with the one that was meant: that in which something further inside is
 * wrong, if it is the only such one.
 */
function innerIssues(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] | undefined {
  if (issue.code !== 'invalid_union') return undefined;
  const meant = issue.errors.filter((issues) =>
    issues.some(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'),
  );
  const [only] = meant;
  if (only === undefined || meant.length > 1) return undefined;
  return only.map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
}

/** Values are repeated where they can be no secret: those of keys with a fixed form. */
function shown(
  node: unknown,
  { code, path, message }: z.core.$ZodIssue,
  secretKeys: readonly string[],
): string {
  if (!message.startsWith('expected') || path.some((key) => secretKeys.includes(String(key)))) return '';
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

function fault(lines: LineCounter, offset: number, key: string, problem: string): DocumentFault {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col), key, problem };
}
