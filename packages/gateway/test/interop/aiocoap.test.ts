/**
 * aiocoap over plain UDP, and with its DTLSSocket (tinydtls) and pre-shared keys; in both directions.
 *
 * Its extended master secret (RFC 7627): offered by its client and answered by its server, so our defaults hold.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { peerPython, peerTest } from './peer.ts';
import { freeUdpPorts, run, start, temporaryFolder, until } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';

const tool = (name: string): string => join(peerPython, '..', name);

/** A credentials map of aiocoap: by address pattern for a client, by label for a server. */
function credentials(t: TestContext, key: string): string {
  const file = join(temporaryFolder(t), 'credentials.json');
  const psk = { psk: { ascii: demo.key }, 'client-identity': { ascii: demo.identity } };
  writeFileSync(file, JSON.stringify({ [key]: { dtls: psk } }));
  return file;
}

describe('aiocoap', () => {
  peerTest(
    'its client reads from and writes to the gateway, with extended master secret',
    ['aiocoap'],
    async (t) => {
      const gateway = await startGateway(t);
      const map = ['--credentials', credentials(t, `${gateway.coaps}/*`)];
      const hello = await run(t, tool('aiocoap-client'), [...map, `${gateway.coaps}/hello`]);
      assert.match(hello.output, /Hello, world!/);
      const post = ['-m', 'POST', '--payload', '22.5', `${gateway.coaps}/sensor`];
      assert.equal((await run(t, tool('aiocoap-client'), [...map, ...post])).code, 0);
      const read = await coapsule(t, 'get', `${gateway.coaps}/sensor`, ...demoCredentials);
      assert.equal(read.stdout.toString().trim(), '22.5');
    },
  );

  peerTest('its server answers our client, with extended master secret', ['aiocoap'], async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'hello'), 'hello from aiocoap');
    const port = await freeUdpPorts(2); // coap, then coaps
    const server = start(
      t,
      tool('aiocoap-fileserver'),
      ['--bind', `127.0.0.1:${port}`, '--credentials', credentials(t, ':sensor'), folder],
      { env: { AIOCOAP_DTLSSERVER_ENABLED: '1' } },
    );
    const uri = `coaps://127.0.0.1:${port + 1}/hello`;
    await until(
      async () => (await coapsule(t, 'ping', `coap://127.0.0.1:${port}`, '-B', '1')).code === 0,
      'aiocoap answers',
    );
    // Our client requires the extended master secret unless told otherwise: an answer proves it.
    const { code, stdout, output } = await coapsule(t, 'get', uri, '-B', '20', ...demoCredentials);
    assert.equal(code, 0, output + server.output);
    assert.equal(stdout.toString(), 'hello from aiocoap');
  });
});

describe('aiocoap over plain UDP', () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz';

  peerTest('its client puts 8 KB in blocks, fetches them and observes', ['aiocoap'], async (t) => {
    const gateway = await startGateway(t);
    const folder = temporaryFolder(t);
    const body = Buffer.alloc(8192, letters);
    writeFileSync(join(folder, 'body'), body);
    const put = ['-m', 'PUT', '--payload', `@${join(folder, 'body')}`, `${gateway.coap}/store`];
    const sent = await run(t, tool('aiocoap-client'), put);
    assert.equal(sent.code, 0, sent.output);
    const { stdout } = await run(t, tool('aiocoap-client'), [`${gateway.coap}/store`]);
    assert.ok(stdout.subarray(0, body.length).equals(body), 'the bodies differ');
    const observer = start(t, peerPython, [
      join(import.meta.dirname, 'aiocoap/observer.py'),
      `${gateway.coap}/temperature`,
    ]);
    await observer.waitFor(/(\d\d\.\d°C\n){3}/, 20_000);
  });

  peerTest('its server answers our client: GET, PUT and GET of 8 KB, Observe', ['aiocoap'], async (t) => {
    const host = `127.${20 + ((randomBytes(1)[0] as number) % 200)}.${randomBytes(1)[0]}.9`;
    const program = join(import.meta.dirname, 'aiocoap/server.py');
    const server = start(t, peerPython, [program, host, 'simplesocketserver']);
    await server.waitFor(/^ready$/m, 20_000);
    const base = `coap://${host}`;
    const hello = await coapsule(t, 'get', `${base}/hello`);
    assert.equal(hello.stdout.toString().trim(), 'hello from aiocoap', hello.output);
    const folder = temporaryFolder(t);
    const body = Buffer.alloc(8192, letters);
    writeFileSync(join(folder, 'sent'), body);
    const put = await coapsule(t, 'put', `${base}/store`, '-f', join(folder, 'sent'));
    assert.equal(put.code, 0, put.output);
    const get = await coapsule(t, 'get', `${base}/store`, '-o', join(folder, 'received'));
    assert.equal(get.code, 0, get.output);
    assert.ok(readFileSync(join(folder, 'received')).equals(body), 'the bodies differ');
    const observed = await coapsule(t, 'get', '-s', '2', `${base}/ticks`);
    assert.ok([...observed.output.matchAll(/tick \d+/g)].length >= 2, observed.output);
  });
});
