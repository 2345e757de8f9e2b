/** Forward-proxies: libcoap's and aiocoap's clients through ours, ours through theirs (RFC 7252 §5.7.2). */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { Client } from 'coapsule';
import { peerPython, peerTest } from './peer.ts';
import { freeUdpPorts, run, start, temporaryFolder, until } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';

const aiocoap = (name: string): string => join(peerPython, '..', name);

/** What makes the demo gateway a proxy for everything on 127.0.0.1. */
const proxyArguments = [
  ...['--proxy', 'coap://127.0.0.1:*', '--proxy', 'coap://localhost:*', '--proxy-network', '127.0.0.1'],
  '--dangerously-open-proxy',
];

async function answers(uri: string): Promise<boolean> {
  await using client = new Client();
  try {
    await client.ping(uri, { timeoutMs: 500 });
    return true;
  } catch {
    return false;
  }
}

/** Starts a libcoap server with 10 resources to be made; `-P` makes it a proxy. */
async function startLibcoap(t: TestContext, ...args: string[]): Promise<string> {
  const port = await freeUdpPorts(2);
  start(t, 'coap-server-openssl', ['-A', '127.0.0.1', '-p', String(port), '-d', '10', ...args]);
  const uri = `coap://127.0.0.1:${port}`;
  await until(() => answers(uri), 'coap-server answers');
  return uri;
}

const body = Buffer.alloc(8_192, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');

for (const client of ['coap-client-openssl', 'coap-client-gnutls'] as const) {
  describe(`${client} through our proxy`, () => {
    peerTest('reads, observes, writes and reads 8 KB', [client, 'coap-server-openssl'], async (t) => {
      const origin = await startLibcoap(t);
      const gateway = await startGateway(t, ...proxyArguments);
      const through = ['-P', gateway.coap];
      const time = await run(t, client, ['-m', 'get', ...through, `${origin}/time`]);
      assert.match(time.output, /\d\d:\d\d:\d\d/);
      const named = await run(t, client, [
        '-m',
        'get',
        ...through,
        `${origin.replace('127.0.0.1', 'localhost')}/time`,
      ]);
      assert.match(named.output, /\d\d:\d\d:\d\d/);
      const observed = await run(t, client, ['-m', 'get', '-s', '3', ...through, `${origin}/time`]);
      assert.ok(new Set(observed.output.match(/\d\d:\d\d:\d\d/g)).size >= 3, observed.output);
      const folder = temporaryFolder(t);
      writeFileSync(join(folder, 'sent'), body);
      await run(t, client, ['-m', 'put', '-f', join(folder, 'sent'), ...through, `${origin}/body`]);
      await run(t, client, ['-m', 'get', '-o', join(folder, 'received'), ...through, `${origin}/body`]);
      assert.ok(readFileSync(join(folder, 'received')).equals(body));
    });

    peerTest('asks our proxy over DTLS', [client, 'coap-server-openssl'], async (t) => {
      const origin = await startLibcoap(t);
      const gateway = await startGateway(t, '--proxy', 'coap://127.0.0.1:*', '--proxy-network', '127.0.0.1');
      const through = ['-P', gateway.coaps, ...demoCredentials];
      const { output } = await run(t, client, ['-m', 'get', ...through, `${origin}/time`]);
      assert.match(output, /\d\d:\d\d:\d\d/);
      // Nobody else may.
      const plain = await run(t, client, ['-m', 'get', '-P', gateway.coap, `${origin}/time`]);
      assert.match(plain.output, /^4\.01/m);
    });

    peerTest('is refused what our proxy is not for, and what is off', [client], async (t) => {
      const gateway = await startGateway(t, ...proxyArguments);
      const far = await run(t, client, ['-m', 'get', '-P', gateway.coap, 'coap://192.0.2.1/x']);
      assert.match(far.output, /^5\.05/m);
      const off = await startGateway(t);
      const none = await run(t, client, ['-m', 'get', '-P', off.coap, 'coap://192.0.2.1/x']);
      assert.match(none.output, /^5\.05/m);
    });
  });
}

describe("our clients through libcoap's proxy", () => {
  peerTest('read, observe, write and read 8 KB', ['coap-server-openssl'], async (t) => {
    const origin = await startLibcoap(t);
    const proxy = await startLibcoap(t, '-P', ',myproxy');
    const through = ['-P', proxy];
    const time = await coapsule(t, 'get', ...through, `${origin}/time`);
    assert.match(time.stdout.toString(), /\d\d:\d\d:\d\d/, time.output);
    for (const flags of [[], ['-S']]) {
      const parity = await coapsule(t, 'client', '-m', 'get', ...flags, ...through, `${origin}/time`);
      assert.match(parity.output, /\d\d:\d\d:\d\d/);
    }
    const observed = await coapsule(t, 'observe', '-s', '3', ...through, `${origin}/time`);
    assert.ok(new Set(observed.stdout.toString().match(/\d\d:\d\d:\d\d/g)).size >= 3, observed.output);
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'sent'), body);
    const put = await coapsule(t, 'put', '-f', join(folder, 'sent'), ...through, `${origin}/body`);
    assert.equal(put.code, 0, put.output);
    const get = await coapsule(t, 'get', '-o', join(folder, 'received'), ...through, `${origin}/body`);
    assert.equal(get.code, 0, get.output);
    assert.ok(readFileSync(join(folder, 'received')).equals(body));
  });

  peerTest(
    'a secured server through a plain proxy is refused before anything is sent',
    ['coap-server-openssl'],
    async (t) => {
      const proxy = await startLibcoap(t, '-P', ',myproxy');
      const { code, output } = await coapsule(
        t,
        'get',
        '-P',
        proxy,
        'coaps://127.0.0.1/x',
        ...demoCredentials,
      );
      assert.equal(code, 7, output);
      assert.match(output, /use a coaps proxy/);
    },
  );

  peerTest('over DTLS to the proxy', ['coap-server-openssl'], async (t) => {
    const origin = await startLibcoap(t);
    const proxy = await startLibcoap(t, '-P', ',myproxy', '-k', demo.key, '-h', 'CoAP');
    const secured = proxy.replace(
      /^coap:(.*):(\d+)$/,
      (_, host, port) => `coaps:${host}:${Number(port) + 1}`,
    );
    const { code, stdout, output } = await coapsule(
      t,
      'get',
      '-P',
      secured,
      `${origin}/time`,
      ...demoCredentials,
    );
    assert.equal(code, 0, output);
    assert.match(stdout.toString(), /\d\d:\d\d:\d\d/);
  });
});

