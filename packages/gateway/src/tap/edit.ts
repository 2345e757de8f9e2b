/**
 * Edits of a message: what is to be another, and the message with it.
 *
 * ```
 * edits  = 1*edit                                   ; one after the other
 * edit   = ("payload" / "code" / "type" / "mid" / "token" / "path" / "query") "=" value
 *        / "option." option-name ["+"] "=" value    ; with "+" one more of them
 *        / "-option." option-name                   ; without it
 * ```
 *
 * Words and values are those of filters (`filter/filter.ts`).
 *
 * @module
 */

import {
  ApiMisuseError,
  type Code,
  encodeMessage,
  encodeStreamMessage,
  type Message,
  type MessageContent,
  type MessageType,
  OptionNumber,
  OptionSet,
} from 'coapsule/message';
import type { FilterFault } from '../filter/filter.ts';
import { hexValue, optionNumberOf, optionValueOf } from '../filter/option-number.ts';
import { codesOf } from '../filter/parse-filter.ts';
import { type Token, tokensOf } from '../filter/tokens.ts';

/** One of them. */
export type Edit =
  | { readonly kind: 'payload'; readonly value: Uint8Array }
  | { readonly kind: 'code'; readonly value: Code }
  | { readonly kind: 'type'; readonly value: MessageType }
  | { readonly kind: 'mid'; readonly value: number }
  | { readonly kind: 'token'; readonly value: Uint8Array }
  | { readonly kind: 'segments'; readonly number: number; readonly value: readonly string[] }
  | {
      readonly kind: 'option';
      readonly number: number;
      readonly value: Uint8Array | string | number;
      readonly adds: boolean;
    }
  | { readonly kind: 'without-option'; readonly number: number };

/** A message over UDP or DTLS, or over TCP, where it has neither type nor Message ID. */
export type EditableMessage =
  | { readonly transport: 'datagram'; readonly message: Message }
  | { readonly transport: 'stream'; readonly message: MessageContent };

const known =
  'payload=, code=, type=, mid=, token=, path=, query=, option.NAME=, option.NAME+= or -option.NAME';

/** Parses edits. */
export function parseEdits(text: string): readonly Edit[] | FilterFault {
  const tokens = tokensOf(text);
  return 'kind' in tokens ? tokens : parseEditTokens(tokens, text.length);
}

/** Parses those that are a part of something; `end` is the offset where it would go on. */
export function parseEditTokens(tokens: readonly Token[], end: number): readonly Edit[] | FilterFault {
  const edits: Edit[] = [];
  for (let at = 0; at < tokens.length; ) {
    const name = tokens[at] as Token;
    const { offset } = name;
    if (name.kind !== 'word') return { kind: 'fault', offset, reason: `"${name.text}" is no edit: ${known}` };
    const without = /^-option\.(.+)$/i.exec(name.text)?.[1];
    if (without !== undefined) {
      const number = optionNumberOf(without);
      if (number === undefined) return { kind: 'fault', offset, reason: `"${without}" is no option` };
      edits.push({ kind: 'without-option', number });
      at += 1;
      continue;
    }
    const [, operator, value] = tokens.slice(at, at + 3);
    if (operator?.text !== '=' || operator.kind !== 'operator')
      return { kind: 'fault', offset: operator?.offset ?? end, reason: `after ${name.text} comes =` };
    // What follows without a blank is the value; nothing there is an empty one.
    const isEmpty = value === undefined || value.offset > operator.end;
    if (!isEmpty && value.kind !== 'word' && value.kind !== 'quoted')
      return { kind: 'fault', offset: value.offset, reason: `quote the value of ${name.text}` };
    const edit = editOf(name.text, isEmpty ? '' : value.text);
    if (typeof edit === 'string') return { kind: 'fault', offset, reason: edit };
    edits.push(edit);
    at += isEmpty ? 2 : 3;
  }
  if (edits.length === 0) return { kind: 'fault', offset: end, reason: `an edit is missing: ${known}` };
  return edits;
}

/** @returns the reason where it is none. */
function editOf(name: string, value: string): Edit | string {
  switch (name.toLowerCase()) {
    case 'payload': {
      if (!/^0x/i.test(value)) return { kind: 'payload', value: new TextEncoder().encode(value) };
      const bytes = hexValue(value);
      return bytes === undefined
        ? 'after 0x come pairs of hexadecimal digits'
        : { kind: 'payload', value: bytes };
    }
    case 'code': {
      const codes = codesOf(value);
      if (codes === undefined || codes.first !== codes.last)
        return `"${value}" is no code: give a method, or one such as 4.04`;
      return { kind: 'code', value: codes.first };
    }
    case 'type': {
      const type = value.toUpperCase();
      return type === 'CON' || type === 'NON' || type === 'ACK' || type === 'RST'
        ? { kind: 'type', value: type }
        : 'a type is CON, NON, ACK or RST';
    }
    case 'mid': {
      const mid = /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : -1;
      return mid >= 0 && mid <= 0xffff ? { kind: 'mid', value: mid } : 'a Message ID is 0 to 65535';
    }
    case 'token': {
      const token = hexValue(value);
      return token === undefined || token.length > 8
        ? 'a token is up to 8 bytes in hexadecimal digits'
        : { kind: 'token', value: token };
    }
    case 'path':
      return { kind: 'segments', number: OptionNumber.UriPath, value: parts(value.replace(/^\//, ''), '/') };
    case 'query':
      return { kind: 'segments', number: OptionNumber.UriQuery, value: parts(value.replace(/^\?/, ''), '&') };
    default: {
      const [, option, adds] = /^option\.([^+]+)(\+?)$/i.exec(name) ?? [];
      const number = option === undefined ? undefined : optionNumberOf(option);
      if (number === undefined) return `"${name}" is no edit: ${known}`;
      const bytes = optionValueOf(number, value);
      if (bytes === undefined) return `"${value}" is no value of ${name}`;
      return { kind: 'option', number, value: bytes, adds: adds === '+' };
    }
  }
}

function parts(text: string, separator: string): readonly string[] {
  return text === '' ? [] : text.split(separator);
}

/**
 * The bytes of a message with edits.
 *
 * @returns a sentence where there is no such message.
 */
export function editedBytes(
  { transport, message }: EditableMessage,
  edits: readonly Edit[],
): Uint8Array | string {
  const options = OptionSet.from(message.options.entries());
  let { code, token, payload } = message;
  let type: MessageType = transport === 'datagram' ? message.type : 'CON';
  let messageId = transport === 'datagram' ? message.messageId : 0;
  try {
    for (const edit of edits) {
      switch (edit.kind) {
        case 'payload':
          payload = edit.value;
          break;
        case 'code':
          code = edit.value;
          break;
        case 'token':
          token = edit.value;
          break;
        case 'type':
        case 'mid':
          if (transport === 'stream') return `over TCP a message has no ${edit.kind}`;
          if (edit.kind === 'type') type = edit.value;
          else messageId = edit.value;
          break;
        case 'segments':
          options.delete(edit.number);
          for (const segment of edit.value) options.add(edit.number, segment);
          break;
        case 'option':
          if (edit.adds) options.add(edit.number, edit.value);
          else options.set(edit.number, edit.value);
          break;
        case 'without-option':
          options.delete(edit.number);
      }
    }
    return transport === 'datagram'
      ? encodeMessage({ type, messageId, code, token, options, payload })
      : encodeStreamMessage({ code, token, options, payload }, 'tcp');
  } catch (error) {
    if (error instanceof ApiMisuseError) return error.message;
    throw error;
  }
}
