/**
 * What strangers can cost: bytes before the cookie, memory and time of handshakes, and guesses of a key.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FailedAttempts } from '../../src/core/dtls/failed-attempts.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { TokenBucket } from '../../src/core/foundation/token-bucket.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { rawPublicKeyCredentials } from './dtls-credentials.ts';
import { DtlsPair, sensorIdentity } from './dtls-pair.ts';
import { cookieOf, LonelyLayer, ScriptedClient, type ScriptedClientOptions } from './dtls-scripted-peer.ts';

/** Sends both ClientHellos of a client at an address; returns what the second one is answered with. */
function begin(server: LonelyLayer, peer: PeerAddress, client = new ScriptedClient()): Uint8Array[] {
  const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
  const hello = client.hello(cookieOf(answer), 1);
  client.transcript.add(hello);
  return server.give(client.messageRecord(hello), peer);
}

/** Tries a key. Returns the cause of the failure, `connected`, or `no answer` at the door. */
function tryKey(server: LonelyLayer, peer: PeerAddress, key?: string): string {
  const options: ScriptedClientOptions = key === undefined ? {} : { key: encodeUtf8(key) };
  const client = new ScriptedClient(options);
  const failuresBefore = server.all('handshake-failed').length;
  const connectedBefore = server.all('connected').length;
  const flight4 = begin(server, peer, client);
  if (flight4.length === 0) return 'no answer';
  client.takeServerFlight(flight4);
  const { keyExchange, finished } = client.secondFlight();
  server.give(
    concatBytes(
      client.messageRecord(keyExchange),
      client.changeCipherSpec(),
      client.sealedFinished(finished),
    ),
    peer,
  );
  if (server.all('connected').length > connectedBefore) return 'connected';
  server.wait(3000);
  return server.all('handshake-failed')[failuresBefore]?.failure.cause ?? 'none';
}

let nextPort = 1024;
const at = (host: string): PeerAddress => ipAddress(host, nextPort++);

