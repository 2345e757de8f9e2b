import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ipPacket } from '../../src/capture/ip-packet.ts';
import { packetBlock, pcapngHeader, secretsBlock } from '../../src/capture/pcapng.ts';

// RFC 7252 §3 form: CON GET, Message ID 0x7d34, token 0x20, Uri-Path "temperature".
const request = Uint8Array.from([0x41, 0x01, 0x7d, 0x34, 0x20, 0xbb, ...Buffer.from('temperature')]);
// ACK 2.05, the same Message ID and token, payload "22.5 C" (odd number of bytes in all: padding is needed).
const response = Uint8Array.from([0x61, 0x45, 0x7d, 0x34, 0x20, 0xff, ...Buffer.from('22.5 C')]);

const ipv4 = { source: { host: '192.0.2.1', port: 40000 }, destination: { host: '192.0.2.2', port: 5683 } };
const ipv6 = {
  source: { host: '2001:db8::1', port: 40000 },
  destination: { host: '2001:db8::2', port: 5683 },
};

/** The ones' complement sum over a packet that carries its checksum is all ones (RFC 1071 §1). */
function verifies(bytes: Uint8Array): boolean {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total === 0xffff;
}

describe('ipPacket', () => {
  test('an IPv4 packet has the lengths, addresses and both checksums right', () => {
    const packet = ipPacket({ ...ipv4, payload: request })!;
    assert.equal(packet.length, 28 + request.length);
    assert.equal(packet[0], 0x45);
    assert.deepEqual([...packet.subarray(12, 20)], [192, 0, 2, 1, 192, 0, 2, 2]);
    assert.ok(verifies(packet.subarray(0, 20)), 'header checksum');
    const pseudo = Uint8Array.from([
      ...packet.subarray(12, 20),
      0,
      17,
      0,
      packet.length - 20,
      ...packet.subarray(20),
    ]);
    assert.ok(verifies(pseudo), 'UDP checksum');
  });

  test('an IPv6 packet has the lengths, addresses and the UDP checksum right', () => {
    const packet = ipPacket({ ...ipv6, payload: response })!;
    assert.equal(packet.length, 48 + response.length);
    assert.equal(packet[0], 0x60);
    assert.deepEqual([...packet.subarray(8, 12), packet[23]], [0x20, 0x01, 0x0d, 0xb8, 1]);
    const length = packet.length - 40;
    const pseudo = Uint8Array.from([
      ...packet.subarray(8, 40),
      0,
      0,
      0,
      length,
      0,
      0,
      0,
      17,
      ...packet.subarray(40),
    ]);
    assert.ok(verifies(pseudo), 'UDP checksum');
  });

  const literals: readonly [string, string][] = [
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
    ['::ffff:192.0.2.7', '00000000000000000000ffffc0000207'],
    ['1::', '00010000000000000000000000000000'],
  ];
  for (const [literal, hex] of literals) {
    test(`${literal} is written as ${hex}`, () => {
      const packet = ipPacket({ ...ipv6, destination: { host: literal, port: 1 }, payload: request })!;
      assert.equal(Buffer.from(packet.subarray(24, 40)).toString('hex'), hex);
    });
  }

  test('a wildcard address takes the family of the other end', () => {
    const packet = ipPacket({
      source: { host: '::', port: 1 },
      destination: ipv4.destination,
      payload: request,
    })!;
    assert.equal(packet[0], 0x45);
    const reverse = ipPacket({
      source: { host: '0.0.0.0', port: 1 },
      destination: ipv6.destination,
      payload: request,
    })!;
    assert.deepEqual([...reverse.subarray(8, 24)], new Array(16).fill(0));
  });

  test('a piece of a TCP stream has its place in it, and the checksum right', () => {
    const tcp = { sequence: 0xfffffff0, acknowledgement: 7 };
    const packet = ipPacket({ ...ipv4, payload: response, tcp })!;
    const view = new DataView(packet.buffer);
    assert.equal(packet.length, 40 + response.length);
    assert.equal(packet[9], 6);
    assert.deepEqual([view.getUint32(24), view.getUint32(28)], [tcp.sequence, tcp.acknowledgement]);
    assert.ok(verifies(packet.subarray(0, 20)), 'header checksum');
    const length = packet.length - 20;
    const pseudo = Uint8Array.from([...packet.subarray(12, 20), 0, 6, 0, length, ...packet.subarray(20)]);
    assert.ok(verifies(pseudo), 'TCP checksum');
    assert.equal(ipPacket({ ...ipv6, payload: response, tcp })?.[6], 6);
  });

  test('an address that is not an IP literal makes no packet', () => {
    assert.equal(
      ipPacket({ ...ipv4, source: { host: '/dev/ttyUSB0', port: 0 }, payload: request }),
      undefined,
    );
  });

  test('the largest datagram fits', () => {
    assert.equal(ipPacket({ ...ipv4, payload: new Uint8Array(65507) })!.length, 65535);
    assert.equal(ipPacket({ ...ipv6, payload: new Uint8Array(65507) })!.length, 65555);
  });
});

