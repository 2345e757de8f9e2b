/**
 * What the counters of a line mean, for people: which of baud rate, framing, mtu, buffers and wires is to be looked at.
 *
 * The buffers of the two ends are the usual trouble: a packet that the other end has no room for is lost there without a
 * word, each time it is sent again. The end that has the buffer knows; the one that sends can only see which sizes are
 * answered.
 *
 * @module
 */

import type { LineConnection, LineDropReason } from './line-connection.ts';

/** What a device with little memory has room for; no packet that small is blamed for its size. */
const usualMtu = 1024;

/** What one loss means, where something can be done about it. */
export function lossAdvice(
  { bufferBytes, largestReceivable }: Pick<LineConnection, 'bufferBytes' | 'largestReceivable'>,
  reason: LineDropReason,
  length: number,
): string | undefined {
  switch (reason) {
    case 'overrun':
      return (
        `a frame of ${length} bytes or more does not fit bufferBytes ${bufferBytes}: ` +
        `give the peer an mtu of at most ${largestReceivable}, or this end a larger buffer`
      );
    case 'unsecured':
      return 'the peer sends CoAP without DTLS, which is not taken on a secured line: use coaps+serial there, or coap+serial here';
    case 'ip-packet':
      return 'the peer sends IP packets (SLIP networking), which are not taken here';
    default:
      return undefined;
  }
}

/** What to do when small packets come through and large ones do not. */
export function mtuAdvice(
  line: Pick<LineConnection, 'bufferBytes' | 'largestReceivable' | 'counters' | 'mtu'>,
): string {
  const lower = line.mtu > usualMtu ? ` to ${usualMtu}` : '';
  return (
    overrunAdvice(line) ??
    `the buffer at the other end is most likely smaller than mtu ${line.mtu}: lower it${lower}, or give peerBuffer`
  );
}

function overrunAdvice({
  bufferBytes,
  largestReceivable,
  counters,
}: Pick<LineConnection, 'bufferBytes' | 'largestReceivable' | 'counters'>): string | undefined {
  const overruns = counters.lost.overrun ?? 0;
  if (overruns === 0) return undefined;
  return (
    `${overruns} frames from the peer did not fit bufferBytes ${bufferBytes}: ` +
    `give the peer an mtu of at most ${largestReceivable}, or this end a larger buffer`
  );
}

/** What is most likely wrong with a line; `undefined` where nothing looks wrong. */
export function lineDiagnosis(
  line: Pick<
    LineConnection,
    'bufferBytes' | 'largestReceivable' | 'counters' | 'mtu' | 'framing' | 'secured'
  >,
  baudRate: number,
): string | undefined {
  const { packetsSent, packetsReceived, bytesReceived, lost, unanswered, largestAnswered } = line.counters;
  const overruns = overrunAdvice(line);
  if (overruns !== undefined) return overruns;
  if (unanswered.packets > 0 && unanswered.largest > Math.max(usualMtu, largestAnswered)) {
    return (
      `the last ${unanswered.packets} packets, of up to ${unanswered.largest} bytes, were not answered: the buffer of the peer may be smaller than ` +
      `mtu ${line.mtu}; lower it to ${usualMtu}, or give peerBuffer`
    );
  }
  if (packetsSent > 0 && bytesReceived === 0) {
    // At another rate the peer gets noise, and does not answer either.
    const silence =
      'nothing came from the line: is the device there and running, are RX and TX crossed, ' +
      `and does it have ${baudRate} baud and framing ${line.framing}?`;
    // A secured line drops CoAP without DTLS and does not answer.
    return line.secured ? silence : `${silence} Or does it take secured packets only (coaps+serial)?`;
  }
  if (packetsReceived === 0 && bytesReceived > 0) {
    if ((lost.unsecured ?? 0) > 0) return lossAdvice(line, 'unsecured', 0);
    return (
      `${bytesReceived} bytes came from the line, and no packet: the other end may have another baud rate than ${baudRate}, ` +
      `another framing than ${line.framing}, or not speak CoAP`
    );
  }
  const damaged = (lost.crc ?? 0) + (lost['bad-escape'] ?? 0) + (lost.noise ?? 0);
  if (damaged > 10 && damaged * 10 > packetsReceived) {
    return `${damaged} frames were damaged, ${packetsReceived} were not: look at cable, ground and baud rate`;
  }
  return undefined;
}
