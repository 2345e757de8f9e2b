/** OpenSSL's s_client and s_server, DTLS 1.2 with PSK, against the gateway and our client. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { answerTo } from './coap-bytes.ts';
import { helloRequest } from './json-peer.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, start, until } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';

/** OpenSSL's names of the suites that both sides have. CCM_8 is below OpenSSL's default security level. */
const suites = [
  'PSK-AES128-CCM8:@SECLEVEL=0',
  'PSK-AES128-CCM',
  'PSK-AES128-GCM-SHA256',
  'PSK-AES256-CCM8:@SECLEVEL=0',
  'PSK-AES256-CCM',
  'PSK-AES256-GCM-SHA384',
  'PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-CHACHA20-POLY1305',
];
const psk = ['-psk_identity', demo.identity, '-psk', demo.keyHex];

describe('openssl s_client', () => {
  for (const suite of suites) {
    peerTest(`reads from the gateway: ${suite}`, ['openssl'], async (t) => {
      const gateway = await startGateway(t);
      const address = ['-connect', `127.0.0.1:${gateway.coapsPort}`];
      const client = start(t, 'openssl', ['s_client', '-dtls1_2', ...address, ...psk, '-cipher', suite]);
      const { input } = await client.waitFor(/Extended master secret: \w+/);
      assert.match(input ?? '', /Cipher {4}: (ECDHE-)?PSK-\w+/);
      assert.match(input ?? '', /PSK identity hint: CoAP/);
      assert.match(input ?? '', /Extended master secret: yes/);
      client.write(Buffer.from(helloRequest, 'hex'));
      await client.waitFor(/Hello, world!/);
      client.endInput();
      await client.finished();
    });
  }

  peerTest('with a wrong key gets an alert within seconds', ['openssl'], async (t) => {
    const gateway = await startGateway(t);
    const address = ['-connect', `127.0.0.1:${gateway.coapsPort}`];
    const wrong = ['-psk_identity', demo.identity, '-psk', '00'.repeat(16)];
    const client = start(t, 'openssl', ['s_client', '-dtls1_2', ...address, ...wrong]);
    const { output } = await client.finished(); // by itself it would wait for ever
    assert.match(output, /alert (decrypt error|bad record mac|handshake failure)/i);
  });
});

describe('openssl s_server', () => {
  for (const suite of suites) {
    for (const listen of [['-listen'], []]) {
      const cookie = listen.length > 0 ? 'with' : 'without';
      peerTest(`answers our client ${cookie} -listen: ${suite}`, ['openssl'], async (t) => {
        const port = await freeUdpPorts(1);
        const address = ['-accept', `127.0.0.1:${port}`];
        const hint = ['-psk_hint', 'hint'];
        const server = start(t, 'openssl', [
          's_server',
          '-dtls1_2',
          '-nocert',
          ...address,
          ...psk,
          ...hint,
          '-cipher',
          suite,
          ...listen,
        ]);
        await server.waitFor(/ACCEPT/);
        const uri = `coaps://127.0.0.1:${port}/temperature`;
        const asked = coapsule(t, 'get', uri, '-B', '20', ...demoCredentials);
        await server.waitFor(/CIPHER is (ECDHE-)?PSK-\w+/);
        await until(() => answerTo(server.stdout, '') !== undefined, 'OpenSSL has decrypted our request');
        server.write(answerTo(server.stdout, 'hello from openssl')!);
        const { code, stdout, output } = await asked;
        assert.equal(code, 0, output);
        assert.equal(stdout.toString().trim(), 'hello from openssl');
      });
    }
  }
});
