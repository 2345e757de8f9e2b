import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { FarewellAlerts } from '../../src/core/dtls/farewell-alerts.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { concatBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { DtlsPair, type DtlsPairOptions, onTheWire, sensorIdentity, sensorKey } from './dtls-pair.ts';
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
    ['unknown identity', 'unknown-identity'],
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
      assert.equal(failure?.cause, 'identity-or-key');
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
        assert.ok(client === 'identity-or-key' || client === 'peer-silent', `seed ${seed} ${client}`);
      }
    });
  }

  test('a server that never says so is told by its answering each Finished with flight 4, after 36 s', () => {
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
    // Flight 5 goes out at 0, 1, 3, 7, 15 and 31 s; each is answered 10 ms later.
    for (const untilNextMs of [1000, 2000, 4000, 8000, 16_000, 5000]) {
      assert.equal(client.failure, undefined);
      client.wait(10);
      client.give(flight4);
      client.wait(untilNextMs - 10);
    }
    assert.equal(client.failure, 'identity-or-key');
    assert.match(
      client.all('handshake-failed')[0]?.failure.detail ?? '',
      /nothing but its last flight again/,
    );
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

suite('a server that says nothing after our Finished', () => {
  /** A client whose Finished is out, the first ClientHello of which went out so often. */
  function waiting(hellos = 1, config: Partial<DtlsConfig> = {}): [LonelyLayer, ScriptedServer, Uint8Array] {
    const client = new LonelyLayer('client', config);
    const server = new ScriptedServer();
    client.layer.connect(client.peer, {}, client.clock.now);
    server.takeHello(client.drain());
    if (hellos > 1) client.wait(1000 * (2 ** (hellos - 1) - 1));
    const done = server.messageRecord(server.helloDone());
    client.give(concatBytes(server.messageRecord(server.serverHello()), done));
    return [client, server, done];
  }

  for (const { hellos, lastsMs, why } of [
    { hellos: 1, lastsMs: 36_000, why: 'its transmission at 31 s had the time to be answered' },
    { hellos: 2, lastsMs: 72_000, why: 'after a loss that at 63 s had it too' },
  ]) {
    test(`is given up after ${lastsMs / 1000} s, when ${why}, as an unknown identity or a wrong key, not as a mere time-out`, () => {
      // As GnuTLS does when the Finished does not open.
      const [client] = waiting(hellos);
      const last = lastsMs === 36_000 ? 31_000 : 63_000;
      assert.equal(client.wait(last - 1).length, hellos === 1 ? 4 : 5);
      assert.equal(client.wait(1).length, 1, 'the last transmission');
      client.wait(lastsMs - last - 1);
      assert.equal(client.failure, undefined);
      client.wait(1);
      assert.equal(client.failure, 'identity-or-key');
    });
  }

  test('is given up sooner by who says so', () => {
    const [client] = waiting(1, { handshakeStallMs: 2500 });
    client.wait(6000);
    assert.equal(client.failure, 'identity-or-key');
  });

  test('is waited for as long as it shows that it lives', () => {
    const [client, , done] = waiting();
    client.wait(35_000);
    client.give(done);
    client.wait(35_999);
    assert.equal(client.failure, undefined);
  });

  test('is not taken for one that has another key when only datagrams got lost', () => {
    // Flight 5, or what answers it, is lost five times, which 1 handshake in 2,000 sees at 10 % loss.
    const pair = new DtlsPair({ conditions: { delayMs: 40 } });
    pair.network.hook = () => {
      const ms = pair.clock.now - pair.start;
      return ms > 130 && ms < 31_000 ? { kind: 'drop' } : undefined;
    };
    pair.connect();
    pair.run(60_000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    assert.equal(pair.client.all('handshake-failed').length, 0);
  });
});

suite('the alert of a failed handshake', () => {
  for (const lost of [1, 2]) {
    test(`comes again when it was lost ${lost} time(s) and the client goes on, so that the client learns why`, () => {
      const pair = new DtlsPair();
      pair.client.lookUp = () => ({ identity: sensorIdentity, key: encodeUtf8('another key') });
      let alerts = 0;
      pair.network.hook = ({ from, datagram }) =>
        from === pair.server.address && datagram[0] === ContentType.Alert && alerts++ < lost
          ? { kind: 'drop' }
          : undefined;
      pair.connect();
      pair.run(60_000);
      const failure = pair.client.all('handshake-failed')[0]?.failure;
      assert.equal(failure?.cause, 'identity-or-key');
      if (lost === 1) assert.equal(failure?.alertReceived, 51);
      assert.ok((pair.client.when('handshake-failed', pair.start) ?? Infinity) < 40_000);
    });
  }

  test('is repeated for handshake messages of its peer alone, twice a second, 8 times, for 10 s', () => {
    const server = new LonelyLayer('server', { suites: ['TLS_PSK_WITH_AES_128_CCM'] });
    const client = new ScriptedClient();
    server.give(client.messageRecord(client.helloWithCookie(server)));
    assert.equal(server.failure, 'no-common-suite');
    const { keyExchange } = client.secondFlight();
    const next = (): Uint8Array => client.messageRecord(keyExchange);
    server.wait(499);
    assert.deepEqual(server.give(next()), []);
    server.wait(1);
    assert.deepEqual(server.give(client.record(ContentType.Alert, Uint8Array.of(2, 40))), []);
    assert.deepEqual(server.give(next(), ipAddress('192.0.2.9', 9)), []);
    const [again] = server.give(concatBytes(next(), next(), next()));
    assert.deepEqual(again?.slice(13), Uint8Array.of(2, 40));
    let sent = 1;
    for (let i = 0; i < 30; i++) {
      server.wait(500);
      sent += server.give(next()).length;
    }
    assert.equal(sent, 8);
  });

  test('is kept for 10 s and 256 peers at most', () => {
    const farewells = new FarewellAlerts(500);
    const peer = (port: number): PeerAddress => ipAddress('192.0.2.9', port);
    for (let port = 1; port <= 300; port++) farewells.add(peer(port), 51, 5, instant(0));
    assert.equal(farewells.repetition(peer(44), instant(1000)), undefined);
    assert.ok(farewells.repetition(peer(45), instant(1000)) !== undefined);
    assert.ok(farewells.repetition(peer(300), instant(9_999)) !== undefined);
    assert.equal(farewells.repetition(peer(299), instant(10_000)), undefined);
  });
});

suite('a forged ChangeCipherSpec and records that do not open', () => {
  test('do not end the handshake of a client whose server looks up for 9 s', () => {
    const pair = new DtlsPair();
    pair.server.lookUp = () => 'later';
    pair.connect();
    pair.run(5000, () => pair.server.all('psk-lookup').length > 0);
    const forged = concatBytes(
      encodePlaintextRecord(ContentType.ChangeCipherSpec, 0xfefd, 0, 98, Uint8Array.of(1)),
      encodePlaintextRecord(ContentType.Handshake, 0xfefd, 1, 5, new Uint8Array(40)),
    );
    pair.client.layer.handle({ address: pair.server.address, datagram: forged }, pair.clock.now);
    pair.drain(pair.client);
    pair.run(9000);
    const lookup = pair.server.all('psk-lookup')[0]?.lookup ?? 0;
    pair.server.layer.answerPskLookup(lookup, { key: sensorKey }, pair.clock.now);
    pair.drain(pair.server);
    pair.run(10_000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
  });

  test('do not end that of a server either: its time begins when the key is there', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const { keyExchange, finished } = client.secondFlight();
    const lookup = holdLookup(server, () => server.give(client.messageRecord(keyExchange)));
    server.give(client.changeCipherSpec());
    server.give(encodePlaintextRecord(ContentType.Handshake, 0xfefd, 1, 5, new Uint8Array(40)));
    server.wait(9000);
    server.layer.answerPskLookup(lookup, { key: sensorKey }, server.clock.now);
    server.wait(2999);
    assert.equal(server.failure, undefined);
    server.give(client.sealedFinished(finished));
    assert.ok(server.connected);
  });
});

/** Runs `action` so that the look-up it causes stays open, and returns the look-up. */
function holdLookup(server: LonelyLayer, action: () => void): number {
  const answer = server.layer.answerPskLookup.bind(server.layer);
  server.layer.answerPskLookup = () => {};
  action();
  server.layer.answerPskLookup = answer;
  return server.all('psk-lookup').at(-1)?.lookup ?? 0;
}
