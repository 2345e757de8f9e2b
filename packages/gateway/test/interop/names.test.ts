/** Server names (RFC 6066 §3) and application protocols (RFC 7301) with OpenSSL, and host names in certificates. */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import { type EndEntity, endEntity, trustAnchor } from './certificates.ts';
import { answerTo } from './coap-bytes.ts';
import { anchor, ownCertificate, ownClient, refusalOf, securityOf, startOwnServer } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, start, until, untilBound } from './process.ts';

const usual = (): EndEntity => endEntity({ role: 'server' });
const other = (): EndEntity => endEntity({ role: 'server', names: 'DNS:other.example' });

describe('our server and the name that s_client asks for', () => {
  for (const [asked, expected] of [
    ['other.example', 'other.example'],
    ['localhost', 'localhost'],
  ] as const) {
    peerTest(`shows the certificate of ${expected}`, ['openssl'], async (t) => {
      const server = await startOwnServer(t, {
        certificate: ownCertificate(usual()),
        serverNames: { 'other.example': { certificate: ownCertificate(other()) } },
        clientAuthentication: 'none',
      });
      const client = start(t, 'openssl', [
        ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${server.port}`, '-servername', asked],
        ...['-CAfile', trustAnchor(), '-verify_return_error', '-verify_hostname', expected],
      ]);
      await client.waitFor(/Verify return code: 0/);
      assert.equal((await server.connected()).serverName, asked);
    });
  }

  peerTest('agrees on the application protocol', ['openssl'], async (t) => {
    const server = await startOwnServer(t, {
      certificate: ownCertificate(usual()),
      clientAuthentication: 'none',
      protocols: ['coap'],
    });
    const client = start(t, 'openssl', [
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${server.port}`, '-alpn', 'other,coap'],
    ]);
    await client.waitFor(/ALPN protocol: coap/);
    assert.equal((await server.connected()).protocol, 'coap');
  });
});

describe('our client and the name of s_server', () => {
  peerTest('asks for it, and checks it', ['openssl'], async (t) => {
    const { key, certificate } = other();
    const { server, uri } = await startServer(
      t,
      ...['-servername', 'other.example', '-cert2', certificate, '-key2', key],
    );
    const client = ownClient(t, { trustAnchors: anchor(), serverName: 'other.example' });
    const [response] = await Promise.all([client.get(uri), answerHello(server)]);
    assert.equal(response.text(), 'hello from openssl');
  });

  // Apart from the names: s_server forgets its protocols when it changes to its second certificate.
  peerTest('agrees on the application protocol', ['openssl'], async (t) => {
    const { server, uri } = await startServer(t, '-alpn', 'coap');
    const client = ownClient(t, { trustAnchors: anchor(), protocols: ['other', 'coap'] });
    const [response] = await Promise.all([client.get(uri), answerHello(server)]);
    assert.equal(securityOf(response.peer).protocol, 'coap');
  });

  peerTest('does not take a certificate of another name for it', ['openssl'], async (t) => {
    const { uri } = await startServer(t);
    const client = ownClient(t, { trustAnchors: anchor(), serverName: 'other.example' });
    const failure = await refusalOf(client.get(uri));
    assert.equal(failure.cause, 'name-mismatch', failure.detail);
  });
});

/** Starts s_server with the usual certificate. */
async function startServer(
  t: TestContext,
  ...more: string[]
): Promise<{ server: BackgroundProcess; uri: string }> {
  const port = await freeUdpPorts(1);
  const { certificate, key } = usual();
  const address = ['-accept', `127.0.0.1:${port}`];
  const own = ['-cert', certificate, '-key', key];
  const server = start(t, 'openssl', ['s_server', '-dtls1_2', ...address, ...own, ...more]);
  await untilBound(port);
  return { server, uri: `coaps://127.0.0.1:${port}/hello` };
}

/** Answers the first request that s_server has decrypted. */
async function answerHello(server: BackgroundProcess): Promise<void> {
  await until(() => answerTo(server.stdout, '') !== undefined, 'OpenSSL has decrypted our request', 30_000);
  server.write(answerTo(server.stdout, 'hello from openssl')!);
}
