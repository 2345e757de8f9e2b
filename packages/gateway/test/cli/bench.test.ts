/** `coapsule bench` against servers of the library: a process of its own, over loopback. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { changed, content, OscoreContext, OscoreContexts, openOscoreFile, Server } from 'coapsule';
import { formatOscoreConf } from '../../src/cli/oscore-conf.ts';
import { coapsule } from '../server/gateway-process.ts';
import { run } from './recorded-environment.ts';

const key = 'MySecret16ByteK!';
const short = ['-s', '0.5', '--warm-up', '0', '--clients', '5', '--json'];

interface Report {
  readonly answered: number;
  readonly failed: number;
  readonly loop: string;
  readonly codes: Readonly<Record<string, number>>;
  readonly connect: { readonly handshakes?: number };
  readonly generator: { readonly kind: string };
  readonly sentBytes?: number;
  readonly histogram: readonly { readonly count: number }[];
}

async function bench(
  t: TestContext,
  ...args: readonly string[]
): Promise<{ code: number | null; report: Report; stderr: string }> {
  const { code, stdout, stderr } = await coapsule(t, 'bench', ...args);
  return { code, report: stdout.startsWith('{') ? JSON.parse(stdout) : {}, stderr };
}

let folder: string;
let server: Server;
/** Addresses that asked, by security: what comes late from one test is not of the next. */
const peers = { none: new Set<string>(), dtls: new Set<string>() };
let bodies = 0;
let plain: number;
let secured: number;
let tcp: number;
const serverKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = {
  privateKey: { type: 'pkcs8', format: 'pem' },
  publicKey: { type: 'spki', format: 'pem' },
} as const;
let publicKeys: number;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
  const oscore = (end: 'client' | 'server') => ({
    masterSecret: Uint8Array.from({ length: 16 }, (_, index) => index),
    senderId: Uint8Array.of(end === 'client' ? 1 : 2),
    recipientId: Uint8Array.of(end === 'client' ? 2 : 1),
  });
  writeFileSync(join(folder, 'client.conf'), formatOscoreConf(oscore('client'), 'client'), { mode: 0o600 });
  const store = await openOscoreFile(join(folder, 'server.sequence'));
  const context = await OscoreContext.open({ ...oscore('server'), store, firstUse: true });
  server = new Server()
    .resource('/hello', {
      get: ({ peer }) => {
        const { kind } = peer.security;
        if (kind === 'none' || kind === 'dtls') peers[kind].add(peer.address.key);
        return content('Hello, world!');
      },
    })
    .resource('/protected', { requires: 'oscore', get: () => content('Hello, world!') })
    .resource('/sink', {
      put: (request) => {
        if (request.text() === 'reading') bodies++;
        return changed();
      },
    });
  ({ port: plain } = await server.listen('coap://127.0.0.1:0', { oscore: new OscoreContexts([context]) }));
  ({ port: secured } = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', new TextEncoder().encode(key)]]) },
  }));
  ({ port: publicKeys } = await server.listen('coaps://127.0.0.1:0', {
    rawPublicKey: { privateKey: serverKey.privateKey.export(pem.privateKey) },
    clientPublicKeys: new Map([['sensor-9', clientKey.publicKey]]),
  }));
  ({ port: tcp } = await server.listen('coap+tcp://127.0.0.1:0'));
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

