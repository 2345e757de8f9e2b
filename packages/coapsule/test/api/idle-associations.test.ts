/** Associations that are quiet: ended after the idle time, asked for a sign of life, and made anew when they are gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AssociationEvent, Client, content, Server } from '../../src/index.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const psk = { identity: 'sensor-042', key };

/** Resolves with the first event of a kind. */
function eventOf<Kind extends AssociationEvent['kind']>(
  kind: Kind,
): {
  readonly onAssociation: (event: AssociationEvent) => void;
  readonly seen: Promise<Extract<AssociationEvent, { kind: Kind }>>;
} {
  const { promise, resolve } = Promise.withResolvers<Extract<AssociationEvent, { kind: Kind }>>();
  return {
    seen: promise,
    onAssociation: (event) => {
      if (event.kind === kind) resolve(event as Extract<AssociationEvent, { kind: Kind }>);
    },
  };
}

test('a quiet association is ended by the server, and the next request makes a new one', async () => {
  const closed = eventOf('closed');
  await using server = new Server().resource('/a', { get: () => content('1') });
  const { port } = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', key]]) },
    idleTimeoutMs: 300,
    onAssociation: closed.onAssociation,
  });
  const closedAtClient = Promise.withResolvers<void>();
  await using client = new Client({
    psk,
    trace: (event) => {
      if (event.kind === 'closed') closedAtClient.resolve();
    },
  });
  const uri = `coaps://127.0.0.1:${port}/a`;
  assert.equal((await client.get(uri)).text(), '1');
  const { reason } = await closed.seen;
  assert.equal(reason, 'idle');
  await closedAtClient.promise;
  const again = await client.get(uri);
  assert.equal(again.text(), '1');
});

test('a server that is gone is noticed by its silence, and the next request shakes hands again', async () => {
  const closedAtClient = Promise.withResolvers<void>();
  const listen = async (server: Server, port: number): Promise<number> => {
    const listener = await server.listen(`coaps://127.0.0.1:${port}`, {
      psk: { lookup: new Map([['sensor-042', key]]) },
      connectionId: 'off',
    });
    return listener.port;
  };
  const first = new Server().resource('/a', { get: () => content('first') });
  const port = await listen(first, 0);
  await using client = new Client({
    psk,
    keepAliveMs: 40,
    transmission: { ackTimeoutMs: 20, maxRetransmit: 1 },
    trace: (event) => {
      if (event.kind === 'closed') closedAtClient.resolve();
    },
  });
  const uri = `coaps://127.0.0.1:${port}/a`;
  assert.equal((await client.get(uri)).text(), 'first');
  await first.close();
  await closedAtClient.promise;
  await using second = new Server().resource('/a', { get: () => content('second') });
  await listen(second, port);
  assert.equal((await client.get(uri)).text(), 'second');
});

test('a quiet association lives on while its peer answers', async () => {
  await using server = new Server().resource('/a', { get: () => content('1') });
  const events: AssociationEvent[] = [];
  const { port } = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', key]]) },
    idleTimeoutMs: 400,
    onAssociation: (event) => void events.push(event),
  });
  const pings = Promise.withResolvers<void>();
  let pongs = 0;
  await using client = new Client({
    psk,
    keepAliveMs: 50,
    trace: (event) => {
      // A ping is an empty message: 4 bytes.
      if (
        event.kind === 'message' &&
        event.direction === 'received' &&
        event.bytes.length === 4 &&
        ++pongs === 12
      ) {
        pings.resolve();
      }
    },
  });
  assert.equal((await client.get(`coaps://127.0.0.1:${port}/a`)).text(), '1');
  await pings.promise;
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['connected'],
  );
});
