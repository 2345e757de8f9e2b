/**
 * Whether a filter lets a message through.
 *
 * @module
 */

import { decodeUint, type OptionReader, optionDefinition } from 'coapsule/message';
import type { Filter, FilterSubject, Operator } from './filter.ts';
import { optionValueOf } from './option-number.ts';

/** A filter that counts what it lets through, for `count` and `every`. */
export class CountingFilter {
  readonly filter: Filter;
  #count = 0;

  constructor(filter: Filter) {
    this.filter = filter;
  }

  /** How many messages held to all but `count` and `every`. */
  get count(): number {
    return this.#count;
  }

  /** Asks once for each message: asking counts. */
  test(subject: FilterSubject): boolean {
    if (holds(this.filter, subject, undefined) === false) return false;
    this.#count += 1;
    return holds(this.filter, subject, this.#count) ?? true;
  }
}

/** Whether a message holds to a filter, seen alone: `count` and `every` are left out. */
export function matchesFilter(filter: Filter, subject: FilterSubject): boolean {
  return holds(filter, subject, undefined) ?? true;
}

/** @returns nothing for what says nothing: a test of `count` while there is none, and what consists of such tests. */
function holds(filter: Filter, subject: FilterSubject, count: number | undefined): boolean | undefined {
  switch (filter.kind) {
    case 'any':
      return true;
    case 'and':
    case 'or': {
      const said = filter.parts.map((part) => holds(part, subject, count)).filter((one) => one !== undefined);
      if (said.length === 0) return undefined;
      return filter.kind === 'and' ? said.every(Boolean) : said.some(Boolean);
    }
    case 'not': {
      const said = holds(filter.part, subject, count);
      return said === undefined ? undefined : !said;
    }
    case 'count':
      return count === undefined ? undefined : compared(count, filter.operator, filter.value);
    case 'every':
      return count === undefined ? undefined : count % filter.value === 0;
    case 'direction':
      return (subject.direction === filter.value) !== filter.negated;
    case 'protocol':
      return (subject.protocol === filter.value) !== filter.negated;
    case 'type':
      return subject.type === undefined ? false : (subject.type === filter.value) !== filter.negated;
    case 'code': {
      const { code } = subject;
      return code === undefined ? false : (code >= filter.first && code <= filter.last) !== filter.negated;
    }
    case 'token': {
      const { token } = subject;
      return token === undefined ? false : sameBytes(token, filter.value) !== filter.negated;
    }
    case 'text': {
      const value = filter.field === 'payload' ? payloadText(subject) : subject[filter.field];
      return value === undefined ? false : comparedText(value, filter.operator, filter.value);
    }
    case 'number': {
      const value = { mid: subject.messageId, size: subject.payload?.length, length: subject.length }[
        filter.field
      ];
      return value === undefined ? false : compared(value, filter.operator, filter.value);
    }
    case 'option':
      return subject.options === undefined ? false : holdsOption(filter, subject.options);
  }
}

function holdsOption(
  { number, operator, value = '' }: Extract<Filter, { kind: 'option' }>,
  options: OptionReader,
): boolean {
  if (number === undefined) return !options.entries()[Symbol.iterator]().next().done;
  if (operator === undefined) return options.has(number);
  const isUint = optionDefinition(number)?.format === 'uint';
  const wanted = optionValueOf(number, value);
  const one = (bytes: Uint8Array): boolean => {
    const positive = operator === '!=' ? '=' : operator === '!~' ? '~' : operator;
    if (isUint && typeof wanted === 'number') {
      const found = decodeUint(bytes);
      return found !== undefined && compared(found, positive, wanted);
    }
    if (wanted instanceof Uint8Array)
      return positive === '=' ? sameBytes(bytes, wanted) : contains(bytes, wanted);
    return comparedText(new TextDecoder().decode(bytes), positive, value);
  };
  const all = options.all(number);
  // Negated: no value of that kind may be there, and the option has to.
  const isNegated = operator === '!=' || operator === '!~';
  return all.length > 0 && (isNegated ? !all.some(one) : all.some(one));
}

function payloadText({ payload }: FilterSubject): string | undefined {
  return payload === undefined ? undefined : new TextDecoder().decode(payload);
}

function compared(value: number, operator: Operator, wanted: number): boolean {
  switch (operator) {
    case '=':
      return value === wanted;
    case '!=':
      return value !== wanted;
    case '<':
      return value < wanted;
    case '<=':
      return value <= wanted;
    case '>':
      return value > wanted;
    case '>=':
      return value >= wanted;
    default:
      return false;
  }
}

function comparedText(value: string, operator: Operator, wanted: string): boolean {
  switch (operator) {
    case '=':
      return matchesPattern(value, wanted);
    case '!=':
      return !matchesPattern(value, wanted);
    case '~':
      return value.includes(wanted);
    case '!~':
      return !value.includes(wanted);
    default:
      return false;
  }
}

/** Whether a text is a pattern, in which `*` stands for any run of characters. */
function matchesPattern(text: string, pattern: string): boolean {
  const pieces = pattern.split('*');
  const first = pieces[0] as string;
  if (pieces.length === 1) return text === pattern;
  const last = pieces[pieces.length - 1] as string;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  // The leftmost place for each piece is the best one: what comes after it has the most room.
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function contains(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= bytes.length; at++) {
    if (sameBytes(bytes.subarray(at, at + part.length), part)) return true;
  }
  return false;
}
