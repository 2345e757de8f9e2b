/**
 * What a serial line has to do, one test for each requirement (A01 to A26, I01 to I03): over a pair of pseudo-terminals
 * where a device is needed. What only takes time is in `test/scenarios/serial-*.test.ts`, on virtual time; A18 and A21, programs
 * to run as the README says, are in `serial-examples.test.ts`, and the gateway is in its own tests.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { LineConnection, type LineOptions } from '../../src/core/serial/line-connection.ts';
import { mtuAdvice } from '../../src/core/serial/line-diagnosis.ts';
import { slipmux } from '../../src/core/serial/slipmux.ts';
import {
  type AssociationEvent,
  type CapturedDatagram,
  Client,
  CoapsuleError,
  Code,
  content,
  type SerialEvent,
  SerialFailure,
  Server,
  type TraceEvent,
} from '../../src/index.ts';
import { openSerialPort } from '../../src/node/serial-port.ts';
import { Pair } from '../../src/testing/index.ts';
import { withoutPty } from '../node/pty-pair.ts';
import { certificateCredentials } from '../scenarios/dtls-credentials.ts';
import { DtlsPair } from '../scenarios/dtls-pair.ts';
import { issue, issueRoot } from '../x509/certificate-factory.ts';
import { body, certificate, LinePair, mutualX509, plain, psk, trustAnchors } from './line-pair.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

async function failureOf(request: Promise<unknown>): Promise<CoapsuleError> {
  const error = await request.then(
    () => assert.fail('the request was to fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CoapsuleError, String(error));
  return error;
}

async function until(done: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !done(); tries++) {
    if (tries > 1500) assert.fail(`did not happen: ${what}`);
    await sleep(10);
  }
}

/** The bare device at end b, as a program without this library has it. */
async function bareDevice(
  t: TestContext,
  pair: LinePair,
): Promise<{ write(bytes: Uint8Array | string): void; readonly read: Buffer[] }> {
  const { SerialPort } = await import('serialport');
  const device = new SerialPort({ path: pair.pty.b, baudRate: pair.baudRate, autoOpen: false });
  await new Promise<void>((resolve, reject) =>
    device.open((error) => (error === null ? resolve() : reject(error))),
  );
  t.after(() => new Promise((resolve) => device.close(resolve)));
  const read: Buffer[] = [];
  device.on('data', (chunk: Buffer) => read.push(chunk));
  return { write: (bytes) => device.write(bytes), read };
}

function framed(packet: Uint8Array): Uint8Array {
  return slipmux.encode(packet);
}

