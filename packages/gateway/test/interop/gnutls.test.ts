/** GnuTLS's gnutls-cli and gnutls-serv, DTLS 1.2 with PSK, against the gateway and our client. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { helloRequest } from './json-peer.ts';
import { ownClient, ownPsk, servedPsk, startOwnServer } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, start, temporaryFolder } from './process.ts';
import { coapsule, demo, startGateway } from './programs.ts';

/** GnuTLS priority strings of the suites that both sides have. */
const priorities = [
  ['PSK', 'AES-128-CCM-8'],
  ['PSK', 'AES-128-CCM'],
  ['PSK', 'AES-128-GCM'],
  ['PSK', 'AES-256-CCM-8'],
  ['PSK', 'AES-256-CCM'],
  ['PSK', 'AES-256-GCM'],
  ['PSK', 'CHACHA20-POLY1305'],
  ['ECDHE-PSK', 'CHACHA20-POLY1305'],
].map(([exchange, cipher]) => ({
  name: `${exchange} ${cipher}`,
  priority: `NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+${exchange}:-CIPHER-ALL:+${cipher}:+AEAD`,
}));
const [first] = priorities;
const identityAndKey = ['--pskusername', demo.identity, '--pskkey', demo.keyHex];

/** GET /hello with a payload of one line feed: gnutls-cli sends whole lines. */
const helloLine = Buffer.from(`${helloRequest}ff0a`, 'hex');

describe('gnutls-cli', () => {
  for (const { name, priority } of priorities.filter((each) => each.name.startsWith('PSK'))) {
    peerTest(`reads from the gateway: ${name}`, ['gnutls-cli'], async (t) => {
      const gateway = await startGateway(t);
      const address = ['127.0.0.1', '-p', String(gateway.coapsPort)];
      const client = start(t, 'gnutls-cli', ['--udp', ...address, ...identityAndKey, '--priority', priority]);
      await client.waitFor(/Handshake was completed/);
      assert.match(client.output, /PSK hint 'CoAP'/);
      assert.match(client.output, /extended master secret/);
      client.write(helloLine);
      await client.waitFor(/Hello, world!/);
      client.endInput();
      await client.finished();
    });
  }

  // gnutls-cli 3.7.9 crashes when it tells of a handshake with ECDHE_PSK, also with GnuTLS and OpenSSL on the other side.
  for (const { name, priority } of priorities.filter((each) => each.name.startsWith('ECDHE'))) {
    peerTest(`shakes hands with our server, and crashes only then: ${name}`, ['gnutls-cli'], async (t) => {
      const server = await startOwnServer(t, { psk: servedPsk });
      const address = ['127.0.0.1', '-p', String(server.port)];
      start(t, 'gnutls-cli', ['--udp', ...address, ...identityAndKey, '--priority', priority]);
      const { suite, identity, extendedMasterSecret } = await server.connected();
      assert.equal(suite, 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256');
      assert.deepEqual([identity, extendedMasterSecret], [demo.identity, true]);
    });
  }
});

describe('gnutls-serv', () => {
  const startServer = async (
    t: TestContext,
    priority: string,
  ): Promise<{ server: BackgroundProcess; uri: string }> => {
    const port = await freeUdpPorts(1);
    const keys = join(temporaryFolder(t), 'keys');
    writeFileSync(keys, `${demo.identity}:${demo.keyHex}\n`);
    const psk = ['--pskpasswd', keys, '--pskhint', 'hint'];
    const server = start(t, 'gnutls-serv', [
      '--udp',
      '--echo',
      '-p',
      String(port),
      ...psk,
      '--priority',
      priority,
    ]);
    await server.waitFor(/listening on IPv4.*done/);
    return { server, uri: `coaps://127.0.0.1:${port}/temperature` };
  };

  for (const { name, priority } of priorities) {
    peerTest(`sends back what our client sends: ${name}`, ['gnutls-serv'], async (t) => {
      const { server, uri } = await startServer(t, priority);
      // Our own ping comes back, and the reset for it, which is the pong: two records in each direction.
      await ownClient(t, { psk: ownPsk }).ping(uri, { timeoutMs: 20_000 });
      await server.waitFor(/Processing \d+ bytes command/);
    });
  }

  for (const [fault, credentials] of [
    ['a wrong key', ['-u', demo.identity, '-k', 'AnotherKey16Byt!']],
    ['an unknown identity', ['-u', 'nobody', '-k', demo.key]],
  ] as const) {
    // gnutls-serv drops what it cannot open and never says so: the client's own limit ends it.
    peerTest(
      `is given up by our client with ${fault} when -B is over, and no data flows`,
      ['gnutls-serv'],
      async (t) => {
        const { server, uri } = await startServer(t, first!.priority);
        const { code, output } = await coapsule(t, 'get', uri, '-B', '5', ...credentials);
        assert.equal(code, 7, output);
        assert.match(output, /identity unknown or key wrong/);
        assert.doesNotMatch(server.output, /Processing/);
      },
    );
  }
});
