/** Mbed TLS (by python-mbedtls) in both directions: pre-shared keys, and certificates on both sides. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { endEntity, trustAnchor } from './certificates.ts';
import { helloRequest, startMbedtls } from './json-peer.ts';
import {
  mutualClient,
  mutualServer,
  ownClient,
  refusalOf,
  securityOf,
  startOwnServer,
} from './own-endpoint.ts';
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

describe('Mbed TLS with a pre-shared key', () => {
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

/** Mbed TLS's name of the suite, and the kind of key in both certificates. */
const certificateSuites = [
  ['TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8', 'P-256'],
  ['TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8', 'P-256'],
  ['TLS-ECDHE-ECDSA-WITH-AES-128-CCM', 'P-256'],
  ['TLS-ECDHE-ECDSA-WITH-AES-256-CCM', 'P-256'],
  ['TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256', 'P-256'],
  ['TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384', 'P-384'],
  ['TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256', 'P-256'],
  ['TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256', 'RSA'],
  ['TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384', 'RSA'],
  ['TLS-ECDHE-RSA-WITH-CHACHA20-POLY1305-SHA256', 'RSA'],
] as const;

describe('Mbed TLS with a certificate', () => {
  for (const [suite, key] of certificateSuites) {
    const shown = (role: 'server' | 'client'): string[] => {
      const { certificate, key: keyFile } = endEntity({ role, key });
      const files = ['--certificate', certificate, '--key', keyFile, '--trust', trustAnchor()];
      return [...files, '--suites', suite, ...(key === 'RSA' ? ['--rsa'] : [])];
    };
    const name = suite.replaceAll('-', '_');

    peerTest(`its client reads from our server: ${suite}, ${key}`, ['mbedtls'], async (t) => {
      const server = await startOwnServer(t, mutualServer(key));
      const peer = await startMbedtls(t, 'client', server.port, ...shown('client'), '--send', helloRequest);
      assert.match(String((await peer.event('data'))['text']), /Hello, world!/);
      assert.equal((await server.connected()).suite, name);
    });

    peerTest(`its server answers our client: ${suite}, ${key}`, ['mbedtls'], async (t) => {
      const port = await freeUdpPorts(1);
      await startMbedtls(t, 'server', port, ...shown('server'));
      const response = await ownClient(t, mutualClient(key)).get(`coaps://127.0.0.1:${port}/hello`);
      assert.equal(response.text(), 'hello from mbedtls');
      assert.equal(securityOf(response.peer).suite, name);
    });
  }
});

describe('Mbed TLS and a certificate of an authority that the other side does not know', () => {
  const shown = (role: 'server' | 'client'): string[] => {
    const { certificate, key } = endEntity({ role, issuer: 'other-ca' });
    return ['--certificate', certificate, '--key', key];
  };

  peerTest('its client is refused by our server, and told so', ['mbedtls'], async (t) => {
    const server = await startOwnServer(t, mutualServer());
    const peer = await startMbedtls(t, 'client', server.port, ...shown('client'), '--trust', trustAnchor());
    assert.equal((await server.failed()).cause, 'unknown-ca');
    assert.match(String((await peer.event('failed'))['reason']), /alert/i);
  });

  peerTest('its server is refused by our client', ['mbedtls'], async (t) => {
    const port = await freeUdpPorts(1);
    await startMbedtls(t, 'server', port, ...shown('server'), '--trust', trustAnchor());
    const failure = await refusalOf(ownClient(t, mutualClient()).get(`coaps://127.0.0.1:${port}/hello`));
    assert.equal(failure.cause, 'unknown-ca');
  });
});