describe('guessing a pre-shared key', () => {
  test('costs a growing wait after five failures with one identity from one host, and its owner elsewhere nothing', () => {
    const server = new LonelyLayer('server');
    for (let i = 0; i < 5; i++) assert.equal(tryKey(server, at('192.0.2.66'), `guess ${i}`), 'psk-mismatch');
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      let waited = 0;
      let outcome = tryKey(server, at('192.0.2.66'), `guess again ${i}`);
      while (outcome === 'too-many-attempts') {
        server.wait(500);
        waited += 500 + 3000;
        outcome = tryKey(server, at('192.0.2.66'), `guess again ${i}`);
      }
      assert.equal(outcome, 'psk-mismatch');
      waits.push(waited);
      assert.equal(tryKey(server, at('192.0.2.7')), 'connected', 'the owner, elsewhere');
    }
    // A refused attempt is tried again 3.5 s later here. The waits grow from 1 s to 60 s.
    assert.deepEqual(waits, [3500, 3500, 7000, 10_500, 17_500, 35_000, 63_000, 63_000, 63_000]);
    // Not one datagram says that the wait is the reason.
    const detail = server
      .all('handshake-failed')
      .find(({ failure }) => failure.cause === 'too-many-attempts')?.failure;
    assert.equal(detail?.alertSent, undefined);
  });

  test('a right key that comes after the wait is taken, and the next mistakes are free again', () => {
    const server = new LonelyLayer('server');
    const host = '192.0.2.66';
    let failures = 0;
    while (failures < 9) if (tryKey(server, at(host), 'wrong') === 'psk-mismatch') failures++;
    assert.equal(tryKey(server, at(host)), 'too-many-attempts');
    server.wait(60_000);
    assert.equal(tryKey(server, at(host)), 'connected');
    for (let i = 0; i < 5; i++) assert.equal(tryKey(server, at(host), 'wrong'), 'psk-mismatch');
  });

  test('an identity that is not known waits just like one that is', () => {
    const outcomes = (isKnown: boolean): string[] => {
      const server = new LonelyLayer('server');
      if (!isKnown) server.key = undefined;
      return Array.from({ length: 12 }, () => tryKey(server, at('192.0.2.66'), 'wrong')).map((outcome) =>
        outcome === 'unknown-identity' ? 'psk-mismatch' : outcome,
      );
    };
    assert.deepEqual(outcomes(true), outcomes(false));
    assert.ok(outcomes(true).includes('too-many-attempts'));
  });

  test('twenty failures of a host under whatever names close the door to it for a while, and this is told once a wait', () => {
    const attempts = new FailedAttempts(nodeCrypto, 60_000);
    for (let i = 0; i < 20; i++) {
      assert.equal(attempts.waitOfHost('192.0.2.66', instant(i)), 0);
      attempts.noteFailure('192.0.2.66', encodeUtf8(`sensor-${i}`), instant(i));
    }
    assert.equal(attempts.waitOfHost('192.0.2.66', instant(20)), 999);
    assert.equal(attempts.waitOfHost('192.0.2.67', instant(20)), 0);
    // One at a time from then on.
    assert.equal(attempts.waitOfHost('192.0.2.66', instant(1019)), 0);
    assert.equal(attempts.waitOfHost('192.0.2.66', instant(1019)), 1000);
    attempts.noteSuccess('192.0.2.66', sensorIdentity);
    assert.equal(attempts.waitOfHost('192.0.2.66', instant(1019)), 0);

    const server = new LonelyLayer('server', { maxAttemptDelayMs: 10_000 });
    // Each identity is tried once only, so that none of them has to wait.
    for (let i = 0; i < 30; i++) {
      const client = at('192.0.2.66');
      tryKeyOf(server, client, `sensor-${i}`);
    }
    const told = server
      .all('handshake-failed')
      .filter(({ failure }) => failure.cause === 'too-many-attempts');
    assert.ok(told.length > 0);
    assert.ok(server.all('discarded').some(({ reason }) => reason === 'too-many-attempts'));
    assert.equal(tryKey(server, at('192.0.2.7')), 'connected');
  });

  test('counts also when the guesser does not wait for the answer and begins anew', () => {
    const server = new LonelyLayer('server');
    const peer = at('192.0.2.66');
    let taken = 0;
    for (let i = 0; i < 100; i++) {
      const client = new ScriptedClient({ key: encodeUtf8(`guess ${i}`), seed: i });
      const flight4 = begin(server, peer, client);
      if (flight4.length === 0) continue;
      client.takeServerFlight(flight4);
      const { keyExchange, finished } = client.secondFlight();
      const { length } = server.all('psk-lookup');
      server.give(
        concatBytes(
          client.messageRecord(keyExchange),
          client.changeCipherSpec(),
          client.sealedFinished(finished),
        ),
        peer,
      );
      taken += server.all('psk-lookup').length - length;
      server.wait(20);
    }
    assert.ok(taken <= 12, `${taken} guesses in 2 s`);
  });

  test('the addresses of an IPv6 network of 64 bits count as one', () => {
    const attempts = new FailedAttempts(nodeCrypto, 60_000);
    for (let i = 0; i < 20; i++) attempts.noteFailure(`2001:db8::${i}`, encodeUtf8(`${i}`), instant(0));
    assert.ok(attempts.waitOfHost('2001:db8::ffff', instant(0)) > 0);
    assert.equal(attempts.waitOfHost('2001:db8:0:1::1', instant(0)), 0);
  });

  test('is remembered for an hour, of 4,096 hosts and names at most', () => {
    const attempts = new FailedAttempts(nodeCrypto, 60_000);
    for (let i = 0; i < 10_000; i++) {
      attempts.noteFailure(`10.0.${i >> 8}.${i & 255}`, encodeUtf8(`${i}`), instant(0));
    }
    assert.equal(attempts.size, 2 * 4096);
    for (let i = 0; i < 20; i++) attempts.noteFailure('192.0.2.66', sensorIdentity, instant(0));
    assert.ok(attempts.waitOfHost('192.0.2.66', instant(0)) > 0);
    assert.equal(attempts.waitOfHost('192.0.2.66', instant(3_600_000)), 0);
  });
});

