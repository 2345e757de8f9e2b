/** Californium's Scandium with certificates and raw public keys (RFC 7250) on both sides. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { CipherSuiteName } from 'coapsule';
import { endEntity, rawKey, trustAnchor } from './certificates.ts';
import { helloRequest, startScandium } from './json-peer.ts';
import {
  anchor,
  mutualClient,
  mutualServer,
  ownCertificate,
  ownClient,
  ownRawKey,
  publicKeyOf,
  refusalOf,
  securityOf,
  startOwnServer,
} from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts } from './process.ts';

/** Suite and kind of key in both certificates. */
const suites: readonly (readonly [CipherSuiteName, 'P-256' | 'P-384' | 'RSA' | 'Ed25519'])[] = [
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CCM', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'P-384'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'Ed25519'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'RSA'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'RSA'],
];

describe('Scandium with a certificate', () => {
  for (const [suite, key] of suites) {
    peerTest(`its server answers our client: ${suite}, ${key}`, ['scandium'], async (t) => {
      const port = await freeUdpPorts(1);
      const peer = await startScandium(
        t,
        'server',
        port,
        ...['--credentials', endEntity({ role: 'server', key }).both, '--trust', trustAnchor()],
        ...['--client-authentication', 'NEEDED', '--suites', suite],
      );
      const response = await ownClient(t, mutualClient(key)).get(`coaps://127.0.0.1:${port}/hello`);
      assert.equal(response.text(), 'hello from scandium');
      assert.equal(securityOf(response.peer).authentication.kind, 'x509');
      assert.match(String((await peer.event('connected'))['peer']), /^CN=client/);
    });

    peerTest(`its client reads from our server: ${suite}, ${key}`, ['scandium'], async (t) => {
      const server = await startOwnServer(t, mutualServer(key));
      const peer = await startScandium(
        t,
        'client',
        server.port,
        ...['--credentials', endEntity({ role: 'client', key }).both, '--trust', trustAnchor()],
        ...['--verify-name', '--suites', suite],
      );
      peer.say(`send ${helloRequest}`);
      assert.match(String((await peer.event('data'))['text']), /Hello, world!/);
      assert.equal((await server.connected()).suite, suite);
    });
  }

  peerTest('chains of 4 KB cross in both directions in datagrams of 256 bytes', ['scandium'], async (t) => {
    const deep = { client: endEntity({ role: 'client', issuer: 'deep-ca' }) };
    const server = await startOwnServer(t, {
      certificate: ownCertificate(endEntity({ role: 'server', issuer: 'deep-ca' })),
      clientCertificates: { trustAnchors: anchor() },
      mtu: 256,
    });
    const trust = ['--credentials', deep.client.both, '--trust', trustAnchor(), '--mtu', '256'];
    const peer = await startScandium(t, 'client', server.port, ...trust);
    peer.say(`send ${helloRequest}`);
    assert.match(String((await peer.event('data'))['text']), /Hello, world!/);
  });
});

describe('Scandium with a raw public key', () => {
  peerTest('its server answers our client, and each knows the key of the other', ['scandium'], async (t) => {
    const port = await freeUdpPorts(1);
    const peer = await startScandium(
      t,
      'server',
      port,
      ...['--credentials', rawKey('server').both, '--trust-rpk', rawKey('client').publicKey],
      ...['--client-authentication', 'NEEDED', '--types', 'rpk'],
    );
    const response = await ownClient(t, {
      rawPublicKey: ownRawKey(rawKey('client')),
      peerPublicKeys: publicKeyOf('server'),
    }).get(`coaps://127.0.0.1:${port}/hello`);
    assert.equal(response.text(), 'hello from scandium');
    assert.equal(securityOf(response.peer).authentication.kind, 'raw-public-key');
    assert.equal((await peer.event('connected'))['peerKind'], 'RawPublicKeyIdentity');
  });

  peerTest('its client reads from our server, which knows it by its key', ['scandium'], async (t) => {
    const server = await startOwnServer(t, {
      rawPublicKey: ownRawKey(rawKey('server')),
      clientPublicKeys: new Map([['sensor-7', publicKeyOf('client')]]),
    });
    const peer = await startScandium(
      t,
      'client',
      server.port,
      ...[
        '--credentials',
        rawKey('client').both,
        '--trust-rpk',
        rawKey('server').publicKey,
        '--types',
        'rpk',
      ],
    );
    peer.say(`send ${helloRequest}`);
    assert.match(String((await peer.event('data'))['text']), /Hello, world!/);
    const connected = await server.connected();
    assert.equal(connected.identity, 'sensor-7');
    assert.equal(connected.authentication.kind, 'raw-public-key');
  });

  peerTest('a server whose key we do not know is refused, and it is told so', ['scandium'], async (t) => {
    const port = await freeUdpPorts(1);
    const peer = await startScandium(
      t,
      'server',
      port,
      ...['--credentials', rawKey('stranger').both, '--trust-rpk', rawKey('client').publicKey],
      ...['--client-authentication', 'NEEDED', '--types', 'rpk'],
    );
    const asked = ownClient(t, {
      rawPublicKey: ownRawKey(rawKey('client')),
      peerPublicKeys: publicKeyOf('server'),
    }).get(`coaps://127.0.0.1:${port}/hello`);
    assert.equal((await refusalOf(asked)).cause, 'unknown-public-key');
    assert.equal((await peer.event('alert'))['level'], 'FATAL');
  });

  peerTest('a client whose key we do not know is refused, and it is told so', ['scandium'], async (t) => {
    const server = await startOwnServer(t, {
      rawPublicKey: ownRawKey(rawKey('server')),
      clientPublicKeys: new Map([['sensor-7', publicKeyOf('client')]]),
    });
    const peer = await startScandium(
      t,
      'client',
      server.port,
      ...[
        '--credentials',
        rawKey('stranger').both,
        '--trust-rpk',
        rawKey('server').publicKey,
        '--types',
        'rpk',
      ],
    );
    peer.say(`send ${helloRequest}`);
    assert.equal((await server.failed()).cause, 'unknown-public-key');
    assert.equal((await peer.event('alert'))['level'], 'FATAL');
  });
});
