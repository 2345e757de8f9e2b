import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { renegotiationInfoExtension } from '../../src/core/dtls/handshake/extensions/renegotiation-info.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import {
  encodeMessageFragment,
  type HandshakeMessage,
} from '../../src/core/dtls/handshake/message-header.ts';
import { encodeServerKeyExchange } from '../../src/core/dtls/handshake/messages/server-key-exchange.ts';
import { copyRecord, splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { DtlsPair, sensorIdentity, sensorKey } from './dtls-pair.ts';
import {
  extendedMasterSecretOffer,
  LonelyLayer,
  messagesOf,
  ScriptedClient,
  ScriptedServer,
  type ScriptedServerOptions,
} from './dtls-scripted-peer.ts';

const fatalAlert = encodePlaintextRecord(ContentType.Alert, 0xfefd, 0, 77, Uint8Array.of(2, 40));
const closeNotify = encodePlaintextRecord(ContentType.Alert, 0xfefd, 0, 78, Uint8Array.of(1, 0));
const plaintextData = encodePlaintextRecord(
  ContentType.ApplicationData,
  0xfefd,
  0,
  79,
  encodeUtf8('in the clear'),
);

/** Gives both sides something from nowhere after each datagram of a handshake that otherwise goes well. */
function pairWithInjection(injected: readonly Uint8Array[]): DtlsPair {
  const pair = new DtlsPair();
  pair.network.hook = (): DatagramAction | undefined => {
    for (const node of [pair.client, pair.server]) {
      const peer = node === pair.client ? pair.server : pair.client;
      for (const datagram of injected) {
        node.layer.handle({ address: peer.address, datagram: datagram.slice() }, pair.clock.now);
      }
    }
    return undefined;
  };
  pair.connect();
  pair.run(5000, () => pair.bothConnected);
  return pair;
}

suite('what comes in the clear', () => {
  for (const [name, injected] of [
    ['a fatal alert', fatalAlert],
    ['a close_notify', closeNotify],
    ['application data', plaintextData],
    [
      'a ChangeCipherSpec',
      encodePlaintextRecord(ContentType.ChangeCipherSpec, 0xfefd, 0, 80, Uint8Array.of(1)),
    ],
    ['a Finished', encodePlaintextRecord(22, 0xfefd, 0, 81, forgedFinished(4))],
    ['a HelloRequest', encodePlaintextRecord(22, 0xfefd, 0, 82, new Uint8Array(12))],
  ] as const) {
    test(`${name}, forged in every state of a handshake and after it, does no harm`, () => {
      const pair = pairWithInjection([injected]);
      assert.ok(pair.bothConnected);
      assert.ok(pair.exchange());
      assert.equal(pair.client.all('application-data').length, 1);
      assert.equal(pair.server.all('application-data').length, 1);
      assert.equal(pair.client.all('closed').length + pair.server.all('closed').length, 0);
    });
  }

  test('forged protected records of any epoch and number, after each datagram, cost not one record', () => {
    const random = new SeededRandom(8);
    const forged = [0, 1, 2, 0xffff].flatMap((epoch) =>
      [0, 1, 5, 2 ** 48 - 1].flatMap((sequenceNumber) =>
        ([20, 21, 22, 23] as const).map((contentType) =>
          encodePlaintextRecord(contentType, 0xfefd, epoch, sequenceNumber, random.fill(new Uint8Array(40))),
        ),
      ),
    );
    const pair = pairWithInjection(forged);
    assert.ok(pair.bothConnected);
    for (let i = 0; i < 50; i++) assert.ok(pair.exchange(`reading ${i}`));
  });

  test('a fatal alert is believed when it comes again after our flight was sent again', () => {
    const client = new LonelyLayer('client');
    client.layer.connect(client.peer, {}, client.clock.now);
    client.drain();
    client.give(fatalAlert);
    client.give(fatalAlert);
    assert.equal(client.wait(1000).length, 1, 'the ClientHello again');
    assert.equal(client.failure, undefined);
    client.give(fatalAlert);
    assert.equal(client.failure, 'no-common-suite');
  });

  test('a fatal alert that does not come again is believed after two expiries without anything else, 3 s', () => {
    const client = new LonelyLayer('client');
    client.layer.connect(client.peer, {}, client.clock.now);
    client.drain();
    client.wait(500);
    client.give(fatalAlert);
    client.wait(2999);
    assert.equal(client.failure, undefined);
    client.wait(1);
    assert.equal(client.failure, 'no-common-suite');
  });

  test('a forged alert and a datagram lost, or a key looked up for 2.9 s on either side, do not end a handshake', () => {
    for (const slow of ['client', 'server'] as const) {
      const pair = new DtlsPair();
      pair[slow].lookUp = () => 'later';
      pair.connect();
      pair.run(5000, () => pair[slow].all('psk-lookup').length > 0);
      const [waiting, peer] = slow === 'client' ? [pair.server, pair.client] : [pair.client, pair.server];
      for (const node of [waiting, peer]) {
        node.layer.handle(
          {
            address: node === pair.client ? pair.server.address : pair.client.address,
            datagram: fatalAlert.slice(),
          },
          pair.clock.now,
        );
      }
      pair.run(2900);
      pair[slow].layer.answerPskLookup(
        pair[slow].all('psk-lookup')[0]?.lookup ?? 0,
        { identity: sensorIdentity, key: sensorKey },
        pair.clock.now,
      );
      pair.drain(pair[slow]);
      pair.run(10_000, () => pair.bothConnected);
      assert.ok(pair.bothConnected, `slow ${slow}`);
    }
    for (let lost = 0; lost < 6; lost++) {
      const pair = pairWithInjection([]);
      assert.ok(pair.bothConnected);
      const again = new DtlsPair();
      again.network.hook = ({ index }): DatagramAction | undefined => {
        if (index !== lost) return undefined;
        for (const [node, from] of [
          [again.client, again.server],
          [again.server, again.client],
        ] as const) {
          node.layer.handle({ address: from.address, datagram: fatalAlert.slice() }, again.clock.now);
        }
        return { kind: 'drop' };
      };
      again.connect();
      again.run(5000, () => again.bothConnected);
      assert.ok(again.bothConnected, `datagram ${lost} lost`);
    }
  });

  test('a warning ends nothing', () => {
    const client = new LonelyLayer('client');
    client.layer.connect(client.peer, {}, client.clock.now);
    client.drain();
    client.give(encodePlaintextRecord(ContentType.Alert, 0xfefd, 0, 0, Uint8Array.of(1, 112)));
    client.wait(20_000);
    assert.equal(client.failure, undefined);
  });
});

suite('epochs', () => {
  test('a ClientHello in another epoch than 0 is not answered', () => {
    for (const epoch of [1, 2, 3, 0xffff]) {
      const server = new LonelyLayer('server');
      const client = new ScriptedClient();
      assert.deepEqual(server.give(client.messageRecord(client.hello(noBytes, 0), epoch)), []);
    }
  });

  test('a replayed record is refused, and one 64 records old is too', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.connect(server);
    const records = Array.from({ length: 80 }, (_, i) => client.data(`reading ${i}`));
    for (const record of records.slice(1)) server.give(record);
    for (const record of records) server.give(record);
    assert.equal(server.all('application-data').length, 79);
    assert.equal(server.all('discarded').filter(({ reason }) => reason === 'replayed-record').length, 80);
  });
});

