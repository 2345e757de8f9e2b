/** Our command line against libcoap's coap-server, both builds. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { peerTest } from './peer.ts';
import { freeUdpPorts, start, temporaryFolder, until } from './process.ts';
import { coapsule, demo, demoCredentials } from './programs.ts';
import { applicationData, contentTypes, startRelay } from './relay.ts';

for (const server of ['coap-server-openssl', 'coap-server-gnutls'] as const) {
  /** Starts the server with the demo key; it takes `port` for CoAP and the next one for DTLS. */
  const startServer = async (t: TestContext): Promise<{ coap: string; coaps: string; coapsPort: number }> => {
    const port = await freeUdpPorts(2);
    start(t, server, ['-A', '127.0.0.1', '-p', String(port), '-k', demo.key, '-h', 'CoAP', '-d', '10']);
    const coap = `coap://127.0.0.1:${port}`;
    await until(() => answersPing(port), `${server} answers`);
    return { coap, coaps: `coaps://127.0.0.1:${port + 1}`, coapsPort: port + 1 };
  };

  describe(server, () => {
    peerTest('our client reads /time over DTLS', [server], async (t) => {
      const { coaps } = await startServer(t);
      const { code, stdout, output } = await coapsule(t, 'get', `${coaps}/time`, ...demoCredentials);
      assert.equal(code, 0, output);
      assert.match(stdout.toString(), /\d\d:\d\d:\d\d/);
    });

    peerTest('coapsule client takes the flags of coap-client', [server], async (t) => {
      const { coaps } = await startServer(t);
      const { code, output } = await coapsule(
        t,
        'client',
        '-m',
        'get',
        '-u',
        demo.identity,
        '-k',
        demo.key,
        `${coaps}/time`,
      );
      assert.equal(code, 0, output);
      assert.match(output, /^\w+ \d+ \d\d:\d\d:\d\d\n?$/);
    });

    for (const secured of [true, false]) {
      const over = secured ? 'DTLS' : 'plain CoAP';
      const credentials = secured ? demoCredentials : [];

      peerTest(`our client observes /time over ${over} for three seconds`, [server], async (t) => {
        const { coap, coaps } = await startServer(t);
        const uri = `${secured ? coaps : coap}/time`;
        const { code, stdout, output } = await coapsule(t, 'get', '-s', '3', uri, ...credentials);
        assert.equal(code, 0, output);
        const times = stdout.toString().match(/\d\d:\d\d:\d\d/g) ?? [];
        assert.ok(times.length >= 3, output);
        assert.equal(new Set(times).size, times.length, 'each notification is new');
      });

      for (const size of [8_192, 1_048_576]) {
        peerTest(`our client writes and reads ${size} bytes over ${over}`, [server], async (t) => {
          const { coap, coaps } = await startServer(t);
          const uri = `${secured ? coaps : coap}/body`;
          const folder = temporaryFolder(t);
          const body = Buffer.alloc(size, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
          writeFileSync(join(folder, 'sent'), body);
          const put = await coapsule(t, 'put', uri, '-f', join(folder, 'sent'), ...credentials);
          assert.equal(put.code, 0, put.output);
          const get = await coapsule(t, 'get', uri, '-o', join(folder, 'received'), ...credentials);
          assert.equal(get.code, 0, get.output);
          assert.ok(readFileSync(join(folder, 'received')).equals(body), 'the bodies differ');
        });
      }
    }

    for (const flags of [[], ['-N']]) {
      const type = flags.length === 0 ? 'Confirmable' : 'Non-confirmable';
      peerTest(
        `a ${type} body that is wanted in Q-Blocks goes and comes in the usual ones: libcoap 4.3.1 has none`,
        [server],
        async (t) => {
          const { coap, coaps } = await startServer(t);
          for (const [uri, credentials] of [
            [`${coap}/body`, []],
            [`${coaps}/body`, demoCredentials],
          ] as const) {
            const folder = temporaryFolder(t);
            const body = Buffer.alloc(20_000, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
            writeFileSync(join(folder, 'sent'), body);
            const wish = ['--q-block', ...flags, ...credentials];
            const put = await coapsule(t, 'put', uri, '-f', join(folder, 'sent'), ...wish);
            assert.equal(put.code, 0, put.output);
            const get = await coapsule(t, 'get', uri, '-o', join(folder, 'received'), ...wish);
            assert.equal(get.code, 0, get.output);
            assert.ok(readFileSync(join(folder, 'received')).equals(body), 'the bodies differ');
          }
        },
      );
    }

    peerTest(
      'libcoap 4.3.1 refuses a Q-Block2 option, and sends it back with its 4.02',
      [server],
      async (t) => {
        const { coap } = await startServer(t);
        const { code, output } = await coapsule(t, 'get', '-O', '31,0x0e', coap);
        assert.notEqual(code, 0, output);
        assert.match(output, /critical option that is not understood: .* 31 \(Q-Block2\)/);
      },
    );

    peerTest(
      'our client fails within seconds with a wrong key, names cause and next step, and sends no application data',
      [server],
      async (t) => {
        const { coapsPort } = await startServer(t);
        const relay = await startRelay(t, coapsPort);
        const uri = `coaps://127.0.0.1:${relay.port}/time`;
        const { code, stdout, output } = await coapsule(
          t,
          'get',
          uri,
          // OpenSSL never says that it cannot open a Finished: after -B the client says what it means.
          '-B',
          '5',
          '-u',
          demo.identity,
          '-k',
          'AnotherKey16Byt!',
        );
        assert.equal(code, 7, output);
        assert.equal(stdout.length, 0);
        assert.match(output, /identity unknown or key wrong|wrong key|handshake/i);
        const types = [...relay.fromClient, ...relay.fromServer].flatMap(contentTypes);
        assert.ok(types.length > 0 && !types.includes(applicationData), String(types));
      },
    );

    peerTest('our client says 4.04 with exit code 4', [server], async (t) => {
      const { coaps } = await startServer(t);
      const { code, output } = await coapsule(t, 'get', `${coaps}/nowhere`, ...demoCredentials);
      assert.equal(code, 4, output);
      assert.match(output, /4\.04/);
    });

    peerTest('our client pings it and lists its resources', [server], async (t) => {
      const { coap, coaps } = await startServer(t);
      const ping = await coapsule(t, 'ping', coap);
      assert.equal(ping.code, 0, ping.output);
      const links = await coapsule(t, 'discover', coaps, ...demoCredentials);
      assert.equal(links.code, 0, links.output);
      assert.match(links.stdout.toString(), /\/time/);
    });
  });
}

/** Whether a CoAP ping is answered within 100 ms (RFC 7252 §4.3). */
async function answersPing(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.send(Buffer.from('40000001', 'hex'));
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(100) });
    return answer.toString('hex') === '70000001';
  } catch {
    return false; // refused, or nothing yet
  } finally {
    socket.close();
  }
}
