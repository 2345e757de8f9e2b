import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { concatBytes } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { DtlsPair, type DtlsPairOptions, sensorIdentity, sensorKey } from './dtls-pair.ts';
import { LonelyLayer, ScriptedClient, ScriptedServer } from './dtls-scripted-peer.ts';

type Credential = 'wrong key' | 'unknown identity';

function failing(credential: Credential, options: DtlsPairOptions = {}, lookUpMs = 0): DtlsPair {
  const pair = new DtlsPair(options);
  pair.client.lookUp = () =>
    credential === 'wrong key'
      ? { identity: sensorIdentity, key: encodeUtf8('another key') }
      : { identity: encodeUtf8('sensor-043'), key: sensorKey };
  if (lookUpMs > 0) {
    const { lookUp } = pair.server;
    pair.server.lookUp = () => 'later';
    pair.connect();
    pair.run(lookUpMs);
    const question = pair.server.all('psk-lookup')[0];
    assert.ok(question !== undefined);
    const answer = lookUp(question);
    pair.server.layer.answerPskLookup(
      question.lookup,
      answer === 'later' ? undefined : answer,
      pair.clock.now,
    );
    pair.drain(pair.server);
  } else {
    pair.connect();
  }
  pair.run(60_000);
  return pair;
}

function onTheWire(pair: DtlsPair): [number, string, number][] {
  return pair.network.sent.map(({ sentAt, from, datagram }) => [
    sentAt - pair.start,
    from === pair.client.address ? 'client' : 'server',
    datagram.length,
  ]);
}

suite('a wrong key and an unknown identity', () => {
  for (const { name } of cipherSuites) {
    test(`look alike on the wire in number, size and time of the datagrams (${name})`, () => {
      const options = { client: { suites: [name] } };
      assert.deepEqual(
        onTheWire(failing('wrong key', options)),
        onTheWire(failing('unknown identity', options)),
      );
    });
  }

  test('look alike also when the key is looked up for 2 s', () => {
    assert.deepEqual(
      onTheWire(failing('wrong key', {}, 2000)),
      onTheWire(failing('unknown identity', {}, 2000)),
    );
  });

  for (const [credential, cause] of [
    ['wrong key', 'psk-mismatch'],
    ['unknown identity', 'psk-identity-unknown'],
  ] as const) {
    test(`${credential}: the server names the cause, and sends decrypt_error 3 s after the Finished`, () => {
      const pair = failing(credential);
      const failure = pair.server.all('handshake-failed')[0]?.failure;
      assert.equal(failure?.cause, cause);
      assert.equal(failure?.alertSent, 51);
      assert.equal(pair.server.when('handshake-failed', pair.start), 50 + 3000);
    });

    test(`${credential}: the client says "identity unknown or key wrong", within 5 s, and no data flows`, () => {
      const pair = failing(credential);
      const failure = pair.client.all('handshake-failed')[0]?.failure;
      assert.equal(failure?.cause, 'identity-unknown-or-key-wrong');
      assert.equal(failure?.alertReceived, 51);
      assert.ok((pair.client.when('handshake-failed', pair.start) ?? Infinity) < 5000);
      assert.equal(pair.client.all('connected').length + pair.server.all('connected').length, 0);
      assert.deepEqual(pair.server.layer.usage, { associations: 0, handshakes: 0, keptBytes: 0 });
    });

    test(`${credential}: fails on both ends also at 10 % loss, in 100 seeded runs`, () => {
      for (let seed = 1; seed <= 100; seed++) {
        const pair = failing(credential, { seed, conditions: { lossRate: 0.1 } });
        assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, cause, `seed ${seed}`);
        const client = pair.client.all('handshake-failed')[0]?.failure.cause;
        assert.ok(
          client === 'identity-unknown-or-key-wrong' || client === 'timeout',
          `seed ${seed} ${client}`,
        );
      }
    });
  }

  test('a server that never says so is told by its answering each Finished with flight 4, after 15 s', () => {
    // As OpenSSL 3.0 does.
    const client = new LonelyLayer('client');
    const server = new ScriptedServer();
    client.layer.connect(client.peer, {}, client.clock.now);
    server.takeHello(client.drain());
    const flight4 = concatBytes(
      server.messageRecord(server.serverHello()),
      server.messageRecord(server.helloDone()),
    );
    assert.equal(client.give(flight4).length, 1);
    // Flight 5 goes out at 0, 1, 3 and 7 s; each is answered 10 ms later.
    for (const untilNextMs of [1000, 2000, 4000, 8000]) {
      assert.equal(client.failure, undefined);
      client.wait(10);
      client.give(flight4);
      client.wait(untilNextMs - 10);
    }
    assert.equal(client.failure, 'identity-unknown-or-key-wrong');
  });
});

suite('a Finished that does not open', () => {
  test('is only counted: among 10,000 forged ones the real one connects', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const { keyExchange, finished } = client.secondFlight();
    server.give(concatBytes(client.messageRecord(keyExchange), client.changeCipherSpec()));
    const forger = new ScriptedClient({ key: encodeUtf8('no idea') });
    forger.derive(undefined, false);
    for (let i = 0; i < 10_000; i++) {
      server.give(forger.sealedFinished({ ...finished, body: new Uint8Array(12).fill(i) }));
      if (i % 1000 === 0) server.wait(200);
    }
    assert.equal(server.failure, undefined);
    server.give(client.sealedFinished(finished));
    assert.ok(server.connected);
    server.give(client.data('still here'));
    assert.equal(server.all('application-data').length, 1);
  });

  test('ends the handshake at the second expiry after it, not before, and not when the real one comes', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const { keyExchange, finished } = client.secondFlight();
    const forger = new ScriptedClient({ key: encodeUtf8('no idea') });
    forger.derive(undefined, false);
    server.give(
      concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        forger.sealedFinished(finished),
      ),
    );
    server.wait(2999);
    assert.equal(server.failure, undefined);
    const sent = server.wait(1);
    assert.equal(server.failure, 'psk-mismatch');
    assert.deepEqual(sent.at(-1)?.slice(13), Uint8Array.of(2, 51));
  });

  test('that opens but does not fit the messages ends it at once, as a mismatch of transcripts', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const { keyExchange, finished } = client.secondFlight();
    const wrong = { ...finished, body: new Uint8Array(12) };
    server.give(
      concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        client.sealed(ContentType.Handshake, encodeMessageFragment(wrong, 0, 12)),
      ),
    );
    assert.equal(server.failure, 'transcript-mismatch');
  });
});
