/** Certificates that one side must refuse: what our side says, and what the peer learns of it. */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import type { CipherSuiteName, HandshakeFailure } from 'coapsule';
import { type EntityOptions, endEntity, trustAnchor } from './certificates.ts';
import { helloRequest, startScandium } from './json-peer.ts';
import {
  anchor,
  mutualClient,
  mutualServer,
  ownCertificate,
  ownClient,
  refusalOf,
  securityOf,
  servedPsk,
  startOwnServer,
} from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, start, untilBound } from './process.ts';

type Cause = HandshakeFailure['cause'];

/** What is wrong, what our side says, and the alert that OpenSSL shows (RFC 5246 §7.2.2). */
const badServers: readonly (readonly [string, Partial<EntityOptions>, Cause, RegExp])[] = [
  ['another authority issued', { issuer: 'other-ca' }, 'unknown-ca', /alert unknown ca/],
  ['has expired', { expired: true }, 'certificate-expired', /alert certificate expired/],
  [
    'is for another name',
    { names: 'DNS:other.example' },
    'name-mismatch',
    /alert (bad certificate|certificate unknown)/,
  ],
];

async function startServer(
  t: TestContext,
  server: EntityOptions,
  ...more: string[]
): Promise<{ server: BackgroundProcess; uri: string }> {
  const port = await freeUdpPorts(1);
  const { certificate, key } = endEntity(server);
  const process = start(t, 'openssl', [
    ...['s_server', '-dtls1_2', '-accept', `127.0.0.1:${port}`, '-cert', certificate, '-key', key],
    ...['-CAfile', trustAnchor(), ...more],
  ]);
  await untilBound(port);
  return { server: process, uri: `coaps://127.0.0.1:${port}/hello` };
}

function startClient(t: TestContext, port: number, ...more: string[]): BackgroundProcess {
  return start(t, 'openssl', ['s_client', '-dtls1_2', '-connect', `127.0.0.1:${port}`, ...more]);
}

function shown(options: EntityOptions): string[] {
  const { certificate, key } = endEntity(options);
  return ['-cert', certificate, '-key', key];
}

describe('our client refuses a server of OpenSSL whose certificate', () => {
  for (const [fault, options, cause, alert] of badServers) {
    peerTest(`${fault}: ${cause}, and the server gets the alert`, ['openssl'], async (t) => {
      const { server, uri } = await startServer(t, { role: 'server', ...options });
      const failure = await refusalOf(ownClient(t, { trustAnchors: anchor() }).get(uri));
      assert.equal(failure.cause, cause, failure.detail);
      await server.waitFor(alert);
    });
  }

  peerTest('is for a client only: certificate-usage', ['openssl'], async (t) => {
    const { uri } = await startServer(t, { role: 'client' });
    const failure = await refusalOf(ownClient(t, { trustAnchors: anchor() }).get(uri));
    assert.equal(failure.cause, 'certificate-usage', failure.detail);
  });
});

describe('our server refuses a client of OpenSSL', () => {
  for (const [fault, options, cause, alert] of badServers.slice(0, 2)) {
    peerTest(
      `whose certificate ${fault}: ${cause}, and the client gets the alert`,
      ['openssl'],
      async (t) => {
        const server = await startOwnServer(t, mutualServer());
        const client = startClient(t, server.port, ...shown({ role: 'client', ...options }));
        const failure = await server.failed();
        assert.equal(failure.cause, cause, failure.detail);
        await client.waitFor(alert);
      },
    );
  }

  peerTest('whose certificate is for a server only: certificate-usage', ['openssl'], async (t) => {
    const server = await startOwnServer(t, mutualServer());
    startClient(t, server.port, ...shown({ role: 'server' }));
    assert.equal((await server.failed()).cause, 'certificate-usage');
  });

  peerTest('that shows none, and the client is told so', ['openssl'], async (t) => {
    const server = await startOwnServer(t, mutualServer());
    const client = startClient(t, server.port);
    assert.equal((await server.failed()).cause, 'client-certificate-missing');
    await client.waitFor(/alert (handshake failure|bad certificate|certificate required)/);
  });

  peerTest('that has no suite in common, and the client is told so', ['openssl'], async (t) => {
    const suite: CipherSuiteName = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';
    const server = await startOwnServer(t, { ...mutualServer(), suites: [suite] });
    const client = startClient(t, server.port, '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256');
    assert.equal((await server.failed()).cause, 'no-common-suite');
    await client.waitFor(/alert handshake failure/);
  });

  peerTest('that has no group in common, and the client is told so', ['openssl'], async (t) => {
    const server = await startOwnServer(t, mutualServer());
    const client = startClient(t, server.port, '-curves', 'P-521');
    assert.match((await server.failed()).cause, /no-common-(group|suite)/);
    await client.waitFor(/alert handshake failure/);
  });
});

