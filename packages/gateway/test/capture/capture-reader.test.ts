import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { ipPacket } from '../../src/capture/ip-packet.ts';
import { IpReader } from '../../src/capture/ip-reader.ts';
import { ipPacketIn, LinkType } from '../../src/capture/link-layer.ts';
import { packetBlock, pcapngHeader, secretsBlock } from '../../src/capture/pcapng.ts';

const captures = join(import.meta.dirname, '../vectors/captures');
const long = process.env['COAPSULE_LONG'] === '1';
const datagram = {
  source: { host: '2001:db8::1', port: 40_000 },
  destination: { host: '192.0.2.2', port: 5683 },
  payload: Uint8Array.of(0x40, 0, 0, 1),
};

/** A pcap file of one packet, in one byte order. */
function pcap(isLittle: boolean, magic: number, fraction: number): Uint8Array {
  const packet = Uint8Array.of(1, 2, 3);
  const file = new Uint8Array(24 + 16 + packet.length);
  const view = new DataView(file.buffer);
  view.setUint32(0, magic, isLittle);
  view.setUint16(4, 2, isLittle);
  view.setUint16(6, 4, isLittle);
  view.setUint32(16, 65_535, isLittle);
  view.setUint32(20, 1, isLittle);
  for (const [index, word] of [1_700_000_000, fraction, packet.length, 60].entries()) {
    view.setUint32(24 + 4 * index, word, isLittle);
  }
  file.set(packet, 40);
  return file;
}

describe('pcap', () => {
  for (const [isLittle, order] of [
    [true, 'little-endian'],
    [false, 'big-endian'],
  ] as const) {
    test(`${order}, with micro- and with nanoseconds`, () => {
      for (const [magic, fraction] of [
        [0xa1b2c3d4, 250_500],
        [0xa1b23c4d, 250_500_000],
      ] as const) {
        assert.deepEqual(readCapture(pcap(isLittle, magic, fraction)), {
          packets: [
            {
              ...{ frame: 1, wallTimeMs: 1_700_000_000_250.5, linkType: 1, originalLength: 60 },
              bytes: Uint8Array.of(1, 2, 3),
            },
          ],
          keyLog: [],
        });
      }
    });
  }

  test('a file that is cut gives what is whole, and says where it ends', () => {
    const file = pcap(true, 0xa1b2c3d4, 0);
    assert.deepEqual(readCapture(file.subarray(0, 42)).fault, {
      offset: 40,
      reason: 'the file ends inside a packet',
    });
    assert.equal(readCapture(file.subarray(0, 30)).fault?.offset, 24);
    assert.equal(readCapture(file.subarray(0, 10)).fault?.offset, 10);
  });

  test('what is no capture is refused with its reason', () => {
    assert.match(readCapture(new TextEncoder().encode('<html>')).fault!.reason, /neither pcap nor pcapng/);
    assert.match(readCapture(new Uint8Array()).fault!.reason, /begins with 4 bytes/);
  });
});

describe('pcapng', () => {
  test('what is written is read: packets with their times, secrets in between', () => {
    const wallTimeMs = 1_700_000_000_123.456;
    const file = Uint8Array.from(
      Buffer.concat([
        pcapngHeader(),
        secretsBlock('CLIENT_RANDOM 00 01\n'),
        packetBlock(datagram, wallTimeMs)!,
      ]),
    );
    const { packets, keyLog, fault } = readCapture(file);
    assert.equal(fault, undefined);
    assert.deepEqual(keyLog, ['CLIENT_RANDOM 00 01']);
    assert.equal(packets.length, 1);
    assert.equal(packets[0]!.wallTimeMs.toFixed(3), wallTimeMs.toFixed(3));
    assert.deepEqual(packets[0]!.bytes, ipPacket(datagram));
    assert.equal(packets[0]!.linkType, LinkType.Raw);
  });

  test('cut at any byte, it gives the packets before and never throws', () => {
    const whole = Buffer.concat([pcapngHeader(), packetBlock(datagram, 1)!, packetBlock(datagram, 2)!]);
    for (let length = 0; length < whole.length; length++) {
      const { packets, fault } = readCapture(whole.subarray(0, length));
      assert.ok(packets.length <= 1);
      const isBetween = [28, 48, 48 + (whole.length - 48) / 2].includes(length);
      assert.equal(fault === undefined, isBetween, `cut after ${length} bytes`);
    }
  });

  test('no bytes make it throw', () => {
    const seeds = ['golioth_basics_psk.pcapng', 'zeek-dtls1_2.pcap'].map((name) =>
      readFileSync(join(captures, name)),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 8 }),
        fc.nat(6000),
        (seed, changes, length) => {
          const file = Uint8Array.from(seed.subarray(0, length));
          for (const [at, byte] of changes) if (file.length > 0) file[at % file.length] = byte;
          const ip = new IpReader();
          for (const { linkType, bytes } of readCapture(file).packets) {
            const packet = ipPacketIn(linkType, bytes);
            if (packet !== undefined) ip.read(packet);
          }
        },
      ),
      { numRuns: long ? 50_000 : 500, seed: 3 },
    );
  });
});

