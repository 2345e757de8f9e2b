/**
 * TLS with certificates (RFC 8323 §9) with both builds of libcoap's programs, in both directions, and with aiocoap's client,
 * also over WebSocket.
 *
 * libcoap's TLS has no ALPN: its servers are spoken to on port 5684 alone (§8.2).
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { content, type ListenOptions, Server, type TlsSecurity } from 'coapsule';
import { endEntity, trustAnchor } from './certificates.ts';
import { anchor, mutualClient, mutualServer, ownCertificate, ownClient } from './own-endpoint.ts';
import { peerPython, peerTest } from './peer.ts';
import { run, start, until } from './process.ts';
import { takesConnections } from './streams.ts';

/** A server of ours over TLS, with `/hello`; who came is in `seen`, who was refused in `refused`. */
async function startOwnTls(
  t: TestContext,
  options: ListenOptions,
  scheme: 'coaps+tcp' | 'coaps+ws' = 'coaps+tcp',
): Promise<{ uri: string; seen: TlsSecurity[]; refused: string[] }> {
  const server = new Server();
  const seen: TlsSecurity[] = [];
  const refused: string[] = [];
  server.resource('/hello', { get: () => content('Hello, world!') });
  const listener = await server.listen(`${scheme}://127.0.0.1:0`, {
    ...options,
    onAssociation: (event) => {
      if (event.kind === 'connected' && event.peer.security.kind === 'tls') seen.push(event.peer.security);
      if (event.kind === 'handshake-failed') refused.push(event.failure.detail);
    },
  });
  t.after(() => server.close());
  return { uri: `${scheme}://localhost:${listener.port}/hello`, seen, refused };
}

for (const build of ['openssl', 'gnutls'] as const) {
  describe(`libcoap with ${build} and certificates over TLS`, () => {
    const client = `coap-client-${build}` as const;
    const server = `coap-server-${build}` as const;

    /** Starts libcoap's server at an address of its own, for which its certificate is. */
    const startServer = async (
      t: TestContext,
      key: 'P-256' | 'RSA',
      ...options: string[]
    ): Promise<string> => {
      const host = `127.${20 + ((randomBytes(1)[0] as number) % 200)}.${randomBytes(1)[0]}.10`;
      const { certificate, key: keyFile } = endEntity({ role: 'server', key, names: `IP:${host}` });
      start(t, server, ['-A', host, '-p', '5683', '-c', certificate, '-j', keyFile, ...options]);
      await until(() => takesConnections(host, 5684), `${server} listens`);
      return `coaps+tcp://${host}/time`;
    };

    for (const key of ['P-256', 'RSA'] as const) {
      peerTest(`coap-client with a certificate reads from our server: ${key}`, [client], async (t) => {
        const own = await startOwnTls(t, mutualServer(key));
        const { certificate, key: keyFile } = endEntity({ role: 'client', key });
        const { output } = await run(t, client, [
          ...['-m', 'get', '-B', '20', '-c', certificate, '-j', keyFile, '-C', trustAnchor(), own.uri],
        ]);
        assert.match(output, /Hello, world!/);
        assert.equal(own.seen[0]?.authentication.kind, 'x509');
      });

      peerTest(`coap-server that asks for a certificate answers our client: ${key}`, [server], async (t) => {
        const uri = await startServer(t, key, '-C', trustAnchor());
        const response = await ownClient(t, mutualClient(key)).get(uri);
        assert.match(response.text(), /\d\d:\d\d:\d\d/);
        const { security } = response.peer;
        assert.ok(security.kind === 'tls' && security.authentication.kind === 'x509');
      });
    }

    peerTest('coap-client without a certificate trusts ours by its authority (-R)', [client], async (t) => {
      const certificate = ownCertificate(endEntity({ role: 'server' }));
      const own = await startOwnTls(t, { certificate, clientAuthentication: 'none' });
      const read = await run(t, client, ['-m', 'get', '-B', '20', '-R', trustAnchor(), own.uri]);
      assert.match(read.output, /Hello, world!/);
      assert.equal(own.seen[0]?.authentication.kind, 'none');
    });

    peerTest(
      'coap-client does not take our certificate from an authority it does not trust',
      [client],
      async (t) => {
        const certificate = ownCertificate(endEntity({ role: 'server', issuer: 'other-ca' }));
        const own = await startOwnTls(t, { certificate, clientAuthentication: 'none' });
        const read = await run(t, client, ['-m', 'get', '-B', '5', '-R', trustAnchor(), own.uri]);
        assert.doesNotMatch(read.output, /Hello, world!/);
      },
    );

    peerTest('our server refuses a client whose authority it does not trust', [client], async (t) => {
      const own = await startOwnTls(t, mutualServer());
      const stranger = endEntity({ role: 'client', issuer: 'other-ca' });
      const read = await run(t, client, [
        ...['-m', 'get', '-B', '5', '-c', stranger.certificate, '-j', stranger.key],
        ...['-R', trustAnchor(), own.uri],
      ]);
      assert.doesNotMatch(read.output, /Hello, world!/);
      await until(() => own.refused.length > 0, 'our server tells the refusal');
      assert.match(own.refused[0] ?? '', /unknown-ca/);
    });

    peerTest('our client refuses a server whose authority it does not trust', [server], async (t) => {
      const uri = await startServer(t, 'P-256', '-n');
      const request = ownClient(t, { trustAnchors: anchor('other-ca') }).get(uri);
      await assert.rejects(request, { code: 'ERR_CREDENTIALS' });
    });
  });
}

describe('aiocoap and certificates over TLS', () => {
  for (const scheme of ['coaps+tcp', 'coaps+ws'] as const) {
    // Its credentials for one scheme (`coaps+tcp://*`) are never looked at in 0.4.17: the variable of OpenSSL is.
    const read = (t: TestContext, uri: string, anchor: string) =>
      run(t, join(peerPython, '../aiocoap-client'), [uri], { env: { SSL_CERT_FILE: anchor } });

    peerTest(
      `its client reads from our server, whose authority it trusts, over ${scheme}`,
      ['aiocoap'],
      async (t) => {
        const certificate = ownCertificate(endEntity({ role: 'server' }));
        const own = await startOwnTls(t, { certificate, clientAuthentication: 'none' }, scheme);
        const { output } = await read(t, own.uri, trustAnchor());
        assert.match(output, /Hello, world!/);
        assert.equal(own.seen[0]?.authentication.kind, 'none');
      },
    );

    peerTest(
      `its client does not read from one whose authority it does not trust, over ${scheme}`,
      ['aiocoap'],
      async (t) => {
        const certificate = ownCertificate(endEntity({ role: 'server' }));
        const own = await startOwnTls(t, { certificate, clientAuthentication: 'none' }, scheme);
        const { output } = await read(t, own.uri, trustAnchor('other-ca'));
        assert.doesNotMatch(output, /Hello, world!/);
      },
    );
  }
});
