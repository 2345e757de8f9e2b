/**
 * What `-v`, `-vv` and `-vvv` print: trace events as lines.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import { printable } from '../text/printable.ts';
import { byteRows } from './trace-bytes.ts';
import { HandshakeRows } from './trace-handshake.ts';
import { headerLine } from './trace-headers.ts';
import { detailLines } from './trace-options.ts';

/** Longest line, in characters. */
const maxLine = 10_000;

/**
 * A listener for trace events, or nothing when `verbosity` is 0.
 *
 * @param session Where associations that are taken over come from.
 * @param verbosity 1 headers, 2 also options, retransmissions and handshake messages, 3 also bytes.
 */
export function traceRenderer(
  verbosity: number,
  print: (line: string) => void,
  session?: string,
): ((event: TraceEvent) => void) | undefined {
  if (verbosity === 0) return undefined;
  // Reasons and options hold text of peers.
  const printLine = (line: string): void => print(printable(line, maxLine));
  const handshakes = verbosity >= 2 ? new HandshakeRows(printLine) : undefined;
  return (event) => {
    handshakes?.event(event);
    const header = headerLine(event, session);
    if (header !== undefined) printLine(header);
    if (verbosity >= 2) for (const line of detailLines(event)) printLine(line);
    const isMessage = event.kind === 'message' || event.kind === 'stream-message';
    if (verbosity >= 3 && isMessage) for (const row of byteRows(event.bytes)) print(row);
  };
}
