import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import { sessionTicketExtension } from '../../src/core/dtls/handshake/extensions/session-ticket.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { decodeClientHelloStart } from '../../src/core/dtls/handshake/messages/client-hello.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { rawPublicKeyCredentials } from './dtls-credentials.ts';
import { DtlsPair, type DtlsPairOptions, sensorIdentity, sensorKey } from './dtls-pair.ts';
import {
  extendedMasterSecretOffer,
  LonelyLayer,
  messagesOf,
  ScriptedClient,
  ScriptedServer,
} from './dtls-scripted-peer.ts';
import { befriend, getToKnow, goOn, serversEnd } from './dtls-scripted-resumption.ts';

const lifetimeMs = 3_600_000;

/** A pair with a session that both remember, the association gone, and nothing on the way. */
function acquainted(resumption: DtlsConfig['resumption'], options: DtlsPairOptions = {}): DtlsPair {
  const pair = new DtlsPair({
    ...options,
    client: { resumption, sessionLifetimeMs: lifetimeMs, ...options.client },
    server: { resumption, sessionLifetimeMs: lifetimeMs, ...options.server },
  });
  connectAgain(pair);
  assert.ok(pair.bothConnected);
  assert.equal(pair.client.all('connected')[0]?.resumed, false);
  forgetAssociations(pair);
  return pair;
}

function forgetAssociations(pair: DtlsPair): void {
  for (const node of [pair.client, pair.server]) {
    const peer = node === pair.client ? pair.server : pair.client;
    const association = node.layer.associationAt(peer.address);
    if (association !== undefined) node.layer.close(association, pair.clock.now);
    pair.drain(node);
  }
  pair.run(1000);
  pair.client.outputs.length = 0;
  pair.server.outputs.length = 0;
}

function connectAgain(pair: DtlsPair, ms = 8000): void {
  pair.connect();
  pair.run(ms, () => pair.bothConnected);
}

/** Whether the handshake just made went on from a session, on both sides alike. */
function resumed(pair: DtlsPair): boolean {
  const [client, server] = [pair.client.all('connected'), pair.server.all('connected')];
  assert.deepEqual([client.length, server.length], [1, 1], 'one association on each side');
  assert.equal(client[0]?.resumed, server[0]?.resumed, 'both say the same');
  assert.ok(pair.exchange(), 'data passes');
  return client[0]?.resumed === true;
}

/** Names of what one side sent, with the flight it counts as. */
function sentBy(pair: DtlsPair, role: 'client' | 'server'): string[] {
  return pair[role]
    .all('handshake-trace')
    .filter(({ direction }) => direction === 'sent')
    .map(({ flight, name }) => `${flight} ${name}`);
}