describe('coapsule bench', () => {
  test('plain CoAP: each client has a port of its own, and all answers are counted', async (t) => {
    peers.none.clear();
    const { code, report, stderr } = await bench(t, `coap://127.0.0.1:${plain}/hello`, ...short);
    assert.equal(code, 0, stderr);
    assert.ok(report.answered > 0);
    assert.deepEqual(report.codes, { '2.05': report.answered });
    assert.equal(
      report.histogram.reduce((sum, { count }) => sum + count, 0),
      report.answered,
    );
    assert.deepEqual([report.failed, report.loop, report.generator.kind], [0, 'closed', 'datagrams']);
    // The five, and the request that goes before.
    assert.equal(peers.none.size, 6);
  });

  test('coaps with a pre-shared key: a handshake for each client, from the port that it goes on with', async (t) => {
    peers.dtls.clear();
    const { code, report, stderr } = await bench(
      t,
      `coaps://127.0.0.1:${secured}/hello`,
      ...short,
      ...['-u', 'sensor-042', '-k', key],
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(report.codes, { '2.05': report.answered });
    assert.deepEqual([report.failed, report.connect.handshakes], [0, 5]);
    assert.equal(peers.dtls.size, 6);
  });

  test('coaps without connection ids, and with raw public keys', async (t) => {
    writeFileSync(join(folder, 'c.key'), clientKey.privateKey.export(pem.privateKey), { mode: 0o600 });
    writeFileSync(join(folder, 's.pub'), serverKey.publicKey.export(pem.publicKey));
    const { code, report, stderr } = await bench(
      t,
      `coaps://127.0.0.1:${publicKeys}/hello`,
      ...short,
      ...['--no-cid', '-M', join(folder, 'c.key'), '--peer-rpk', join(folder, 's.pub')],
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(report.codes, { '2.05': report.answered });
    assert.deepEqual([report.failed, report.connect.handshakes], [0, 5]);
  });

  test('OSCORE and coap+tcp go by clients of the library', async (t) => {
    const protectedLoad = await bench(
      t,
      `coap://127.0.0.1:${plain}/hello`,
      ...short,
      ...['--oscore', join(folder, 'client.conf')],
    );
    assert.equal(protectedLoad.code, 0, protectedLoad.stderr);
    const stream = await bench(t, `coap+tcp://127.0.0.1:${tcp}/hello`, ...short);
    assert.equal(stream.code, 0, stream.stderr);
    for (const { report } of [protectedLoad, stream]) {
      assert.ok(report.answered > 0);
      assert.deepEqual(report.codes, { '2.05': report.answered });
      assert.equal(report.generator.kind, 'library');
    }
  });

  test('the OSCORE context that --credentials has for the URI protects the load', async (t) => {
    const map = join(folder, 'credentials.json');
    const text = JSON.stringify({ [`coap://127.0.0.1:${plain}/*`]: { oscore: 'client.conf' } });
    writeFileSync(map, text, { mode: 0o600 });
    const { code, report, stderr } = await bench(
      t,
      `coap://127.0.0.1:${plain}/protected`,
      ...short,
      ...['--credentials', map],
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(report.codes, { '2.05': report.answered });
  });

  test('other methods with a payload, Non-confirmable, at a rate', async (t) => {
    bodies = 0;
    const { code, report, stderr } = await bench(
      t,
      `coap://127.0.0.1:${plain}/sink`,
      ...short,
      ...['-m', 'put', '-e', 'reading', '-t', 'text/plain', '-N', '--rate', '200'],
    );
    assert.equal(code, 0, stderr);
    assert.equal(report.loop, 'open');
    assert.deepEqual(report.codes, { '2.04': report.answered });
    assert.ok(bodies > report.answered, 'the request before the load is no part of it');
  });

  test('answers of 4.xx are measured too, and are the exit code', async (t) => {
    const { code, report, stderr } = await bench(t, `coap://127.0.0.1:${plain}/nowhere`, ...short);
    assert.equal(code, 4);
    assert.deepEqual(report.codes, { '4.04': report.answered });
    assert.match(stderr, /the server answers 4\.04: that is what is measured/);
  });

  test('a server that stops in the middle is lost requests, not a crash', async (t) => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    let answered = 0;
    socket.on('message', (message, { port, address }) => {
      if (answered++ > 3) return;
      // 2.05 with the Message ID and token of the request.
      const response = Buffer.from(message.subarray(0, 4 + (message.readUInt8(0) & 15)));
      response[0] = 0x60 | (message.readUInt8(0) & 15);
      response[1] = 69;
      socket.send(response, port, address);
    });
    const { port } = socket.address();
    const { code, report, stderr } = await bench(
      t,
      `coap://127.0.0.1:${port}/a`,
      ...short,
      '-s',
      '3',
      '-B',
      '2',
    );
    socket.close();
    // One of the four was for the request that goes before.
    assert.ok(report.answered <= 3);
    assert.ok(report.failed > 0);
    assert.equal(code, report.answered > 0 ? 0 : 6, stderr);
  });

  test('what cannot be loaded is refused with 64', async () => {
    for (const [args, message] of [
      [['coap://[ff02::fd]/hello'], /multicast group/],
      [['coap+serial://ttyUSB0/hello'], /a serial line has room for one client/],
      [['coap://h/a', '--clients', '0'], /whole number, 1 to 10000/],
      [['coap://h/a', '-m', 'put', '-e', 'x'.repeat(1025)], /the payload has 1025 bytes/],
    ] as const) {
      const { exitCode, stderr } = await run(['bench', ...args]);
      assert.equal(exitCode, 64);
      assert.match(stderr, message);
    }
  });

  test('coaps without credentials is 7, and nothing is sent', async () => {
    const { exitCode, clientOptions } = await run(['bench', 'coaps://h/a']);
    assert.deepEqual([exitCode, clientOptions], [7, undefined]);
  });
});
