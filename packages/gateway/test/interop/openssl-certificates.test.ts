/** OpenSSL's s_client and s_server with certificates on both sides: suites, keys, groups, a long chain. */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import type { CipherSuiteName } from 'coapsule';
import { type EndEntity, endEntity, trustAnchor } from './certificates.ts';
import { answerTo } from './coap-bytes.ts';
import { helloRequest } from './json-peer.ts';
import {
  anchor,
  mutualClient,
  mutualServer,
  ownCertificate,
  ownClient,
  securityOf,
  startOwnServer,
} from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, start, until, untilBound } from './process.ts';

/** OpenSSL's name, ours, and the kind of key in both certificates. */
const suites: readonly (readonly [string, CipherSuiteName, 'P-256' | 'P-384' | 'RSA' | 'Ed25519'])[] = [
  ['ECDHE-ECDSA-AES128-CCM8', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'P-256'],
  ['ECDHE-ECDSA-AES128-CCM', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM', 'P-256'],
  ['ECDHE-ECDSA-AES256-CCM8', 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8', 'P-256'],
  ['ECDHE-ECDSA-AES256-CCM', 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM', 'P-256'],
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'P-256'],
  ['ECDHE-ECDSA-AES256-GCM-SHA384', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'P-256'],
  ['ECDHE-ECDSA-CHACHA20-POLY1305', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'P-256'],
  ['ECDHE-ECDSA-AES256-GCM-SHA384', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'P-384'],
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'Ed25519'],
  ['ECDHE-RSA-AES128-GCM-SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'RSA'],
  ['ECDHE-RSA-AES256-GCM-SHA384', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'RSA'],
  ['ECDHE-RSA-CHACHA20-POLY1305', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'RSA'],
];

const groups = ['X25519', 'P-256', 'P-384'];

function startClient(t: TestContext, port: number, client: EndEntity, ...more: string[]): BackgroundProcess {
  return start(t, 'openssl', [
    ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${port}`, '-CAfile', trustAnchor()],
    ...['-cert', client.certificate, '-key', client.key, '-cert_chain', client.chain],
    ...['-verify_return_error', '-verify_hostname', 'localhost', ...more],
  ]);
}

/** Starts s_server, which asks for a certificate; `-quiet` keeps its own words out of the data. */
async function startServer(
  t: TestContext,
  server: EndEntity,
  ...more: string[]
): Promise<{ server: BackgroundProcess; uri: string }> {
  const port = await freeUdpPorts(1);
  const process = start(t, 'openssl', [
    ...['s_server', '-dtls1_2', '-accept', `127.0.0.1:${port}`, '-CAfile', trustAnchor(), '-quiet'],
    ...['-cert', server.certificate, '-key', server.key, '-cert_chain', server.chain],
    ...['-Verify', '3', '-verify_return_error', '-listen', ...more],
  ]);
  await untilBound(port);
  return { server: process, uri: `coaps://127.0.0.1:${port}/hello` };
}

/** Answers the first request that s_server has decrypted. */
async function answerHello(server: BackgroundProcess): Promise<void> {
  await until(() => answerTo(server.stdout, '') !== undefined, 'OpenSSL has decrypted our request', 30_000);
  server.write(answerTo(server.stdout, 'hello from openssl')!);
}

describe('openssl s_client with a certificate', () => {
  for (const [suite, name, key] of suites) {
    peerTest(`reads from our server: ${suite}, ${key}`, ['openssl'], async (t) => {
      const server = await startOwnServer(t, mutualServer(key));
      const cipher = ['-cipher', `${suite}:@SECLEVEL=0`];
      const client = startClient(t, server.port, endEntity({ role: 'client', key }), ...cipher, '-quiet');
      client.write(Buffer.from(helloRequest, 'hex'));
      await client.waitFor(/Hello, world!/);
      const connected = await server.connected();
      assert.equal(connected.suite, name);
      assert.equal(connected.authentication.kind, 'x509');
      assert.equal(connected.extendedMasterSecret, true);
    });
  }

  for (const group of groups) {
    peerTest(`agrees with our server on ${group}`, ['openssl'], async (t) => {
      const server = await startOwnServer(t, mutualServer('RSA'));
      const client = startClient(t, server.port, endEntity({ role: 'client', key: 'RSA' }), '-curves', group);
      await client.waitFor(/Verify return code: 0/);
      assert.match(
        client.output,
        group === 'X25519' ? /Temp Key: X25519/ : new RegExp(`Temp Key: ECDH, .*${group.slice(2)}`),
      );
      await server.connected();
    });
  }

  peerTest(
    'gets our chain of 4 KB and sends its own, both in datagrams of 256 bytes',
    ['openssl'],
    async (t) => {
      const server = await startOwnServer(t, {
        certificate: ownCertificate(endEntity({ role: 'server', issuer: 'deep-ca' })),
        clientCertificates: { trustAnchors: anchor() },
        mtu: 256,
      });
      const client = startClient(
        t,
        server.port,
        endEntity({ role: 'client', issuer: 'deep-ca' }),
        ...['-mtu', '256', '-quiet'],
      );
      client.write(Buffer.from(helloRequest, 'hex'));
      await client.waitFor(/Hello, world!/);
    },
  );
});

describe('openssl s_server with a certificate', () => {
  // OpenSSL 3.0 takes its own Ed25519 certificate for TLS 1.2 only, not for DTLS 1.2: "no shared cipher".
  for (const [suite, name, key] of suites.filter(([, , each]) => each !== 'Ed25519')) {
    peerTest(`answers our client: ${suite}, ${key}`, ['openssl'], async (t) => {
      const { server, uri } = await startServer(
        t,
        endEntity({ role: 'server', key }),
        '-cipher',
        `${suite}:@SECLEVEL=0`,
      );
      const [response] = await Promise.all([ownClient(t, mutualClient(key)).get(uri), answerHello(server)]);
      assert.equal(response.text(), 'hello from openssl');
      const security = securityOf(response.peer);
      assert.equal(security.suite, name);
      assert.equal(security.authentication.kind, 'x509');
    });
  }

  for (const group of groups) {
    peerTest(`agrees with our client on ${group}`, ['openssl'], async (t) => {
      const { server, uri } = await startServer(
        t,
        endEntity({ role: 'server', key: 'RSA' }),
        '-curves',
        group,
      );
      const [response] = await Promise.all([ownClient(t, mutualClient('RSA')).get(uri), answerHello(server)]);
      assert.equal(response.text(), 'hello from openssl');
    });
  }

  peerTest(
    'sends us a chain of 4 KB and gets ours, both in datagrams of 256 bytes',
    ['openssl'],
    async (t) => {
      const { server, uri } = await startServer(
        t,
        endEntity({ role: 'server', issuer: 'deep-ca' }),
        ...['-mtu', '256'],
      );
      const client = ownClient(t, {
        certificate: ownCertificate(endEntity({ role: 'client', issuer: 'deep-ca' })),
        trustAnchors: anchor(),
        mtu: 256,
      });
      const [response] = await Promise.all([client.get(uri), answerHello(server)]);
      assert.equal(response.text(), 'hello from openssl');
    },
  );
});
