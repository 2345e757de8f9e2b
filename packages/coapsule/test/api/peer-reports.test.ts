/** What a listener tells of its peers and counters: `Listener.peerReports` and `Listener.statistics`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, content, type PeerReport, Server, statisticsSum } from '../../src/index.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const lookup = new Map(Array.from({ length: 5 }, (_, i) => [`device-${i}`, key] as const));

function server(): Server {
  return new Server().resource('/state', { get: () => content('22.5'), observable: true });
}

test('each secured peer is told of with its traffic, path and observations, a page at a time', async (t) => {
  const origin = server();
  const listener = await origin.listen('coaps://127.0.0.1:0', { psk: { lookup } });
  const clients = [...lookup.keys()].map((identity) => new Client({ psk: { identity, key } }));
  t.after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await origin.close();
  });
  for (const client of clients) await client.get(`${listener.uri}/state`);
  const states = clients[4]?.observe(`${listener.uri}/state`)[Symbol.asyncIterator]();
  await states?.next();

  const seen: PeerReport[] = [];
  let after: number | undefined;
  do {
    const page = listener.peerReports({ limit: 2, ...(after === undefined ? {} : { after }) });
    assert.ok(page.peers.length <= 2);
    seen.push(...page.peers);
    after = page.next;
  } while (after !== undefined);
  const identities = seen.map(({ peer: { security } }) => security.kind === 'dtls' && security.identity);
  assert.deepEqual(identities, [...lookup.keys()], 'in the order in which they connected, each once');
  for (const { epoch, bytesReceived = 0, bytesSent = 0, idleMs = -1, ageSeconds, path } of seen) {
    assert.equal(epoch, 1);
    // A GET and its answer in a record each; the records of the handshake are not among them but for later ones.
    assert.ok(bytesReceived > 20 && bytesReceived < 500, String(bytesReceived));
    assert.ok(bytesSent > 20 && bytesSent < 500, String(bytesSent));
    assert.ok(idleMs >= 0 && ageSeconds >= 0);
    assert.equal(path?.waitingReplies, 0);
  }
  assert.deepEqual(
    seen.map(({ observations }) => observations),
    [0, 0, 0, 0, 1],
  );
  const { associations, observers, exchanges, messages } = listener.statistics();
  assert.deepEqual([associations, observers], [5, 1]);
  assert.equal(exchanges['requestsReceived'], 6);
  assert.ok((messages['transmitted'] ?? 0) >= 6);
  await states?.return?.();
});

test('over TLS the bytes are those of the connection, and there are no records to tell of', async (t) => {
  const origin = server();
  const listener = await origin.listen('coaps+tcp://127.0.0.1:0', { psk: { lookup } });
  const client = new Client({ psk: { identity: 'device-0', key } });
  t.after(async () => {
    await client.close();
    await origin.close();
  });
  await client.get(`${listener.uri}/state`);
  const { peers, next } = listener.peerReports();
  assert.equal(next, undefined);
  const [report] = peers;
  assert.equal(report?.peer.transport, 'tcp');
  assert.deepEqual([report?.epoch, report?.idleMs, report?.path], [undefined, undefined, undefined]);
  assert.ok((report?.bytesReceived ?? 0) > 10 && (report?.bytesSent ?? 0) > 10);
  assert.equal(listener.statistics().associations, 1);
});

test('a plain listener has no peers to tell of, and counts all the same; sums are by name', async (t) => {
  const origin = server();
  const listener = await origin.listen('coap://127.0.0.1:0');
  const client = new Client();
  t.after(async () => {
    await client.close();
    await origin.close();
  });
  await client.get(`${listener.uri}/state`);
  assert.deepEqual(listener.peerReports(), { peers: [], next: undefined });
  const one = listener.statistics();
  assert.equal(one.associations, 0);
  const sum = statisticsSum([one, one]);
  assert.equal(sum.exchanges['requestsReceived'], 2);
  assert.equal(sum.oscore['refused:replay'], 0);
});
