/** libcoap's coap-client and coap-server with certificates (both builds) and raw public keys (GnuTLS build only). */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import type { TraceEvent } from 'coapsule';
import { endEntity, rawKey, trustAnchor } from './certificates.ts';
import {
  mutualClient,
  mutualServer,
  ownClient,
  ownRawKey,
  publicKeyOf,
  securityOf,
  startOwnServer,
} from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, run, start, untilBound } from './process.ts';

/** Starts a server for DTLS on the second of two ports. */
async function startServer(t: TestContext, program: string, ...options: string[]): Promise<string> {
  const port = await freeUdpPorts(2);
  start(t, program, ['-A', '127.0.0.1', '-p', String(port), ...options]);
  await untilBound(port + 1);
  return `coaps://127.0.0.1:${port + 1}/time`;
}

for (const build of ['openssl', 'gnutls'] as const) {
  describe(`libcoap with ${build} and a certificate`, () => {
    // libcoap's OpenSSL build offers no Ed25519 certificate of its own; P-384 and RSA stand for the other kinds of key.
    for (const key of ['P-256', 'P-384', 'RSA'] as const) {
      peerTest(`coap-client reads from our server: ${key}`, [`coap-client-${build}`], async (t) => {
        const server = await startOwnServer(t, mutualServer(key));
        const client = endEntity({ role: 'client', key });
        const { output } = await run(t, `coap-client-${build}`, [
          ...['-m', 'get', '-B', '20', '-c', client.certificate, '-j', client.key, '-C', trustAnchor()],
          `coaps://localhost:${server.port}/hello`,
        ]);
        assert.match(output, /Hello, world!/);
        assert.equal((await server.connected()).authentication.kind, 'x509');
      });

      peerTest(`coap-server answers our client: ${key}`, [`coap-server-${build}`], async (t) => {
        const server = endEntity({ role: 'server', key });
        const uri = await startServer(
          t,
          `coap-server-${build}`,
          ...['-c', server.certificate, '-j', server.key, '-C', trustAnchor()],
        );
        const sent = new Set<string>();
        const trace = (event: TraceEvent): void => {
          if (event.kind === 'handshake-trace' && event.direction === 'sent') sent.add(event.name);
        };
        const response = await ownClient(t, { ...mutualClient(key), trace }).get(uri);
        assert.match(response.text(), /\d\d:\d\d:\d\d/);
        assert.equal(securityOf(response.peer).authentication.kind, 'x509');
        assert.ok(sent.has('CertificateVerify'), 'libcoap asked for our certificate');
      });
    }
  });
}

describe('libcoap with gnutls and a raw public key', () => {
  peerTest('coap-client reads from our server, which knows its key', ['coap-client-gnutls'], async (t) => {
    const server = await startOwnServer(t, {
      rawPublicKey: ownRawKey(rawKey('server')),
      clientPublicKeys: new Map([['sensor-7', publicKeyOf('client')]]),
    });
    const uri = `coaps://127.0.0.1:${server.port}/hello`;
    const { output } = await run(t, 'coap-client-gnutls', [
      '-m',
      'get',
      '-B',
      '20',
      '-M',
      rawKey('client').both,
      uri,
    ]);
    assert.match(output, /Hello, world!/);
    assert.equal((await server.connected()).identity, 'sensor-7');
  });

  peerTest('coap-server answers our client, which knows its key', ['coap-server-gnutls'], async (t) => {
    const uri = await startServer(t, 'coap-server-gnutls', '-M', rawKey('server').both);
    const response = await ownClient(t, {
      rawPublicKey: ownRawKey(rawKey('client')),
      peerPublicKeys: publicKeyOf('server'),
    }).get(uri);
    assert.match(response.text(), /\d\d:\d\d:\d\d/);
    assert.equal(securityOf(response.peer).authentication.kind, 'raw-public-key');
  });
});
