/** CoAP over TCP, TLS and WebSocket out of captures: what our own client and server say, however it was cut on its way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer, type SecureContextOptions, connect as tlsConnect } from 'node:tls';
import { Client, content, Server } from 'coapsule';
import fc from 'fast-check';
import type { DecodedPacket } from '../../src/decode/capture-decoder.ts';
import { Diagnosis } from '../../src/diagnosis/diagnosis.ts';
import { assertWithin, decodedCapture } from './decoded-capture.ts';
import { captureOf, recordingRelay, type StreamPiece, segmentsOf } from './recorded-stream.ts';

const long = process.env['COAPSULE_LONG'] === '1';

const messages = (packets: readonly DecodedPacket[]): readonly string[] =>
  packets.flatMap(({ parts }) =>
    parts.flatMap(({ message }) =>
      message === undefined
        ? []
        : `${message.code} ${message.options.texts(11).join('/')} ${message.payload.length}`,
    ),
  );

const problems = (packets: readonly DecodedPacket[]): readonly string[] =>
  packets.flatMap(({ parts }) => parts.flatMap((part) => part.problems));

/** What a diagnosis says of them: a stream has no types, Message IDs and sizes of datagrams. */
function found(packets: readonly DecodedPacket[]): readonly string[] {
  const diagnosis = new Diagnosis();
  for (const packet of packets) diagnosis.see(packet);
  return diagnosis.findings().map(({ kind }) => kind);
}

/** What a client and a server say over a scheme: a small answer, and one of 3,000 bytes. */
async function recorded(
  t: TestContext,
  scheme: 'coap+tcp' | 'coap+ws' | 'coaps+tcp',
  keylog?: (line: string) => void,
): Promise<readonly StreamPiece[]> {
  const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };
  await using server = new Server()
    .resource('/small', { get: () => content('22.5') })
    .resource('/large', { get: () => content('x'.repeat(3000)) });
  const secured = scheme === 'coaps+tcp';
  const listener = await server.listen(
    `${scheme}://127.0.0.1:0`,
    secured ? { psk: { lookup: new Map([[psk.identity, psk.key]]) }, ...(keylog && { keylog }) } : {},
  );
  const relay = await recordingRelay(t, listener.port);
  await using client = new Client(secured ? { psk } : {});
  for (const path of ['small', 'large']) await client.get(`${scheme}://127.0.0.1:${relay.port}/${path}`);
  return relay.pieces.slice();
}

/** 7.01 of both, then request and response, twice; the first request may come before the 7.01 of the server. */
const expected = ['1 large 0', '1 small 0', '225  0', '225  0', '69  3000', '69  4'];

