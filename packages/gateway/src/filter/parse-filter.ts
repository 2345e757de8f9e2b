/**
 * From the text of a filter to its tree; the grammar stands in `filter.ts`.
 *
 * @module
 */

import { Code, codeOfMethod, type MessageType, type Method } from 'coapsule/message';
import type { Direction, Filter, FilterFault, FilterSubject, NumberField, Operator } from './filter.ts';
import { hexValue, optionNumberOf, optionValueOf } from './option-number.ts';
import { type Token, tokensOf } from './tokens.ts';

/** Deepest nesting: parsing is recursive. */
const mostNested = 50;

const fields =
  'direction, protocol, type, code, path, query, peer, token, mid, payload, size, length, count, every, option or option.NAME';

/** Parses a filter. An empty text is one that lets everything through. */
export function parseFilter(text: string): Filter | FilterFault {
  const tokens = tokensOf(text);
  return 'kind' in tokens ? tokens : parseFilterTokens(tokens, text.length);
}

/** Parses one that is a part of something: `end` is the offset where it would go on. */
export function parseFilterTokens(tokens: readonly Token[], end: number): Filter | FilterFault {
  if (tokens.length === 0) return { kind: 'any' };
  const parser = new FilterParser(tokens, end);
  try {
    return parser.whole();
  } catch (error) {
    if (error instanceof Refusal) return error.fault;
    throw error;
  }
}

/** Leaves the recursion; never this module. */
class Refusal extends Error {
  readonly fault: FilterFault;
  constructor(offset: number, reason: string) {
    super(reason);
    this.fault = { kind: 'fault', offset, reason };
  }
}

