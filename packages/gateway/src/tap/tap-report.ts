/**
 * What a tap tells, as lines for people or as one JSON object a line.
 *
 * @module
 */

import type { Finding } from '../diagnosis/finding.ts';
import { printable, printableJson } from '../text/printable.ts';
import type { GateCounts } from './message-gate.ts';
import { clockText, messageLine, messageLines, messageObject } from './message-line.ts';
import type { TapEvent } from './tap.ts';

/** Lines about an event. @param verbose 1 and more: with options and bytes. */
export function eventLines(event: TapEvent, verbose: number): readonly string[] {
  switch (event.kind) {
    case 'passing':
      return verbose > 0 ? messageLines(event.message) : [messageLine(event.message)];
    case 'handshake': {
      const { number, wallTimeMs, source, destination, decoded } = event.datagram;
      return [
        printable(`${number} ${clockText(wallTimeMs)} ${source} → ${destination} ${decoded.summary}`, 1000),
      ];
    }
    case 'left':
      return event.as === 'edited'
        ? [`  ${event.message.number} goes on as: ${printable(event.message.summary, 500)}`]
        : [`  ${event.message.number} ${leavingText[event.as]}`];
    case 'dropped':
      return [`  ${event.message.number} dropped by ${event.by}`];
    case 'held':
      return [`  ${event.message.number} held by ${event.by}`];
    case 'delayed':
      return [`  ${event.message.number} delayed ${event.ms} ms by ${event.by}`];
    case 'not-edited':
      return [`  ${event.message.number} not edited: ${printable(event.reason, 500)}`];
    case 'note':
      return [`* ${printable(event.text, 500)}`];
  }
}

const leavingText = {
  delayed: 'goes on after its delay',
  duplicate: 'goes on once more',
  replay: 'is replayed',
  resumed: 'goes on',
} as const;

/** The same as JSON. */
export function eventJson(event: TapEvent): string {
  switch (event.kind) {
    case 'passing':
      return printableJson({ event: 'message', ...messageObject(event.message) });
    case 'handshake': {
      const { number, wallTimeMs, source, destination, decoded } = event.datagram;
      const time = new Date(wallTimeMs).toISOString();
      return printableJson({ event: 'dtls', number, time, source, destination, summary: decoded.summary });
    }
    case 'left': {
      const { message, as } = event;
      const what = as === 'edited' ? messageObject(message) : { number: message.number };
      return printableJson({ event: 'left', as, ...what });
    }
    case 'dropped':
    case 'held':
      return printableJson({ event: event.kind, number: event.message.number, by: event.by });
    case 'delayed':
      return printableJson({ event: 'delayed', number: event.message.number, ms: event.ms, by: event.by });
    case 'not-edited':
      return printableJson({ event: 'not-edited', number: event.message.number, reason: event.reason });
    case 'note':
      return printableJson({ event: 'note', text: event.text });
  }
}

/** What was done, in one line. */
export function countsText(passed: number, counts: GateCounts): string {
  const { forwarded, dropped, edited, delayed, duplicated, replayed, overflowed } = counts;
  const parts = [`${passed} seen`, `${forwarded} sent on`, `${dropped} dropped`, `${edited} edited`];
  if (delayed > 0) parts.push(`${delayed} delayed`);
  if (duplicated > 0) parts.push(`${duplicated} duplicated`);
  if (replayed > 0) parts.push(`${replayed} replayed`);
  if (overflowed > 0) parts.push(`${overflowed} for which there was no room`);
  return parts.join(', ');
}

/** A finding when it appears. */
export function findingLines({
  severity,
  kind,
  where,
  evidence,
  frames,
  cause,
  fix,
}: Finding): readonly string[] {
  return [
    `! ${severity}: ${kind}, ${where}`,
    `  seen: ${evidence} (messages ${frames.join(', ')})`,
    `  cause: ${cause}`,
    `  what to do: ${fix}`,
  ].map((line) => printable(line, 1000));
}
