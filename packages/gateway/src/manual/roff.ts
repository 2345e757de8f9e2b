/**
 * Text for troff with the macros of man(7), so that what it formats is what was meant.
 *
 * @module
 */

const longestLine = 78;

/** A line of text: no character of it is taken for a request, an escape or a typographic character. */
export function roffText(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\(rs')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('…', '...')
    .replaceAll('“', '\\(lq')
    .replaceAll('”', '\\(rq')
    .replaceAll(/[^\u0020-\u007e]/gu, (character) => `\\[u${codePoint(character)}]`);
  // A dot at the beginning would be a request; the other control character is escaped already.
  return escaped.startsWith('.') ? `\\&${escaped}` : escaped;
}

/** Sentences in lines of a length that people and tools like; troff fills them anew. */
export function roffLines(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && roffText(`${last} ${word}`).length <= longestLine)
      lines.splice(-1, 1, `${last} ${word}`);
    else lines.push(word);
  }
  return lines.map(roffText);
}

/** The argument of a macro, as one. */
export function roffArgument(text: string): string {
  return `"${roffText(text).replace(/^\\&/, '').replaceAll('"', '\\(dq')}"`;
}

function codePoint(character: string): string {
  return character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
}
