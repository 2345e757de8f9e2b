/**
 * Fuzz target: a stream of messages over TCP, cut in two ways, is the same messages or the same fault; a message encodes
 * to one that reads the same; and a connection that is fed with it neither throws nor keeps more than it may.
 *
 * @module
 */

import { decodeStreamMessage, encodeStreamMessage, StreamDecoder } from '../../src/core/coap/stream-codec.ts';
import { Connection } from '../../src/core/connection/connection.ts';
import { connectionConfig } from '../../src/core/connection/connection-config.ts';
import { fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const corpus: readonly string[] = [
  // CSM with Max-Message-Size, Block-Wise-Transfer, Extended-Token-Length; GET; 2.05
  '60e1 22 8200 20 21 40   71 01 71 b6 61626364 6566   91 45 71 60 ff 68656c6c6f21',
  // Ping, Ping with Custody, Pong, Empty
  '01e242 11e2 07 20 00e3 0000',
  // Release with an address and hold-off, Abort with a text
  'd0 03 e4 2a 5b3a3a315d3a35363833 21 3c ff 627965',
  '70e5 21 02 ff 626164',
  // extended lengths and tokens
  `d0 20 45 ff ${'61'.repeat(44)} e0 0000 45 ff ${'62'.repeat(268)}`,
  `0d 01 07 ${'aa'.repeat(20)} 0e 45 0001 ${'bb'.repeat(270)}`,
  'f0 00000000 45',
  'f0 ffffffff 45',
];

const limits = connectionConfig({ maxMessageSize: 2048, maxTokenLength: 300 });
const csm = Uint8Array.of(0x00, 0xe1);

export const target: FuzzTarget = {
  name: 'coap-stream',
  corpus: corpus.map((text) => fromHex(text.replaceAll(' ', '')) as Uint8Array),
  run(input) {
    const whole = read(input, input.length);
    const cut = read(input, 1 + ((input[0] ?? 0) % 7));
    if (whole !== cut) throw new Error(`cut otherwise it reads otherwise: ${whole} | ${cut}`);
    const single = decodeStreamMessage(input, 'websocket', limits);
    if (isDecodeFault(single) && !(single.offset >= 0 && single.offset <= input.length)) {
      throw new Error('fault offset outside the message');
    }
    feed('tcp', input);
    feed('websocket', input);
  },
};

function read(input: Uint8Array, size: number): string {
  const decoder = new StreamDecoder(limits);
  let text = '';
  for (let at = 0; at < input.length; at += size) {
    decoder.push(input.slice(at, at + size));
    for (let next = decoder.next(); next !== undefined; next = decoder.next()) {
      if (isDecodeFault(next)) return `${text} fault`;
      const { code, token, options, payload } = next;
      const again = decodeStreamMessage(encodeStreamMessage(next, 'tcp'), 'tcp', limits);
      if (isDecodeFault(again)) throw new Error(`encoded message is refused: ${again.reason}`);
      for (const { number } of options.entries()) {
        if (!again.options.has(number)) throw new Error(`option ${number} is lost`);
      }
      text += `${code} ${toHex(token)} ${toHex(payload)};`;
    }
    if (decoder.pending > limits.maxMessageSize) throw new Error(`${decoder.pending} bytes are kept`);
  }
  return `${text} ${decoder.pending}`;
}

function feed(framing: 'tcp' | 'websocket', input: Uint8Array): void {
  const connection = new Connection(framing, limits, instant(0));
  connection.handle(csm.slice(), instant(1));
  connection.ping(true, instant(2));
  connection.handle(input.slice(), instant(3));
  connection.handle(csm.slice(), instant(4));
  for (
    let now = connection.nextTimeout(), step = 0;
    now !== undefined;
    now = connection.nextTimeout(), step++
  ) {
    if (step > 20) throw new Error('timers never end');
    connection.handleTimeout(now);
  }
  let ended = false;
  let answered = false;
  for (let output = connection.poll(); output !== undefined; output = connection.poll()) {
    if (ended) throw new Error(`${output.kind} after the end`);
    ended = output.kind === 'ended';
    answered ||= output.kind === 'pong';
  }
  if (!ended && !answered) throw new Error('a peer that does not answer the Ping is not given up');
}
