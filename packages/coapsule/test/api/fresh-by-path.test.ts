import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, changed, Server } from 'coapsule';

test('which paths of a resource take only fresh requests may be said by a function, anew each time', async (t) => {
  let handled = 0;
  let within: number | undefined = 10;
  const server = new Server().resource('/valves/*', {
    put: () => {
      handled++;
      return changed();
    },
    freshWithinSeconds: (path) => (path === '/valves/main' ? within : undefined),
  });
  let received = 0;
  const client = new Client({
    trace: (event) => {
      if (event.kind === 'message' && event.direction === 'received') received++;
    },
  });
  t.after(async () => {
    await client.close();
    await server.close();
  });
  const { uri } = await server.listen('coap://127.0.0.1:0');
  const messages = async (path: string): Promise<number> => {
    received = 0;
    assert.equal((await client.put(`${uri}${path}`, { payload: '1' })).codeText, '2.04');
    return received;
  };
  assert.equal(await messages('/valves/other'), 1);
  // RFC 9175 §2.3: 4.01 with Echo, and the answer to the request with it.
  assert.equal(await messages('/valves/main'), 2);
  within = undefined;
  assert.equal(await messages('/valves/main'), 1);
  assert.equal(handled, 3);
});