for (const kind of ['session-id', 'ticket'] as const) {
  suite(`an abbreviated handshake by ${kind}`, () => {
    test('needs no key exchange: five datagrams, and both sides say that a session goes on', () => {
      const pair = acquainted(kind);
      const before = pair.network.sent.length;
      connectAgain(pair);
      assert.equal(pair.network.sent.length - before, 5);
      assert.deepEqual(sentBy(pair, 'client'), [
        '1 ClientHello',
        '3 ClientHello',
        '5 ChangeCipherSpec',
        '5 Finished',
      ]);
      assert.deepEqual(sentBy(pair, 'server'), [
        '2 HelloVerifyRequest',
        '4 ServerHello',
        '4 ChangeCipherSpec',
        '4 Finished',
      ]);
      assert.ok(resumed(pair));
      for (const node of [pair.client, pair.server]) {
        const [connected] = node.all('connected');
        assert.deepEqual(connected?.identity, sensorIdentity);
        assert.deepEqual(connected?.authentication, { kind: 'psk' });
        assert.equal(connected?.extendedMasterSecret, true);
      }
    });

    test('can be made again and again from the same session', () => {
      const pair = acquainted(kind);
      for (let time = 0; time < 5; time++) {
        connectAgain(pair);
        assert.ok(resumed(pair), `time ${time}`);
        forgetAssociations(pair);
      }
    });

    test('takes the place of an association at the same address', () => {
      const pair = acquainted(kind);
      connectAgain(pair);
      assert.ok(resumed(pair));
      const [old] = pair.server.all('connected');
      pair.client.outputs.length = 0;
      pair.server.outputs.length = 0;
      connectAgain(pair);
      assert.equal(pair.server.all('connected')[0]?.replaced, old?.association);
      assert.ok(resumed(pair));
    });

    test('has new keys from the old master secret', () => {
      const pair = acquainted(kind, { client: { keylog: true }, server: { keylog: true } });
      const lines: string[] = [];
      for (let time = 0; time < 2; time++) {
        connectAgain(pair);
        const [line] = pair.client.all('keylog').map((output) => output.line);
        assert.deepEqual(
          pair.server.all('keylog').map((output) => output.line),
          [line],
        );
        lines.push(line as string);
        forgetAssociations(pair);
      }
      const [first, second] = lines.map((line) => line.split(' '));
      assert.notEqual(first?.[1], second?.[1], 'another client random');
      assert.equal(first?.[2], second?.[2], 'the same master secret');
    });

    for (const action of ['drop', 'duplicate', 'swap'] as const) {
      test(`completes with any single datagram hit by ${action}, within 8 s`, () => {
        for (let position = 0; position < 5; position++) {
          const pair = acquainted(kind);
          const first = pair.network.sent.length;
          pair.network.hook = ({ index }): DatagramAction | undefined =>
            index === first + position ? { kind: action } : undefined;
          connectAgain(pair);
          pair.network.hook = undefined;
          assert.ok(resumed(pair), `${action} of datagram ${position}`);
          pair.run(60_000);
          assert.deepEqual(
            [...pair.client.all('handshake-failed'), ...pair.server.all('handshake-failed')],
            [],
            `${action} of datagram ${position}`,
          );
          assert.equal(pair.client.layer.usage.associations, 1);
        }
      });
    }

    test('completes with any two datagrams dropped', () => {
      for (let one = 0; one < 5; one++) {
        for (let other = one + 1; other < 9; other++) {
          const pair = acquainted(kind);
          const first = pair.network.sent.length;
          pair.network.hook = ({ index }): DatagramAction | undefined =>
            index === first + one || index === first + other ? { kind: 'drop' } : undefined;
          connectAgain(pair, 30_000);
          pair.network.hook = undefined;
          assert.ok(resumed(pair), `loss of datagrams ${one} and ${other}`);
        }
      }
    });

    test('at 20 % loss, 30 % duplication and reordering completes in 99 of 100 runs', () => {
      let done = 0;
      for (let seed = 1; seed <= 100; seed++) {
        const pair = acquainted(kind, { seed });
        pair.network.setConditions({ lossRate: 0.2, duplicateRate: 0.3, reorderRate: 0.3, jitterMs: 500 });
        connectAgain(pair, 60_000);
        pair.network.setConditions({ lossRate: 0, duplicateRate: 0, reorderRate: 0, jitterMs: 0 });
        pair.run(5000);
        if (pair.bothConnected && pair.client.all('connected')[0]?.resumed === true) done++;
      }
      assert.ok(done >= 99, `${done} of 100`);
    });

    test('the client repeats its last flight when the server repeats its own (RFC 6347 §4.2.4)', () => {
      const pair = acquainted(kind);
      let lost = 0;
      const before = pair.network.sent.filter(({ from }) => from === pair.client.address).length;
      pair.network.hook = ({ from, directionIndex }): DatagramAction | undefined => {
        if (from !== pair.client.address || directionIndex < before + 2 || lost >= 3) return undefined;
        lost++;
        return { kind: 'drop' };
      };
      connectAgain(pair, 30_000);
      assert.equal(lost, 3);
      assert.ok(resumed(pair));
      const finished = pair.client
        .all('handshake-trace')
        .filter(({ name, direction }) => name === 'Finished' && direction === 'sent');
      assert.deepEqual(
        finished.map(({ retransmit }) => retransmit === true),
        [false, true, true, true],
      );
    });

    test('what the client sends at once waits at the server for its Finished', () => {
      const pair = acquainted(kind);
      pair.connect();
      pair.run(5000, () => pair.client.all('connected').length > 0);
      const { association } = pair.client.all('connected')[0]!;
      let hasDropped = false;
      // The Finished is on its way already; what comes now overtakes it.
      pair.network.hook = (): DatagramAction | undefined => {
        if (hasDropped) return undefined;
        hasDropped = true;
        return { kind: 'deliver' };
      };
      assert.ok(pair.client.layer.send(association, encodeUtf8('early'), pair.clock.now));
      pair.drain(pair.client);
      pair.run(5000);
      assert.deepEqual(
        pair.server.all('application-data').map(({ data }) => data),
        [encodeUtf8('early')],
      );
    });

    test('is not made when the lifetime of the session is over', () => {
      const pair = acquainted(kind, { client: { sessionLifetimeMs: 10 * lifetimeMs } });
      pair.run(lifetimeMs);
      connectAgain(pair);
      assert.equal(resumed(pair), false);
    });

    test('is not made with a server that has begun anew', () => {
      const pair = acquainted(kind);
      const stranger = acquainted(kind, { seed: 9 });
      pair.server.layer = stranger.server.layer;
      connectAgain(pair);
      assert.equal(resumed(pair), false);
      forgetAssociations(pair);
      connectAgain(pair);
      assert.ok(resumed(pair), 'the new session goes on');
    });

    test('is not made for another name', () => {
      const pair = acquainted(kind);
      pair.client.layer.connect(pair.server.address, { serverName: 'other.example' }, pair.clock.now);
      pair.drain(pair.client);
      pair.run(5000, () => pair.bothConnected);
      assert.equal(resumed(pair), false);
      forgetAssociations(pair);
      connectAgain(pair);
      assert.ok(resumed(pair), 'the session without a name is still there');
    });

    test('is not made when the server has another key for the identity, or none', () => {
      for (const key of [encodeUtf8('another key'), undefined]) {
        const pair = acquainted(kind);
        pair.server.lookUp = () => key && { key };
        pair.connect();
        pair.run(60_000);
        assert.equal(pair.server.all('connected').length, 0);
        assert.equal(
          pair.server.all('handshake-failed')[0]?.failure.cause,
          key === undefined ? 'unknown-identity' : 'psk-mismatch',
        );
        assert.equal(pair.client.all('handshake-failed')[0]?.failure.cause, 'identity-or-key');
      }
    });

    test('is not made when the client has another identity or key', () => {
      const pair = acquainted(kind);
      const other = { identity: encodeUtf8('sensor-043'), key: encodeUtf8('its own key') };
      pair.client.lookUp = () => other;
      pair.server.lookUp = () => ({ key: other.key });
      connectAgain(pair);
      assert.deepEqual(pair.server.all('connected')[0]?.identity, other.identity);
      assert.equal(resumed(pair), false);
      forgetAssociations(pair);
      pair.client.lookUp = () => ({ ...other, key: encodeUtf8('a newer key') });
      pair.server.lookUp = () => ({ key: encodeUtf8('a newer key') });
      connectAgain(pair);
      assert.equal(resumed(pair), false);
    });

    test('waits for a slow answer of the server, absorbing what the client repeats', () => {
      const pair = acquainted(kind);
      pair.server.lookUp = () => 'later';
      pair.connect();
      pair.run(5500);
      const questions = pair.server.all('psk-lookup');
      assert.equal(questions.length, 1);
      pair.server.layer.answerPskLookup(questions[0]!.lookup, { key: sensorKey }, pair.clock.now);
      pair.drain(pair.server);
      pair.run(10_000, () => pair.bothConnected);
      assert.ok(resumed(pair));
    });
  });
}

