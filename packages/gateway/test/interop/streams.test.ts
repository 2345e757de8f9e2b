/**
 * TCP, TLS and WebSocket (RFC 8323) with libcoap's programs and aiocoap, in both directions.
 *
 * libcoap 4.3.1 of Debian has no WebSocket; its certificates over TLS are in `stream-certificates.test.ts`, and what aiocoap has
 * of TLS: server certificates alone.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { changed, content, Server } from 'coapsule';
import { peerPython, peerTest } from './peer.ts';
import { run, start, temporaryFolder, until } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';
import { takesConnections } from './streams.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A gateway with all its endpoints, as URIs. */
async function startStreams(t: TestContext): Promise<{ tcp: string; tls: string; ws: string }> {
  const any = '127.0.0.1:0';
  const gateway = await startGateway(t, '--tcp', any, '--tls', any, '--ws', any);
  const [, json = ''] = await gateway.process.waitFor(/^ready (\{.*\})$/m, 20_000);
  const { tcp, tls, ws } = JSON.parse(json) as { tcp: string; tls: string; ws: string };
  return { tcp: `coap+tcp://${tcp}`, tls: `coaps+tcp://${tls}`, ws: `coap+ws://${ws}` };
}

for (const [client, server] of [
  ['coap-client-openssl', 'coap-server-openssl'],
  ['coap-client-gnutls', 'coap-server-gnutls'],
] as const) {
  describe(client, () => {
    for (const secured of [false, true]) {
      const over = secured ? 'TLS with a pre-shared key' : 'TCP';
      const credentials = secured ? demoCredentials : [];

      peerTest(`reads, writes and observes at the gateway over ${over}`, [client], async (t) => {
        const gateway = await startStreams(t);
        const base = secured ? gateway.tls : gateway.tcp;
        const hello = await run(t, client, ['-m', 'get', `${base}/hello`, ...credentials]);
        assert.equal(hello.output.trimEnd(), 'Hello, world!');
        const put = ['-v', '6', '-m', 'put', '-e', '17', `${base}/config/interval`, ...credentials];
        assert.match((await run(t, client, put)).output, /2\.04/);
        const observed = await run(t, client, ['-m', 'get', '-s', '3', `${base}/obs`, ...credentials]);
        const ticks = [...observed.output.matchAll(/tick (\d+)/g)].map(([, tick]) => Number(tick));
        assert.ok(ticks.length >= 4, observed.output);
        assert.deepEqual(
          ticks,
          [...ticks].sort((one, other) => one - other),
        );
      });

      for (const size of [8_192, 1_048_576]) {
        peerTest(`writes and reads ${size} bytes over ${over}`, [client], async (t) => {
          const gateway = await startStreams(t);
          const uri = `${secured ? gateway.tls : gateway.tcp}/store`;
          const folder = temporaryFolder(t);
          const body = Buffer.alloc(size, letters);
          writeFileSync(join(folder, 'sent'), body);
          await run(t, client, ['-m', 'put', '-b', '1024', '-f', join(folder, 'sent'), uri, ...credentials], {
            timeoutMs: 60_000,
          });
          await run(t, client, ['-m', 'get', '-o', join(folder, 'received'), uri, ...credentials], {
            timeoutMs: 60_000,
          });
          assert.ok(readFileSync(join(folder, 'received')).equals(body), 'the bodies differ');
        });
      }
    }
  });

  describe(server, () => {
    for (const secured of [false, true]) {
      const over = secured ? 'TLS with a pre-shared key' : 'TCP';
      const credentials = secured ? demoCredentials : [];
      const startServer = async (t: TestContext): Promise<string> => {
        // Its TLS has no ALPN, and without that only port 5684 is one of CoAP (RFC 8323 §8.2): it gets an address of its own.
        const host = `127.${20 + ((randomBytes(1)[0] as number) % 200)}.${randomBytes(1)[0]}.9`;
        start(t, server, ['-A', host, '-p', '5683', '-k', demo.key, '-h', 'CoAP', '-d', '10']);
        await until(() => takesConnections(host, 5683), `${server} listens`);
        return secured ? `coaps+tcp://${host}` : `coap+tcp://${host}`;
      };

      peerTest(`our client reads, observes and pings over ${over}`, [server], async (t) => {
        const base = await startServer(t);
        const { code, stdout, output } = await coapsule(t, 'get', '-s', '3', `${base}/time`, ...credentials);
        assert.equal(code, 0, output);
        const times = stdout.toString().match(/\d\d:\d\d:\d\d/g) ?? [];
        assert.ok(times.length >= 2, output);
        assert.equal((await coapsule(t, 'ping', base, ...credentials)).code, 0);
      });

      for (const size of [8_192, 1_048_576]) {
        peerTest(`our client writes and reads ${size} bytes over ${over}`, [server], async (t) => {
          const uri = `${await startServer(t)}/body`;
          const folder = temporaryFolder(t);
          const body = Buffer.alloc(size, letters);
          writeFileSync(join(folder, 'sent'), body);
          const put = await coapsule(t, 'put', uri, '-f', join(folder, 'sent'), ...credentials);
          assert.equal(put.code, 0, put.output);
          const get = await coapsule(t, 'get', uri, '-o', join(folder, 'received'), ...credentials);
          assert.equal(get.code, 0, get.output);
          assert.ok(readFileSync(join(folder, 'received')).equals(body), 'the bodies differ');
        });
      }
    }
  });
}

