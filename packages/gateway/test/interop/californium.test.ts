/** Californium 3.14 over plain UDP with its own settings, both directions: GET, PUT, Observe, 8 KB in blocks. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, type TestContext } from 'node:test';
import { changed, content, Server } from 'coapsule';
import { startCalifornium } from './json-peer.ts';
import { ownClient } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts } from './process.ts';

/** What `CaliforniumPeer.java` makes of a length. */
function body(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => 97 + ((i * 31) % 26));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A server of ours with what the tests ask for. */
async function startServer(t: TestContext): Promise<{ readonly uri: string; readonly stored: Uint8Array[] }> {
  const stored: Uint8Array[] = [];
  let tick = 0;
  const server = new Server();
  server.resource('/hello', { get: () => content('hello from coapsule') });
  server.resource('/large', {
    get: () => content(body(8192)),
    put: ({ payload }) => {
      stored.push(payload.slice());
      return changed();
    },
  });
  server.resource('/obs', { get: () => content(`tick ${tick}`), observable: true });
  const timer = setInterval(() => {
    tick++;
    server.notify('/obs');
  }, 200);
  t.after(async () => {
    clearInterval(timer);
    await server.close();
  });
  const { port } = await server.listen('coap://127.0.0.1:0');
  return { uri: `coap://127.0.0.1:${port}`, stored };
}

describe('Californium over UDP', () => {
  peerTest(
    'its client reads, writes 8 KB in blocks, and reads 8 KB in blocks',
    ['californium'],
    async (t) => {
      const { uri, stored } = await startServer(t);
      const client = await startCalifornium(t, 'client');
      client.say(`get ${uri}/hello`);
      assert.equal((await client.event('response', 1))['text'], 'hello from coapsule');
      client.say(`put ${uri}/large 8192`);
      assert.equal((await client.event('response', 2))['code'], '2.04');
      assert.deepEqual(stored.map(sha256), [sha256(body(8192))]);
      client.say(`get ${uri}/large`);
      assert.equal((await client.event('response', 3))['sha256'], sha256(body(8192)));
    },
  );

  peerTest('its client observes ours, and cancels', ['californium'], async (t) => {
    const { uri } = await startServer(t);
    const client = await startCalifornium(t, 'client');
    client.say(`observe ${uri}/obs 5`);
    await client.event('response', 5);
    // The answer to its cancellation comes behind them, and repeats the last.
    const ticks = client.events
      .filter(({ event }) => event === 'response')
      .slice(0, 5)
      .map(({ text }) => Number(/^tick (\d+)$/.exec(String(text))?.[1]));
    assert.ok(
      ticks.every((tick, i) => i === 0 || tick > (ticks[i - 1] as number)),
      `${ticks}`,
    );
  });

  peerTest('its server answers our client: GET, PUT of 8 KB, GET of 8 KB', ['californium'], async (t) => {
    const port = await freeUdpPorts(1);
    await startCalifornium(t, 'server', port);
    const client = ownClient(t, {});
    const uri = `coap://127.0.0.1:${port}`;
    assert.equal((await client.get(`${uri}/hello`)).text(), 'hello from californium');
    assert.equal(sha256((await client.get(`${uri}/large`)).payload), sha256(body(8192)));
    const other = body(8192).reverse();
    assert.equal((await client.put(`${uri}/large`, { payload: other, contentFormat: 0 })).codeText, '2.04');
    assert.equal(sha256((await client.get(`${uri}/large`)).payload), sha256(other));
  });

  peerTest('its server is observed by our client', ['californium'], async (t) => {
    const port = await freeUdpPorts(1);
    await startCalifornium(t, 'server', port);
    const observation = await ownClient(t, {}).observe(`coap://127.0.0.1:${port}/obs`);
    const ticks: number[] = [];
    for await (const notification of observation) {
      ticks.push(Number(notification.text().split(' ')[1]));
      if (ticks.length === 4) break;
    }
    assert.ok(
      ticks.every((tick, i) => i === 0 || tick > (ticks[i - 1] as number)),
      `${ticks}`,
    );
  });
});
