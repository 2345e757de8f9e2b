/**
 * CoAP messages, codes and options in the words of RFC 7252, for people.
 *
 * @module
 */

import {
  bertSzx,
  blockSize as blockSizeOf,
  type Code,
  codeName,
  codeText,
  contentFormatName,
  decodeBlock,
  decodeUint,
  isRequestCode,
  methodOf,
  type OptionEntry,
  OptionNumber,
  type OptionReader,
  optionDefinition,
} from 'coapsule/message';
import { printableUtf8 } from '../text/printable.ts';
import { hexText } from './option-values.ts';

/** `GET`, `2.05 Content`, `7.01` or `Empty`. */
export function codeLabel(code: Code): string {
  if (code === 0) return 'Empty';
  if (isRequestCode(code)) return methodOf(code) ?? codeText(code);
  const name = codeName(code);
  return name === undefined ? codeText(code) : `${codeText(code)} ${name}`;
}

/** `Uri-Path`, or `Option 2053` for one that we do not know. */
export function optionName(number: number): string {
  return optionDefinition(number)?.name ?? `Option ${number}`;
}

/** `/a/b?c&d`: the path and query of a request. */
export function pathText(options: OptionReader): string {
  const query = options.texts(OptionNumber.UriQuery);
  return `/${options.texts(OptionNumber.UriPath).join('/')}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}

/** The value of an option in the form of its definition: text in quotes, a number, hex, or a block. */
export function optionText({ number, value }: OptionEntry): string {
  if (number === OptionNumber.Block1 || number === OptionNumber.Block2) {
    const block = decodeBlock(value, true);
    if (block !== undefined) {
      const size = block.szx === bertSzx ? 'BERT' : blockSizeOf(block.szx);
      return `${block.num}/${block.more ? 'more' : 'last'}/${size}`;
    }
  }
  switch (optionDefinition(number)?.format) {
    case 'empty':
      return '';
    case 'string':
      return `"${(printableUtf8(value) ?? `0x${hexText(value)}`).replaceAll('"', '\\"')}"`;
    case 'uint': {
      const integer = decodeUint(value);
      if (integer === undefined) return `0x${hexText(value)}`;
      const isFormat = number === OptionNumber.ContentFormat || number === OptionNumber.Accept;
      const name = isFormat ? contentFormatName(integer) : undefined;
      return name === undefined ? String(integer) : `${integer} (${name})`;
    }
    default:
      return `0x${hexText(value)}`;
  }
}