describe('serial lines: security', { skip: withoutPty }, () => {
  it('A01: the same resource gives the same answer on a plain line and on a secured one', async (t) => {
    for (const security of [plain, psk]) {
      const pair = await LinePair.open(t);
      await pair.serve(security);
      const response = await pair.client(security).get(pair.uri('b', security.secure, '/a'));
      assert.deepEqual([response.codeText, response.text()], ['2.05', 'Hello World']);
    }
  });

  it('A02: a wrong key gets nothing, nor does a peer without DTLS, and nothing is sent in plain text', async (t) => {
    const pair = await LinePair.open(t);
    const listener = await pair.serve(psk, { onAssociation: (event) => pair.events.push(event) });
    const wrong = new Client({ psk: { identity: 'sensor-042', key: new Uint8Array(16) } });
    const error = await failureOf(wrong.get(pair.uri('b', true, '/a')));
    assert.ok(['identity-or-key', 'psk-mismatch'].includes(error.handshake?.cause ?? ''), error.message);
    await wrong.close();
    const failed = pair.events.filter(({ kind }) => kind === 'handshake-failed');
    assert.ok(failed.length > 0);
    const open = new Client();
    const silence = await failureOf(open.get(pair.uri('b', false, '/a'), { timeoutMs: 300 }));
    assert.equal(silence.code, 'ERR_TIMEOUT');
    await open.close();
    assert.deepEqual(listener.line?.counters.lost, { unsecured: 1 });
    assert.ok(!Buffer.from(pair.pty.written().a).includes('Hello World'));
  });

  it('A03: one server answers over UDP, serial, DTLS over UDP and DTLS over serial', async (t) => {
    const [open, secured] = [await LinePair.open(t), await LinePair.open(t)];
    const server = open.server();
    await open.serve(plain, {}, { server });
    await secured.serve(psk, {}, { server });
    const udp = await server.listen('coap://127.0.0.1:0');
    const dtls = await server.listen('coaps://127.0.0.1:0', psk.server);
    const client = open.client(psk);
    const uris = [udp.uri, open.uri('b', false), dtls.uri, secured.uri('b', true)];
    for (const uri of uris) {
      assert.equal((await client.get(`${uri}/a`)).text(), 'Hello World', uri);
      assert.deepEqual((await client.get(`${uri}/store`)).payload, body, uri);
    }
  });

  it('A04, A05: both sides show certificates of one authority, and each knows who the other is', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(mutualX509);
    const response = await pair.client(mutualX509).get(pair.uri('b', true, '/whoami'));
    assert.equal(response.text(), 'x509 sensor-7');
    const { security } = response.peer;
    assert.ok(security.kind === 'dtls' && security.authentication.kind === 'x509');
    assert.equal(security.authentication.certificate.subject, 'CN=localhost');
  });

  for (const [what, client, serverCause, clientCause] of [
    ['without a certificate', { trustAnchors }, 'client-certificate-missing', 'client-certificate-missing'],
    [
      'with one of another authority',
      { trustAnchors, certificate: certificate('foreign-device') },
      'unknown-ca',
      'unknown-ca',
    ],
    [
      'with one that has expired',
      { trustAnchors, certificate: certificate('expired-device') },
      'certificate-expired',
      'certificate-expired',
    ],
  ] as const) {
    it(`A05: a client ${what} is refused with a reason on both ends`, async (t) => {
      const pair = await LinePair.open(t);
      await pair.serve(mutualX509);
      const error = await failureOf(pair.client(plain, client).get(pair.uri('b', true, '/a')));
      const failed = (): AssociationEvent | undefined =>
        pair.events.find(({ kind }) => kind === 'handshake-failed');
      await until(() => failed() !== undefined, 'the server tells');
      const event = failed();
      assert.ok(event?.kind === 'handshake-failed');
      assert.equal(event.failure.cause, serverCause);
      assert.equal(error.handshake?.cause, clientCause, error.message);
      assert.ok(error.nextStep !== '' && event.nextStep !== '');
    });
  }

  it('A05: a server that the client does not trust is refused, and a key that is not the certificate’s at once', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(mutualX509);
    const { chain, privateKey } = { ...certificate('device'), privateKey: certificate('server').privateKey };
    assert.throws(
      () => new Client({ certificate: { chain, privateKey }, trustAnchors }),
      /is not the key of/,
    );
    const distrustful = pair.client(plain, {
      certificate: certificate('device'),
      trustAnchors: certificate('foreign-device').chain,
    });
    assert.equal(
      (await failureOf(distrustful.get(pair.uri('b', true, '/a')))).handshake?.cause,
      'unknown-ca',
    );
    await distrustful.close();
    // A line has no name: one that is asked for has to be in the certificate.
    const particular = pair.client(mutualX509, { serverName: 'plant.example' });
    assert.equal(
      (await failureOf(particular.get(pair.uri('b', true, '/a')))).handshake?.cause,
      'name-mismatch',
    );
    await particular.close();
    const system = pair.client(plain, { certificate: certificate('device') });
    await assert.rejects(system.get(pair.uri('b', true, '/a')), /give serverName, or trustAnchors/);
  });

  it('A06: records that are changed on the line are dropped and counted, and the session lives', () => {
    // Plain SLIP has no check sequence: what is changed comes to DTLS.
    const pair = new Pair({
      security: 'dtls',
      line: { options: { framing: 'slip' } },
      handler: () => ({ code: Code.Content, payload: body.subarray(0, 400) }),
    });
    const { line } = pair.line ?? assert.fail('a line');
    const write = line.write.bind(line);
    let frames = 0;
    line.write = (from, bytes, now) => {
      // Beyond the handshake a third of the frames, in their ciphertext: END, header 13, nonce 8.
      const isChanged = ++frames > 8 && (frames * frames) % 7 === 2;
      write(from, isChanged ? bytes.map((byte, index) => (index === 24 ? byte ^ 4 : byte)) : bytes, now);
    };
    const connected = (): number => pair.events.filter(({ output }) => output.kind === 'connected').length;
    for (let i = 0; i < 40; i++) {
      const request = pair.request('/a');
      assert.ok(
        pair.runUntil(() => request.final),
        JSON.stringify(request.error),
      );
      assert.deepEqual(request.responses.at(-1)?.payload, body.subarray(0, 400));
    }
    assert.ok(frames > 100);
    assert.equal(connected(), 2, 'no new handshake');
    for (const { droppedByDtls } of [pair.client.counters, pair.server.counters]) {
      assert.ok((droppedByDtls['authentication-failed'] ?? 0) > 5, JSON.stringify(droppedByDtls));
    }
  });

  it('A07: what a record costs is told, and is what it costs on the line', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(psk);
    const sent: { readonly message: number[]; readonly datagram: number[] } = { message: [], datagram: [] };
    const client = pair.client(psk, {
      trace: (event: TraceEvent) => {
        if (event.kind === 'message' && event.direction === 'sent') sent.message.push(event.bytes.length);
      },
      capture: ({ direction, datagram }: CapturedDatagram) => {
        // RFC 6347 §4.1: application data.
        if (direction === 'sent' && datagram[0] === 23) sent.datagram.push(datagram.length);
      },
    });
    const { security } = (await client.put(pair.uri('b', true, '/store'), { payload: body })).peer;
    assert.ok(security.kind === 'dtls');
    // Header 13, explicit nonce 8, tag of CCM_8 8 (RFC 6655).
    assert.equal(security.recordOverhead.sent, 29);
    assert.ok(sent.message.length >= 16);
    assert.deepEqual(
      sent.datagram,
      sent.message.map((bytes) => bytes + 29),
    );
  });
});

