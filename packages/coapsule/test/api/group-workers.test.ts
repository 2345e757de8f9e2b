/** Groups on a port of several workers (RFC 7252 §8): worker 0 is the member, for all. By real sockets, on loopback. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, startWorkers } from '../../src/index.ts';
import { freePort } from './free-port.ts';
import { listenInGroup } from './group-worker-app.ts';

const group = '224.0.1.187';

test('a request to a group is answered once, by worker 0, while all workers answer what is sent to the port alone', async (t) => {
  const port = await freePort();
  const workers = await startWorkers(new URL('./group-worker-app.ts', import.meta.url), {
    count: 3,
    data: { group, port },
    first: listenInGroup,
  });
  t.after(() => workers.close());
  const answered = new Set<string>();
  while (answered.size < 3) {
    await using client = new Client();
    answered.add((await client.get(`coap://127.0.0.1:${port}/who`)).text());
  }
  assert.deepEqual([...answered].sort(), ['0 undefined', '1 undefined', '2 undefined']);
  // Whichever worker the address of the client belongs to.
  for (let i = 0; i < 8; i++) {
    await using client = new Client();
    const responses: string[] = [];
    const asked = client.multicast('GET', `coap://${group}:${port}/who`, { interface: 'lo', windowMs: 500 });
    for await (const response of asked) responses.push(response.text());
    assert.deepEqual(responses, [`0 ${group}`]);
  }
});