class FilterParser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  whole(): Filter {
    const filter = this.#either();
    const rest = this.#peek();
    if (rest !== undefined) this.#refuse(rest, `"${rest.text}" is not expected here`);
    return filter;
  }

  #either(): Filter {
    const parts = [this.#all()];
    while (this.#takes('or', '||')) parts.push(this.#all());
    return parts.length === 1 ? (parts[0] as Filter) : { kind: 'or', parts };
  }

  #all(): Filter {
    const parts = [this.#one()];
    for (;;) {
      if (this.#takes('and', '&&')) {
        parts.push(this.#one());
        continue;
      }
      const next = this.#peek();
      const isOver = next === undefined || next.kind === 'close' || isWord(next, 'or', '||');
      if (isOver) return parts.length === 1 ? (parts[0] as Filter) : { kind: 'and', parts };
      parts.push(this.#one());
    }
  }

  #one(): Filter {
    const token = this.#peek();
    if (token === undefined) return this.#refuse(undefined, `a test is missing: ${fields}`);
    this.#depth += 1;
    if (this.#depth > mostNested) this.#refuse(token, `it is nested deeper than ${mostNested}`);
    try {
      if (this.#takes('not', '!')) return { kind: 'not', part: this.#one() };
      if (token.kind === 'open') {
        this.#at += 1;
        const inner = this.#either();
        if (this.#peek()?.kind !== 'close') this.#refuse(this.#peek(), 'a ")" is missing');
        this.#at += 1;
        return inner;
      }
      if (token.kind !== 'word') return this.#refuse(token, `"${token.text}" is no test: ${fields}`);
      this.#at += 1;
      if (token.text.toLowerCase() === 'any') return { kind: 'any' };
      return this.#test(token);
    } finally {
      this.#depth -= 1;
    }
  }

  #test(field: Token): Filter {
    const [name = '', ...more] = field.text.split('.');
    const kind = name.toLowerCase();
    if (kind === 'option') return this.#option(field, more.join('.'));
    if (more.length > 0) return this.#refuse(field, `"${field.text}" is no field: ${fields}`);
    switch (kind) {
      case 'dir':
      case 'direction': {
        const { negated, value } = this.#equality(field);
        return { kind: 'direction', value: this.#direction(value), negated };
      }
      case 'protocol': {
        const { negated, value } = this.#equality(field);
        const protocol = value.text.toLowerCase();
        if (protocol !== 'coap' && protocol !== 'dtls' && protocol !== 'other')
          return this.#refuse(value, 'a protocol is coap, dtls or other');
        return { kind: 'protocol', value: protocol satisfies FilterSubject['protocol'], negated };
      }
      case 'type': {
        const { negated, value } = this.#equality(field);
        const type = value.text.toUpperCase();
        if (type !== 'CON' && type !== 'NON' && type !== 'ACK' && type !== 'RST')
          return this.#refuse(value, 'a type is CON, NON, ACK or RST');
        return { kind: 'type', value: type satisfies MessageType, negated };
      }
      case 'code': {
        const { negated, value } = this.#equality(field);
        const codes = codesOf(value.text);
        if (codes === undefined)
          return this.#refuse(
            value,
            'a code is a method such as GET, one such as 2.05, a class such as 4.xx, request, response or empty',
          );
        return { kind: 'code', ...codes, negated };
      }
      case 'token': {
        const { negated, value } = this.#equality(field);
        const bytes = hexValue(value.text);
        if (bytes === undefined) return this.#refuse(value, 'a token is pairs of hexadecimal digits');
        return { kind: 'token', value: bytes, negated };
      }
      case 'path':
      case 'query':
      case 'peer':
      case 'payload': {
        const { operator, value } = this.#comparison(field);
        if (/[<>]/.test(operator.text)) return this.#refuse(operator, `${kind} is a text: use = or ~`);
        return { kind: 'text', field: kind, operator: operator.text as Operator, value: value.text };
      }
      case 'mid':
      case 'size':
      case 'length':
        return { kind: 'number', field: kind satisfies NumberField, ...this.#number(field) };
      case 'count':
        return { kind: 'count', ...this.#number(field) };
      case 'every': {
        const { operator, value } = this.#number(field);
        if (operator !== '=' || value < 1) return this.#refuse(field, 'every is = and a number from 1 on');
        return { kind: 'every', value };
      }
      default:
        return this.#refuse(field, `"${field.text}" is no field: ${fields}`);
    }
  }

  #option(field: Token, name: string): Filter {
    if (name === '') {
      const next = this.#peek();
      if (next === undefined || !isComparison(next)) return { kind: 'option' };
      const { negated, value } = this.#equality(field);
      const number = this.#optionNumber(value, value.text);
      return negated ? { kind: 'not', part: { kind: 'option', number } } : { kind: 'option', number };
    }
    const number = this.#optionNumber(field, name);
    const next = this.#peek();
    if (next === undefined || !isComparison(next)) return { kind: 'option', number };
    const { operator, value } = this.#comparison(field);
    const isText = /[=~]$/.test(operator.text) && !/[<>]/.test(operator.text);
    const bytes = optionValueOf(number, value.text);
    const isNumber = typeof bytes === 'number';
    if (!isText && !isNumber) this.#refuse(value, `option ${name} is compared by < and > with a number only`);
    if (isText && !operator.text.includes('~') && bytes === undefined)
      this.#refuse(value, `"${value.text}" is no value of option ${name}`);
    return { kind: 'option', number, operator: operator.text as Operator, value: value.text };
  }

  #optionNumber(at: Token, name: string): number {
    return optionNumberOf(name) ?? this.#refuse(at, `"${name}" is no option: give its name or its number`);
  }

  #direction(value: Token): Direction {
    const text = value.text.toLowerCase();
    if (['to-server', 'up', 'request', 'server'].includes(text)) return 'to-server';
    if (['to-device', 'down', 'response', 'device'].includes(text)) return 'to-device';
    return this.#refuse(value, 'a direction is to-server or to-device');
  }

  #number(field: Token): { readonly operator: Operator; readonly value: number } {
    const { operator, value } = this.#comparison(field);
    const isHex = /^0x[0-9a-f]{1,8}$/i.test(value.text);
    if (!isHex && !/^\d{1,12}$/.test(value.text))
      this.#refuse(value, `${field.text} is compared with a number`);
    if (operator.text.includes('~')) this.#refuse(operator, `${field.text} is a number: ~ is for texts`);
    return { operator: operator.text as Operator, value: Number(value.text) };
  }

  #equality(field: Token): { readonly negated: boolean; readonly value: Token } {
    const { operator, value } = this.#comparison(field);
    if (operator.text !== '=' && operator.text !== '!=')
      this.#refuse(operator, `${field.text} is compared by = or !=`);
    return { negated: operator.text === '!=', value };
  }

  #comparison(field: Token): { readonly operator: Token; readonly value: Token } {
    const operator = this.#peek();
    if (operator === undefined || !isComparison(operator))
      return this.#refuse(operator, `after ${field.text} comes = and a value`);
    this.#at += 1;
    const value = this.#peek();
    if (value === undefined || (value.kind !== 'word' && value.kind !== 'quoted'))
      return this.#refuse(value, `after ${field.text}${operator.text} comes a value`);
    this.#at += 1;
    return { operator, value };
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #takes(...words: readonly string[]): boolean {
    const token = this.#peek();
    if (token === undefined || !isWord(token, ...words)) return false;
    this.#at += 1;
    return true;
  }

  #refuse(at: Token | undefined, reason: string): never {
    throw new Refusal(at?.offset ?? this.#end, reason);
  }
}

function isWord({ kind, text }: Token, ...words: readonly string[]): boolean {
  return (kind === 'word' || kind === 'operator') && words.includes(text.toLowerCase());
}

function isComparison({ kind, text }: Token): boolean {
  return kind === 'operator' && !['!', '&&', '||', '=>'].includes(text);
}

/** The codes that a text means (RFC 7252 §12.1). */
export function codesOf(text: string): { readonly first: number; readonly last: number } | undefined {
  const name = text.toUpperCase();
  if (name === 'REQUEST') return { first: 1, last: 31 };
  if (name === 'RESPONSE') return { first: 64, last: 191 };
  if (name === 'EMPTY') return { first: Code.Empty, last: Code.Empty };
  const method = methods.find((one) => one.toUpperCase() === name);
  if (method !== undefined) {
    const code = codeOfMethod(method);
    return { first: code, last: code };
  }
  const [, group, detail] = /^([0-7])\.(\d\d|XX)$/.exec(name) ?? [];
  if (group === undefined || detail === undefined) return undefined;
  const base = Number(group) * 32;
  if (detail === 'XX') return { first: base, last: base + 31 };
  const code = base + Number(detail);
  return Number(detail) < 32 ? { first: code, last: code } : undefined;
}

const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'IPATCH'];