describe('serial lines: MTU and buffers', () => {
  it('A08: a packet that the peer’s buffer cannot hold is not sent, and options that ask for it say so', () => {
    const line = new LineConnection({ mtu: 1024, peerBuffer: { bytes: 2048, holds: 'frames' } });
    assert.equal(line.mtu, 1020);
    assert.equal(line.send(new Uint8Array(1021).fill(0x40)), undefined);
    assert.equal(line.counters.refused, 1);
    for (const [serial, text] of [
      [{ mtu: 2048 }, /mtu 2048 does not fit bufferBytes 2048.*at most 2045/],
      [{ mtu: 1024, bufferBytes: 512 }, /mtu 1024 does not fit bufferBytes 512.*at most 509/],
      [{ peerBuffer: { bytes: 100, holds: 'frames' } }, /peerBuffer has 100 bytes.*at least 128/],
    ] as const) {
      assert.throws(() => new Client({ serial }), text);
    }
  });

  it('A08: block sizes and requests that no packet can hold are refused, with the MTU', {
    skip: withoutPty,
  }, async (t) => {
    const pair = await LinePair.open(t);
    const server = pair.server();
    await assert.rejects(
      pair.serve(plain, { blockSize: 1024 }, { server }),
      /blockSize 1024 does not fit the mtu 1024 of coap\+serial.*at most 512/,
    );
    await pair.serve(plain, {}, { server });
    const path = `/${Array.from({ length: 5 }, () => 'x'.repeat(250)).join('/')}`;
    await assert.rejects(
      pair.client(plain).get(pair.uri('b', false, path)),
      /the request needs \d+ bytes.*mtu 1024/,
    );
  });

  it('A09: with an MTU above the peer’s buffer the handshake fails and names both; with 1024 it passes', {
    skip: withoutPty,
  }, async (t) => {
    const pair = await LinePair.open(t);
    // The other end has 512 bytes, and nobody has told us.
    const heard: SerialEvent[] = [];
    const small = { mtu: 128, bufferBytes: 512, onEvent: (event: SerialEvent) => heard.push(event) };
    const client = pair.client(mutualX509, { serial: small });
    const large = await pair.serve(mutualX509, { serial: { mtu: 2000 } });
    const error = await failureOf(client.get(pair.uri('b', true, '/a'), { timeoutMs: 1000 }));
    assert.equal(error.code, 'ERR_TIMEOUT');
    assert.match(error.nextStep, /did not fit bufferBytes 512: give the peer an mtu of at most 509/);
    const lost = heard.find(({ kind }) => kind === 'lost');
    assert.ok(lost?.kind === 'lost' && lost.reason === 'overrun');
    assert.match(lost.advice ?? '', /does not fit bufferBytes 512/);
    await client.close();
    await large.close();

    await pair.serve(mutualX509);
    const usual = pair.client(mutualX509);
    assert.equal((await usual.get(pair.uri('b', true, '/a'))).text(), 'Hello World');
    const [status] = await usual.lines();
    assert.deepEqual([status?.mtu, status?.counters.lost, status?.diagnosis], [1024, {}, undefined]);
  });

  it('A09: the side with the MTU that is too high names it, when no smaller piece gets through either', () => {
    const handshake = (mtu: number, a: LineOptions): DtlsPair => {
      const pair = new DtlsPair({
        line: { a, b: { mtu }, conditions: { baudRate: 115_200 } },
        client: {
          mtu: a.mtu ?? 1024,
          bytesPerSecond: 11_520,
          credentials: certificateCredentials('client'),
        },
        server: { mtu, bytesPerSecond: 11_520, credentials: certificateCredentials('server') },
      });
      pair.connect();
      pair.run(300_000, () => pair.bothConnected);
      return pair;
    };
    const bad = handshake(1400, { mtu: 237, bufferBytes: 240 });
    const [failed] = bad.server.all('handshake-failed');
    assert.equal(failed?.failure.cause, 'mtu-too-large', failed?.failure.detail);
    assert.ok((bad.line?.ends.a.counters.lost.overrun ?? 0) > 3);
    assert.match(
      mtuAdvice(new LineConnection({ mtu: 1400 })),
      /the buffer at the other end is most likely smaller than mtu 1400: lower it to 1024, or give peerBuffer/,
    );
    assert.ok(handshake(1024, {}).bothConnected);
  });

  it('A10: 1024 is the default MTU, and no packet is larger with certificates of 4 KB on both sides', () => {
    assert.equal(new LineConnection().mtu, 1024);
    const pair = new DtlsPair({
      line: { conditions: { baudRate: 115_200 } },
      client: {
        mtu: 1024,
        bytesPerSecond: 11_520,
        credentials: certificateCredentials('client', 'ec-secp256r1', 4096),
      },
      server: {
        mtu: 1024,
        bytesPerSecond: 11_520,
        credentials: certificateCredentials('server', 'ec-secp256r1', 4096),
      },
    });
    pair.connect();
    pair.run(60_000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    for (const { counters } of Object.values(pair.line?.ends ?? {})) {
      assert.ok(counters.largestPacket <= 1024 && counters.largestPacket > 900, `${counters.largestPacket}`);
      assert.deepEqual([counters.refused, counters.lost], [0, {}]);
    }
  });

  it('A11: 2048 is the default buffer: a frame of 2048 bytes passes, one of 2049 is lost and counted', () => {
    const line = new LineConnection();
    assert.equal(line.bufferBytes, 2048);
    const packet = (length: number): Uint8Array => new Uint8Array(length).fill(0x41);
    // A frame of slipmux is its packet with one byte before and two behind it.
    assert.equal(line.receive(framed(packet(1024)))[0]?.kind, 'packet');
    assert.equal(line.receive(framed(packet(2045)))[0]?.kind, 'packet');
    const [lost] = line.receive(framed(packet(2046)));
    assert.ok(lost?.kind === 'lost' && lost.reason === 'overrun');
    assert.equal(line.counters.bufferPeak, 2048);
    const raw = new LineConnection({ framing: 'raw' });
    assert.equal(raw.receive(packet(2048))[0]?.kind, 'packet');
    assert.equal(raw.receive(packet(2049))[0]?.kind, 'lost');
  });

  it('A12: whatever is in a packet, its frame fits the buffer that it was made for', () => {
    const line = new LineConnection({ peerBuffer: { bytes: 2048, holds: 'frames' } });
    const contents = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: line.mtu }),
      fc.integer({ min: 1, max: line.mtu }).map((length) => new Uint8Array(length).fill(0xc0)),
      fc.integer({ min: 1, max: line.mtu }).map((length) => new Uint8Array(length).fill(0xdb)),
    );
    fc.assert(
      fc.property(contents, (packet) => {
        const frame = line.send(packet);
        assert.ok(frame !== undefined && frame.length <= 2048);
      }),
    );
    const worst = line.send(new Uint8Array(line.mtu).fill(0xc0));
    assert.ok((worst?.length ?? 0) > 2040);
  });
});

