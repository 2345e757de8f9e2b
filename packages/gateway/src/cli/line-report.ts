/**
 * What a verb tells of its serial line: that it went and came back, and with `-v` what the device prints and how the line
 * fared.
 *
 * @module
 */

import type { SerialEvent, SerialLineStatus } from 'coapsule';
import { printable } from '../text/printable.ts';

/** The line for an event; nothing for one of finer detail than was asked for. @param verbosity how often `-v` was given. */
export function lineEventText(event: SerialEvent, verbosity: number): string | undefined {
  const { line } = event;
  switch (event.kind) {
    case 'failure':
      return `coapsule: warning: ${event.failure.message}; ${event.failure.nextStep}`;
    case 'reopened':
      return `coapsule: ${line} is there again`;
    case 'text':
      return verbosity < 1 ? undefined : `* ${line} prints: ${printable(event.text)}`;
    case 'lost': {
      const advice = event.advice === undefined ? '' : `; ${event.advice}`;
      if (verbosity < 1 && advice === '') return undefined;
      return `* ${line} ${event.bytes} bytes were no packet: ${event.reason}${advice}`;
    }
  }
}

/** The counters of a line. */
export function lineStatusText({ uri, mtu, bufferBytes, counters }: SerialLineStatus): string {
  const { packetsSent, packetsReceived, bytesSent, bytesReceived, largestPacket, bufferPeak } = counters;
  const { lost, refused, dropped, reopened } = counters;
  const more = [
    ...Object.entries(lost).map(([reason, count]) => `${count} lost (${reason})`),
    ...(refused > 0 ? [`${refused} too long`] : []),
    ...(dropped > 0 ? [`${dropped} not sent`] : []),
    ...(reopened > 0 ? [`opened again ${reopened} times`] : []),
  ];
  return [
    `* ${uri} ${packetsSent} packets sent, ${packetsReceived} received`,
    `${bytesSent} bytes sent, ${bytesReceived} received`,
    `largest packet ${largestPacket} of ${mtu} bytes`,
    `read buffer ${bufferPeak} of ${bufferBytes} bytes`,
    ...more,
  ].join(', ');
}
