/** tshark on captures of our traffic: from the loopback interface and from our own writer. */
import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { peerTest } from './peer.ts';
import { run, start, temporaryFolder, until } from './process.ts';
import { coapsule, demo, demoCredentials, type RunningGateway, startGateway } from './programs.ts';

/** Frames of a capture that match a display filter, one line each: protocols, then the wanted fields. */
async function frames(
  t: TestContext,
  capture: string,
  gateway: RunningGateway,
  filter: string,
  fields: readonly string[],
  preferences: readonly string[] = [],
): Promise<string[]> {
  const { code, stdout, output } = await run(t, 'tshark', [
    ...['-n', '-r', capture, '-Y', filter, '-T', 'fields', '-E', 'separator=|'],
    ...['-d', `udp.port==${gateway.coapsPort},dtls`, '-d', `dtls.port==${gateway.coapsPort},coap`],
    ...['-d', `udp.port==${gateway.coapPort},coap`],
    ...fields.flatMap((field) => ['-e', field]),
    ...preferences.flatMap((preference) => ['-o', preference]),
  ]);
  assert.equal(code, 0, output);
  return stdout.toString().split('\n').filter(Boolean);
}

/** Fails when tshark finds anything wrong in the capture, with and without the keys. */
async function assertWellFormed(
  t: TestContext,
  capture: string,
  gateway: RunningGateway,
  preferences: readonly string[],
): Promise<void> {
  for (const known of [[], preferences]) {
    const fields = ['frame.number', '_ws.col.Info', '_ws.expert.message'];
    const bad = '_ws.malformed || _ws.short || _ws.expert.severity == "Error"';
    const found = await frames(t, capture, gateway, bad, fields, known);
    // Request-Tag (RFC 9175), which libcoap sends, is newer than tshark 4.0.
    assert.deepEqual(
      found.filter((row) => !row.endsWith('|Invalid Option Number 292')),
      [],
    );
  }
}

describe('tshark', () => {
  peerTest(
    'decodes everything between libcoap, our client and the gateway, and decrypts it with our key log',
    ['tshark', 'coap-client-openssl', 'coap-client-gnutls'],
    async (t) => {
      const folder = temporaryFolder(t);
      const keylog = join(folder, 'keys.txt');
      const capture = join(folder, 'loopback.pcapng');
      const gateway = await startGateway(t, '--keylog', keylog);
      const filter = `udp port ${gateway.coapPort} or udp port ${gateway.coapsPort}`;
      const tshark = start(t, 'tshark', ['-q', '-i', 'lo', '-f', filter, '-w', capture]);
      await tshark.waitFor(/Capturing on/);
      await until(() => existsSync(capture) && statSync(capture).size > 0, 'the capture has begun');
      await sleep(500); // the capture filter is set after the file's header is written

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
      await sleep(500);
      await tshark.stop('SIGINT');

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
