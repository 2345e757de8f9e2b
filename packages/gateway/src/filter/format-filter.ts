/**
 * From the tree of a filter to a text that parses to the same tree.
 *
 * @module
 */

import { codeText, optionDefinition } from 'coapsule/message';
import type { Filter } from './filter.ts';
import { quotedWord } from './tokens.ts';

/** The text of a filter, with parentheses where they are needed and at some places more. */
export function formatFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'any':
      return 'any';
    case 'and':
    case 'or':
      return filter.parts
        .map((part) =>
          part.kind === 'and' || part.kind === 'or' ? `(${formatFilter(part)})` : formatFilter(part),
        )
        .join(` ${filter.kind} `);
    case 'not':
      return `not (${formatFilter(filter.part)})`;
    case 'direction':
    case 'protocol':
    case 'type':
      return `${filter.kind}${equals(filter)}${filter.value}`;
    case 'code':
      return `code${equals(filter)}${codesText(filter)}`;
    case 'token':
      return `token${equals(filter)}0x${hex(filter.value)}`;
    case 'text':
      return `${filter.field}${filter.operator}${quotedWord(filter.value)}`;
    case 'number':
      return `${filter.field}${filter.operator}${filter.value}`;
    case 'count':
      return `count${filter.operator}${filter.value}`;
    case 'every':
      return `every=${filter.value}`;
    case 'option': {
      if (filter.number === undefined) return 'option';
      const name = `option.${optionDefinition(filter.number)?.name ?? filter.number}`;
      return filter.operator === undefined
        ? name
        : `${name}${filter.operator}${quotedWord(filter.value ?? '')}`;
    }
  }
}

function equals({ negated }: { readonly negated: boolean }): string {
  return negated ? '!=' : '=';
}

function codesText({ first, last }: { readonly first: number; readonly last: number }): string {
  if (first === last) return codeText(first);
  if (first === 1) return 'request';
  return first === 64 && last === 191 ? 'response' : `${first >> 5}.xx`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
