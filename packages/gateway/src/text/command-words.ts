/**
 * A line of text as the words of a command: quotes hold spaces together, and nothing is expanded or run.
 *
 * @module
 */

/** Something is not closed, and where it began, in characters from 0. */
export interface WordsFault {
  readonly offset: number;
  readonly reason: string;
}

/**
 * Splits at white space. Between `'…'` all stands for itself; between `"…"` and outside `\` takes the next character as
 * it is (between `"…"` only of `"` and `\`). A `#` that begins a word begins a comment where `comments` are wanted.
 *
 * `$`, `*`, `` ` ``, `;`, `|` and all the others are characters like any: there is no shell.
 */
export function commandWords(text: string, comments = false): readonly string[] | WordsFault {
  const words: string[] = [];
  let word: string | undefined;
  let at = 0;
  while (at < text.length) {
    const character = text[at]!;
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      at++;
    } else if (character === '#' && comments && word === undefined) {
      at = text.length;
    } else if (character === "'" || character === '"') {
      const end = closingQuote(text, at);
      if (end === undefined) return { offset: at, reason: `the closing ${character} is missing` };
      const inside = text.slice(at + 1, end);
      word = (word ?? '') + (character === "'" ? inside : inside.replace(/\\(["\\])/g, '$1'));
      at = end + 1;
    } else if (character === '\\') {
      if (at + 1 === text.length) return { offset: at, reason: 'nothing follows the last \\' };
      word = (word ?? '') + text[at + 1]!;
      at += 2;
    } else {
      word = (word ?? '') + character;
      at++;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Whether it is a fault. */
export function isWordsFault(found: readonly string[] | WordsFault): found is WordsFault {
  return !Array.isArray(found);
}

function closingQuote(text: string, from: number): number | undefined {
  const quote = text[from]!;
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === quote) return at;
    if (quote === '"' && text[at] === '\\') at++;
  }
  return undefined;
}
