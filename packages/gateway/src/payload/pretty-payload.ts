/**
 * A payload as a person reads it, by its Content-Format: JSON and CBOR by level, SenML and links one to a line.
 *
 * Nothing of it can move a cursor or forge a line but the line feeds of text. Nothing here is of Node.
 *
 * @module
 */

import { diagnose } from 'cbor2/diagnostic';
import { decodeLinkFormat, encodeLinkFormat, isDecodeFault } from 'coapsule/message';
import { decodeSenmlCbor, decodeSenmlJson, type ResolvedRecord, resolveSenml } from 'coapsule/senml';
import { hexText } from '../text/hex.ts';
import { printable } from '../text/printable.ts';
import { indented } from './indented.ts';
import { type PayloadKind, payloadKind } from './payload-kind.ts';

/** How deep CBOR is shown; each level costs time for all that is in it. */
const deepestCbor = 64;

/** Times of SenML from here on are seconds since 1970, those below relative to now (RFC 8428 §4.5.3). */
const absoluteTime = 2 ** 28;

const bytesOfLine = 16;

/**
 * The payload in words.
 *
 * What is not in the form that its format says is shown as text, or as hexadecimal digits where it is none.
 *
 * @returns lines with line feeds between, none at the end.
 */
export function prettyPayload(bytes: Uint8Array, contentFormat: number | undefined): string {
  return byFormat(bytes, payloadKind(contentFormat)) ?? textOf(bytes) ?? hexLines(bytes);
}

function byFormat(bytes: Uint8Array, kind: PayloadKind): string | undefined {
  switch (kind) {
    case 'links':
      return links(bytes);
    case 'senml-json':
      return senml(bytes, decodeSenmlJson) ?? json(bytes);
    case 'senml-cbor':
      return senml(bytes, decodeSenmlCbor) ?? cbor(bytes);
    case 'json':
      return json(bytes);
    case 'cbor':
      return cbor(bytes);
    case 'bytes':
      return hexLines(bytes);
    case 'text':
      return undefined;
  }
}

/** UTF-8; nothing for other bytes. Line feeds and tabs stay. */
function textOf(bytes: Uint8Array): string | undefined {
  const text = utf8(bytes);
  return text?.split('\n').map(safeLine).join('\n');
}

/** Digits stay as they were written: a number of JSON may be more exact than ours. */
function json(bytes: Uint8Array): string | undefined {
  const text = utf8(bytes);
  if (text === undefined) return undefined;
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  return indented(text)?.map(safeLine).join('\n');
}

function cbor(bytes: Uint8Array): string | undefined {
  try {
    return indented(diagnose(bytes, { maxDepth: deepestCbor }))
      ?.map(safeLine)
      .join('\n');
  } catch {
    return undefined;
  }
}

function links(bytes: Uint8Array): string | undefined {
  const text = utf8(bytes);
  const list = text === undefined ? undefined : decodeLinkFormat(text);
  if (list === undefined || isDecodeFault(list)) return undefined;
  return list.map((link) => safeLine(encodeLinkFormat([link]))).join('\n');
}

function senml(bytes: Uint8Array, decode: typeof decodeSenmlCbor): string | undefined {
  const pack = decode(bytes);
  const records = isDecodeFault(pack) ? pack : resolveSenml(pack);
  if (isDecodeFault(records)) return undefined;
  const rows = records.map((record) => [safeLine(record.name), valueText(record), timeText(record.time)]);
  const widths = [0, 1].map((column) => Math.min(40, Math.max(0, ...rows.map((row) => row[column]!.length))));
  return rows
    .map(([name = '', value = '', time = '']) =>
      `${name.padEnd(widths[0]!)}  ${value.padEnd(widths[1]!)}  ${time}`.trimEnd(),
    )
    .join('\n');
}

function valueText({ value, sum, unit }: ResolvedRecord): string {
  const shown =
    value === undefined
      ? undefined
      : value instanceof Uint8Array
        ? `h'${hexText(value)}'`
        : safeLine(JSON.stringify(value));
  const parts = [
    shown,
    unit === undefined ? undefined : safeLine(unit),
    sum === undefined ? undefined : `sum ${sum}`,
  ];
  return parts.filter((part) => part !== undefined).join(' ');
}

function timeText(time: number | undefined): string {
  if (time === undefined || time === 0) return '';
  if (time < absoluteTime) return `${time < 0 ? '' : '+'}${time} s`;
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? `at ${time}` : date.toISOString();
}

/** As tools for files show bytes: offset, digits, characters. */
function hexLines(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += bytesOfLine) {
    const part = bytes.subarray(at, at + bytesOfLine);
    const characters = Array.from(part, (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
    ).join('');
    const digits = Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${digits.padEnd(3 * bytesOfLine - 1)}  ${characters}`);
  }
  return lines.join('\n');
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function safeLine(line: string): string {
  return line
    .split('\t')
    .map((part) => printable(part, Number.POSITIVE_INFINITY))
    .join('\t');
}
