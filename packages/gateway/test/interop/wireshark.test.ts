/** tshark on captures of our traffic: from the loopback interface and from our own writer. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { pairPsk } from 'coapsule/testing';
import { parseRule, type Rule } from '../../src/access/rule.ts';
import { openTraffic } from '../../src/cli/traffic-options.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';
import { assertWellFormed, captureLoopback, frames } from './tshark.ts';
import { lineUri, VirtualLine } from './virtual-line.ts';

describe('tshark', () => {
  peerTest(
    'decodes everything between libcoap, our client and the gateway, and decrypts it with our key log',
    ['tshark', 'coap-client-openssl', 'coap-client-gnutls'],
    async (t) => {
      const folder = temporaryFolder(t);
      const keylog = join(folder, 'keys.txt');
      const gateway = await startGateway(t, '--keylog', keylog);
      const { file: capture, stop } = await captureLoopback(t, gateway);

      const body = join(folder, 'body');
      writeFileSync(body, Buffer.alloc(8_192, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'));
      for (const uri of [gateway.coap, gateway.coaps]) {
        for (const client of ['coap-client-openssl', 'coap-client-gnutls']) {
          await run(t, client, ['-m', 'get', `${uri}/temperature`, ...demoCredentials]);
          await run(t, client, ['-m', 'post', '-e', '22.5', `${uri}/sensor`, ...demoCredentials]);
          await run(t, client, ['-m', 'get', '-s', '1', `${uri}/obs`, ...demoCredentials]);
          await run(t, client, ['-m', 'put', '-f', body, `${uri}/store`, ...demoCredentials]);
          await run(t, client, ['-m', 'get', '-B', '6', `${uri}/hello`, '-u', demo.identity, '-k', 'wrong']);
        }
        await coapsule(t, 'get', `${uri}/temperature`, ...demoCredentials);
        await coapsule(t, 'post', `${uri}/sensor`, '-e', '22.5', ...demoCredentials);
        await coapsule(t, 'get', `${uri}/obs`, '-s', '1', ...demoCredentials);
        await coapsule(t, 'put', `${uri}/store`, '-f', body, ...demoCredentials);
        await coapsule(t, 'get', `${uri}/large`, ...demoCredentials);
        await coapsule(t, 'discover', uri, ...demoCredentials);
        await coapsule(t, 'ping', uri, ...demoCredentials);
        await coapsule(t, 'get', `${uri}/hello`, '-u', demo.identity, '-k', 'wrong');
      }
      await stop();

      const preferences = [`tls.keylog_file:${keylog}`];
      await assertWellFormed(t, capture, gateway, preferences);
      const secured = `dtls && udp.port == ${gateway.coapsPort}`;
      assert.deepEqual(
        await frames(t, capture, gateway, `(${secured}) && coap`, ['frame.number']),
        [],
        'readable without the keys',
      );
      const paths = await frames(
        t,
        capture,
        gateway,
        `(${secured}) && coap.opt.uri_path`,
        ['coap.opt.uri_path'],
        preferences,
      );
      for (const path of ['temperature', 'sensor', 'obs', 'store', 'large']) {
        assert.ok(
          paths.some((row) => row.includes(path)),
          `no decrypted request for /${path}`,
        );
      }
      // Records of application data that stayed closed: none of those the gateway had keys for.
      const closed = await frames(
        t,
        capture,
        gateway,
        'dtls.record.content_type == 23 && !coap',
        ['frame.number'],
        preferences,
      );
      assert.deepEqual(closed, []);
      const plain = await frames(t, capture, gateway, `coap && udp.port == ${gateway.coapPort}`, [
        'coap.code',
      ]);
      assert.ok(plain.length > 50, `${plain.length} plain messages`);
    },
  );

  peerTest(
    'opens what a gateway writes of its endpoints and lines with --write, and what it keeps with --traffic',
    ['tshark', 'socat'],
    async (t) => {
      const folder = temporaryFolder(t);
      const [file, kept] = [join(folder, 'written.pcapng'), join(folder, 'kept.pcapng')];
      const log = { verbosity: 0, error() {}, warning() {}, detail() {} } as const;
      const traffic = openTraffic(
        { write: file, writeLimit: 1_000_000, traffic: 1_000_000, dangerouslyTrafficKeys: true },
        log,
      );
      t.after(() => traffic.close());
      const rules = ['GET:/api/traffic', 'GET:/api/traffic/keys'].map((rule) => parseRule(rule) as Rule);
      const token = 'owner-0123456789abc';
      const local = { host: '127.0.0.1', port: 0 };
      const line = await VirtualLine.open(t);
      const { gateway, coap, coaps, client } = await startTestGateway(t, {
        demo: true,
        streams: [{ scheme: 'coap+tcp', address: local }],
        serial: [{ device: line.near, baudRate: 115_200, security: 'plain' }],
        http: { address: local, tokens: [{ name: 'owner', token, rules }], tls: undefined },
        ...{ capture: traffic.capture, keylog: traffic.keylog, traffic: traffic.ring },
      });
      const { tcp, http } = gateway.endpoints;
      const device = client();
      for (const base of [coap, `coap+tcp://${tcp}`, lineUri('coap+serial', line.far)])
        assert.equal((await device.get(`${base}/hello`)).codeText, '2.05');
      await client('sensor-042', 'MySecret16ByteK!').get(`${coaps}/large`);
      const answer = await fetch(`http://${http}/api/traffic?keys=1`, {
        headers: { authorization: `Bearer ${token}` },
      });
      writeFileSync(kept, new Uint8Array(await answer.arrayBuffer()));
      const portOf = (uri: string): number => Number(uri.slice(uri.lastIndexOf(':') + 1));
      const ports = { coapPort: portOf(coap), coapsPort: portOf(coaps) };
      for (const capture of [file, kept]) {
        await assertWellFormed(t, capture, ports, []);
        const as = ['-d', `tcp.port==${portOf(tcp ?? '')},coap`];
        const fields = ['ip.proto', 'ip.src', 'coap.code', 'coap.opt.uri_path'];
        const rows = await frames(t, capture, ports, 'coap', fields, [], as);
        const [small, large] = [
          rows.filter((row) => !/\|large$|^6.*\|hello$/.test(row)),
          rows.filter((row) => row.endsWith('|large')),
        ];
        assert.equal(large.length, 8, 'a request for each block, inside of DTLS');
        assert.deepEqual(small.slice(0, 7), [
          '17|127.0.0.1|1|hello',
          '17|127.0.0.1|69|',
          // The request may stand behind the CSM in one segment, of which tshark 4.0 shows the first message alone.
          '6|127.0.0.1|225|',
          '6|127.0.0.1|225|',
          '6|127.0.0.1|69|',
          '17|198.51.100.1|1|hello',
          '17|192.0.2.1|69|',
        ]);
      }
    },
  );

  peerTest('opens what went through memory alone, and decrypts it with its key', ['tshark'], async (t) => {
    const capture = join(temporaryFolder(t), 'memory.pcapng');
    const { code, output } = await coapsule(t, 'calculate', 'handshake', '--write', capture);
    assert.equal(code, 0, output);
    const ports = { coapPort: 5683, coapsPort: 5684 };
    const key = `dtls.psk:${Buffer.from(pairPsk.key).toString('hex')}`;
    await assertWellFormed(t, capture, ports, [key]);
    const codes = await frames(t, capture, ports, 'coap', ['ip.src', 'coap.code'], [key]);
    assert.deepEqual(codes, ['192.0.2.1|1', '192.0.2.2|69']);
  });

  peerTest('reads the stream of coap+tcp that our client writes with -w', ['tshark'], async (t) => {
    const gateway = await startGateway(t, '--tcp', '127.0.0.1:0');
    const [, json = ''] = await gateway.process.waitFor(/^ready (\{.*\})$/m);
    const { tcp } = JSON.parse(json) as { tcp: string };
    const folder = temporaryFolder(t);
    const capture = join(folder, 'own.pcapng');
    const body = join(folder, 'body');
    // Three blocks of 15 KiB, and pieces of a stream that are larger than a packet of Ethernet.
    writeFileSync(body, Buffer.alloc(40_000, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'));
    const { code, output } = await coapsule(t, 'put', `coap+tcp://${tcp}/store`, '-f', body, '-w', capture);
    assert.equal(code, 0, output);
    const { stdout } = await run(t, 'tshark', [
      ...['-n', '-r', capture, '-d', `tcp.port==${tcp.split(':')[1]},coap`, '-o', 'tcp.check_checksum:TRUE'],
      ...['-T', 'fields', '-E', 'separator=|'],
      ...['tcp.checksum.status', 'tcp.analysis.flags', 'coap.code', 'coap.opt.uri_path'].flatMap((field) => [
        '-e',
        field,
      ]),
    ]);
    // Codes as numbers: 7.01 CSM of both, PUT and 2.31 or 2.01, and 7.04 Release. Nothing is lost, retransmitted or out of order.
    assert.deepEqual(stdout.toString().trim().split('\n'), [
      ...['1||225|', '1||225|'],
      ...['1||3|store', '1||95|', '1||3|store', '1||95|', '1||3|store', '1||65|'],
      '1||228|',
    ]);
  });

  peerTest(
    'decrypts the capture that our client writes with -w, with no option at all',
    ['tshark'],
    async (t) => {
      const gateway = await startGateway(t);
      const capture = join(temporaryFolder(t), 'own.pcapng');
      const { code, output } = await coapsule(
        t,
        'get',
        `${gateway.coaps}/large`,
        '-w',
        capture,
        ...demoCredentials,
      );
      assert.equal(code, 0, output);
      await assertWellFormed(t, capture, gateway, []);
      const records = await frames(t, capture, gateway, 'dtls', [
        'dtls.handshake.type',
        'dtls.record.content_type',
      ]);
      assert.ok(records.length >= 8, String(records));
      assert.ok(records[0]?.startsWith('1|'), 'the capture begins with the ClientHello');
      const codes = await frames(t, capture, gateway, 'dtls && coap', ['coap.code']);
      assert.ok(codes.length >= 16, 'a request and a response for each of eight blocks');
    },
  );
});