describe('serial lines: packets on a stream of bytes', { skip: withoutPty }, () => {
  it('A13: bytes one by one, and several packets at once, are exactly the packets that were sent', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(plain);
    const device = await bareDevice(t, pair);
    const ping = (id: number): Uint8Array => framed(Uint8Array.of(0x40, 0, 0x12, id));
    for (const byte of ping(1)) device.write(Uint8Array.of(byte));
    device.write(Buffer.concat([ping(2), ping(3), ping(4)]));
    // RFC 7252 §4.3: each is answered by a Reset.
    const resets = Buffer.concat([1, 2, 3, 4].map((id) => framed(Uint8Array.of(0x70, 0, 0x12, id))));
    await until(() => Buffer.concat(device.read).length >= resets.length, 'four Resets');
    assert.deepEqual(Buffer.concat(device.read), resets);
  });

  it('A14, A15: a port has a read buffer of 2048 bytes, and unplugging is an event', async (t) => {
    const pair = await LinePair.open(t);
    const failures: SerialFailure[] = [];
    const port = await openSerialPort({
      path: pair.pty.a,
      baudRate: 9600,
      onDatagram() {},
      onFailure: (failure) => failures.push(failure),
    });
    t.after(() => port.close());
    const device = await bareDevice(t, pair);
    device.write(new Uint8Array(100_000).fill(0x41));
    await until(() => port.counters.bytesReceived === 100_000, 'all bytes');
    assert.equal(port.counters.bufferPeak, 2048);
    await pair.pty.unplug();
    await until(() => failures.length > 0, 'a failure');
    assert.equal(failures[0]?.failure, 'unplugged');
  });

  it('A15: a listener and a client tell that their line was unplugged, and that it is there again', async (t) => {
    const pair = await LinePair.open(t);
    const heard: string[] = [];
    const serial = (who: string) => ({
      onEvent: (event: SerialEvent) =>
        heard.push(`${who} ${event.kind === 'failure' ? event.failure.failure : event.kind}`),
    });
    await pair.serve(plain, { serial: serial('server') });
    const client = pair.client(plain, { serial: serial('client') });
    assert.equal((await client.get(pair.uri('b', false, '/a'))).text(), 'Hello World');
    await pair.pty.unplug();
    await until(
      () => ['server unplugged', 'client unplugged'].every((one) => heard.includes(one)),
      'both tell',
    );
    await pair.pty.plug();
    await until(
      () => ['server reopened', 'client reopened'].every((one) => heard.includes(one)),
      'both again',
    );
    assert.equal((await client.get(pair.uri('b', false, '/a'))).text(), 'Hello World');
    assert.deepEqual(
      (await client.lines()).map(({ isOpen, counters }) => [isOpen, counters.reopened]),
      [[true, 1]],
    );
  });

  it('A16: lines are addresses: the sessions of two of them do not collide', async (t) => {
    const pairs = [await LinePair.open(t), await LinePair.open(t)] as const;
    const server = pairs[0].server();
    for (const pair of pairs) {
      const { uri, host, port } = await pair.serve(psk, {}, { server });
      assert.deepEqual([uri, host, port], [pair.uri('a', true), '0.0.0.0', 0]);
    }
    const client = pairs[0].client(psk);
    const answers = await Promise.all(pairs.map((pair) => client.get(pair.uri('b', true, '/whoami'))));
    assert.deepEqual(
      answers.map((response) => response.text()),
      ['psk sensor-042', 'psk sensor-042'],
    );
    for (const pair of pairs) {
      const [event] = pair.events;
      assert.ok(event?.kind === 'connected');
      assert.deepEqual(event.peer.address, {
        key: `serial:${pair.pty.a}`,
        host: `serial:${pair.pty.a}`,
        port: 0,
      });
      assert.equal(event.peer.transport, 'serial');
    }
    const names = answers.map(({ peer: { security } }) => security.kind === 'dtls' && security.association);
    assert.notEqual(names[0], names[1]);
    const observation = client.observe(pairs[1].uri('b', true, '/counter'));
    for await (const _ of observation) break;
    assert.equal((await client.lines()).length, 2);
  });

  it('A17: a silent line ends a request in time, and close ends one that waits', async (t) => {
    const pair = await LinePair.open(t);
    await bareDevice(t, pair);
    const client = pair.client(plain);
    const late = await failureOf(client.get(pair.uri('a', false, '/a'), { timeoutMs: 200 }));
    assert.equal(late.code, 'ERR_TIMEOUT');
    assert.match(late.nextStep, /nothing came from the line: is the device there and running/);
    const waiting = failureOf(client.get(pair.uri('a', false, '/a')));
    await until(() => pair.pty.written().a.length > 0, 'it is on the line');
    await client.close();
    assert.equal((await waiting).code, 'ERR_CLOSED');
  });

  it('A17: close does not wait for a line that does not move', async (t) => {
    const pair = await LinePair.open(t);
    const port = await openSerialPort({ path: pair.pty.a, baudRate: 9600, onDatagram() {} });
    // Nobody reads at the other end.
    for (let i = 0; i < 60; i++) port.send(new Uint8Array(1000).fill(0x41));
    await port.close();
    assert.ok(!port.isOpen);
  });

  it('A17: close lets out all that was sent before it', async (t) => {
    const pair = await LinePair.open(t);
    let received = 0;
    const other = await openSerialPort({ path: pair.pty.b, baudRate: 9600, onDatagram: () => received++ });
    t.after(() => other.close());
    const port = await openSerialPort({ path: pair.pty.a, baudRate: 9600, onDatagram() {} });
    for (let i = 0; i < 30; i++) port.send(new Uint8Array(1000).fill(0x41));
    await port.close();
    await until(() => received === 30, 'all packets');
  });
});

