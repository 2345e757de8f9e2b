/** Mbed TLS (by python-mbedtls) in both directions: pre-shared keys. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { helloRequest, startMbedtls } from './json-peer.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';

const psk = ['--psk', `${demo.identity}:${demo.key}`];

/** Mbed TLS's names of the suites that both sides have. */
const suites = [
  'TLS-PSK-WITH-AES-128-CCM-8',
  'TLS-PSK-WITH-AES-256-CCM-8',
  'TLS-PSK-WITH-AES-128-CCM',
  'TLS-PSK-WITH-AES-256-CCM',
  'TLS-PSK-WITH-AES-128-GCM-SHA256',
  'TLS-PSK-WITH-AES-256-GCM-SHA384',
  'TLS-PSK-WITH-CHACHA20-POLY1305-SHA256',
  'TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256',
];

describe('Mbed TLS', () => {
  for (const suite of suites) {
    peerTest(`its client reads from the gateway: ${suite}`, ['mbedtls'], async (t) => {
      const gateway = await startGateway(t);
      const send = ['--send', helloRequest];
      const peer = await startMbedtls(t, 'client', gateway.coapsPort, ...psk, '--suites', suite, ...send);
      assert.equal((await peer.event('connected'))['suite'], suite);
      assert.match(String((await peer.event('data'))['text']), /Hello, world!/);
    });

    peerTest(`its server answers our client: ${suite}`, ['mbedtls'], async (t) => {
      const port = await freeUdpPorts(1);
      await startMbedtls(t, 'server', port, ...psk, '--suites', suite);
      const { code, stdout, output } = await coapsule(
        t,
        'get',
        `coaps://127.0.0.1:${port}/hello`,
        ...demoCredentials,
      );
      assert.equal(code, 0, output);
      assert.equal(stdout.toString().trim(), 'hello from mbedtls');
    });
  }
});
