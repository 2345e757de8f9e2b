/** Small records with OpenSSL (max_fragment_length, RFC 6066 §4) and GnuTLS (record_size_limit, RFC 8449). */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { endEntity, trustAnchor } from './certificates.ts';
import { answerTo } from './coap-bytes.ts';
import { helloRequest } from './json-peer.ts';
import { anchor, ownCertificate, ownClient, startOwnServer } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, start, until, untilBound } from './process.ts';
import { recordsOf, startRelay, type WireRecord } from './relay.ts';

/** Nonce and tag of the suites here. */
const expansion = 8 + 16;

/** GET /large with a payload of one line feed, for programs that send whole lines. */
const largeRequest = Buffer.from(`${helloRequest.replace(/b5.*$/, `b5${toHex('large')}`)}ff0a`, 'hex');

function toHex(text: string): string {
  return Buffer.from(text).toString('hex');
}

function longest(datagrams: readonly Buffer[]): number {
  const sealed = (record: WireRecord): boolean => record.epoch > 0;
  return Math.max(
    ...datagrams
      .flatMap((datagram) => recordsOf(datagram))
      .filter(sealed)
      .map(({ length }) => length),
  );
}

describe('records of our server', () => {
  const options = () => ({
    certificate: ownCertificate(endEntity({ role: 'server', issuer: 'deep-ca' })),
    clientAuthentication: 'none' as const,
  });

  peerTest(
    'are as short as s_client -maxfraglen 512 asks, and so are our certificates',
    ['openssl'],
    async (t) => {
      const server = await startOwnServer(t, options());
      const relay = await startRelay(t, server.port);
      const client = start(t, 'openssl', [
        ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${relay.port}`, '-maxfraglen', '512', '-quiet'],
      ]);
      client.write(largeRequest);
      await client.waitFor(/x{64}/);
      const records = relay.fromServer.flatMap((datagram) => recordsOf(datagram));
      assert.ok(Math.max(...records.map(({ length }) => length)) <= 512 + expansion);
    },
  );

  peerTest('are as short as gnutls-cli --recordsize 600 asks', ['gnutls-cli'], async (t) => {
    const server = await startOwnServer(t, options());
    const relay = await startRelay(t, server.port);
    const client = start(t, 'gnutls-cli', [
      ...[
        '--udp',
        'localhost',
        '-p',
        String(relay.port),
        '--x509cafile',
        trustAnchor(),
        '--recordsize',
        '600',
      ],
    ]);
    await client.waitFor(/Simple Client Mode/);
    client.write(largeRequest);
    await client.waitFor(/x{64}/);
    assert.ok(longest(relay.fromServer) <= 600 + expansion, String(longest(relay.fromServer)));
  });
});

describe('records to our client', () => {
  peerTest('are as short as it asks, from s_server', ['openssl'], async (t) => {
    const port = await freeUdpPorts(1);
    const { certificate, key, chain } = endEntity({ role: 'server', issuer: 'deep-ca' });
    const address = ['-accept', `127.0.0.1:${port}`];
    const server = start(t, 'openssl', [
      's_server',
      '-dtls1_2',
      ...address,
      '-cert',
      certificate,
      '-key',
      key,
      '-cert_chain',
      chain,
    ]);
    await untilBound(port);
    const relay = await startRelay(t, port);
    const client = ownClient(t, { trustAnchors: anchor(), maxRecordSize: 512 });
    const asked = client.get(`coaps://127.0.0.1:${relay.port}/hello`);
    await until(() => answerTo(server.stdout, '') !== undefined, 'OpenSSL has decrypted our request', 30_000);
    server.write(answerTo(server.stdout, 'hello from openssl')!);
    assert.equal((await asked).text(), 'hello from openssl');
    const records = relay.fromServer.flatMap((datagram) => recordsOf(datagram));
    assert.ok(Math.max(...records.map(({ length }) => length)) <= 512 + expansion);
  });
});