suite('the order of messages', () => {
  type Step = 'keyExchange' | 'change' | 'finished';
  const right: readonly Step[] = ['keyExchange', 'change', 'finished'];

  /** Plays steps to a server that has sent flight 4. */
  function play(steps: readonly Step[]): { server: LonelyLayer; resend: (steps: readonly Step[]) => void } {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const { keyExchange, finished } = client.secondFlight();
    const resend = (again: readonly Step[]): void => {
      for (const step of again) {
        if (step === 'keyExchange') server.give(client.messageRecord(keyExchange));
        else if (step === 'change') server.give(client.changeCipherSpec());
        else server.give(client.sealedFinished(finished));
      }
    };
    resend(steps);
    return { server, resend };
  }

  function sequences(length: number): Step[][] {
    if (length === 0) return [[]];
    return sequences(length - 1).flatMap((start) => right.map((step) => [...start, step]));
  }

  test('nothing connects without ClientKeyExchange, ChangeCipherSpec and Finished; any play connects when the flight is sent again', () => {
    for (const length of [0, 1, 2, 3, 4, 5]) {
      for (const steps of sequences(length)) {
        const { server, resend } = play(steps);
        const seen = new Set(steps);
        if (seen.size < 3) assert.equal(server.connected, false, steps.join(' '));
        // A ChangeCipherSpec counts only behind the key exchange.
        const change = steps.lastIndexOf('change');
        const exchange = steps.indexOf('keyExchange');
        const isRight = seen.size === 3 && exchange >= 0 && exchange < change;
        assert.equal(server.connected, isRight, steps.join(' '));
        resend(right);
        assert.ok(server.connected, `${steps.join(' ')} and again`);
        assert.equal(server.failure, undefined);
      }
    }
  });

  test('all single and pair drops, duplicates and swaps of messages connect with equal transcripts, or later', () => {
    // One message a datagram, and a network that does something to two of the first 16.
    const kinds = ['drop', 'duplicate', 'swap'] as const;
    for (let first = 0; first < 14; first++) {
      for (let second = first; second < 14; second++) {
        for (const firstKind of kinds) {
          for (const secondKind of kinds) {
            const pair = new DtlsPair({ client: { keylog: true }, server: { keylog: true } });
            splitEachDatagram(pair);
            const { hook } = pair.network;
            pair.network.hook = (sent) => {
              if (sent.index === first) return { kind: firstKind };
              return sent.index === second ? { kind: secondKind } : hook?.(sent);
            };
            pair.connect();
            pair.run(30_000, () => pair.bothConnected);
            const what = `${firstKind} ${first}, ${secondKind} ${second}`;
            assert.ok(pair.bothConnected, what);
            assert.deepEqual(pair.client.all('keylog').at(-1), pair.server.all('keylog').at(-1), what);
            pair.network.hook = undefined;
            assert.ok(pair.exchange(), what);
          }
        }
      }
    }
  });

  test('a message that has no place in the state ends the handshake with unexpected_message, when the client repeats it', () => {
    for (const type of [2, 4, 11, 12, 13, 14, 15, 99]) {
      const server = new LonelyLayer('server');
      const client = new ScriptedClient();
      server.give(client.messageRecord(client.helloWithCookie(server)));
      const misplaced = (): Uint8Array =>
        client.messageRecord({ type, messageSeq: 2, body: new Uint8Array(4) });
      server.give(misplaced());
      assert.equal(server.failure, undefined);
      assert.equal(server.all('discarded').at(-1)?.reason, 'unexpected-handshake-message');
      assert.equal(server.wait(1000).length, 1, 'flight 4 again');
      const [alert] = server.give(misplaced());
      assert.equal(server.failure, 'unexpected-message');
      assert.deepEqual(alert?.slice(13), Uint8Array.of(2, 10));
    }
  });

  test('a message that has no place or cannot be decoded, forged in the clear, costs nothing', () => {
    for (const message of [
      { type: 99, messageSeq: 2, body: noBytes },
      { type: HandshakeType.ClientKeyExchange, messageSeq: 2, body: new Uint8Array(1) },
      { type: HandshakeType.ClientHello, messageSeq: 2, body: new Uint8Array(40) },
      { type: HandshakeType.Finished, messageSeq: 2, body: new Uint8Array(12) },
    ]) {
      const server = new LonelyLayer('server');
      const client = new ScriptedClient();
      client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
      server.give(client.messageRecord(message));
      const { keyExchange, finished } = client.secondFlight();
      server.give(
        concatBytes(
          client.messageRecord(keyExchange),
          client.changeCipherSpec(),
          client.sealedFinished(finished),
        ),
      );
      assert.ok(server.connected, `type ${message.type}`);
    }
  });

  test('a swapped key exchange and Finished cost no timer when the ChangeCipherSpec comes last', () => {
    const { server } = play(['finished', 'keyExchange', 'change']);
    assert.ok(server.connected);
  });
});

