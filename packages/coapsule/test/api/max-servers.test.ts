/** How many servers a client keeps sockets for. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ApiMisuseError, Client, content, Server } from '../../src/index.ts';

const key = Buffer.from('MySecret16ByteK!');
const server = new Server()
  .resource('/port', { get: ({ peer }) => content(String(peer.address.port)) })
  .resource('/never', {
    get: ({ signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(content('')))),
  });
const psk = { lookup: new Map([['a', key]]) };
const uris = [
  (await server.listen('coap://127.0.0.1:0')).uri,
  (await server.listen('coaps://127.0.0.1:0', { psk })).uri,
  (await server.listen('coap://127.0.0.1:0')).uri,
] as const;
after(() => server.close());

test('the server that was not asked for longest goes for another one, with its association', async () => {
  await using client = new Client({ maxServers: 2, psk: { identity: 'a', key } });
  const port = async (uri: string): Promise<string> => (await client.get(`${uri}/port`)).text();
  const first = await port(uris[0]);
  const second = await port(uris[1]);
  assert.equal(await port(uris[0]), first);
  await port(uris[2]); // instead of the second
  assert.equal(await port(uris[0]), first);
  assert.notEqual(await port(uris[1]), second); // instead of the third
});

test('when all are in use the next one fails at once, and those that wait go on', async () => {
  await using client = new Client({ maxServers: 1 });
  const stop = new AbortController();
  const waiting = client.get(`${uris[0]}/never`, { signal: stop.signal });
  const observed = client.get(`${uris[0]}/port`);
  const refused = client.get(`${uris[2]}/port`);
  const given = Promise.all([
    assert.rejects(refused, { code: 'ERR_BUSY' }),
    assert.rejects(waiting, { code: 'ERR_ABORTED' }),
  ]);
  assert.equal((await observed).ok, true);
  stop.abort();
  await given;
  assert.equal((await client.get(`${uris[2]}/port`)).ok, true);
});

test('a number that is none is refused', () => {
  assert.throws(() => new Client({ maxServers: 0 }), ApiMisuseError);
});
