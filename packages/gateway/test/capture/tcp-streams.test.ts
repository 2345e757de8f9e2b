/** Streams out of segments: SYN, captures that begin in the midst, what is missing, and bounds. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TransportUnit } from '../../src/capture/ip-reader.ts';
import { TcpStreams } from '../../src/capture/tcp-streams.ts';

const source = { host: '192.0.2.1', port: 40_001 };
const destination = { host: '192.0.2.2', port: 5683 };

function segment(sequence: number, text: string, flags: { isFirst?: boolean } = {}): TransportUnit {
  return {
    ...{ protocol: 'tcp', source, destination, ipFragments: 1 },
    payload: new TextEncoder().encode(text),
    tcp: { sequence, isFirst: false, isLast: false, ...flags },
  };
}

/** What each segment brings: its bytes, with what is said of them. */
function read(...segments: readonly TransportUnit[]): readonly string[] {
  const streams = new TcpStreams();
  return segments.map((one) => {
    const { bytes, isAfterGap, isFirst, note } = streams.read(one);
    const text = new TextDecoder().decode(bytes);
    return [text, isFirst && 'first', isAfterGap && 'after a gap', note].filter((part) => part).join(', ');
  });
}

describe('TCP streams', () => {
  test('SYN takes a number; a second one with the same is a retransmission, with another one a new connection', () => {
    assert.deepEqual(
      read(
        segment(99, '', { isFirst: true }),
        segment(99, '', { isFirst: true }),
        segment(100, 'ab'),
        segment(500, '', { isFirst: true }),
        segment(501, 'cd'),
      ),
      ['first', 'retransmission', 'ab', 'first', 'cd'],
    );
  });

  test('overlapping, repeated and early segments give each byte once, across the end of numbers', () => {
    const start = 0xffff_fffe;
    assert.deepEqual(
      read(
        segment(start, 'abc'),
        segment(start, 'abc'),
        segment(3, 'fg'),
        segment(start, 'abcd'),
        segment(2, 'ef'),
        segment(5, 'h'),
      ),
      ['abc, first', 'retransmission', 'out of order', 'd', 'efg', 'h'],
    );
  });

  test('a capture that begins in the midst begins with data, not with the number of a keep-alive', () => {
    assert.deepEqual(read(segment(999, ''), segment(1000, 'ab'), segment(1002, 'c')), ['first', 'ab', 'c']);
  });

  test('what never comes is given up within bounds, and said', () => {
    const streams = new TcpStreams();
    streams.read(segment(0, 'a'));
    const large = 'x'.repeat(4096);
    const pieces = Array.from({ length: 200 }, (_, index) => streams.read(segment(10 + index * 4096, large)));
    const gap = pieces.findIndex(({ isAfterGap }) => isAfterGap);
    assert.equal(gap, (512 * 1024) / 4096);
    assert.equal(pieces[gap]!.bytes.length, 4096 * (gap + 1));
    assert.equal(pieces[gap + 1]!.bytes.length, 4096);
  });
});
