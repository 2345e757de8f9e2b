/** tshark on handshakes with certificates, raw public keys and connection ids, and on sessions that go on. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { rawKey } from './certificates.ts';
import { closableClient } from './closable-client.ts';
import { helloRequest, startScandium } from './json-peer.ts';
import {
  mutualClient,
  mutualServer,
  ownClient,
  ownRawKey,
  publicKeyOf,
  servedPsk,
  startOwnServer,
} from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { temporaryFolder } from './process.ts';
import { demo } from './programs.ts';
import { startRelay } from './relay.ts';
import { assertWellFormed, captureLoopback, frames } from './tshark.ts';

describe('tshark', () => {
  peerTest(
    'reads our certificates and decrypts what follows with our key log, in three suites',
    ['tshark'],
    async (t) => {
      const keys: string[] = [];
      const server = await startOwnServer(t, { ...mutualServer(), keylog: (line) => keys.push(line) });
      const ports = { coapsPort: server.port };
      const capture = await captureLoopback(t, ports);
      const suites = [
        'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
        'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
        'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
      ] as const;
      for (const suite of suites) {
        const client = ownClient(t, { ...mutualClient(), suites: [suite], connectionId: 'off' });
        await client.get(`coaps://127.0.0.1:${server.port}/hello`);
        await client.close();
      }
      await capture.stop();

      const keylog = join(temporaryFolder(t), 'keys.txt');
      writeFileSync(keylog, `${keys.join('\n')}\n`);
      const preferences = [`tls.keylog_file:${keylog}`];
      await assertWellFormed(t, capture.file, ports, preferences);
      const names = await frames(t, capture.file, ports, 'dtls.handshake.certificate', [
        'x509sat.uTF8String',
      ]);
      assert.equal(names.length, 2 * suites.length);
      assert.ok(
        names.some((row) => row.includes('server')) && names.some((row) => row.includes('client')),
        String(names),
      );
      const answers = await frames(
        t,
        capture.file,
        ports,
        'dtls && coap.code == 69',
        ['coap.code'],
        preferences,
      );
      assert.equal(answers.length, suites.length);
    },
  );

  peerTest('reads our raw public keys', ['tshark'], async (t) => {
    const server = await startOwnServer(t, {
      rawPublicKey: ownRawKey(rawKey('server')),
      clientPublicKeys: new Map([['sensor-7', publicKeyOf('client')]]),
    });
    const ports = { coapsPort: server.port };
    const capture = await captureLoopback(t, ports);
    const client = ownClient(t, {
      rawPublicKey: ownRawKey(rawKey('client')),
      peerPublicKeys: publicKeyOf('server'),
    });
    await client.get(`coaps://127.0.0.1:${server.port}/hello`);
    await capture.stop();
    await assertWellFormed(t, capture.file, ports, []);
    const types = await frames(t, capture.file, ports, 'dtls.handshake.cert_type.type', [
      'dtls.handshake.cert_type.type',
    ]);
    assert.ok(
      types.some((row) => row.includes('2')),
      String(types),
    ); // Raw Public Key
  });

  peerTest(
    'finds our connection ids in the Hellos and in each record, over changes of address, and decrypts them',
    ['tshark', 'scandium'],
    async (t) => {
      const keys: string[] = [];
      const server = await startOwnServer(t, { psk: servedPsk, keylog: (line) => keys.push(line) });
      const relay = await startRelay(t, server.port);
      const ports = { coapsPort: server.port };
      const capture = await captureLoopback(t, ports);
      const options = ['--psk', `${demo.identity}:${demo.key}`, '--cid', '6'];
      const peer = await startScandium(t, 'client', relay.port, ...options);
      for (const [nth, id] of ['0001', '0002', '0003'].entries()) {
        peer.say(`send ${helloRequest.replace(/^(....)..../, `$1${id}`)}`);
        await peer.event('data', nth + 1);
        await relay.rebind();
      }
      await capture.stop();

      const keylog = join(temporaryFolder(t), 'keys.txt');
      writeFileSync(keylog, `${keys.join('\n')}\n`);
      const preferences = [
        `tls.keylog_file:${keylog}`,
        'dtls.client_cid_length:6',
        'dtls.server_cid_length:8',
      ];
      await assertWellFormed(t, capture.file, ports, preferences);
      const agreed = await frames(t, capture.file, ports, 'dtls.connection_id_length', [
        'dtls.connection_id_length',
      ]);
      assert.deepEqual(new Set(agreed), new Set(['6', '8']));
      const records = await frames(
        t,
        capture.file,
        ports,
        `dtls.record.special_type == 25 && udp.dstport == ${server.port}`,
        ['dtls.record.connection_id'],
        preferences,
      );
      assert.ok(records.length >= 4, String(records)); // Finished and three requests
      assert.equal(new Set(records).size, 1, String(records));
      const requests = await frames(t, capture.file, ports, 'coap.code == 1', ['coap.mid'], preferences);
      assert.deepEqual(requests, ['1', '2', '3']); // decrypted, whatever the address
    },
  );

  peerTest(
    'sees that a session of ours goes on without certificates or key exchange',
    ['tshark'],
    async (t) => {
      const server = await startOwnServer(t, { psk: servedPsk });
      const ports = { coapsPort: server.port };
      const capture = await captureLoopback(t, ports);
      const client = await closableClient(t, server.port);
      const first = await client.connect();
      await client.pongs(1);
      client.close(first);
      assert.equal((await client.connect()).resumed, true);
      await client.pongs(2);
      await capture.stop();
      await assertWellFormed(t, capture.file, ports, []);
      const exchanges = await frames(t, capture.file, ports, 'dtls.handshake.type == 16', ['frame.number']);
      const hellos = await frames(t, capture.file, ports, 'dtls.handshake.type == 2', [
        'dtls.handshake.session_id',
      ]);
      assert.equal(exchanges.length, 1, 'ClientKeyExchange once');
      assert.equal(hellos.length, 2);
      assert.equal(new Set(hellos).size, 1, 'the session id of the second ServerHello is that of the first');
    },
  );
});
