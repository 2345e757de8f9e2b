import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import { splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { concatBytes, equalBytes } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { DtlsPair, type DtlsPairOptions, sensorIdentity, sensorKey } from './dtls-pair.ts';
import { LonelyLayer, ScriptedClient, ScriptedServer } from './dtls-scripted-peer.ts';

function connected(options: DtlsPairOptions = {}): DtlsPair {
  const pair = new DtlsPair(options);
  pair.connect();
  pair.run(10_000, () => pair.bothConnected);
  assert.ok(pair.bothConnected);
  return pair;
}

suite('a DTLS 1.2 handshake', () => {
  for (const { name, keyExchange } of cipherSuites) {
    // The others are in dtls-signed-handshakes.test.ts.
    if (keyExchange !== 'PSK' && keyExchange !== 'ECDHE_PSK') continue;
    test(`with ${name} connects both sides, and data passes both ways`, () => {
      const pair = connected({ client: { suites: [name] } });
      const [client, server] = [pair.client.all('connected')[0], pair.server.all('connected')[0]];
      assert.equal(client?.suite, name);
      assert.equal(server?.suite, name);
      assert.deepEqual(server?.identity, sensorIdentity);
      assert.deepEqual(client?.identity, sensorIdentity);
      assert.equal(client?.extendedMasterSecret, true);
      assert.equal(server?.extendedMasterSecret, true);
      assert.ok(pair.exchange());
    });
  }

  test('takes four round trips of 20 ms when nothing is lost, and no datagram is sent twice', () => {
    const pair = connected();
    assert.equal(pair.client.when('connected', pair.start), 60);
    pair.run(10_000);
    assert.equal(pair.network.sent.length, 6);
    assert.ok(pair.client.all('handshake-trace').every(({ retransmit }) => !retransmit));
  });

  test('without extended_master_secret uses the master secret of RFC 5246, when both sides allow it', () => {
    const server = new LonelyLayer('server', { extendedMasterSecret: 'preferred' });
    const oldClient = new ScriptedClient({ extensions: [] });
    oldClient.connect(server);
    assert.equal(server.all('connected')[0]?.extendedMasterSecret, false);
    server.give(oldClient.data('hello'));
    assert.equal(server.all('application-data').length, 1);

    const client = new LonelyLayer('client', { extendedMasterSecret: 'preferred' });
    const oldServer = new ScriptedServer({ extensions: [] });
    client.layer.connect(client.peer, {}, client.clock.now);
    oldServer.takeHello(client.drain());
    const flight5 = client.give(
      concatBytes(
        oldServer.messageRecord(oldServer.serverHello()),
        oldServer.messageRecord(oldServer.helloDone()),
      ),
    );
    const { changeCipherSpec, finished } = oldServer.finish(flight5);
    client.give(concatBytes(changeCipherSpec, finished));
    assert.equal(client.all('connected')[0]?.extendedMasterSecret, false);
  });

  test('fails where one side requires extended_master_secret and the other does not do it', () => {
    const server = new LonelyLayer('server', { extendedMasterSecret: 'required' });
    const oldClient = new ScriptedClient({ extensions: [] });
    const sent = server.give(oldClient.messageRecord(oldClient.helloWithCookie(server)));
    assert.equal(server.failure, 'no-extended-master-secret');
    assert.deepEqual(sent[0]?.slice(13), Uint8Array.of(2, 40));

    // A client requires it unless told otherwise (RFC 7627 §5.2).
    const client = new LonelyLayer('client');
    const oldServer = new ScriptedServer({ extensions: [] });
    client.layer.connect(client.peer, {}, client.clock.now);
    oldServer.takeHello(client.drain());
    client.give(oldServer.messageRecord(oldServer.serverHello()));
    assert.equal(client.failure, 'no-extended-master-secret');
  });

  test('in which a ClientHello was changed on the way connects neither side', () => {
    const pair = new DtlsPair();
    pair.network.hook = (sent) => {
      const at = indexOf(sent.datagram, Uint8Array.of(0xc0, 0xa4));
      if (sent.from !== pair.client.address || at < 0) return undefined;
      const edited = sent.datagram.slice();
      edited.set([0x13, 0x01], at);
      return { kind: 'edit', datagram: edited };
    };
    pair.connect();
    pair.run(20_000);
    assert.equal(pair.client.all('connected').length + pair.server.all('connected').length, 0);
    // The extended master secret depends on all messages (RFC 7627 §4), so already the keys differ.
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'psk-mismatch');
  });

  test('shows the hint of the server to the client, which can pick its key by it', () => {
    const pair = new DtlsPair({ server: { pskIdentityHint: encodeUtf8('CoAP') } });
    pair.client.lookUp = ({ hint }) =>
      hint !== undefined && equalBytes(hint, encodeUtf8('CoAP'))
        ? { identity: sensorIdentity, key: sensorKey }
        : undefined;
    pair.connect();
    pair.run(5000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    const names = pair.client
      .all('handshake-trace')
      .filter(({ direction }) => direction === 'received')
      .map(({ name }) => name);
    assert.ok(names.includes('ServerKeyExchange'));
  });

  test('has no ServerKeyExchange for plain PSK without a hint (RFC 4279 §2)', () => {
    const pair = connected({ client: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] } });
    const names = pair.server.all('handshake-trace').map(({ name }) => name);
    assert.ok(!names.includes('ServerKeyExchange'));
    assert.equal(pair.client.all('psk-lookup')[0]?.hint, undefined);
  });

  test('with a client that has no credential for the server ends on both sides', () => {
    const pair = new DtlsPair();
    pair.client.lookUp = () => undefined;
    pair.connect();
    pair.run(5000);
    assert.equal(pair.client.all('handshake-failed')[0]?.failure.cause, 'no-credentials');
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'alert-received');
  });

  test('waits for keys that are looked up slowly, on either side, and absorbs what is repeated meanwhile', () => {
    for (const slow of ['client', 'server'] as const) {
      const pair = new DtlsPair();
      pair[slow].lookUp = () => 'later';
      pair.connect();
      pair.run(4500);
      const [question] = pair[slow].all('psk-lookup');
      assert.ok(question !== undefined);
      assert.equal(pair[slow].all('psk-lookup').length, 1);
      pair[slow].layer.answerPskLookup(
        question.lookup,
        { identity: sensorIdentity, key: sensorKey },
        pair.clock.now,
      );
      pair.drain(pair[slow]);
      pair.run(10_000, () => pair.bothConnected);
      assert.ok(pair.bothConnected, `slow ${slow}`);
      assert.ok(pair.exchange());
    }
  });

  test('an answer to a look-up whose handshake is over does nothing', () => {
    const pair = new DtlsPair();
    pair.server.lookUp = () => 'later';
    pair.connect();
    pair.run(1000);
    const [question] = pair.server.all('psk-lookup');
    pair.run(120_000);
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'no-decision');
    pair.server.layer.answerPskLookup(question?.lookup ?? 0, { key: sensorKey }, pair.clock.now);
    assert.equal(pair.server.layer.poll(), undefined);
  });

  test('takes identities from 0 to 1,024 bytes and keys from 1 to 65,535 bytes', () => {
    for (const [identityLength, keyLength] of [
      [0, 1],
      [128, 11],
      [1024, 64],
      [1, 65_535],
    ] as const) {
      const pair = new DtlsPair({ client: { mtu: 256 }, conditions: { mtu: 1232 } });
      const identity = new Uint8Array(identityLength).fill(0x61);
      const key = new Uint8Array(keyLength).fill(7);
      pair.client.lookUp = () => ({ identity, key });
      pair.server.lookUp = () => ({ key });
      pair.connect();
      pair.run(5000, () => pair.bothConnected);
      assert.ok(pair.bothConnected, `${identityLength} ${keyLength}`);
      assert.deepEqual(pair.server.all('connected')[0]?.identity, identity);
    }
  });

  test('an identity of more than 1,024 bytes is unknown without a look-up, and looks like any unknown one', () => {
    const pair = new DtlsPair();
    pair.client.lookUp = () => ({ identity: new Uint8Array(1025).fill(0x61), key: sensorKey });
    pair.server.lookUp = () => ({ key: sensorKey });
    pair.connect();
    pair.run(60_000);
    assert.equal(pair.server.all('psk-lookup').length, 0);
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'unknown-identity');
    assert.equal(pair.server.when('handshake-failed', pair.start), 50 + 3000);
    assert.equal(pair.client.all('handshake-failed')[0]?.failure.cause, 'identity-or-key');
  });

  test('an empty key counts as none', () => {
    const pair = new DtlsPair();
    pair.client.lookUp = () => ({ identity: sensorIdentity, key: new Uint8Array(0) });
    pair.connect();
    pair.run(5000);
    assert.equal(pair.client.all('handshake-failed')[0]?.failure.cause, 'no-credentials');
  });

  test('without a common cipher suite ends at once on the server, and on the client with the alert', () => {
    const pair = new DtlsPair({
      client: { suites: ['TLS_PSK_WITH_AES_128_CCM'] },
      server: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] },
    });
    pair.connect();
    pair.run(10_000);
    const server = pair.server.all('handshake-failed')[0]?.failure;
    assert.equal(server?.cause, 'no-common-suite');
    assert.match(
      server?.detail ?? '',
      /the client offers TLS_PSK_WITH_AES_128_CCM; here TLS_PSK_WITH_AES_128_CCM_8 can be used/,
    );
    const client = pair.client.all('handshake-failed')[0]?.failure;
    assert.equal(client?.cause, 'no-common-suite');
    assert.equal(client?.alertReceived, 40);
    // The client asks once more before it believes the alert; that is no second failure.
    assert.equal(pair.server.all('handshake-failed').length, 1);
    assert.equal(pair.network.sent.filter(({ datagram }) => datagram[0] === 21).length, 2);
  });

  test('the server chooses by its own order of suites', () => {
    const pair = connected({
      client: { suites: ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_PSK_WITH_AES_128_GCM_SHA256'] },
      server: { suites: ['TLS_PSK_WITH_AES_128_GCM_SHA256', 'TLS_PSK_WITH_AES_128_CCM_8'] },
    });
    assert.equal(pair.client.all('connected')[0]?.suite, 'TLS_PSK_WITH_AES_128_GCM_SHA256');
  });

  test('writes the same key log line on both sides, in NSS format, and only when asked', () => {
    const pair = connected({ client: { keylog: true }, server: { keylog: true } });
    const [client] = pair.client.all('keylog');
    assert.match(client?.line ?? '', /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}$/);
    assert.deepEqual(pair.server.all('keylog'), [client]);
    assert.equal(connected().client.all('keylog').length, 0);
  });

  test('is traced with flight, message_seq and epoch of each message', () => {
    const pair = connected({ server: { pskIdentityHint: encodeUtf8('CoAP') } });
    const lines = pair.client
      .all('handshake-trace')
      .map((t) => `${t.direction} ${t.name} flight ${t.flight} seq ${t.messageSeq ?? '-'} epoch ${t.epoch}`);
    assert.deepEqual(lines, [
      'sent ClientHello flight 1 seq 0 epoch 0',
      'received HelloVerifyRequest flight 2 seq 0 epoch 0',
      'sent ClientHello flight 3 seq 1 epoch 0',
      'received ServerHello flight 4 seq 1 epoch 0',
      'received ServerKeyExchange flight 4 seq 2 epoch 0',
      'received ServerHelloDone flight 4 seq 3 epoch 0',
      'sent ClientKeyExchange flight 5 seq 2 epoch 0',
      'sent ChangeCipherSpec flight 5 seq - epoch 0',
      'sent Finished flight 5 seq 3 epoch 1',
      'received ChangeCipherSpec flight 6 seq - epoch 0',
      'received Finished flight 6 seq 4 epoch 1',
    ]);
  });

  test('leaves no handshake and no timer but that of the final flight behind', () => {
    const pair = connected();
    assert.deepEqual(pair.client.layer.usage, { associations: 1, handshakes: 0, keptBytes: 0 });
    assert.deepEqual(pair.server.layer.usage, { associations: 1, handshakes: 0, keptBytes: 0 });
    assert.equal(pair.client.layer.nextTimeout(), undefined);
    assert.equal((pair.server.layer.nextTimeout() ?? 0) - pair.start, 240_000 + 50);
    pair.exchange();
    assert.equal(pair.server.layer.nextTimeout(), undefined);
  });

  test('uses each sequence number once, and the explicit nonce is epoch and sequence number', () => {
    const pair = connected({
      client: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] },
      server: { connectionIdLength: 8 },
    });
    for (let i = 0; i < 100; i++) assert.ok(pair.exchange(`message ${i}`));
    const seen = new Set<string>();
    for (const { from, datagram } of pair.network.sent) {
      for (const record of splitRecords(datagram.slice(), 8).records) {
        const number = `${from.key} ${record.epoch} ${record.sequenceNumber}`;
        // A HelloVerifyRequest has the number of its ClientHello, and so has the first record after it.
        if (record.epoch === 0) continue;
        assert.ok(!seen.has(number), number);
        seen.add(number);
        const nonce = record.datagram.subarray(record.fragmentOffset, record.fragmentOffset + 8);
        // RFC 9146 §3: the connection id is behind epoch and sequence number.
        const numberOffset = record.fragmentOffset - 10 - record.connectionId.length;
        assert.deepEqual(nonce, record.datagram.subarray(numberOffset, numberOffset + 8));
      }
    }
    assert.equal(seen.size, 202);
  });
});