suite('sessions', () => {
  test('with both kinds allowed go by id, and by ticket when the cache of the server is full', () => {
    for (const maxSessions of [1, 0]) {
      const pair = new DtlsPair({ server: { maxSessions } });
      connectAgain(pair);
      assert.equal(resumed(pair), false);
      assert.equal(sentBy(pair, 'server').includes('6 NewSessionTicket'), maxSessions === 0);
      forgetAssociations(pair);
      connectAgain(pair);
      assert.ok(resumed(pair));
    }
  });

  for (const [client, server] of [
    ['off', 'both'],
    ['both', 'off'],
    ['session-id', 'ticket'],
    ['ticket', 'session-id'],
  ] as const) {
    test(`client ${client}, server ${server}`, () => {
      const pair = acquainted('both', { client: { resumption: client }, server: { resumption: server } });
      connectAgain(pair);
      // A client that asks for tickets takes a session id all the same.
      assert.equal(resumed(pair), client === 'ticket' && server === 'session-id');
    });
  }

  test('are not kept where maxSessions is 0', () => {
    // Without room by id, and without tickets.
    const pair = acquainted('session-id', { server: { maxSessions: 0 } });
    connectAgain(pair);
    assert.equal(resumed(pair), false);
    const other = acquainted('ticket', { client: { maxSessions: 0 } });
    connectAgain(other);
    assert.equal(resumed(other), false);
  });

  test('a ticket under an old key is taken, and the client gets a new one', () => {
    const pair = acquainted('ticket');
    // The key began with the first ticket; this session begins when the key is nearly over.
    pair.run(0.9 * lifetimeMs);
    pair.client.layer.connect(pair.server.address, { serverName: 'later.example' }, pair.clock.now);
    pair.drain(pair.client);
    pair.run(5000, () => pair.bothConnected);
    assert.equal(resumed(pair), false);
    forgetAssociations(pair);
    pair.run(0.2 * lifetimeMs);
    for (const hasNewTicket of [true, false]) {
      pair.client.layer.connect(pair.server.address, { serverName: 'later.example' }, pair.clock.now);
      pair.drain(pair.client);
      pair.run(5000, () => pair.bothConnected);
      assert.ok(resumed(pair));
      assert.equal(sentBy(pair, 'server').includes('4 NewSessionTicket'), hasNewTicket);
      forgetAssociations(pair);
    }
  });

  test('are not offered when they do not fit the first datagram', () => {
    const pair = acquainted('ticket', { client: { mtu: 256 }, server: { mtu: 256 } });
    connectAgain(pair);
    assert.equal(resumed(pair), false);
    assert.ok(pair.network.sent.every(({ datagram }) => datagram.length <= 256));
  });
});

