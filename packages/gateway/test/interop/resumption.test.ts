/** Sessions that go on in a later handshake, by id (RFC 5246 §7.3) and by ticket (RFC 5077), with each peer that can. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { endEntity, trustAnchor } from './certificates.ts';
import { type ClosableClient, closableClient } from './closable-client.ts';
import { helloRequest, startScandium } from './json-peer.ts';
import { mutualServer, servedPsk, startOwnServer } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, start, temporaryFolder, untilBound } from './process.ts';
import { demo } from './programs.ts';

const psk = ['-psk_identity', demo.identity, '-psk', demo.keyHex];

/** Connects, ends the association, connects again: the second handshake is an abbreviated one. */
async function connectTwice(client: ClosableClient, pingsAreAnswered: boolean): Promise<void> {
  const first = await client.connect();
  assert.equal(first.resumed, false);
  if (pingsAreAnswered) await client.pongs(1);
  client.close(first);
  const second = await client.connect();
  assert.equal(second.resumed, true);
  assert.deepEqual([second.suite, second.identity], [first.suite, first.identity]);
  assert.equal(second.extendedMasterSecret, true);
  if (pingsAreAnswered) await client.pongs(2);
}

describe('a session of our server', () => {
  for (const resumption of ['session-id', 'ticket'] as const) {
    for (const kind of ['certificate', 'key'] as const) {
      peerTest(`goes on with s_client and a ${kind}, by ${resumption}`, ['openssl'], async (t) => {
        const server = await startOwnServer(t, { ...mutualServer(), psk: servedPsk, resumption });
        const session = join(temporaryFolder(t), 'session.pem');
        const { certificate, key } = endEntity({ role: 'client' });
        // With -CAfile s_client would send its authority too, and a chain of two does not fit a ticket of ours.
        const own =
          kind === 'key'
            ? [...psk, '-cipher', 'PSK-AES128-GCM-SHA256']
            : ['-cert', certificate, '-key', key, '-verifyCAfile', trustAnchor()];
        const exchange = async (nth: number, ...more: string[]): Promise<string> => {
          const address = ['-connect', `127.0.0.1:${server.port}`];
          const client = start(t, 'openssl', ['s_client', '-dtls1_2', ...address, ...own, ...more]);
          await client.waitFor(/Extended master secret: yes/);
          client.write(Buffer.from(helloRequest.replace(/^(....)..../, `$1000${nth}`), 'hex'));
          await client.waitFor(/Hello, world!/);
          client.endInput();
          return (await client.finished()).output;
        };
        assert.match(await exchange(1, '-sess_out', session), /^New, /m);
        assert.match(await exchange(2, '-sess_in', session), /^Reused, /m);
        const [first, second] = [await server.connected(1), await server.connected(2)];
        assert.deepEqual([first.resumed, second.resumed], [false, true]);
        assert.deepEqual([second.identity, second.authentication], [first.identity, first.authentication]);
      });
    }

    peerTest(`goes on with gnutls-cli, by ${resumption}`, ['gnutls-cli'], async (t) => {
      const server = await startOwnServer(t, { ...mutualServer(), resumption });
      const { certificate, key } = endEntity({ role: 'client' });
      const client = start(t, 'gnutls-cli', [
        ...['--udp', 'localhost', '-p', String(server.port), '--x509cafile', trustAnchor(), '--resume'],
        ...['--x509certfile', certificate, '--x509keyfile', key],
      ]);
      await client.waitFor(/Simple Client Mode/);
      await client.waitFor(/This is a resumed session/);
      client.write(Buffer.from(`${helloRequest}ff0a`, 'hex'));
      await client.waitFor(/Hello, world!/);
      assert.equal((await server.connected(2)).resumed, true);
    });
  }
});

describe('a session of our client', () => {
  const startOpenssl = async (
    t: TestContext,
    port: number,
    ...more: string[]
  ): Promise<BackgroundProcess> => {
    const address = ['-accept', `127.0.0.1:${port}`, '-nocert'];
    const suite = ['-cipher', 'PSK-AES128-GCM-SHA256'];
    const server = start(t, 'openssl', ['s_server', '-dtls1_2', ...address, ...psk, ...suite, ...more]);
    await untilBound(port);
    return server;
  };

  // s_server sends a session id only where it does not send a ticket; with -listen it resumes nothing, whoever asks.
  for (const [resumption, more] of [
    ['session-id', ['-no_ticket']],
    ['ticket', []],
  ] as const) {
    peerTest(`goes on with s_server, by ${resumption}`, ['openssl'], async (t) => {
      const port = await freeUdpPorts(1);
      const server = await startOpenssl(t, port, ...more);
      await connectTwice(await closableClient(t, port, { resumption }), false);
      await server.waitFor(/Reused session-id/);
    });

    peerTest(`goes on with gnutls-serv, by ${resumption}`, ['gnutls-serv'], async (t) => {
      const port = await freeUdpPorts(1);
      const keys = join(temporaryFolder(t), 'keys');
      writeFileSync(keys, `${demo.identity}:${demo.keyHex}\n`);
      start(t, 'gnutls-serv', [
        ...['--udp', '--echo', '-p', String(port), '--pskpasswd', keys],
        ...['--priority', 'NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK'],
        ...(resumption === 'ticket' ? [] : ['--noticket']),
      ]);
      await untilBound(port);
      await connectTwice(await closableClient(t, port, { resumption }), true);
    });
  }

  peerTest('goes on with Scandium, with connection ids on both sides', ['scandium'], async (t) => {
    const port = await freeUdpPorts(1);
    const options = ['--psk', `${demo.identity}:${demo.key}`, '--cid', '6'];
    const peer = await startScandium(t, 'server', port, ...options);
    await connectTwice(await closableClient(t, port, { connectionIdLength: 4 }), true);
    const again = await peer.event('connected', 2);
    assert.equal(again['resumed'], true);
    assert.deepEqual([String(again['readCid']).length, String(again['writeCid']).length], [12, 8]);
  });

  peerTest('ends with a full handshake at a server that has forgotten it', ['openssl'], async (t) => {
    const port = await freeUdpPorts(1);
    const first = await startOpenssl(t, port);
    const client = await closableClient(t, port);
    client.close(await client.connect());
    await first.stop('SIGKILL');
    await startOpenssl(t, port);
    assert.equal((await client.connect()).resumed, false);
  });
});