describe('serial lines: setup and demonstration', { skip: withoutPty }, () => {
  it('A19: path and rate come with the URI or as the default line; what cannot be opened says what to do', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(plain);
    const byDefault = pair.client(plain, { serial: { defaultLine: { device: pair.pty.b, baudRate: 9600 } } });
    assert.equal((await byDefault.get('coap+uart:///a')).text(), 'Hello World');
    assert.deepEqual(
      (await byDefault.lines()).map(({ path, baudRate }) => [path, baudRate]),
      [[pair.pty.b, 9600]],
    );
    await assert.rejects(pair.client(plain).get('coap+serial:///a'), /give serial.defaultLine/);

    const missing = await failureOf(pair.client(plain).get('coap+serial://ttyNOPE/a'));
    assert.equal(missing.code, 'ERR_NETWORK');
    assert.match(missing.message, /there is no serial device \/dev\/ttyNOPE/);
    assert.match(missing.nextStep, /plug it in, or check its name/);
    await assert.rejects(new Server().listen('coap+serial://ttyNOPE'), (error) => {
      assert.ok(error instanceof SerialFailure);
      return error.failure === 'no-such-device';
    });
    // The same device once more.
    const busy = await failureOf(pair.client(plain).get(pair.uri('a', false, '/a')));
    assert.match(busy.message, /is open in another program/);
  });

  it('A19: a listener can wait for a device that is not there yet', async (t) => {
    const pair = await LinePair.open(t);
    await pair.pty.unplug();
    const listener = await pair.serve(plain, { serial: { whenMissing: 'wait' } });
    assert.equal(listener.line?.isOpen, false);
    await pair.pty.plug();
    await until(() => listener.line?.isOpen === true, 'it is opened');
    assert.equal((await pair.client(plain).get(pair.uri('b', false, '/a'))).text(), 'Hello World');
  });

  it('A20: handshake, message exchange and secured exchange, each alone', async (t) => {
    const handshake = await LinePair.open(t);
    await handshake.serve(mutualX509);
    const pong = await handshake.client(mutualX509).ping(handshake.uri('b', true));
    assert.ok((pong.handshakeMs ?? 0) > 0);
    assert.equal(handshake.events[0]?.kind, 'connected');

    const exchange = await LinePair.open(t);
    await exchange.serve(plain);
    const open = exchange.client(plain);
    assert.equal((await open.get(exchange.uri('b', false, '/a'))).text(), 'Hello World');
    assert.equal((await open.ping(exchange.uri('b', false))).handshakeMs, undefined);

    const secured = await LinePair.open(t);
    await secured.serve(psk);
    const client = secured.client(psk);
    await client.put(secured.uri('b', true, '/store'), { payload: 'secret' });
    assert.equal((await client.get(secured.uri('b', true, '/store'))).text(), 'secret');
  });

  it('A22: how a line fares is told: largest packet, buffer, what was lost and why', async (t) => {
    const pair = await LinePair.open(t);
    const texts: string[] = [];
    const listener = await pair.serve(plain, {
      serial: {
        mtu: 512,
        bufferBytes: 600,
        onEvent: (event) => event.kind === 'text' && texts.push(event.text),
      },
    });
    const device = await bareDevice(t, pair);
    const bad = framed(Uint8Array.of(0x40, 1, 0, 1));
    bad[4] = (bad[4] as number) ^ 1;
    device.write(bad);
    device.write(framed(new Uint8Array(700).fill(0x41)));
    device.write('\r\nboot: 3 sensors\r\n');
    device.write(framed(Uint8Array.of(0x40, 0, 0, 7)));
    await until(() => (listener.line?.counters.packetsReceived ?? 0) === 1, 'the packet');
    assert.deepEqual(texts, ['boot: 3 sensors']);
    const { mtu, bufferBytes, counters, diagnosis } = listener.line ?? assert.fail('a line');
    assert.deepEqual([mtu, bufferBytes, counters.lost], [512, 600, { crc: 1, overrun: 1 }]);
    assert.deepEqual([counters.bufferPeak, counters.largestPacket], [600, 4]);
    assert.match(diagnosis ?? '', /did not fit bufferBytes 600: give the peer an mtu of at most 597/);
  });

  it('A23: a client that begins before the server connects once that is there', async (t) => {
    const pair = await LinePair.open(t);
    const client = pair.client(mutualX509);
    const answer = client.get(pair.uri('b', true, '/a'));
    await until(() => pair.pty.written().b.length > 0, 'a ClientHello');
    await pair.serve(mutualX509);
    assert.equal((await answer).text(), 'Hello World');
  });

  it('A24: GET /a, confirmable with Message ID 1234, is answered by an acknowledgement 2.05 Hello World', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(plain, { serial: { framing: 'raw' } });
    const device = await bareDevice(t, pair);
    device.write(hex('40 01 04d2 b1 61'));
    // Content-Format 0, text.
    const answer = Buffer.concat([hex('60 45 04d2 c0 ff'), Buffer.from('Hello World')]);
    await until(() => Buffer.concat(device.read).length >= answer.length, 'the answer');
    assert.deepEqual(Buffer.concat(device.read), answer);
  });

  it('A25: handlers know serial number, subject and mail addresses of the client’s certificate', async (t) => {
    const pair = await LinePair.open(t);
    const authority = issueRoot();
    const issued = issue({
      subject: 'CN=client-1,O=Acme',
      issuer: authority,
      serialNumber: 0x1234,
      names: { email: ['client1@example.com'], dns: ['client-1.example'] },
    });
    const server = pair.server().resource('/me', {
      get: ({ peer: { security } }) => {
        assert.ok(security.kind === 'dtls' && security.authentication.kind === 'x509');
        const { subject, serialNumber, names } = security.authentication.certificate;
        return content([security.identity, subject, serialNumber, ...names.toSorted()].join('|'));
      },
    });
    await pair.serve(mutualX509, { clientCertificates: { trustAnchors: authority.pem } }, { server });
    const client = pair.client(mutualX509, {
      certificate: { chain: issued.pem, privateKey: issued.keyPem },
    });
    assert.equal(
      (await client.get(pair.uri('b', true, '/me'))).text(),
      'client-1.example|CN=client-1,O=Acme|1234|client-1.example|client1@example.com',
    );
  });

  it('A26: an unknown path is answered 4.04, what is malformed is rejected or ignored, and nothing ends the server', async (t) => {
    const pair = await LinePair.open(t);
    const listener = await pair.serve(plain);
    const device = await bareDevice(t, pair);
    const malformed = ['40', '4001', '49010001', '400100 01 ff', '40010001 d0', '7f010001', '60450001', 'ff'];
    for (const packet of malformed) device.write(framed(hex(packet)));
    device.write(new Uint8Array(5000).fill(0xc0));
    device.write(Uint8Array.from({ length: 5000 }, (_, index) => (index * 151) & 255));
    device.write(framed(hex('40 01 0005 b4 6e6f7065')));
    const notFound = Buffer.from(hex('60 84 0005'));
    await until(() => Buffer.concat(device.read).includes(notFound), '4.04');
    assert.equal(listener.line?.isOpen, true);
    assert.deepEqual(pair.errors, []);
  });
});

