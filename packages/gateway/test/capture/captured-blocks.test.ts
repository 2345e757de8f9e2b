/** What was captured above sockets and lines, as packets: addresses that are made up, and streams in their places. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CapturedDatagram } from 'coapsule';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { CapturedBlocks } from '../../src/capture/captured-blocks.ts';
import { pcapngHeader } from '../../src/capture/pcapng.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';

const line = (name: string): CapturedDatagram['local'] => ({
  key: `serial:${name}`,
  host: `serial:${name}`,
  port: 0,
});
const coap = Uint8Array.of(0x40, 1, 0, 1);
const dtls = Uint8Array.of(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function packets(all: readonly CapturedDatagram[]): readonly string[] {
  const blocks = new CapturedBlocks();
  const file = Buffer.concat([pcapngHeader(), ...all.flatMap((one) => blocks.of(one))]);
  const decoder = new CaptureDecoder(new KnownSecrets());
  return readCapture(Uint8Array.from(file)).packets.map((packet) => {
    const { source, destination, summary } = decoder.decode(packet);
    return `${source} ${destination} ${summary}`;
  });
}

test('each serial line has an address of its own, out of the networks for documentation, and the port of what it carries', () => {
  const of = (name: string, direction: 'sent' | 'received', datagram: Uint8Array): CapturedDatagram => ({
    ...{ direction, local: line(name), remote: line(name), datagram, wallTimeMs: 0 },
  });
  const seen = packets([
    of('/dev/ttyUSB0', 'sent', coap),
    of('/dev/ttyUSB1', 'received', dtls),
    of('/dev/ttyUSB0', 'received', coap),
  ]);
  assert.deepEqual(
    seen.map((text) => text.split(' ', 2)),
    [
      ['192.0.2.1:5683', '198.51.100.1:5683'],
      ['198.51.100.2:5684', '192.0.2.1:5684'],
      ['198.51.100.1:5683', '192.0.2.1:5683'],
    ],
  );
});

test('pieces of a stream are put together again, however long they are', () => {
  const local = { key: '192.0.2.7:5683', host: '192.0.2.7', port: 5683 };
  const remote = { key: '192.0.2.8:40001', host: '192.0.2.8', port: 40_001 };
  // 7.01; then 2.05 with 100,000 bytes: 4 bytes of length, less 65,805.
  const large = new Uint8Array(6 + 100_001).fill(120);
  large.set([0xf0, 0, 0, (100_001 - 65_805) >> 8, (100_001 - 65_805) & 255, 0x45, 0xff]);
  const piece = (datagram: Uint8Array): CapturedDatagram => ({
    ...{ direction: 'sent', transport: 'tcp', local, remote, datagram, wallTimeMs: 0 },
  });
  const summaries = packets([piece(Uint8Array.of(0, 0xe1)), piece(large)]);
  assert.equal(summaries.length, 5);
  assert.match(summaries[0]!, /7\.01 CSM$/);
  assert.match(summaries[4]!, /2\.05 Content 100000 bytes$/);
});
