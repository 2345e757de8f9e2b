/**
 * Messages of a tap as lines for people, and as objects for programs.
 *
 * @module
 */

import { isSignalingCode } from 'coapsule/message';
import { codeLabel, optionName, optionText } from '../cli/message-text.ts';
import { byteRows } from '../cli/trace-bytes.ts';
import { hexText } from '../text/hex.ts';
import { printable, printableUtf8 } from '../text/printable.ts';
import type { PassingMessage } from './passing-message.ts';

/** Characters of a payload in a line. */
const longestPreview = 40;

/** Characters of a line. */
const longestLine = 1000;

/** `12:00:00.123` of the day, in UTC. */
export function clockText(wallTimeMs: number): string {
  return new Date(wallTimeMs).toISOString().slice(11, 23);
}

/** Number, time, who to whom, what, and the beginning of its payload. */
export function messageLine({
  number,
  wallTimeMs,
  direction,
  link,
  summary,
  message,
}: PassingMessage): string {
  const who = link.identity === undefined ? link.peer : `${link.peer} (${printable(link.identity, 80)})`;
  const arrow = direction === 'to-server' ? '→ server' : '← server';
  const preview = message === undefined ? undefined : previewText(message.payload);
  const line = `${number} ${clockText(wallTimeMs)} ${who} ${arrow} ${summary}${preview === undefined ? '' : ` ${preview}`}`;
  return printable(line, longestLine);
}

function previewText(payload: Uint8Array): string | undefined {
  if (payload.length === 0) return undefined;
  const text = printableUtf8(payload.subarray(0, 4 * longestPreview), longestPreview);
  if (text !== undefined && !text.includes('\\u{')) return `"${text}"`;
  return `0x${hexText(payload.subarray(0, 16))}${payload.length > 16 ? '…' : ''}`;
}

/** The line with options and bytes below it. */
export function messageLines(passing: PassingMessage): readonly string[] {
  const { message, bytes } = passing;
  const options =
    message === undefined || isSignalingCode(message.code)
      ? []
      : Array.from(message.options.entries(), (option) =>
          printable(`    ${optionName(option.number)}: ${optionText(option)}`.trimEnd(), longestLine),
        );
  return [messageLine(passing), ...options, ...byteRows(bytes)];
}

/** With a stable schema. */
export function messageObject(passing: PassingMessage): object {
  const { number, wallTimeMs, direction, link, subject, message, bytes, summary, answers } = passing;
  return {
    number,
    time: new Date(wallTimeMs).toISOString(),
    direction,
    peer: link.peer,
    ...(link.identity !== undefined && { identity: link.identity }),
    protocol: subject.protocol,
    ...(subject.type !== undefined && { type: subject.type, messageId: subject.messageId }),
    ...(message !== undefined && {
      code: codeLabel(message.code),
      token: hexText(message.token),
      ...(subject.path !== undefined && { path: subject.path }),
      options: isSignalingCode(message.code)
        ? []
        : Array.from(message.options.entries(), ({ number, value }) => ({
            ...{ number, name: optionName(number), value: hexText(value) },
          })),
      payload: hexText(message.payload),
    }),
    ...(answers !== undefined && { answers }),
    bytes: hexText(bytes),
    summary,
  };
}