suite('a server that does not keep the rules', () => {
  function answered(
    options: ScriptedServerOptions,
    change?: (message: HandshakeMessage) => HandshakeMessage,
  ): LonelyLayer {
    const client = new LonelyLayer('client');
    client.layer.connect(client.peer, {}, client.clock.now);
    const server = new ScriptedServer(options);
    server.takeHello(client.drain());
    const hello = server.serverHello();
    client.give(
      concatBytes(server.messageRecord(change?.(hello) ?? hello), server.messageRecord(server.helloDone())),
    );
    return client;
  }

  test('an extension that was not offered is refused with unsupported_extension', () => {
    for (const type of [0, 1, 5, 15, 16, 19, 20, 22, 43, 0x1234]) {
      const client = answered({ extensions: [extendedMasterSecretOffer, { type, data: noBytes }] });
      assert.equal(client.failure, 'unsupported-extension', `extension ${type}`);
      assert.equal(client.all('handshake-failed')[0]?.failure.alertSent, 110);
    }
  });

  test('an extension that occurs twice is refused with illegal_parameter', () => {
    const client = answered({ extensions: [extendedMasterSecretOffer, extendedMasterSecretOffer] });
    assert.equal(client.failure, 'illegal-parameter');
    assert.equal(client.all('handshake-failed')[0]?.failure.alertSent, 47);
  });

  test('renegotiation_info is taken when empty, and refused when not (RFC 5746 §3.4)', () => {
    assert.equal(
      answered({ extensions: [extendedMasterSecretOffer, renegotiationInfoExtension] }).failure,
      undefined,
    );
    const data = Uint8Array.of(2, 1, 1);
    const client = answered({
      extensions: [extendedMasterSecretOffer, { ...renegotiationInfoExtension, data }],
    });
    assert.equal(client.all('handshake-failed')[0]?.failure.alertSent, 40);
  });

  test('another version, suite or compression method than offered is refused', () => {
    assert.equal(answered({ version: 0xfeff }).failure, 'version-too-old');
    assert.equal(answered({ version: 0xfefc }).failure, 'version-too-old');
    assert.equal(answered({ cipherSuite: 0x002f }).failure, 'illegal-parameter');
    assert.equal(answered({ cipherSuite: 0x00ff }).failure, 'illegal-parameter');
    assert.equal(answered({ compressionMethod: 1 }).failure, 'illegal-parameter');
  });

  test('a cut ServerHello is refused with decode_error, when nothing better comes for 3 s', () => {
    const client = answered({}, (message) => ({ ...message, body: message.body.slice(0, 20) }));
    client.wait(2999);
    assert.equal(client.failure, undefined);
    client.wait(1);
    assert.equal(client.failure, 'malformed-message');
    assert.equal(client.all('handshake-failed')[0]?.failure.alertSent, 50);
  });

  test('a public key that is no point of its group is refused with illegal_parameter, an unknown group too', () => {
    for (const [group, publicKey, cause] of [
      [0x17, new Uint8Array(65).fill(4), 'illegal-parameter'],
      [0x17, Uint8Array.of(0), 'illegal-parameter'],
      [0x1d, new Uint8Array(32), 'illegal-parameter'],
      [0x1d, new Uint8Array(31).fill(9), 'illegal-parameter'],
      [0x18, new Uint8Array(97).fill(4), 'illegal-parameter'],
      [0x19, new Uint8Array(133).fill(4), 'no-common-group'],
    ] as const) {
      const client = new LonelyLayer('client');
      client.layer.connect(client.peer, {}, client.clock.now);
      const server = new ScriptedServer({ suite: 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256' });
      server.takeHello(client.drain());
      const body = encodeServerKeyExchange({ hint: noBytes, ecdh: { group, publicKey } });
      client.give(
        concatBytes(
          server.messageRecord(server.serverHello()),
          server.messageRecord({ type: HandshakeType.ServerKeyExchange, messageSeq: 1, body }),
          server.messageRecord(server.helloDone(2)),
        ),
      );
      assert.equal(client.failure, cause, `group ${group}`);
      assert.equal(client.all('handshake-failed')[0]?.failure.alertSent, 47);
    }
  });

  test('a ChangeCipherSpec and Finished before flight 5 do nothing, and application data waits for the Finished', () => {
    const client = new LonelyLayer('client');
    client.layer.connect(client.peer, {}, client.clock.now);
    const server = new ScriptedServer();
    server.takeHello(client.drain());
    client.give(server.changeCipherSpec());
    const flight5 = client.give(
      concatBytes(server.messageRecord(server.serverHello()), server.messageRecord(server.helloDone())),
    );
    const { changeCipherSpec, finished } = server.finish(flight5);
    client.give(server.sealed(ContentType.ApplicationData, encodeUtf8('early'), 1, 'server'));
    client.give(finished);
    assert.equal(client.connected, false);
    assert.equal(client.all('application-data').length, 0);
    client.give(changeCipherSpec);
    assert.ok(client.connected);
    assert.equal(client.all('application-data').length, 1);
  });
});

suite('a client that does not keep the rules', () => {
  function answered(
    client: ScriptedClient,
    config: Partial<DtlsConfig> = {},
  ): { server: LonelyLayer; sent: Uint8Array[] } {
    const server = new LonelyLayer('server', config);
    return { server, sent: server.give(client.messageRecord(client.helloWithCookie(server))) };
  }

  test('an offer of 1,000 suites is told by the first 16 and the number of the others', () => {
    const { server } = answered(
      new ScriptedClient({ cipherSuites: Array.from({ length: 1000 }, (_, i) => 0x1300 + i) }),
      { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] },
    );
    const detail = server.all('handshake-failed')[0]?.failure.detail ?? '';
    assert.match(detail, /0x1300, .*0x130f, 984 more;/);
    assert.ok(detail.length < 250);
  });

  test('extensions nobody knows are ignored', () => {
    const extensions = [
      extendedMasterSecretOffer,
      { type: 0x0a0a, data: noBytes },
      // heartbeat (RFC 6520), which is not done here
      { type: 15, data: Uint8Array.of(1) },
    ];
    const { server, sent } = answered(new ScriptedClient({ extensions }));
    assert.equal(server.failure, undefined);
    assert.equal(messagesOf(sent)[0]?.type, HandshakeType.ServerHello);
  });

  test('renegotiation_info is answered when it is offered, by extension or by suite value, and only then', () => {
    const answer = (client: ScriptedClient): boolean => {
      const hello = messagesOf(answered(client).sent)[0]?.fragment ?? noBytes;
      return Array.from(hello).join().includes([0xff, 0x01, 0x00, 0x01, 0x00].join());
    };
    assert.equal(
      answer(new ScriptedClient({ extensions: [extendedMasterSecretOffer, renegotiationInfoExtension] })),
      true,
    );
    assert.equal(answer(new ScriptedClient({ cipherSuites: [0xc0a8, 0x00ff] })), true);
    assert.equal(answer(new ScriptedClient()), false);
  });

  test('a wish to renegotiate is refused by a warning, and the association lives on', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.connect(server);
    const hello = client.hello(noBytes, 0);
    const sent = server.give(client.sealed(22, encodeMessageFragment(hello, 0, hello.body.length)));
    assert.equal(sent.length, 1);
    assert.equal(splitRecords(sent[0] as Uint8Array).records[0]?.recordType, ContentType.Alert);
    server.give(client.data('goes on'));
    assert.equal(server.all('application-data').length, 1);
  });

  test('an authenticated fatal alert ends the association, a warning does not', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.connect(server);
    server.give(client.sealed(ContentType.Alert, Uint8Array.of(1, 90)));
    assert.equal(server.all('closed').length, 0);
    server.give(client.sealed(ContentType.Alert, Uint8Array.of(2, 80)));
    assert.equal(server.all('closed')[0]?.reason, 'alert');
    assert.equal(server.all('closed')[0]?.alert, 80);
  });
});

