import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SerialFailure, type SerialLineStatus } from 'coapsule';
import { lineEventText, lineStatusText } from '../../src/cli/line-report.ts';

const line = 'coap+serial://ttyUSB0:115200';

test('a line that went, and what can be mended, is told without -v; the rest with it', () => {
  const failure = new SerialFailure('unplugged', '/dev/ttyUSB0', '/dev/ttyUSB0 was unplugged', 'plug it in');
  assert.equal(
    lineEventText({ line, kind: 'failure', failure }, 0),
    'coapsule: warning: /dev/ttyUSB0 was unplugged; plug it in',
  );
  assert.equal(lineEventText({ line, kind: 'reopened' }, 0), `coapsule: ${line} is there again`);
  const text = { line, kind: 'text', text: 'boot \u001b[31m' } as const;
  assert.equal(lineEventText(text, 0), undefined);
  assert.equal(lineEventText(text, 1), `* ${line} prints: boot \\u{1b}[31m`);
  const lost = { line, kind: 'lost', reason: 'crc', bytes: 12, advice: undefined } as const;
  assert.equal(lineEventText(lost, 0), undefined);
  assert.equal(lineEventText(lost, 1), `* ${line} 12 bytes were no packet: crc`);
  assert.equal(
    lineEventText({ ...lost, reason: 'overrun', advice: 'a larger buffer' }, 0),
    `* ${line} 12 bytes were no packet: overrun; a larger buffer`,
  );
});

test('the counters name largest packet, read buffer, and what was lost', () => {
  const counters = {
    packetsSent: 3,
    packetsReceived: 2,
    bytesSent: 300,
    bytesReceived: 200,
    largestPacket: 150,
    longestFrame: 160,
    bufferPeak: 155,
    refused: 1,
    largestAnswered: 150,
    unanswered: { packets: 0, largest: 0 },
    lost: { crc: 2, noise: 4 },
    dropped: 5,
    reopened: 1,
  };
  const status: SerialLineStatus = {
    uri: line,
    path: '/dev/ttyUSB0',
    baudRate: 115_200,
    isOpen: true,
    mtu: 1024,
    bufferBytes: 2048,
    counters,
    diagnosis: undefined,
  };
  assert.equal(
    lineStatusText(status),
    `* ${line} 3 packets sent, 2 received, 300 bytes sent, 200 received, largest packet 150 of 1024 bytes, ` +
      'read buffer 155 of 2048 bytes, 2 lost (crc), 4 lost (noise), 1 too long, 5 not sent, opened again 1 times',
  );
});