describe('CoAP over TCP', () => {
  test('each message is read field by field, at its own port and at another one, which begins with a CSM', async (t) => {
    const pieces = await recorded(t, 'coap+tcp');
    for (const port of [5683, 17_500]) {
      const packets = decodedCapture(captureOf(segmentsOf(pieces), port));
      assert.deepEqual(messages(packets).toSorted(), expected);
      assert.deepEqual(problems(packets), []);
      assert.deepEqual(found(packets), []);
      for (const { parts } of packets)
        for (const { fields, bytes } of parts) assertWithin(fields, 0, bytes.length);
    }
    const [first] = decodedCapture(captureOf(segmentsOf(pieces), 5683));
    assert.match(first!.summary, /^7\.01 CSM/);
    const [csm] = first!.parts;
    assert.deepEqual(
      csm!.fields.slice(0, 2).map(({ name }) => name),
      ['Len', 'Token Length'],
    );
    assert.ok(csm!.fields.some(({ name }) => name === 'Max-Message-Size'));
  });

  test('however segments are cut, repeated and reordered, and across the end of sequence numbers', async (t) => {
    const pieces = await recorded(t, 'coap+tcp');
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.nat(0xffff_ffff),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom('repeat', 'swap')), { maxLength: 10 }),
        (cut, start, changes) => {
          const segments = [...segmentsOf(pieces, cut, start)];
          for (const [where, what] of changes) {
            const at = where % segments.length;
            if (what === 'repeat') segments.splice(at + 1, 0, segments[at]!);
            // The first of a side says where its stream begins.
            else if (at > 4 && at + 1 < segments.length)
              segments.splice(at, 2, segments[at + 1]!, segments[at]!);
          }
          const packets = decodedCapture(captureOf(segments, 5683));
          assert.deepEqual(messages(packets).toSorted(), expected);
        },
      ),
      { numRuns: long ? 2000 : 60, seed: 8323 },
    );
  });

  test('behind bytes that never come a direction is not read on, and says so', async (t) => {
    const pieces = await recorded(t, 'coap+tcp');
    const segments = segmentsOf(pieces, 64);
    const lost = segments.findIndex(({ from, sequence }) => from === 'server' && sequence > 64);
    const packets = decodedCapture(
      captureOf(
        segments.filter((_, index) => index !== lost),
        5683,
      ),
    );
    assert.ok(messages(packets).length < expected.length);
    assert.match(packets.at(-2)!.summary + packets.at(-1)!.summary, /out of order|missing|7\.04/);
  });

  test('a diagnosis sees what is wrong with a stream, too: a response that nobody asked for', () => {
    // CSM and GET with the token 77; CSM and 2.05 with the token 78.
    const client = Uint8Array.of(0x00, 0xe1, 0x21, 0x01, 0x77, 0xb1, 0x61);
    const server = Uint8Array.of(0x00, 0xe1, 0x31, 0x45, 0x78, 0xff, 0x68, 0x69);
    const pieces = [
      { from: 'client', bytes: client },
      { from: 'server', bytes: server },
    ] as const;
    assert.deepEqual(found(decodedCapture(captureOf(segmentsOf(pieces), 5683))), ['token-unknown']);
  });

  test('a length that no message has ends it, and an endless body takes no memory', () => {
    const huge = Uint8Array.from([0xf0, 0xff, 0xff, 0xff, 0xff, 1]);
    const [packet] = decodedCapture(captureOf(segmentsOf([{ from: 'client', bytes: huge }]), 5683));
    assert.match(problems([packet!]).join(), /a message of \d+ bytes: this is no CoAP/);
  });
});

describe('CoAP over WebSocket', () => {
  test('handshake, masked and unmasked frames, and the messages in them', async (t) => {
    const pieces = await recorded(t, 'coap+ws');
    for (const cut of [Infinity, 7, 1]) {
      const packets = decodedCapture(captureOf(segmentsOf(pieces, cut), 8080));
      assert.deepEqual(messages(packets).toSorted(), expected);
      assert.deepEqual(problems(packets), []);
      const parts = packets.flatMap((packet) => packet.parts);
      assert.equal(parts.filter(({ name }) => name === 'WebSocket handshake').length, 2);
      const frames = parts.filter(({ name }) => name === 'WebSocket frame');
      const masks = new Set(frames.map(({ fields }) => fields.find(({ name }) => name === 'Mask')!.value));
      assert.deepEqual([...masks].sort(), ['0', '1']);
      for (const { fields, bytes } of parts) assertWithin(fields, 0, bytes.length);
    }
  });

  test('another use of HTTP is none of ours', () => {
    const bytes = new TextEncoder().encode('GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n');
    const packets = decodedCapture(
      captureOf(
        segmentsOf([
          { from: 'client', bytes },
          { from: 'client', bytes },
        ]),
        8080,
      ),
    );
    assert.equal(packets[1]!.parts.length, 0);
  });
});

/** CSM and GET /a; CSM and 2.05 "hi". */
const asked = Uint8Array.from([0x00, 0xe1, 0x21, 0x01, 0x77, 0xb1, 0x61]);
const answered = Uint8Array.from([0x00, 0xe1, 0x31, 0x45, 0x77, 0xff, 0x68, 0x69]);
const certificates = new URL('../../../coapsule/test/api/certificates/', import.meta.url);

async function recordedTls(
  t: TestContext,
  options: SecureContextOptions,
): Promise<{ readonly pieces: readonly StreamPiece[]; readonly keyLog: readonly string[] }> {
  const keyLog: string[] = [];
  const isPsk = options.ciphers?.startsWith('PSK') === true;
  const key = new TextEncoder().encode('MySecret16ByteK!');
  const server = createTlsServer({
    ...options,
    ...(isPsk
      ? { pskCallback: () => key }
      : {
          cert: readFileSync(new URL('server.pem', certificates)),
          key: readFileSync(new URL('server.key', certificates)),
        }),
  });
  server.on('keylog', (line: Buffer) => keyLog.push(line.toString().trim()));
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(answered));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const relay = await recordingRelay(t, (server.address() as AddressInfo).port);
  const socket = tlsConnect({
    ...{ ...options, host: '127.0.0.1', port: relay.port, rejectUnauthorized: false },
    ...(isPsk && { pskCallback: () => ({ psk: key, identity: 'a' }), checkServerIdentity: () => undefined }),
  });
  await once(socket, 'secureConnect');
  socket.write(asked);
  await once(socket, 'data');
  socket.destroy();
  return { pieces: relay.pieces.slice(), keyLog };
}