suite('what the application is asked before a session goes on', () => {
  const rawKeys = (
    resumption: DtlsConfig['resumption'],
    server: Partial<DtlsConfig> = {},
  ): DtlsPairOptions => ({
    client: { credentials: rawPublicKeyCredentials('client'), resumption },
    server: { credentials: rawPublicKeyCredentials('server'), resumption, ...server },
  });

  for (const kind of ['session-id', 'ticket'] as const) {
    test(`whether the raw public keys still are good, on both sides (${kind})`, () => {
      const pair = new DtlsPair(rawKeys(kind));
      pair.server.verify = () => ({ accepted: true, identity: encodeUtf8('old name') });
      connectAgain(pair);
      assert.equal(resumed(pair), false);
      const [first] = pair.server.all('connected');
      forgetAssociations(pair);
      pair.server.verify = () => ({ accepted: true, identity: encodeUtf8('new name') });
      connectAgain(pair);
      assert.ok(resumed(pair));
      for (const node of [pair.client, pair.server]) assert.equal(node.all('verify-peer').length, 1);
      const [second] = pair.server.all('connected');
      assert.deepEqual(second?.authentication, first?.authentication);
      assert.deepEqual(second?.identity, encodeUtf8('new name'), 'what the answer says now');
    });

    test(`a key that is good no more means a full handshake, which says why (${kind})`, () => {
      for (const side of ['client', 'server'] as const) {
        const pair = new DtlsPair(rawKeys(kind));
        connectAgain(pair);
        forgetAssociations(pair);
        pair[side].verify = () => ({
          accepted: false,
          cause: 'unknown-public-key',
          detail: 'it was removed',
        });
        pair.connect();
        pair.run(60_000);
        assert.equal(pair[side].all('handshake-failed')[0]?.failure.cause, 'unknown-public-key');
        assert.equal(pair[side].all('connected').length, 0);
        assert.ok(sentBy(pair, 'server').includes('4 ServerHelloDone'));
      }
    });
  }

  test('nothing, when the client had proved nothing', () => {
    const server = {
      credentials: { ...rawPublicKeyCredentials('server'), clientAuthentication: 'none' },
    } as const;
    const pair = new DtlsPair(rawKeys('session-id', server));
    connectAgain(pair);
    forgetAssociations(pair);
    connectAgain(pair);
    assert.ok(resumed(pair));
    assert.equal(pair.server.all('verify-peer').length, 0);
    assert.deepEqual(pair.server.all('connected')[0]?.authentication, { kind: 'none' });
  });
});