suite('the end of an association', () => {
  test('close sends close_notify, and the other side closes too', () => {
    const pair = connected();
    pair.client.layer.close(pair.client.all('connected')[0]?.association ?? 0, pair.clock.now);
    pair.drain(pair.client);
    pair.run(1000);
    assert.equal(pair.client.all('closed')[0]?.reason, 'local');
    assert.equal(pair.server.all('closed')[0]?.reason, 'close-notify');
    assert.equal(pair.server.layer.usage.associations, 0);
    assert.equal(pair.exchange(), false);
  });

  test('close during a handshake ends it on both sides', () => {
    const pair = new DtlsPair();
    const association = pair.connect();
    pair.run(35);
    pair.client.layer.close(association, pair.clock.now);
    pair.drain(pair.client);
    assert.equal(pair.client.all('handshake-failed')[0]?.failure.cause, 'cancelled');
    pair.run(20_000);
    assert.equal(pair.server.all('handshake-failed').length, 1);
  });

  test('comes after idleTimeoutMs without a record, when that is set', () => {
    const pair = connected({ server: { idleTimeoutMs: 30_000 } });
    pair.run(20_000);
    assert.ok(pair.exchange());
    pair.run(25_000);
    assert.equal(pair.server.all('closed').length, 0);
    pair.run(10_000);
    assert.equal(pair.server.all('closed')[0]?.reason, 'idle');
    assert.equal(pair.client.all('closed')[0]?.reason, 'close-notify');
  });

  test('comes after idleTimeoutMs although we send: only what the peer authenticated counts', () => {
    const pair = new DtlsPair({ server: { idleTimeoutMs: 10_000 } });
    pair.connect();
    pair.run(5000, () => pair.bothConnected);
    const association = pair.server.layer.associationAt(pair.client.address) ?? 0;
    for (let i = 0; i < 9; i++) {
      pair.run(1000);
      assert.equal(pair.server.layer.send(association, sensorKey, pair.clock.now), 'sent');
    }
    pair.run(1000);
    assert.equal(pair.server.all('closed')[0]?.reason, 'idle');
  });

  test('an id is not used again after its association ended', () => {
    const pair = connected();
    const first = pair.client.all('connected')[0]?.association ?? 0;
    pair.client.layer.close(first, pair.clock.now);
    pair.drain(pair.client);
    pair.run(1000);
    assert.notEqual(pair.connect(), first);
  });
});

function indexOf(bytes: Uint8Array, pattern: Uint8Array): number {
  for (let i = 0; i + pattern.length <= bytes.length; i++) {
    if (equalBytes(bytes.subarray(i, i + pattern.length), pattern)) return i;
  }
  return -1;
}
