import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, content, Server } from 'coapsule';

test('a resource that is removed gets 4.04, and so do its observers; those beside it stay', async (t) => {
  const server = new Server();
  const client = new Client();
  t.after(async () => {
    await client.close();
    await server.close();
  });
  let closed = 0;
  const resource = { get: () => content('1'), observable: true, onClose: () => void closed++ };
  server.resource('/a/*', resource).resource('/b', resource).resource('/a', resource);
  const { uri } = await server.listen('coap://127.0.0.1:0');
  const gone = await client.observe(`${uri}/a/x`);
  const stays = await client.observe(`${uri}/b`);
  const codes: string[] = [];
  const ended = (async () => {
    for await (const { codeText } of gone) codes.push(codeText);
  })().catch((error: Error) => codes.push(error.message));
  assert.equal(await server.removeResource('/a/*'), true);
  await ended;
  assert.match(codes.join(' '), /4\.04/);
  assert.equal((await client.get(`${uri}/a/x`)).codeText, '4.04');
  assert.equal((await client.get(`${uri}/a`)).codeText, '2.05');
  assert.deepEqual(
    server.observers().map(({ resource: path }) => path),
    ['/b'],
  );
  assert.equal(closed, 1);
  assert.equal(await server.removeResource('/a/*'), false);
  server.resource('/a/*', resource);
  assert.equal((await client.get(`${uri}/a/x`)).codeText, '2.05');
  await stays.cancel();
});