describe('IP', () => {
  test('what is written is read, over IPv4 and IPv6', () => {
    for (const [from, to] of [
      ['192.0.2.1', '198.51.100.2'],
      ['2001:db8::1:0:0:2', 'fe80::1'],
      ['::1', '::ffff:192.0.2.1'],
    ] as const) {
      const source = { host: from, port: 40_000 };
      const destination = { host: to, port: 5683 };
      const packet = ipPacket({ source, destination, payload: Uint8Array.of(7) })!;
      assert.deepEqual(new IpReader().read(packet), {
        kind: 'unit',
        unit: { protocol: 'udp', source, destination, payload: Uint8Array.of(7), ipFragments: 1 },
      });
    }
  });

  test('fragments in any order are put together, and how many they were is told', () => {
    const whole = ipPacket({
      ...datagram,
      source: { host: '192.0.2.1', port: 9 },
      payload: new Uint8Array(100).fill(5),
    })!;
    const body = whole.subarray(20);
    const fragment = (offset: number, end: number): Uint8Array => {
      const packet = new Uint8Array(20 + end - offset);
      packet.set(whole.subarray(0, 20));
      packet.set(body.subarray(offset, end), 20);
      const view = new DataView(packet.buffer);
      view.setUint16(2, packet.length);
      view.setUint16(6, (end < body.length ? 0x2000 : 0) | (offset / 8));
      return packet;
    };
    const pieces = [fragment(64, 108), fragment(0, 32), fragment(32, 64)];
    const ip = new IpReader();
    const readings = pieces.map((piece) => ip.read(piece));
    assert.deepEqual(
      readings.slice(0, 2).map(({ kind }) => kind),
      ['fragment', 'fragment'],
    );
    const last = readings[2]!;
    assert.ok(last.kind === 'unit');
    assert.equal(last.unit.ipFragments, 3);
    assert.deepEqual(last.unit.payload, new Uint8Array(100).fill(5));
  });

  test('thousands of overlapping fragments around a hole are brought in order once, when it is filled', (t) => {
    const own = Object.getOwnPropertyDescriptor(Array.prototype, 'sort')!;
    const sort = t.mock.fn(own.value as () => unknown[]);
    t.after(() => Object.defineProperty(Array.prototype, 'sort', own));
    Object.defineProperty(Array.prototype, 'sort', { ...own, value: sort });
    const fragment = (place: number, length: number, isLast = false): Uint8Array => {
      const packet = new Uint8Array(20 + length);
      packet.set([0x45, ...new Uint8Array(8), 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
      const view = new DataView(packet.buffer);
      view.setUint16(2, packet.length);
      view.setUint16(6, (isLast ? 0 : 0x2000) | place);
      return packet;
    };
    const ip = new IpReader();
    ip.read(fragment(3000, 5, true));
    for (let place = 1; place < 3000; place++) assert.equal(ip.read(fragment(place, 24)).kind, 'fragment');
    for (let round = 0; round < 3000; round++) ip.read(fragment(7, 24));
    assert.equal(sort.mock.callCount(), 0);
    const reading = ip.read(fragment(0, 8));
    assert.ok(reading.kind === 'unit');
    assert.equal(reading.unit.payload.length, 3000 * 8 + 5 - 8);
    assert.equal(sort.mock.callCount(), 1);
  });

  test('Ethernet with a VLAN tag, Linux cooked and BSD loopback lead to IP; ARP does not', () => {
    const ip = Uint8Array.of(0x45, 1, 2);
    const ethernet = (type: readonly number[]): Uint8Array =>
      Uint8Array.of(...new Uint8Array(12), ...type, ...ip);
    assert.deepEqual(ipPacketIn(LinkType.Ethernet, ethernet([8, 0])), ip);
    assert.deepEqual(ipPacketIn(LinkType.Ethernet, ethernet([0x81, 0, 0, 7, 8, 0])), ip);
    assert.equal(ipPacketIn(LinkType.Ethernet, ethernet([8, 6])), undefined);
    assert.deepEqual(ipPacketIn(LinkType.LinuxCooked, Uint8Array.of(...new Uint8Array(14), 8, 0, ...ip)), ip);
    assert.deepEqual(
      ipPacketIn(LinkType.LinuxCooked2, Uint8Array.of(8, 0, ...new Uint8Array(18), ...ip)),
      ip,
    );
    assert.deepEqual(ipPacketIn(LinkType.Null, Uint8Array.of(2, 0, 0, 0, ...ip)), ip);
    assert.equal(ipPacketIn(195, ip), undefined);
  });
});

test('a key log of as many lines as there may be in a file is read', () => {
  const lines = 300_000;
  const file = Buffer.concat([pcapngHeader(), secretsBlock('# a line\n'.repeat(lines))]);
  const { keyLog, fault } = readCapture(file);
  assert.deepEqual([keyLog.length, fault], [lines, undefined]);
});
