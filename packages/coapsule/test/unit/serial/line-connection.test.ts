/**
 * A serial line as a connection of packets: mtu and buffers (A08 … A12), a secured line (A02), counters (A22).
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concatBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import {
  LineConnection,
  type LineInput,
  type LineOptions,
} from '../../../src/core/serial/line-connection.ts';
import { hex } from '../coap/vectors.ts';
import { packets } from './line-noise.ts';

const coap = hex('40010000');
const dtls = hex('16fefd0000000000000000000401020304');
const frameOf = (packet: Uint8Array, options?: LineOptions): Uint8Array =>
  new LineConnection(options).send(packet) ?? assert.fail('not sent');

describe('a serial line as a connection of packets', () => {
  it('by default a packet has at most 1024 bytes and the read buffer 2048', () => {
    const line = new LineConnection();
    assert.equal(line.mtu, 1024);
    const largest = new Uint8Array(1024).fill(0x40);
    assert.ok(line.send(largest));
    assert.equal(line.send(new Uint8Array(1025).fill(0x40)), undefined);
    assert.equal(line.counters.refused, 1);
    // The buffer takes a frame of 2048: 2045 bytes and what slipmux adds.
    const wide = { mtu: 2048, bufferBytes: 4096 };
    const [fits] = line.receive(frameOf(new Uint8Array(2045).fill(0x40), wide));
    assert.equal(fits?.kind, 'packet');
    const [over] = line.receive(frameOf(new Uint8Array(2046).fill(0x40), wide));
    assert.deepEqual(over, { kind: 'lost', reason: 'overrun', length: 2049 });
    assert.equal(line.counters.bufferPeak, 2048);
  });

  it('an mtu that does not fit the buffer is refused with both, and the value that would fit', () => {
    const wrong: readonly (readonly [LineOptions, RegExp])[] = [
      [{ mtu: 2046 }, /mtu 2046 does not fit bufferBytes 2048: slipmux needs 2049 .* at most 2045/],
      [
        { mtu: 4096, framing: 'slip' },
        /mtu 4096 does not fit bufferBytes 2048: slip needs 4096 .* at most 2048/,
      ],
      [{ bufferBytes: 512 }, /mtu 1024 does not fit bufferBytes 512: slipmux needs 1027 .* at most 509/],
      [{ mtu: 127 }, /mtu is 127; expected 128 to 65535/],
      [{ mtu: 1.5 }, /mtu is 1.5/],
      [
        { peerBuffer: { bytes: 200, holds: 'frames' } },
        /peerBuffer has 200 bytes .* packets of 96 .* 263 bytes/,
      ],
      [{ framing: 'cobs' as 'slip' }, /framing is 'cobs'; expected slipmux, slip or raw/],
    ];
    for (const [options, message] of wrong) {
      assert.throws(
        () => new LineConnection(options),
        (error: Error) => error instanceof ApiMisuseError && message.test(error.message),
        String(message),
      );
    }
  });

  it('towards a peer that keeps frames as they are on the line no frame exceeds its buffer, all-0xC0 packets included', () => {
    const peerBuffer = { bytes: 2048, holds: 'frames' } as const;
    const line = new LineConnection({ peerBuffer });
    assert.equal(line.mtu, 1020);
    fc.assert(
      fc.property(fc.oneof(packets, fc.constant(new Uint8Array(1020).fill(0xc0))), (packet) => {
        const frame = line.send(packet.subarray(0, line.mtu));
        assert.ok(frame !== undefined && frame.length <= peerBuffer.bytes, `${frame?.length} bytes`);
      }),
      { seed: 1, numRuns: 300 },
    );
    assert.ok(line.counters.longestFrame <= 2048 && line.counters.longestFrame > 2000);
    for (const framing of ['slip', 'raw'] as const) {
      const other = new LineConnection({ framing, peerBuffer });
      const frame = other.send(new Uint8Array(other.mtu).fill(0xc0));
      assert.ok(frame !== undefined && frame.length <= 2048);
    }
  });

  it('a peer that unescapes as we do limits packets by its buffer alone', () => {
    assert.equal(new LineConnection({ peerBuffer: { bytes: 2048, holds: 'packets' } }).mtu, 1024);
    assert.equal(new LineConnection({ peerBuffer: { bytes: 512, holds: 'packets' } }).mtu, 509);
  });

  it('nothing but DTLS passes a secured line, in either direction', () => {
    const line = new LineConnection({ secured: true });
    assert.equal(line.send(coap), undefined);
    assert.ok(line.send(dtls));
    assert.deepEqual(line.receive(concatBytes(frameOf(coap), frameOf(dtls))), [
      { kind: 'lost', reason: 'unsecured', length: 4 },
      { kind: 'packet', packet: dtls },
    ] satisfies LineInput[]);
    assert.deepEqual(line.counters.lost, { unsecured: 1 });
  });

  it('what passed and what was lost is counted', () => {
    const line = new LineConnection();
    const frame = line.send(coap) as Uint8Array;
    line.receive(
      concatBytes(frame, hex('c0a940010000bc39c0 c0a94001dbc0'), new TextEncoder().encode('boot\n'), frame),
    );
    assert.deepEqual(line.counters, {
      packetsSent: 1,
      packetsReceived: 2,
      bytesSent: 9,
      bytesReceived: 9 + 9 + 6 + 5 + 9,
      largestPacket: 4,
      longestFrame: 9,
      bufferPeak: 7,
      refused: 0,
      largestAnswered: 4,
      unanswered: { packets: 0, largest: 0 },
      lost: { crc: 1, aborted: 1 },
    });
  });

  it('an interrupted line begins anew', () => {
    const line = new LineConnection();
    line.receive(hex('c0a940'));
    line.reset();
    assert.deepEqual(line.receive(hex('a940010000bc38c0')), [{ kind: 'packet', packet: coap }]);
  });

  it('a megabyte of random bytes is counted, bounded, and the next packet is received', () => {
    const line = new LineConnection();
    let state = 1;
    const noise = Uint8Array.from({ length: 2 ** 20 }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 16;
    });
    for (let i = 0; i < noise.length; i += 4096) {
      for (const event of line.receive(noise.subarray(i, i + 4096))) assert.notEqual(event.kind, 'packet');
    }
    const { lost, bufferPeak } = line.counters;
    assert.ok(bufferPeak <= 2048);
    assert.ok((lost.noise ?? 0) > 1000, JSON.stringify(lost));
    assert.deepEqual(line.receive(frameOf(coap)).at(-1), { kind: 'packet', packet: coap });
  });
});
