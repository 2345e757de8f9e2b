/** GnuTLS's gnutls-cli and gnutls-serv with certificates and raw public keys on both sides. */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import type { CipherSuiteName, ClientOptions } from 'coapsule';
import { endEntity, rawKey, trustAnchor } from './certificates.ts';
import { helloRequest } from './json-peer.ts';
import {
  anchor,
  mutualClient,
  mutualServer,
  ownCertificate,
  ownClient,
  ownRawKey,
  publicKeyOf,
  startOwnServer,
} from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, start, untilBound } from './process.ts';

type KeyKind = 'P-256' | 'P-384' | 'RSA' | 'Ed25519';

/** GnuTLS's cipher, our suite, the kind of key in both certificates. */
const suites: readonly (readonly [string, CipherSuiteName, KeyKind])[] = [
  ['AES-128-CCM-8', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'P-256'],
  ['AES-256-CCM-8', 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8', 'P-256'],
  ['AES-128-CCM', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM', 'P-256'],
  ['AES-256-CCM', 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM', 'P-256'],
  ['AES-128-GCM', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'Ed25519'],
  ['AES-256-GCM', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'P-384'],
  ['CHACHA20-POLY1305', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'P-256'],
  ['AES-128-GCM', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'RSA'],
  ['AES-256-GCM', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'RSA'],
  ['CHACHA20-POLY1305', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'RSA'],
];

function priority(cipher: string, types = ''): string[] {
  return ['--priority', `NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+${cipher}${types}`];
}

const rawTypes = ':-CTYPE-CLI-X509:-CTYPE-SRV-X509:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK';

/** GET /hello with a payload of one line feed: gnutls-cli sends whole lines. */
const helloLine = Buffer.from(`${helloRequest}ff0a`, 'hex');

async function startServer(
  t: TestContext,
  ...options: string[]
): Promise<{ server: BackgroundProcess; uri: string }> {
  const port = await freeUdpPorts(1);
  const server = start(t, 'gnutls-serv', ['--udp', '--echo', '-p', String(port), ...options]);
  await untilBound(port);
  return { server, uri: `coaps://127.0.0.1:${port}` };
}

/**
 * A ping to a server that sends everything back: it gets its own ping, resets it (RFC 7252 §4.3), and the reset that
 * comes back is its pong. So two records go through in each direction.
 */
async function pingEcho(t: TestContext, uri: string, options: ClientOptions): Promise<void> {
  await ownClient(t, options).ping(uri, { timeoutMs: 20_000 });
}

describe('gnutls-cli with a certificate', () => {
  for (const [cipher, name, key] of suites) {
    peerTest(`reads from our server: ${name}, ${key}`, ['gnutls-cli'], async (t) => {
      const server = await startOwnServer(t, mutualServer(key));
      const { certificate, key: keyFile } = endEntity({ role: 'client', key });
      const client = start(t, 'gnutls-cli', [
        ...['--udp', 'localhost', '-p', String(server.port), '--x509cafile', trustAnchor()],
        ...['--x509certfile', certificate, '--x509keyfile', keyFile, ...priority(cipher)],
      ]);
      await client.waitFor(/Handshake was completed/);
      assert.match(client.output, /The certificate is trusted/);
      client.write(helloLine);
      await client.waitFor(/Hello, world!/);
      assert.equal((await server.connected()).suite, name);
    });
  }
});

describe('gnutls-serv with a certificate', () => {
  for (const [cipher, name, key] of suites) {
    peerTest(`takes the records of our client: ${name}, ${key}`, ['gnutls-serv'], async (t) => {
      const { certificate, key: keyFile } = endEntity({ role: 'server', key });
      const { server, uri } = await startServer(
        t,
        ...['--x509cafile', trustAnchor(), '--x509certfile', certificate, '--x509keyfile', keyFile],
        ...['--require-client-cert', '--verify-client-cert', ...priority(cipher)],
      );
      await pingEcho(t, uri, { ...mutualClient(key), suites: [name] });
      await server.waitFor(/Processing \d+ bytes command/);
    });
  }

  peerTest(
    'sends a chain of 4 KB and gets ours, both in datagrams of 256 bytes',
    ['gnutls-serv'],
    async (t) => {
      const { chain, key } = endEntity({ role: 'server', issuer: 'deep-ca' });
      const { uri } = await startServer(
        t,
        ...['--x509cafile', trustAnchor(), '--x509certfile', chain, '--x509keyfile', key],
        ...['--require-client-cert', '--verify-client-cert', '--mtu', '256'],
      );
      const client = ownCertificate(endEntity({ role: 'client', issuer: 'deep-ca' }));
      await pingEcho(t, uri, { certificate: client, trustAnchors: anchor(), mtu: 256 });
    },
  );
});

describe('GnuTLS with raw public keys', () => {
  peerTest('gnutls-cli reads from our server, which knows its key', ['gnutls-cli'], async (t) => {
    const server = await startOwnServer(t, {
      rawPublicKey: ownRawKey(rawKey('server')),
      clientPublicKeys: new Map([['sensor-7', publicKeyOf('client')]]),
    });
    const { key, publicKey } = rawKey('client');
    const client = start(t, 'gnutls-cli', [
      ...['--udp', '127.0.0.1', '-p', String(server.port), '--no-ca-verification'],
      ...['--rawpkkeyfile', key, '--rawpkfile', publicKey, ...priority('AES-128-CCM-8', rawTypes)],
    ]);
    await client.waitFor(/Handshake was completed/);
    client.write(helloLine);
    await client.waitFor(/Hello, world!/);
    assert.equal((await server.connected()).identity, 'sensor-7');
  });

  peerTest('gnutls-serv takes the records of our client, which knows its key', ['gnutls-serv'], async (t) => {
    const { key, publicKey } = rawKey('server');
    const { uri } = await startServer(
      t,
      ...['--rawpkkeyfile', key, '--rawpkfile', publicKey, '--require-client-cert'],
      ...priority('AES-128-CCM-8', rawTypes),
    );
    const rawPublicKey = ownRawKey(rawKey('client'));
    await pingEcho(t, uri, { rawPublicKey, peerPublicKeys: publicKeyOf('server') });
  });
});
