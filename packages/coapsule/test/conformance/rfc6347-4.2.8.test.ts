import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { DtlsPair, sensorIdentity } from '../scenarios/dtls-pair.ts';
import { LonelyLayer, ScriptedClient } from '../scenarios/dtls-scripted-peer.ts';

function connected(): DtlsPair {
  const pair = new DtlsPair();
  pair.connect();
  pair.run(5000, () => pair.bothConnected);
  assert.ok(pair.exchange());
  return pair;
}

suite('RFC 6347 §4.2.8: a client that begins again from the same address', () => {
  test('D12: gets a new association, and only then the old one is abandoned', () => {
    const pair = connected();
    const [old] = pair.server.all('connected');
    pair.restartClient();
    pair.connect();
    pair.run(3000, () => pair.client.all('connected').length === 2);
    const [, fresh] = pair.server.all('connected');
    assert.equal(fresh?.replaced, old?.association);
    assert.deepEqual(
      pair.server.all('closed').map(({ association, reason }) => [association, reason]),
      [[old?.association, 'replaced']],
    );
    const kinds = pair.server.outputs.map(({ output }) => output.kind);
    assert.ok(kinds.indexOf('closed') < kinds.lastIndexOf('connected'));
    assert.equal(pair.server.layer.usage.associations, 1);
    assert.ok(pair.exchange());
  });

  test('with a wrong key leaves the old association as it was', () => {
    const pair = connected();
    const oldLayer = pair.client.layer;
    pair.restartClient();
    pair.client.lookUp = () => ({ identity: sensorIdentity, key: encodeUtf8('wrong') });
    pair.connect();
    pair.run(70_000);
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'psk-mismatch');
    assert.equal(pair.server.all('closed').length, 0);
    pair.client.layer = oldLayer;
    assert.ok(pair.exchange('after all'));
  });

  test('D12: MUST NOT harm the old association by ClientHellos alone: forged ones in any number, with and without cookie', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.connect(server);
    for (let i = 0; i < 1000; i++) {
      const forger = new ScriptedClient({ seed: i & 0xff });
      server.give(
        forger.messageRecord(forger.hello(i % 2 === 0 ? noBytes : new Uint8Array(32).fill(i), i % 2)),
      );
      server.give(client.data(`reading ${i}`));
    }
    assert.equal(server.all('application-data').length, 1000);
    assert.equal(server.all('closed').length, 0);
    assert.deepEqual(server.layer.usage, { associations: 1, handshakes: 0, keptBytes: 0 });
  });

  test('lets the old association work on while the new handshake is under way, at each of its steps', () => {
    const server = new LonelyLayer('server');
    const old = new ScriptedClient();
    old.connect(server);
    let received = 0;
    const worksStill = (): void => {
      server.give(old.data('still here'));
      assert.equal(server.all('application-data').length, ++received);
      const association = server.layer.associationAt(server.peer);
      assert.equal(server.layer.send(association ?? 0, Uint8Array.of(1), server.clock.now), 'sent');
      server.drain();
    };
    const fresh = new ScriptedClient({ seed: 0x55 });
    const hello = fresh.helloWithCookie(server);
    worksStill();
    fresh.takeServerFlight(server.give(fresh.messageRecord(hello)));
    worksStill();
    const { keyExchange, finished } = fresh.secondFlight();
    server.give(fresh.messageRecord(keyExchange));
    worksStill();
    server.give(fresh.changeCipherSpec());
    worksStill();
    server.give(fresh.sealedFinished(finished));
    assert.equal(server.all('closed')[0]?.reason, 'replaced');
    server.give(old.data('too late'));
    assert.equal(server.all('application-data').length, received);
    server.give(fresh.data('new'));
    assert.equal(server.all('application-data').length, received + 1);
  });

  test('also when ChangeCipherSpec and Finished come in one datagram with the key exchange', () => {
    const server = new LonelyLayer('server');
    new ScriptedClient().connect(server);
    const fresh = new ScriptedClient({ seed: 0x55 });
    fresh.connect(server);
    assert.equal(server.all('connected').length, 2);
    server.give(fresh.data('new'));
    assert.equal(server.all('application-data').length, 1);
  });

  test('a late duplicate of the ClientHello that began the association starts nothing', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const hello = client.messageRecord(client.helloWithCookie(server));
    client.takeServerFlight(server.give(hello));
    const { keyExchange, finished } = client.secondFlight();
    server.give(
      concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        client.sealedFinished(finished),
      ),
    );
    assert.ok(server.connected);
    assert.deepEqual(server.give(hello), []);
    assert.equal(server.layer.usage.handshakes, 0);
  });

  test('a client that restarts with the same random is answered, once it has shown that it had our last flight', () => {
    const server = new LonelyLayer('server');
    const before = new ScriptedClient();
    before.connect(server);
    new ScriptedClient().helloWithCookie(server);
    server.give(before.data('had it'));
    const after = new ScriptedClient();
    after.connect(server);
    assert.equal(server.all('connected').length, 2);
    assert.equal(server.all('closed')[0]?.reason, 'replaced');
    server.give(after.data('new'));
    assert.equal(server.all('application-data').length, 2);
  });

  test('an older ClientHello of the same client, replayed once flight 4 is out, does not end the handshake under way', () => {
    // Before that, the answer to the replay is a ServerHello like any forged one.
    for (let moment = 4; moment <= 5; moment++) {
      const pair = new DtlsPair();
      const older: Uint8Array[] = [];
      pair.network.hook = ({ from, datagram }): DatagramAction | undefined => {
        // The ClientHello with a cookie of each of two first tries never arrives.
        if (from !== pair.client.address || older.length === 2 || datagram[18] !== 1) return undefined;
        older.push(datagram.slice());
        return { kind: 'drop' };
      };
      for (let i = 0; i < 2; i++) {
        pair.connect();
        pair.run(500);
        pair.restartClient();
      }
      assert.equal(older.length, 2);
      const sentBefore = pair.network.sent.length;
      pair.connect();
      pair.run(5000, () => pair.network.sent.length >= sentBefore + moment);
      for (const datagram of older) {
        pair.server.layer.handle({ address: pair.client.address, datagram }, pair.clock.now);
        pair.drain(pair.server);
      }
      pair.run(10_000, () => pair.bothConnected);
      assert.ok(pair.bothConnected, `moment ${moment}`);
      assert.ok(pair.exchange());
      pair.run(20_000);
      assert.equal(pair.server.layer.usage.handshakes, 0);
    }
  });

  test('a ClientHello of the handshake under way is a repetition, whatever its message_seq', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const hello = client.helloWithCookie(server);
    client.takeServerFlight(server.give(client.messageRecord(hello)));
    for (const messageSeq of [0, 2, 3]) {
      assert.equal(
        server.give(client.messageRecord({ ...hello, messageSeq })).length,
        0,
        'sent a moment ago',
      );
    }
    server.wait(500);
    assert.equal(server.give(client.messageRecord({ ...hello, messageSeq: 2 })).length, 1, 'flight 4 again');
    const { keyExchange, finished } = client.secondFlight();
    server.give(
      concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        client.sealedFinished(finished),
      ),
    );
    assert.ok(server.connected);
    assert.equal(server.all('handshake-failed').length, 0);
  });

  test('a client that begins again in the middle of a handshake takes the place of its own first try', () => {
    const pair = new DtlsPair();
    pair.connect();
    pair.run(35);
    pair.restartClient();
    pair.connect();
    pair.run(3000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'replaced');
    assert.equal(pair.server.layer.usage.handshakes, 0);
  });
});
