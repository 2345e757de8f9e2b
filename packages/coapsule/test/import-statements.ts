/**
 * Reader of the import statements of a TypeScript file: enough of the grammar to skip comments, strings, templates and
 * regular expressions, and nothing more. It does not resolve paths and knows no types.
 */

/** One module named by a file. */
export interface ImportStatement {
  /** The name between the quotes; undefined when it is computed. */
  readonly specifier: string | undefined;
  /** `import type` and `export type`: erased, so no edge at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

type Token =
  | { readonly kind: 'word' | 'sign'; readonly text: string; readonly line: number }
  | { readonly kind: 'string'; readonly text: string; readonly line: number };

/**
 * All static imports, re-exports and dynamic imports of one file, in order.
 *
 * @param source text of a `.ts` file; nothing in it is evaluated.
 */
export function readImports(source: string): ImportStatement[] {
  const tokens = tokenize(source);
  const found: ImportStatement[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    if (token.kind !== 'word' || (token.text !== 'import' && token.text !== 'export')) continue;
    if (tokens[at - 1]?.text === '.') continue; // a property of that name
    const next = tokens[at + 1];
    if (next === undefined || next.text === ':' || next.text === '.') continue; // a key, import.meta
    if (token.text === 'import' && next.kind === 'string') {
      found.push({ specifier: next.text, typeOnly: false, line: token.line });
    } else if (token.text === 'import' && next.text === '(') {
      const name = tokens[at + 2];
      found.push({
        specifier: name?.kind === 'string' ? name.text : undefined,
        typeOnly: false,
        line: token.line,
      });
    } else {
      const typeOnly = next.text === 'type' && tokens[at + 2]?.text !== 'from';
      const specifier = moduleAfterClause(tokens, at + 1, token.text === 'export');
      if (specifier !== undefined) found.push({ specifier, typeOnly, line: token.line });
    }
  }
  return found;
}

/** The string after `from` at the end of an import or export clause; undefined for a declaration. */
function moduleAfterClause(tokens: readonly Token[], start: number, isExport: boolean): string | undefined {
  let at = start;
  if (tokens[at]?.text === 'type' && /^[{*]$/.test(tokens[at + 1]?.text ?? '')) at++;
  if (isExport && !/^[{*]$/.test(tokens[at]?.text ?? '')) return undefined; // export const, export type X = …
  for (; at < tokens.length; at++) {
    const token = tokens[at]!;
    const next = tokens[at + 1];
    if (token.kind === 'word' && token.text === 'from' && next?.kind === 'string') return next.text;
    if (token.text === '}' && next?.text !== 'from') return undefined; // export { local }
    if (token.text === ';') return undefined;
  }
  return undefined;
}

/** After these a slash divides; elsewhere it begins a regular expression. */
const endsValue = /^(?:[\w$]+|\)|\]|\})$/;
const wordsBeforeExpression = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'void',
  'delete',
  'throw',
  'new',
  'else',
]);

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const templateDepths: number[] = []; // brace depth at each open `${`
  let depth = 0;
  let line = 1;
  let at = 0;
  const push = (kind: Token['kind'], text: string): void => {
    tokens.push({ kind, text, line });
  };
  const skipTo = (end: number): void => {
    for (; at < end && at < source.length; at++) if (source[at] === '\n') line++;
  };
  /** Skips template text up to its closing backtick or the next `${`. */
  const skipTemplate = (): void => {
    while (at < source.length && source[at] !== '`') {
      if (source[at] === '\\') skipTo(at + 2);
      else if (source.startsWith('${', at)) {
        at += 2;
        templateDepths.push(depth);
        depth++;
        return;
      } else skipTo(at + 1);
    }
    at++;
    push('sign', ')'); // a template is a value
  };
  while (at < source.length) {
    const character = source[at]!;
    if (source.startsWith('//', at)) {
      const end = source.indexOf('\n', at);
      skipTo(end < 0 ? source.length : end);
    } else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2);
      skipTo(end < 0 ? source.length : end + 2);
    } else if (character === '"' || character === "'") {
      let end = at + 1;
      while (end < source.length && source[end] !== character) end += source[end] === '\\' ? 2 : 1;
      push('string', source.slice(at + 1, end));
      skipTo(end + 1);
    } else if (character === '`') {
      at++;
      skipTemplate();
    } else if (character === '/' && beginsExpression(tokens.at(-1))) {
      skipTo(endOfRegularExpression(source, at));
      push('sign', ')');
    } else if (/[\w$]/.test(character)) {
      let end = at + 1;
      while (end < source.length && /[\w$]/.test(source[end]!)) end++;
      push('word', source.slice(at, end));
      at = end;
    } else if (/\s/.test(character)) {
      skipTo(at + 1);
    } else {
      if (character === '{') depth++;
      if (character === '}') depth--;
      at++;
      if (character === '}' && templateDepths.at(-1) === depth) {
        templateDepths.pop();
        skipTemplate();
      } else push('sign', character);
    }
  }
  return tokens;
}

function beginsExpression(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  if (previous.kind === 'string') return false;
  return !endsValue.test(previous.text) || wordsBeforeExpression.has(previous.text);
}

function endOfRegularExpression(source: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < source.length; at++) {
    const character = source[at]!;
    if (character === '\\') at++;
    else if (character === '\n') return at;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '/' && !inClass) return at + 1;
  }
  return source.length;
}