suite('what is agreed anew with a session', () => {
  test('connection ids: other ones in each handshake (RFC 9146 §3)', () => {
    const pair = acquainted('session-id', { client: { connectionIdLength: 4 } });
    const seen = new Set<string>();
    for (let time = 0; time < 3; time++) {
      connectAgain(pair);
      assert.ok(resumed(pair));
      assert.deepEqual(pair.client.all('connected')[0]?.connectionIdLengths, { own: 4, peer: 8 });
      const { datagram } = pair.network.sent.findLast(({ from }) => from === pair.client.address)!;
      seen.add(toHex(datagram.subarray(11, 19)));
      forgetAssociations(pair);
    }
    assert.equal(seen.size, 3);
  });

  test('application protocol, record sizes and name', () => {
    const pair = new DtlsPair({
      client: { protocols: ['coap'], maxRecordSize: 512 },
      server: { protocols: ['coap'], maxRecordSize: 1024 },
    });
    for (const isResumed of [false, true]) {
      pair.connect('device.example');
      pair.run(8000, () => pair.bothConnected);
      assert.equal(resumed(pair), isResumed);
      for (const node of [pair.client, pair.server]) {
        const [connected] = node.all('connected');
        assert.equal(connected?.protocol, 'coap');
        assert.equal(connected?.serverName, 'device.example');
      }
      const association = pair.client.layer.association(pair.client.all('connected')[0]!.association);
      assert.ok(
        association?.established && association.maxDataLength < 1024 && association.maxDataLength > 1000,
      );
      forgetAssociations(pair);
    }
  });
});

