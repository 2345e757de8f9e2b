/**
 * An identity that may have one of several keys, on real sockets: over DTLS a client is told apart by its first record, over
 * TLS by its next attempt.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { KeyTurns } from '../../src/api/key-turns.ts';
import { Client, content, type PskMatch, Server } from '../../src/index.ts';

const [newest, before, third] = ['the newest key of all', 'the key before that', 'one more key of it'].map(
  (text) => new TextEncoder().encode(text),
) as [Uint8Array, Uint8Array, Uint8Array];
const match: PskMatch = {
  ...{ key: newest, context: 'version 3' },
  others: [
    { key: before, context: 'version 2' },
    { key: third, context: 'version 1' },
  ],
};
const server = new Server().resource('/who', {
  get: ({ peer: { security } }) => content(security.kind === 'none' ? 'nobody' : String(security.context)),
});
const psk = { lookup: (identity: string) => (identity === 'pump-1' ? match : undefined) };
const dtls = await server.listen('coaps://127.0.0.1:0', { psk });
const tls = await server.listen('coaps+tcp://127.0.0.1:0', { psk });
after(() => server.close());

async function who(uri: string, key: Uint8Array): Promise<string> {
  await using client = new Client({ psk: { identity: 'pump-1', key } });
  return (await client.get(`${uri}/who`)).text();
}

test('a client over DTLS connects with each key, and its association has what came with that one', async () => {
  const uri = `coaps://127.0.0.1:${dtls.port}`;
  assert.equal(await who(uri, newest), 'version 3');
  assert.equal(await who(uri, before), 'version 2');
  assert.equal(await who(uri, third), 'version 1');
});

test('a client over TLS connects at the latest with as many attempts as there are keys', async () => {
  const uri = `coaps+tcp://127.0.0.1:${tls.port}`;
  assert.equal(await who(uri, newest), 'version 3');
  await assert.rejects(who(uri, before));
  assert.equal(await who(uri, before), 'version 2');
  assert.equal(await who(uri, before), 'version 2', 'it stays its turn');
  const attempts: (string | undefined)[] = [];
  for (let i = 0; i < 2; i++) attempts.push(await who(uri, newest).catch(() => undefined));
  assert.deepEqual(attempts, [undefined, undefined]);
  assert.equal(await who(uri, newest), 'version 3');
});

test('over TLS no more than three other keys have a turn, as over DTLS', () => {
  const turns = new KeyTurns();
  const [key, ...others] = Array.from({ length: 6 }, (_, i) => ({ key: Uint8Array.of(i), context: i }));
  const identity = Uint8Array.of(1);
  const picked = Array.from({ length: 8 }, () => {
    const { context } = turns.pick({ ...key!, others }, identity, '192.0.2.1');
    turns.failed(identity, '192.0.2.1');
    return context;
  });
  assert.deepEqual(picked, [0, 1, 2, 3, 0, 1, 2, 3]);
});

test('whose turn it is, is forgotten of those first that have not come for longest', () => {
  const turns = new KeyTurns();
  const match: PskMatch = { key: newest, context: 0, others: [{ key: before, context: 1 }] };
  const identity = Uint8Array.of(1);
  turns.pick(match, identity, 'here');
  turns.failed(identity, 'here');
  for (let host = 0; host < 5000; host++) {
    for (let other = 0; other < host % 5; other++) turns.pick(match, identity, `${other} ${host}`);
    assert.equal(turns.pick(match, identity, 'here').context, 1);
  }
});