/** One attempt with a name of its own, and a key that is wrong. */
function tryKeyOf(server: LonelyLayer, peer: PeerAddress, identity: string): void {
  const client = new ScriptedClient({ key: encodeUtf8('wrong') });
  const flight4 = begin(server, peer, client);
  if (flight4.length === 0) return;
  client.takeServerFlight(flight4);
  const { keyExchange, finished } = client.secondFlight();
  const named = {
    ...keyExchange,
    body: concatBytes(Uint8Array.of(0, identity.length), encodeUtf8(identity)),
  };
  server.give(
    concatBytes(client.messageRecord(named), client.changeCipherSpec(), client.sealedFinished(finished)),
    peer,
  );
  server.wait(3000);
}

describe('handshakes that begin', () => {
  test('are 500 a second and 1,000 at once; the others try again, and those that are connected do not notice', () => {
    const server = new LonelyLayer('server', { maxHandshakes: 10_000, maxHandshakesPerHost: 10_000 });
    const settled = new ScriptedClient({ seed: 0x77 });
    settled.connect(server);
    let begun = 0;
    for (let i = 0; i < 1500; i++) if (begin(server, at(`192.0.2.${i % 100}`)).length > 0) begun++;
    assert.equal(begun, 999);
    assert.equal(server.all('discarded').filter(({ reason }) => reason === 'handshake-rate').length, 501);
    server.give(settled.data('still here'));
    assert.equal(server.all('application-data').length, 1);
    server.wait(1000);
    for (let i = 0; i < 600; i++) if (begin(server, at(`192.0.3.${i % 100}`)).length > 0) begun++;
    assert.equal(begun, 1499);
  });

  test('a client whose ClientHello was one too many connects a second later', () => {
    const pair = new DtlsPair({ server: { handshakeRate: 1 } });
    const stranger = new ScriptedClient();
    for (let i = 0; i < 3; i++) {
      pair.server.layer.handle(
        { address: pair.client.address, datagram: stranger.messageRecord(stranger.hello(noBytes, 0)) },
        pair.clock.now,
      );
    }
    const crowd = Array.from({ length: 2 }, (_, i) => ipAddress(`192.0.2.5${i}`, 1000));
    for (const address of crowd) {
      const one = new ScriptedClient();
      pair.server.layer.handle(
        { address, datagram: one.messageRecord(one.hello(noBytes, 0)) },
        pair.clock.now,
      );
      const answers: Uint8Array[] = [];
      for (let output = pair.server.layer.poll(); output !== undefined; output = pair.server.layer.poll()) {
        if (output.kind === 'transmit' && output.address === address) answers.push(output.datagram);
      }
      pair.server.layer.handle(
        { address, datagram: one.messageRecord(one.hello(cookieOf(answers[0]), 1)) },
        pair.clock.now,
      );
      pair.drain(pair.server);
    }
    pair.connect();
    pair.run(30_000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    assert.ok((pair.client.when('connected', pair.start) ?? 0) >= 1000);
  });

  test('look at most at 2,000 forged messages a second, and the right one comes through among one every millisecond', () => {
    const credentials = {
      client: rawPublicKeyCredentials('client'),
      server: rawPublicKeyCredentials('server'),
    };
    const pair = new DtlsPair({
      client: { credentials: credentials.client },
      server: { credentials: credentials.server },
      conditions: { delayMs: 100 },
    });
    pair.connect();
    pair.run(10_000, () => pair.network.sent.length === 5);
    // Flight 5 is on its way; forged ones overtake it.
    const forger = new ScriptedClient();
    const forge = (messageSeq: number, type: number, body: Uint8Array): void => {
      const fragment = encodeMessageFragment({ type, messageSeq, body }, 0, body.length);
      const datagram = forger.record(ContentType.Handshake, fragment);
      pair.server.layer.handle({ address: pair.client.address, datagram }, pair.clock.now);
      pair.drain(pair.server);
    };
    const before = pair.server.all('discarded').length;
    for (let i = 0; i < 90; i++) {
      pair.run(1);
      forge(2, HandshakeType.Certificate, new Uint8Array(3).fill(i));
    }
    pair.run(10_000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    assert.ok(pair.server.all('discarded').length > before);

    const server = new LonelyLayer('server');
    const victim = new ScriptedClient();
    victim.takeServerFlight(begin(server, server.peer, victim));
    for (let i = 0; i < 3000; i++) {
      const body = new Uint8Array(4).fill(255);
      const message = { type: HandshakeType.ClientKeyExchange, messageSeq: 2, body };
      server.give(forger.record(ContentType.Handshake, encodeMessageFragment(message, 0, body.length)));
    }
    const reasons = server.all('discarded').map(({ reason }) => reason);
    assert.equal(reasons.filter((reason) => reason === 'unexpected-handshake-message').length, 2001);
    assert.equal(reasons.filter((reason) => reason === 'handshake-rate').length, 999);
    const { keyExchange, finished } = victim.secondFlight();
    server.wait(900);
    server.give(
      concatBytes(
        victim.messageRecord(keyExchange),
        victim.changeCipherSpec(),
        victim.sealedFinished(finished),
      ),
    );
    assert.ok(server.connected);
  });

  test('a bucket fills at its rate, up to its burst, and a clock that goes back does not empty it', () => {
    const bucket = new TokenBucket(10, 20);
    const takeAll = (ms: number): number => {
      let taken = 0;
      while (bucket.take(instant(ms))) taken++;
      return taken;
    };
    assert.deepEqual([0, 100, 1100, 60_000, 59_000, 59_500].map(takeAll), [20, 1, 10, 20, 0, 5]);
  });

  test('keep at most 32 KiB each of what their client sent, whatever it sends', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(begin(server, server.peer, client));
    let most = 0;
    const look = (): void => {
      most = Math.max(most, server.layer.usage.keptBytes);
    };
    for (let seq = 2; seq < 40; seq++) {
      for (const type of [HandshakeType.ClientKeyExchange, HandshakeType.Certificate]) {
        const body = new Uint8Array(16_384);
        const fragment = encodeMessageFragment({ type, messageSeq: seq, body }, 0, 1000);
        server.give(client.record(ContentType.Handshake, fragment));
        look();
      }
      server.give(client.record(ContentType.ApplicationData, new Uint8Array(1000), 1));
      server.give(client.record(ContentType.Handshake, new Uint8Array(200), 1));
      look();
    }
    assert.ok(most > 16_000 && most <= 32 * 1024, String(most));
  });
});

describe('before the cookie came back', () => {
  test('nothing is kept and no more bytes go out than came in, also for ClientHellos that ask for a session', () => {
    const server = new LonelyLayer('server');
    const ticket = { type: 35, data: new Uint8Array(160).fill(7) };
    const extended = { type: 23, data: noBytes };
    const shapes: ScriptedClientOptions[] = [
      {},
      { sessionId: new Uint8Array(32).fill(1) },
      { extensions: [extended, ticket] },
      { sessionId: new Uint8Array(32).fill(1), extensions: [extended, ticket] },
      { sessionId: new Uint8Array(32).fill(1), cipherSuites: [0xc0ac, 0xc0a8] },
      { extensions: [] },
      { version: 0xfeff },
    ];
    for (const [i, shape] of shapes.entries()) {
      for (const cookie of [
        noBytes,
        new Uint8Array(1),
        new Uint8Array(16).fill(9),
        new Uint8Array(32).fill(9),
      ]) {
        const client = new ScriptedClient(shape);
        const datagram = client.messageRecord(client.hello(cookie, 0));
        const sent = server.give(datagram, at(`198.51.100.${i}`));
        const bytes = sent.reduce((sum, { length }) => sum + length, 0);
        assert.ok(sent.length <= 1 && bytes <= datagram.length, `${bytes} out, ${datagram.length} in`);
      }
    }
    assert.deepEqual(server.layer.usage, { associations: 0, handshakes: 0, keptBytes: 0 });
    assert.equal(server.layer.nextTimeout(), undefined);
  });
});