describe('TLS', () => {
  const v13 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
  const v12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  const suites: readonly SecureContextOptions[] = [
    { ...v13, ciphers: 'TLS_AES_128_GCM_SHA256' },
    { ...v13, ciphers: 'TLS_AES_256_GCM_SHA384' },
    { ...v13, ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
    { ...v13, ciphers: 'TLS_AES_128_CCM_SHA256' },
    { ...v12, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
    { ...v12, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
    { ...v12, ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
    { ...v12, ciphers: 'ECDHE-ECDSA-AES128-CCM' },
    { ...v12, ciphers: 'ECDHE-ECDSA-AES256-CCM8:@SECLEVEL=0' },
    { ...v12, ciphers: 'PSK-AES128-CCM8:@SECLEVEL=0' },
    { ...v12, ciphers: 'PSK-CHACHA20-POLY1305' },
  ];
  for (const options of suites) {
    test(`${options.ciphers} is opened with the key log, and shown as records without it`, async (t) => {
      const { pieces, keyLog } = await recordedTls(t, options);
      const opened = decodedCapture(captureOf(segmentsOf(pieces, 100), 5684, keyLog));
      assert.deepEqual(messages(opened), ['225  0', '1 a 0', '225  0', '69  2']);
      assert.ok(opened.some(({ parts }) => parts.some(({ isSecured }) => isSecured)));
      const closed = decodedCapture(captureOf(segmentsOf(pieces), 5684));
      assert.deepEqual(messages(closed), []);
      const text = closed.map(({ summary }) => summary).join('\n');
      assert.match(
        text,
        /TLS ClientHello[\s\S]*TLS ServerHello[\s\S]*ApplicationData \(encrypted, \d+ bytes\)/,
      );
      assert.deepEqual(problems([...opened, ...closed]), []);
    });
  }

  for (const ciphers of ['PSK-AES128-CCM8:@SECLEVEL=0', 'PSK-AES256-GCM-SHA384', 'PSK-CHACHA20-POLY1305']) {
    test(`${ciphers} is opened with its pre-shared key too, and with no other`, async (t) => {
      const { pieces } = await recordedTls(t, { ...v12, ciphers });
      const key = new TextEncoder().encode('MySecret16ByteK!');
      const file = captureOf(segmentsOf(pieces, 50), 5684);
      assert.deepEqual(messages(decodedCapture(file, key)), ['225  0', '1 a 0', '225  0', '69  2']);
      assert.deepEqual(messages(decodedCapture(file, key.slice(1))), []);
    });
  }

  test('what our client and server say over coaps+tcp', async (t) => {
    const keyLog: string[] = [];
    const pieces = await recorded(t, 'coaps+tcp', (line) => keyLog.push(line));
    for (const cut of [Infinity, 1])
      assert.deepEqual(
        messages(decodedCapture(captureOf(segmentsOf(pieces, cut), 5684, keyLog))).toSorted(),
        expected,
      );
  });
});

test('no bytes make it throw, whatever a connection began with', () => {
  const beginnings = [
    '00e1',
    '474554202f20485454502f312e310d0a557067726164653a20776562736f636b65740d0a5365632d576562536f636b65742d50726f746f636f6c3a20636f61700d0a0d0a',
    '1603010005',
    '1603030036020000320303',
    '',
  ].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));
  fc.assert(
    fc.property(
      fc.constantFrom(...beginnings),
      fc.array(
        fc.tuple(fc.constantFrom('client' as const, 'server' as const), fc.uint8Array({ maxLength: 60 })),
      ),
      (first, rest) => {
        const pieces = [
          { from: 'client' as const, bytes: first },
          ...rest.map(([from, bytes]) => ({ from, bytes })),
        ];
        for (const { parts } of decodedCapture(captureOf(segmentsOf(pieces), 5683)))
          for (const { fields, bytes } of parts) assertWithin(fields, 0, bytes.length);
      },
    ),
    { numRuns: long ? 50_000 : 500, seed: 8324 },
  );
});