describe('aiocoap', () => {
  peerTest('its client reads and writes through our proxy', ['aiocoap', 'coap-server-openssl'], async (t) => {
    const origin = await startLibcoap(t);
    const gateway = await startGateway(t, ...proxyArguments);
    const through = ['--proxy', gateway.coap];
    const time = await run(t, aiocoap('aiocoap-client'), [...through, `${origin}/time`]);
    assert.match(time.output, /\d\d:\d\d:\d\d/);
    const put = ['-m', 'PUT', '--payload', '22.5', `${origin}/made`];
    assert.equal((await run(t, aiocoap('aiocoap-client'), [...through, ...put])).code, 0);
    const read = await run(t, aiocoap('aiocoap-client'), [...through, `${origin}/made`]);
    assert.match(read.output, /22\.5/);
  });

  peerTest('our client reads and writes through its proxy', ['aiocoap', 'coap-server-openssl'], async (t) => {
    const origin = await startLibcoap(t);
    const port = await freeUdpPorts(2);
    start(t, aiocoap('aiocoap-proxy'), ['--forward', '--bind', `127.0.0.1:${port}`]);
    const proxy = `coap://127.0.0.1:${port}`;
    await until(() => answers(proxy), 'aiocoap-proxy answers');
    // It knows Proxy-Scheme alone, and refuses responses that have Max-Age, as those of /time.
    const through = ['-S', '-P', proxy];
    await coapsule(t, 'client', '-m', 'put', '-e', '22.5', ...through, `${origin}/made`);
    const read = await coapsule(t, 'client', '-m', 'get', ...through, `${origin}/made`);
    assert.equal(read.stdout.toString().trim(), '22.5', read.output);
  });
});