describe('a peer that refuses us', () => {
  peerTest(
    'OpenSSL does not know who issued our server certificate: we learn the alert',
    ['openssl'],
    async (t) => {
      const server = await startOwnServer(t, mutualServer());
      startClient(
        t,
        server.port,
        ...[...shown({ role: 'client' }), '-CAfile', trustAnchor('other-ca'), '-verify_return_error'],
      );
      const failure = await server.failed();
      assert.equal(failure.alertReceived, 48, failure.detail); // unknown_ca
    },
  );

  peerTest(
    'OpenSSL does not know who issued our client certificate: we learn the alert',
    ['openssl'],
    async (t) => {
      const { uri } = await startServer(
        t,
        { role: 'server', issuer: 'other-ca' },
        ...['-Verify', '1', '-verify_return_error', '-CAfile', trustAnchor('other-ca')],
      );
      const failure = await refusalOf(
        ownClient(t, { ...mutualClient(), trustAnchors: anchor('other-ca') }).get(uri),
      );
      assert.equal(failure.alertReceived, 48, failure.detail);
    },
  );

  peerTest('OpenSSL asks for a certificate and we have none: we learn the alert', ['openssl'], async (t) => {
    const { uri } = await startServer(t, { role: 'server' }, '-Verify', '1', '-verify_return_error');
    const failure = await refusalOf(ownClient(t, { trustAnchors: anchor() }).get(uri));
    assert.match(failure.cause, /alert-received|client-certificate-missing/, failure.detail);
  });

  peerTest(
    'Scandium does not take the name in our server certificate: we learn the alert',
    ['scandium'],
    async (t) => {
      const server = await startOwnServer(t, {
        ...mutualServer(),
        certificate: ownCertificate(endEntity({ role: 'server', names: 'DNS:other.example' })),
      });
      const peer = await startScandium(
        t,
        'client',
        server.port,
        ...['--credentials', endEntity({ role: 'client' }).both, '--trust', trustAnchor(), '--verify-name'],
      );
      peer.say(`send ${helloRequest}`);
      assert.ok((await server.failed()).alertReceived !== undefined);
    },
  );
});

describe('one port for all credentials', () => {
  peerTest(
    'serves clients with a key and with a certificate, and refuses one with neither',
    ['openssl'],
    async (t) => {
      const server = await startOwnServer(t, { ...mutualServer(), psk: servedPsk });
      const psk = ['-psk_identity', 'sensor-042', '-psk', '4d795365637265743136427974654b21', '-quiet'];
      const withKey = startClient(t, server.port, ...psk, '-cipher', 'PSK-AES128-GCM-SHA256');
      withKey.write(Buffer.from(helloRequest, 'hex'));
      await withKey.waitFor(/Hello, world!/);
      assert.equal((await server.connected()).authentication.kind, 'psk');
      const response = await ownClient(t, mutualClient()).get(`coaps://127.0.0.1:${server.port}/hello`);
      assert.equal(securityOf(response.peer).authentication.kind, 'x509');
      startClient(t, server.port);
      assert.equal((await server.failed()).cause, 'client-certificate-missing');
    },
  );
});
