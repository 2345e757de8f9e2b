/**
 * The words of a filter, a rule or an edit: one lexer for the three.
 *
 * @module
 */

import type { FilterFault } from './filter.ts';

/** One of them, and where it stands. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'operator' | 'open' | 'close';
  readonly text: string;
  readonly offset: number;
  readonly end: number;
}

/** Longest text that is read: filters are written by people. */
const longestText = 4096;

const operators = ['=>', '!=', '!~', '<=', '>=', '&&', '||', '=', '~', '<', '>', '!'] as const;
const endsWord = /[\s()"=!~<>&|]/u;

/** The words of a text. */
export function tokensOf(text: string): readonly Token[] | FilterFault {
  if (text.length > longestText) {
    return { kind: 'fault', offset: longestText, reason: `it is longer than ${longestText} characters` };
  }
  const tokens: Token[] = [];
  let at = 0;
  const push = (kind: Token['kind'], value: string, end: number): void => {
    tokens.push({ kind, text: value, offset: at, end });
    at = end;
  };
  while (at < text.length) {
    const character = text[at] as string;
    const operator = operators.find((one) => text.startsWith(one, at));
    if (/\s/u.test(character)) at += 1;
    else if (character === '(' || character === ')')
      push(character === '(' ? 'open' : 'close', character, at + 1);
    else if (operator !== undefined) push('operator', operator, at + operator.length);
    else if (character === '"') {
      const quoted = quotedText(text, at);
      if (quoted === undefined) return { kind: 'fault', offset: at, reason: 'the quote is not closed' };
      push('quoted', quoted.value, quoted.end);
    } else if (endsWord.test(character)) {
      return { kind: 'fault', offset: at, reason: `"${character}" stands alone; write it twice` };
    } else {
      let end = at;
      while (end < text.length && !endsWord.test(text[end] as string)) end += 1;
      push('word', text.slice(at, end), end);
    }
  }
  return tokens;
}

function quotedText(
  text: string,
  from: number,
): { readonly value: string; readonly end: number } | undefined {
  let value = '';
  for (let at = from + 1; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '"') return { value, end: at + 1 };
    if (character === '\\') {
      at += 1;
      if (at >= text.length) return undefined;
    }
    value += text[at];
  }
  return undefined;
}

/** A text as one word of a filter: quoted where it has to be. */
export function quotedWord(text: string): string {
  const isPlain = text !== '' && !endsWord.test(text) && !text.includes('\\');
  return isPlain ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