describe('serial lines: noise and interruptions', { skip: withoutPty }, () => {
  it('I01, I03: noise and boot messages between packets cost no packet', async (t) => {
    const pair = await LinePair.open(t);
    const texts: string[] = [];
    await pair.serve(plain, {
      serial: { onEvent: (event) => event.kind === 'text' && texts.push(event.text) },
    });
    const device = await bareDevice(t, pair);
    const boot = ['ets Jul 29 2019 12:21:46', 'rst:0x1 (POWERON_RESET),boot:0x13'];
    const noises = [`${boot.join('\r\n')}\r\n`, hex('00 ff 81 92 7f 03 db db'), 'I (31) wifi: connected\r\n'];
    for (const [index, noise] of noises.entries()) {
      device.write(noise);
      device.write(framed(Uint8Array.of(0x40, 0, 0x20, index)));
    }
    const resets = Buffer.concat(noises.map((_, index) => framed(Uint8Array.of(0x70, 0, 0x20, index))));
    await until(() => Buffer.concat(device.read).length >= resets.length, 'three Resets');
    assert.deepEqual(Buffer.concat(device.read), resets);
    assert.deepEqual(texts, [...boot, 'I (31) wifi: connected']);
  });

  for (const security of [plain, mutualX509]) {
    it(`I02, ${security.name}: a transfer that the line was pulled out of goes on when it is there again, with all its data`, async (t) => {
      const pair = await LinePair.open(t);
      let blocks = 0;
      let whenPulled: (() => void) | undefined;
      const pulled = new Promise<void>((resolve) => {
        whenPulled = resolve;
      });
      await pair.serve(security, {
        trace: (event) => {
          if (event.kind !== 'message' || event.direction !== 'received' || ++blocks !== 6) return;
          void pair.pty.unplug().then(whenPulled);
        },
      });
      const client = pair.client(security);
      const uri = pair.uri('b', security.secure, '/store');
      const put = client.put(uri, { payload: body.toReversed() });
      await pulled;
      await pair.pty.plug();
      const plugged = performance.now();
      assert.equal((await put).codeText, '2.04');
      assert.ok(performance.now() - plugged < 5000, `${performance.now() - plugged} ms`);
      assert.deepEqual((await client.get(uri)).payload, body.toReversed());
      const connected = pair.events.filter(({ kind }) => kind === 'connected');
      // It is kept, or where an end took longer than 2 s to open its device, there is a new one.
      assert.ok(security.secure ? connected.length <= 2 : connected.length === 0);
    });
  }

  it('I02: a device that forgot its association makes a new one', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(psk);
    for (let boot = 0; boot < 3; boot++) {
      const device = new Client(psk.client);
      assert.equal((await device.get(pair.uri('b', true, '/a'))).text(), 'Hello World');
      // Power is cut: nothing says goodbye.
      await pair.pty.unplug();
      await device.close();
      await pair.pty.plug();
    }
    assert.equal(pair.events.filter(({ kind }) => kind === 'connected').length, 3);
  });

  it('I02: a client makes a new association with a server that lost its own with the line, within 5 s', async (t) => {
    const pair = await LinePair.open(t);
    const first = await pair.serve(mutualX509);
    const client = pair.client(mutualX509);
    const uri = pair.uri('b', true, '/a');
    assert.equal((await client.get(uri)).text(), 'Hello World');
    await pair.pty.unplug();
    await first.close();
    const events: string[] = [];
    await pair.serve(mutualX509, {
      serial: { whenMissing: 'wait', onEvent: ({ kind }) => events.push(kind) },
    });
    await pair.pty.plug();
    await until(() => events.includes('reopened'), 'the server has its line');
    const plugged = performance.now();
    assert.equal((await client.get(uri)).text(), 'Hello World');
    assert.ok(performance.now() - plugged < 5000, `${performance.now() - plugged} ms`);
    assert.equal(pair.events.filter(({ kind }) => kind === 'connected').length, 2);
  });

  it('many requests of one client share a line', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(psk);
    const client = pair.client(psk, { transmission: { nstart: 4 } });
    const uri = (path: string): string => pair.uri('b', true, path);
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, () => client.get(uri('/a'))),
      client.get(uri('/store')),
      client.put(uri('/store'), { payload: body }),
    ]);
    assert.deepEqual(new Set(answers.map(({ codeText }) => codeText)), new Set(['2.05', '2.04']));
  });
});
