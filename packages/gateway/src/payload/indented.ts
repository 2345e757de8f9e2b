/**
 * JSON, or CBOR in diagnostic notation, written level by level; what fits a line stays on one.
 *
 * It moves white space alone: no digit and no character of a string is another one afterwards.
 *
 * @module
 */

/** Longest line that an array or map is put on as a whole, in characters. */
const lineWidth = 80;

const indent = '  ';

/** Levels that are written: each costs a margin on every line within, and a call. */
const deepest = 64;

/** An array, a map or what stands in brackets, or a piece between commas and colons. */
type Part = string | Group;

interface Group {
  readonly open: string;
  readonly close: string;
  readonly entries: Part[][];
}

/**
 * The lines of a text; nothing where it has more than 64 levels.
 *
 * @param text What a writer made: its brackets are known to fit each other.
 */
export function indented(text: string): string[] | undefined {
  const parts = partsOf(text);
  if (parts === undefined) return undefined;
  const lines: string[] = [];
  write(parts, '', '', lines);
  return lines;
}

const closing: Readonly<Record<string, string>> = { '[': ']', '{': '}', '(': ')' };

function partsOf(text: string): Part[] | undefined {
  const top: Part[] = [];
  const groups: Group[] = [];
  const current = (): Part[] => groups.at(-1)?.entries.at(-1) ?? top;
  for (const [token] of text.matchAll(
    /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[[{(]_?[0-3]?(?= |$)|[[\]{}(),:]|[^[\]{}(),:"'\s]+/gs,
  )) {
    const close = closing[token[0]!];
    if (close !== undefined) {
      const group: Group = { open: token, close, entries: [[]] };
      current().push(group);
      groups.push(group);
      if (groups.length > deepest) return undefined;
    } else if (token === groups.at(-1)?.close) groups.pop();
    else if (token === ',') groups.at(-1)?.entries.push([]);
    else if (token === ':') current().push(': ');
    else current().push(token);
  }
  return top;
}

/** All of it on one line, or nothing where it is longer than `left` characters. */
function onOneLine(parts: readonly Part[], left: number): string | undefined {
  let line = '';
  for (const part of parts) {
    if (typeof part === 'string') line += part;
    else {
      const entries: string[] = [];
      // With its brackets: what is on one line is no deeper than the line is long.
      let width = line.length + part.open.length + part.close.length;
      for (const entry of part.entries) {
        const written = onOneLine(entry, left - width);
        if (written === undefined) return undefined;
        entries.push(written);
        width += written.length + 2;
      }
      const gap = part.open.length > 1 && entries[0] !== '' ? ' ' : '';
      line += `${part.open}${gap}${entries.join(', ')}${part.close}`;
    }
    if (line.length > left) return undefined;
  }
  return line;
}

function write(parts: readonly Part[], before: string, margin: string, lines: string[], after = ''): void {
  const whole = onOneLine(parts, lineWidth - margin.length);
  if (whole !== undefined || parts.every((part) => typeof part === 'string')) {
    lines.push(`${before}${whole ?? parts.join('')}${after}`);
    return;
  }
  let line = before;
  for (const [index, part] of parts.entries()) {
    if (typeof part === 'string') {
      line += part;
      continue;
    }
    lines.push(`${line}${part.open}`);
    for (const [place, entry] of part.entries.entries()) {
      const inner = `${margin}${indent}`;
      write(entry, inner, inner, lines, place === part.entries.length - 1 ? '' : ',');
    }
    line = `${margin}${part.close}`;
    if (index === parts.length - 1) lines.push(`${line}${after}`);
  }
  if (typeof parts.at(-1) === 'string') lines.push(`${line}${after}`);
}