suite('limits', () => {
  test('records of epoch 1 that come too early are kept up to 8 and 4 KiB', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const early = (length: number): Uint8Array =>
      encodePlaintextRecord(
        ContentType.ApplicationData,
        0xfefd,
        1,
        client.recordSequence++,
        new Uint8Array(length),
      );
    for (let i = 0; i < 100; i++) server.give(early(100));
    assert.equal(server.layer.usage.keptBytes, 800);
    for (let i = 0; i < 100; i++) server.give(early(16_000));
    assert.equal(server.layer.usage.keptBytes, 800);
  });

  test('eight forged records of epoch 1 do not keep out a Finished that comes too early', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    for (let i = 0; i < 8; i++) {
      server.give(encodePlaintextRecord(ContentType.Handshake, 0xfefd, 1, i, new Uint8Array(40)));
    }
    const { keyExchange, finished } = client.secondFlight();
    server.give(client.sealedFinished(finished));
    server.give(encodePlaintextRecord(ContentType.Handshake, 0xfefd, 1, 9, new Uint8Array(257)));
    assert.equal(server.all('discarded').at(-1)?.reason, 'handshake-limit', 'too large for a Finished');
    server.give(concatBytes(client.messageRecord(keyExchange), client.changeCipherSpec()));
    assert.ok(server.connected);
  });

  test('the final flight is kept for 240 s, and sent again for each repeated Finished until then', () => {
    for (const [ms, answers] of [
      [239_000, 1],
      [241_000, 0],
    ] as const) {
      const server = new LonelyLayer('server');
      const client = new ScriptedClient();
      client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
      const { keyExchange, finished } = client.secondFlight();
      const flight5 = (): Uint8Array =>
        concatBytes(
          client.messageRecord(keyExchange),
          client.changeCipherSpec(),
          client.sealedFinished(finished),
        );
      assert.equal(server.give(flight5()).length, 1);
      server.wait(ms);
      assert.equal(server.give(flight5()).length, answers, `after ${ms} ms`);
      // A copy of the same record is a replay and gets nothing.
      const again = flight5();
      server.give(again);
      assert.deepEqual(server.give(again), []);
    }
  });

  test('the oldest handshake goes when maxHandshakes are under way', () => {
    const server = new LonelyLayer('server', { maxHandshakes: 10, maxHandshakesPerHost: 10 });
    for (let i = 0; i < 15; i++) {
      const peer = ipAddress('192.0.2.77', 1000 + i);
      const client = new ScriptedClient();
      const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
      server.give(client.messageRecord(client.hello((answer as Uint8Array).slice(28), 1)), peer);
    }
    assert.equal(server.layer.usage.handshakes, 10);
    const dropped = server
      .all('handshake-failed')
      .map(({ address, failure }) => [address.port, failure.cause]);
    assert.deepEqual(
      dropped,
      Array.from({ length: 5 }, (_, i) => [1000 + i, 'capacity']),
    );
    // Slow ones are not waited for while more than half of the room is taken; then there is time.
    server.wait(15_000);
    assert.equal(server.layer.usage.handshakes, 5);
    server.wait(104_999);
    assert.equal(server.layer.usage.handshakes, 5);
    server.wait(1);
    assert.equal(server.layer.usage.handshakes, 0);
    assert.equal(server.layer.nextTimeout(), undefined);
  });

  test('one host cannot crowd out the handshakes of others: its own go first', () => {
    const server = new LonelyLayer('server', { maxHandshakes: 40 });
    const halfOpen = (host: string, port: number): ScriptedClient => {
      const peer = ipAddress(host, port);
      const client = new ScriptedClient();
      const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
      const hello = client.hello((answer as Uint8Array).slice(28), 1);
      client.transcript.add(hello);
      client.takeServerFlight(server.give(client.messageRecord(hello), peer));
      return client;
    };
    const honest = halfOpen('192.0.2.1', 1);
    for (let port = 1; port <= 100; port++) halfOpen('198.51.100.1', port);
    assert.equal(server.layer.usage.handshakes, 1 + 10, 'a quarter for one host');
    for (let host = 2; host <= 5; host++) {
      for (let port = 1; port <= 100; port++) halfOpen(`198.51.100.${host}`, port);
    }
    assert.equal(server.layer.usage.handshakes, 40);
    const { keyExchange, finished } = honest.secondFlight();
    server.give(
      concatBytes(
        honest.messageRecord(keyExchange),
        honest.changeCipherSpec(),
        honest.sealedFinished(finished),
      ),
      ipAddress('192.0.2.1', 1),
    );
    assert.ok(server.connected);
  });

  test('thousands of fragments in one datagram: 64 are looked at', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const body = new Uint8Array(16_384);
    const message = { type: HandshakeType.ClientKeyExchange, messageSeq: 2, body };
    const piece = (offset: number): Uint8Array => encodeMessageFragment(message, offset, 1);
    const records = Array.from({ length: 30 }, (_, record) =>
      client.record(22, concatBytes(...Array.from({ length: 100 }, (_, i) => piece(200 * record + 2 * i)))),
    );
    const before = server.all('handshake-trace').length;
    server.give(concatBytes(...records));
    assert.equal(server.all('handshake-trace').length - before, 64);
    assert.equal(server.layer.usage.keptBytes, 128 + 16_384, 'charged as what it takes');
    for (const record of records) server.give(record);
    assert.equal(server.layer.usage.keptBytes, 128 + 16_384);
  });

  test('forged fragments of old messages have nothing sent again, but for the last message of a flight', () => {
    const server = new LonelyLayer('server', { initialTimeoutMs: 60_000, handshakeStallMs: 60_000 });
    const client = new ScriptedClient();
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    for (const forged of [
      { type: 99, messageSeq: 0, body: new Uint8Array(1) },
      { type: HandshakeType.ServerHello, messageSeq: 1, body: new Uint8Array(1) },
    ]) {
      server.wait(1000);
      assert.deepEqual(server.give(client.messageRecord(forged)), []);
    }

    const lonely = new LonelyLayer('client', { initialTimeoutMs: 60_000, handshakeStallMs: 60_000 });
    lonely.layer.connect(lonely.peer, {}, lonely.clock.now);
    const scripted = new ScriptedServer();
    scripted.takeHello(lonely.drain());
    const done = scripted.helloDone();
    const hello = scripted.serverHello();
    assert.equal(
      lonely.give(concatBytes(scripted.messageRecord(hello), scripted.messageRecord(done))).length,
      1,
    );
    lonely.wait(30_000);
    assert.deepEqual(lonely.give(scripted.messageRecord(hello)), [], 'not the last message of its flight');
    assert.equal(lonely.give(scripted.messageRecord(done)).length, 1);
  });

  test('the quietest association is closed with close_notify when there are maxAssociations', () => {
    const server = new LonelyLayer('server', { maxAssociations: 2 });
    const clients = [1, 2, 3].map((seed) => {
      const peer = ipAddress('192.0.2.77', seed);
      const client = new ScriptedClient({ seed });
      const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
      const hello = client.hello((answer as Uint8Array).slice(28), 1);
      client.transcript.add(hello);
      client.takeServerFlight(server.give(client.messageRecord(hello), peer));
      const { keyExchange, finished } = client.secondFlight();
      const last = concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        client.sealedFinished(finished),
      );
      return { client, peer, last };
    });
    const [first, second, third] = clients as [(typeof clients)[0], (typeof clients)[0], (typeof clients)[0]];
    server.give(first.last, first.peer);
    server.wait(10);
    server.give(second.last, second.peer);
    // The order is exact to a second.
    server.wait(1000);
    server.give(first.client.data('first is busy'), first.peer);
    server.wait(10);
    server.give(third.last, third.peer);
    assert.deepEqual(
      server.all('closed').map(({ address, reason }) => [address.port, reason]),
      [[2, 'capacity']],
    );
    assert.equal(server.layer.usage.associations, 2);
  });

  test('empty datagrams, cut records and 65,507 bytes of anything do no harm', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.connect(server);
    for (const datagram of [
      noBytes,
      new Uint8Array(5),
      new Uint8Array(65_507),
      new Uint8Array(65_507).fill(22),
    ]) {
      assert.deepEqual(server.give(datagram), []);
      assert.deepEqual(server.give(datagram, ipAddress('192.0.2.200', 1)), []);
    }
    server.give(client.data('goes on'));
    assert.equal(server.all('application-data').length, 1);
  });
});

function forgedFinished(messageSeq: number): Uint8Array {
  return encodeMessageFragment({ type: HandshakeType.Finished, messageSeq, body: new Uint8Array(12) }, 0, 12);
}

/** Makes both sides send each record in a datagram of its own. */
function splitEachDatagram(pair: DtlsPair): void {
  const send = pair.network.send.bind(pair.network);
  pair.network.send = (from, to, datagram, now) => {
    for (const record of splitRecords(datagram, 8).records) {
      send(from, to, copyRecord(record).datagram, now);
    }
  };
}