describe('pcapng', () => {
  test('the header is a section of version 1.0 and one interface of link type 101 (raw IP)', () => {
    assert.equal(
      Buffer.from(pcapngHeader()).toString('hex'),
      '0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000' + '0100000014000000650000000000000014000000',
    );
  });

  test('a packet block has its time in microseconds, both lengths, and ends on 32 bits', () => {
    const block = packetBlock({ ...ipv4, payload: response }, 1_700_000_000_123.5)!;
    const view = new DataView(block.buffer);
    assert.equal(view.getUint32(0, true), 6);
    assert.equal(view.getUint32(4, true), block.length);
    assert.equal(block.length % 4, 0);
    assert.equal(
      (BigInt(view.getUint32(12, true)) << 32n) | BigInt(view.getUint32(16, true)),
      1_700_000_000_123_500n,
    );
    assert.equal(view.getUint32(20, true), 28 + response.length);
    assert.equal(view.getUint32(24, true), 28 + response.length);
    assert.equal(view.getUint32(block.length - 4, true), block.length);
  });

  test('a secrets block carries the key log as it is', () => {
    const line = 'CLIENT_RANDOM 00 11\n';
    const block = secretsBlock(line);
    const view = new DataView(block.buffer);
    assert.deepEqual([view.getUint32(0, true), view.getUint32(8, true)], [10, 0x544c534b]);
    assert.equal(Buffer.from(block.subarray(16, 16 + view.getUint32(12, true))).toString(), line);
  });
});

const tsharkMissing = spawnSync('tshark', ['--version']).error !== undefined;
const { COAPSULE_REQUIRE_PEERS } = process.env;
const skipTshark =
  tsharkMissing && COAPSULE_REQUIRE_PEERS !== '1' && 'tshark is missing: apt-get install tshark';

describe('tshark', { skip: skipTshark }, () => {
  const fields = [
    'frame.time_epoch',
    'ip.src',
    'ipv6.src',
    'udp.checksum.status',
    'ip.checksum.status',
    'coap.code',
    'coap.opt.uri_path',
    '_ws.malformed',
  ];

  function tshark(blocks: readonly Uint8Array[], ...options: readonly string[]): string[][] {
    const folder = mkdtempSync(join(tmpdir(), 'coapsule-pcapng-'));
    try {
      const file = join(folder, 'capture.pcapng');
      writeFileSync(file, Buffer.concat([pcapngHeader(), ...blocks]));
      const args = [
        '-n',
        '-r',
        file,
        '-o',
        'udp.check_checksum:TRUE',
        '-o',
        'ip.check_checksum:TRUE',
        '-T',
        'fields',
      ];
      const text = execFileSync(
        'tshark',
        [...args, ...fields.flatMap((field) => ['-e', field]), ...options],
        {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => line.split('\t'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test('reads a capture over IPv4 and IPv6 with CoAP fields, good checksums and nothing malformed', () => {
    const rows = tshark([
      secretsBlock(`CLIENT_RANDOM ${'00'.repeat(32)} ${'11'.repeat(48)}\n`),
      packetBlock({ ...ipv4, payload: request }, 1_700_000_000_000)!,
      packetBlock(
        { source: ipv4.destination, destination: ipv4.source, payload: response },
        1_700_000_000_001.25,
      )!,
      packetBlock({ ...ipv6, payload: request }, 1_700_000_000_002)!,
    ]);
    assert.deepEqual(rows, [
      ['1700000000.000000000', '192.0.2.1', '', '1', '1', '1', 'temperature', ''],
      ['1700000000.001250000', '192.0.2.2', '', '1', '1', '69', '', ''],
      ['1700000000.002000000', '', '2001:db8::1', '1', '', '1', 'temperature', ''],
    ]);
  });

  test('a datagram on another port keeps it, and is CoAP when tshark is told so', () => {
    const destination = { host: '192.0.2.2', port: 17683 };
    const rows = tshark(
      [packetBlock({ ...ipv4, destination, payload: request }, 0)!],
      '-d',
      'udp.port==17683,coap',
      '-e',
      'udp.dstport',
    );
    assert.deepEqual(
      rows.map((row) => [row[5], row.at(-1)]),
      [['1', '17683']],
    );
  });
});