suite('sessions and hostile peers', () => {
  test('a session does not go on after a fatal alert ended its association (RFC 5246 §7.2.2)', () => {
    const server = new LonelyLayer('server', { resumption: 'session-id' });
    const { sessionId, client } = getToKnow(server);
    const hello = (seed: number): readonly number[] => {
      const again = new ScriptedClient({ sessionId, seed });
      const flight4 = server.give(again.messageRecord(again.helloWithCookie(server)));
      return messagesOf(flight4).map(({ type }) => type);
    };
    assert.deepEqual(hello(1), [HandshakeType.ServerHello]);
    server.wait(120_000);
    server.give(client.sealed(ContentType.Alert, Uint8Array.of(2, 80)));
    assert.equal(server.all('closed')[0]?.reason, 'alert');
    assert.deepEqual(hello(2), [HandshakeType.ServerHello, HandshakeType.ServerHelloDone]);
  });

  test('a client does not offer a session whose association a fatal alert ended', () => {
    const sessionId = new Uint8Array(32).fill(7);
    const client = new LonelyLayer('client');
    const server = befriend(client, sessionId);
    for (const isOffered of [true, false]) {
      client.layer.connect(client.peer, {}, client.clock.now);
      const flight1 = client.drain();
      const hello = decodeClientHelloStart(messagesOf(flight1)[0]!.fragment);
      assert.ok(!isDecodeFault(hello));
      assert.equal(hello.sessionId.length, isOffered ? 32 : 0);
      if (!isOffered) return;
      const again = new ScriptedServer({ sessionId });
      again.takeHello(flight1);
      client.give(again.messageRecord(again.serverHello()));
      client.give(serversEnd(again, server.master!, 1));
      client.give(again.sealed(ContentType.Alert, Uint8Array.of(2, 80), 1, 'server'));
      assert.equal(client.all('closed')[0]?.reason, 'alert');
    }
  });

  test('a wrong Finished in an abbreviated handshake connects nobody, on either side', () => {
    const server = new LonelyLayer('server', { resumption: 'session-id' });
    const { sessionId, master } = getToKnow(server);
    const client = new ScriptedClient({ sessionId });
    const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
    // The right master secret, but another view of what was said.
    client.transcript.add({ type: HandshakeType.HelloRequest, messageSeq: 9, body: Uint8Array.of(1) });
    goOn(client, server, flight4, master);
    assert.equal(server.failure, 'transcript-mismatch');
    const again = new ScriptedClient({ sessionId, seed: 0x12 });
    const full = server.give(again.messageRecord(again.helloWithCookie(server)));
    assert.equal(messagesOf(full).at(-1)?.type, HandshakeType.ServerHelloDone, 'the session is forgotten');
    assert.equal(server.all('connected').length, 1);
  });

  test('a session id alone is of no use: without the master secret nobody connects, and the session stays', () => {
    const server = new LonelyLayer('server', { resumption: 'session-id' });
    const { sessionId, master } = getToKnow(server);
    for (const [seed, secret] of [new Uint8Array(48), master].entries()) {
      const client = new ScriptedClient({ sessionId, seed });
      goOn(client, server, server.give(client.messageRecord(client.helloWithCookie(server))), secret);
      server.wait(200_000);
    }
    assert.deepEqual(
      server.all('handshake-failed').map(({ failure }) => failure.cause),
      ['transcript-mismatch'],
    );
    assert.equal(server.all('connected').length, 2);
  });

  test('D11: spoofed ClientHellos with session ids, tickets and other suites get no more bytes than they have, and no state', () => {
    const server = new LonelyLayer('server', { resumption: 'both' });
    const ticketServer = new LonelyLayer('server', { resumption: 'ticket' });
    const { sessionId } = getToKnow(server);
    const { ticket } = getToKnow(ticketServer);
    for (const [layer, own] of [
      [server, noBytes],
      [ticketServer, ticket],
    ] as const) {
      const before = layer.layer.usage;
      for (const suites of [[0xc0a8], [0x00a8, 0xccab], [0x1301, 0x00ff]]) {
        for (const cookie of [noBytes, new Uint8Array(32)]) {
          for (const offered of [own, new Uint8Array(200), noBytes]) {
            const client = new ScriptedClient({
              sessionId,
              cipherSuites: suites,
              extensions: [extendedMasterSecretOffer, sessionTicketExtension(offered)],
            });
            const record = client.messageRecord(client.hello(cookie, 1));
            const victim = ipAddress('203.0.113.7', 40_000 + suites.length);
            const answers = layer.give(record, victim);
            const bytesOut = answers.reduce((sum, { length }) => sum + length, 0);
            assert.ok(bytesOut <= record.length, `${bytesOut} of ${record.length}`);
            assert.deepEqual(
              messagesOf(answers).map(({ type }) => type),
              [HandshakeType.HelloVerifyRequest],
            );
            assert.deepEqual(layer.wait(60_000), []);
          }
        }
      }
      assert.deepEqual(layer.layer.usage, before);
      assert.equal(layer.all('psk-lookup').length, 1, 'that of the one who was known');
    }
  });
});