describe('aiocoap', () => {
  const tool = (name: string): string => join(peerPython, '..', name);

  for (const transport of ['tcp', 'ws'] as const) {
    for (const size of [8_192, 1_048_576]) {
      peerTest(
        `its client writes and reads ${size} bytes at the gateway over ${transport}`,
        ['aiocoap'],
        async (t) => {
          const base = (await startStreams(t))[transport];
          const hello = await run(t, tool('aiocoap-client'), [`${base}/hello`]);
          assert.match(hello.output, /Hello, world!/);
          const folder = temporaryFolder(t);
          const body = Buffer.alloc(size, letters);
          writeFileSync(join(folder, 'sent'), body);
          const put = ['-m', 'PUT', '--payload', `@${join(folder, 'sent')}`, `${base}/store`];
          assert.equal((await run(t, tool('aiocoap-client'), put)).code, 0);
          const ours = await coapsule(t, 'get', '-o', join(folder, 'received'), `${base}/store`);
          assert.ok(readFileSync(join(folder, 'received')).equals(body), ours.output);
          const theirs = await run(t, tool('aiocoap-client'), ['-q', `${base}/store`]);
          assert.equal(theirs.stdout.toString().trimEnd(), body.toString());
        },
      );
    }

    peerTest(
      `its client, which begins with SZX 7, writes and reads at a server without BERT over ${transport}`,
      ['aiocoap'],
      async (t) => {
        let stored = new Uint8Array();
        const server = new Server().resource('/store', {
          get: () => content(stored),
          put: ({ payload }) => {
            stored = payload.slice();
            return changed();
          },
        });
        t.after(() => server.close());
        const { port } = await server.listen(`coap+${transport}://127.0.0.1:0`, { maxMessageSize: 1152 });
        const folder = temporaryFolder(t);
        const body = Buffer.alloc(20_000, letters);
        writeFileSync(join(folder, 'sent'), body);
        const uri = `coap+${transport}://127.0.0.1:${port}/store`;
        const put = ['-m', 'PUT', '--payload', `@${join(folder, 'sent')}`, uri];
        assert.equal((await run(t, tool('aiocoap-client'), put)).code, 0);
        assert.ok(Buffer.from(stored).equals(body), 'the bodies differ');
        const read = await run(t, tool('aiocoap-client'), ['-q', uri]);
        assert.equal(read.stdout.toString().trimEnd(), body.toString());
      },
    );

    peerTest(`its client observes at the gateway over ${transport}`, ['aiocoap'], async (t) => {
      const base = (await startStreams(t))[transport];
      const observer = start(t, peerPython, [
        join(import.meta.dirname, 'aiocoap/observer.py'),
        `${base}/obs`,
      ]);
      const [seen] = await observer.waitFor(/(?:tick \d+[\s\S]*?){3}/, 30_000);
      const ticks = [...seen.matchAll(/tick (\d+)/g)].map(([, tick]) => Number(tick));
      assert.deepEqual(
        ticks,
        [...ticks].sort((one, other) => one - other),
      );
    });

    peerTest(`its server answers our client over ${transport}`, ['aiocoap'], async (t) => {
      const host = `127.${20 + ((randomBytes(1)[0] as number) % 200)}.${randomBytes(1)[0]}.8`;
      const server = start(t, peerPython, [join(import.meta.dirname, 'aiocoap/server.py'), host]);
      await server.waitFor(/^ready$/m, 20_000);
      const base = transport === 'tcp' ? `coap+tcp://${host}:5683` : `coap+ws://${host}:8683`;
      const hello = await coapsule(t, 'get', `${base}/hello`);
      assert.equal(hello.stdout.toString().trim(), 'hello from aiocoap', hello.output);
      const folder = temporaryFolder(t);
      for (const length of [8_192, 1_048_576]) {
        const body = Buffer.alloc(length, letters);
        writeFileSync(join(folder, 'sent'), body);
        const put = await coapsule(t, 'put', `${base}/store`, '-f', join(folder, 'sent'));
        assert.equal(put.code, 0, put.output);
        const get = await coapsule(t, 'get', `${base}/store`, '-o', join(folder, 'received'));
        assert.equal(get.code, 0, get.output);
        assert.ok(readFileSync(join(folder, 'received')).equals(body), 'the bodies differ');
      }
      const observed = await coapsule(t, 'get', '-s', '2', `${base}/ticks`);
      assert.ok([...observed.output.matchAll(/tick \d+/g)].length >= 2, observed.output);
    });
  }
});
