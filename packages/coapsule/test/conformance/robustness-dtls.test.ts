/**
 * One test for each class of failure that DTLS stacks have really had (D1 … D22; `docs/past-bugs.md` says where).
 *
 * Classes whose whole proof is long have it in a file of its own: D5 in `dtls-forged-records`, D8 in `dtls-state-machine` and
 * `dtls-traces`, D9 in `dtls-extensions`, D10 and D12 in `rfc6347-4.2.1` and `-4.2.8`, D11 in `dtls-resumption`, D19 in
 * `rfc9146`, D21 in `bad-chains`. D17 is about sockets, and has its tests there.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { Extension } from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { decodeClientHello } from '../../src/core/dtls/handshake/messages/client-hello.ts';
import { splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { ByteWriter } from '../../src/core/foundation/byte-writer.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { mutate } from '../fuzz/mutate.ts';
import { type CredentialKind, credentialKinds } from '../scenarios/dtls-credentials.ts';
import { assertSameView, DtlsPair } from '../scenarios/dtls-pair.ts';
import type { RogueStep } from '../scenarios/dtls-rogue-peer.ts';
import { play, rightSteps, roguePeer } from '../scenarios/dtls-rogue-plays.ts';
import {
  cookieOf,
  extendedMasterSecretOffer,
  LonelyLayer,
  messagesOf,
  ScriptedClient,
} from '../scenarios/dtls-scripted-peer.ts';

const long = process.env['COAPSULE_LONG'] === '1';

/** A server that has sent flight 4, and its client. */
function halfOpen(): { readonly server: LonelyLayer; readonly client: ScriptedClient } {
  const server = new LonelyLayer('server');
  const client = new ScriptedClient();
  client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
  return { server, client };
}

/** The rest of a handshake as it should be. */
function completes({ server, client }: ReturnType<typeof halfOpen>): boolean {
  const { keyExchange, finished } = client.secondFlight();
  server.give(
    concatBytes(
      client.messageRecord(keyExchange),
      client.changeCipherSpec(),
      client.sealedFinished(finished),
    ),
  );
  return server.connected && server.layer.usage.keptBytes === 0;
}

/** Half-opens a handshake from an address. */
function halfOpenFrom(server: LonelyLayer, peer: PeerAddress, seed: number): ScriptedClient {
  const client = new ScriptedClient({ seed: seed & 0xff });
  const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
  server.give(client.messageRecord(client.hello(cookieOf(answer), 1)), peer);
  return client;
}

suite('messages in pieces', () => {
  test('D1: fragments of two messages of one type do not mix (GnuTLS 1839), and a real handshake follows', () => {
    for (const type of [HandshakeType.ClientHello, HandshakeType.ClientKeyExchange]) {
      const before = new LonelyLayer('server');
      const client = new ScriptedClient();
      const pieces = (first: number): readonly Uint8Array[] => [
        client.record(
          22,
          encodeMessageFragment({ type, messageSeq: first, body: new Uint8Array(100) }, 0, 50),
        ),
        client.record(
          22,
          encodeMessageFragment({ type, messageSeq: first + 1, body: new Uint8Array(200) }, 50, 150),
        ),
      ];
      for (const piece of pieces(0)) before.give(piece);
      assert.deepEqual(before.layer.usage, { associations: 0, handshakes: 0, keptBytes: 0 });
      client.connect(before);
      assert.ok(before.connected);

      const under = halfOpen();
      for (const piece of pieces(2)) under.server.give(under.client.record(22, piece.slice(13)));
      assert.ok(completes(under), `type ${type}`);
    }
  });

  test('D2: an announced length of 2^24 - 1 bytes keeps nothing, from each of many peers', () => {
    const peers = long ? 10_000 : 1000;
    const server = new LonelyLayer('server', { maxHandshakesPerHost: 1000, handshakeRate: peers });
    for (let i = 0; i < peers; i++) {
      const peer = ipAddress('192.0.2.77', 1000 + i);
      const client = halfOpenFrom(server, peer, i);
      const header = Uint8Array.of(16, 0xff, 0xff, 0xff, 0, 2, 0, 0, 0, 0, 0, 1, 0x61);
      server.give(client.record(22, header), peer);
    }
    assert.deepEqual(server.layer.usage, { associations: 0, handshakes: 1000, keptBytes: 0 });
  });

  test('D3: 65,535 messages of the future from one peer are kept up to 16 KiB, and the handshake completes', () => {
    const { server, client } = halfOpen();
    const body = new Uint8Array(1300);
    for (let messageSeq = 4; messageSeq < 65_536; messageSeq++) {
      server.give(client.messageRecord({ type: HandshakeType.Certificate, messageSeq, body }));
      assert.ok(server.layer.usage.keptBytes <= 16_384);
    }
    assert.ok(completes({ server, client }));
    // With certificates they are messages that may come.
    const kind = credentialKinds.find(({ name }) => name === 'certificates on both sides') as CredentialKind;
    const { layer, peer: rogue } = roguePeer('client', kind);
    for (let messageSeq = 3; messageSeq < 2000; messageSeq++) {
      layer.give(rogue.messageRecord({ type: HandshakeType.CertificateVerify, messageSeq, body }));
      assert.ok(layer.layer.usage.keptBytes <= 16_384 + 8 * 128);
    }
    for (const step of rightSteps('client', kind)) rogue.send(step);
    assert.ok(layer.connected && layer.layer.usage.keptBytes === 0);
  });

  const strangers = long ? 100_000 : 20_000;
  test(`D3: one message of the future from each of ${strangers} spoofed addresses is not kept`, () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const record = client.messageRecord({
      type: HandshakeType.Certificate,
      messageSeq: 5,
      body: new Uint8Array(99),
    });
    for (let i = 0; i < strangers; i++) {
      assert.deepEqual(
        server.give(record, ipAddress(`198.51.${(i >> 8) & 255}.${i & 255}`, 1 + (i >> 1))),
        [],
      );
    }
    assert.deepEqual(server.layer.usage, { associations: 0, handshakes: 0, keptBytes: 0 });
  });

  test('D4: 10,000 empty fragments change nothing', () => {
    const { server, client } = halfOpen();
    const message = { type: HandshakeType.ClientKeyExchange, messageSeq: 2, body: new Uint8Array(12) };
    for (let i = 0; i < 10_000; i++) {
      server.give(client.record(22, encodeMessageFragment(message, i % message.body.length, 0)));
    }
    assert.equal(server.layer.usage.keptBytes, 0);
    // As many as fit one datagram.
    const empty = encodeMessageFragment(message, 0, 0);
    server.give(client.record(22, concatBytes(...Array.from({ length: 1300 }, () => empty))));
    assert.ok(completes({ server, client }));
  });
});

suite('epochs and order', () => {
  for (const kind of credentialKinds) {
    test(`D6: each message in each epoch, with ${kind.name}: only the exact ones connect, on both sides`, () => {
      for (const role of ['client', 'server'] as const) {
        const steps = rightSteps(role, kind);
        for (const [place, right] of steps.entries()) {
          for (const epoch of [0, 1, 2, 3, 0xffff]) {
            const moved = steps.map((step, i) => (i === place ? { ...step, epoch } : step));
            const what = `${role}: ${right.content} in epoch ${epoch}`;
            assert.equal(play(role, kind, moved).connected, epoch === right.epoch, what);
          }
        }
      }
    });
  }

  for (const kind of credentialKinds) {
    test(`D7: application data in the clear is dropped in every state of both sides, with ${kind.name}`, () => {
      const data = encodePlaintextRecord(
        ContentType.ApplicationData,
        0xfefd,
        0,
        900,
        encodeUtf8('in the clear'),
      );
      for (const role of ['client', 'server'] as const) {
        const layer = play(role, kind, rightSteps(role, kind), (it) => it.give(data));
        assert.ok(layer.connected, role);
        assert.deepEqual(layer.all('application-data'), [], role);
      }
    });
  }

  test('D8: a client is not known by a certificate that it did not prove, nor without the one it has to show', () => {
    for (const kind of credentialKinds) {
      if (kind.server.credentials?.clientAuthentication !== 'required') continue;
      const steps = rightSteps('client', kind);
      for (const left of [['Certificate'], ['CertificateVerify'], ['Certificate', 'CertificateVerify']]) {
        const layer = play(
          'client',
          kind,
          steps.filter(({ content }) => !left.includes(content)),
        );
        assert.equal(layer.connected, false, `${kind.name} without ${left}`);
      }
    }
  });

  test('D8: ChangeCipherSpec before ClientKeyExchange does not lead to keys of a known secret', () => {
    for (const kind of credentialKinds) {
      for (const role of ['client', 'server'] as const) {
        const [change, finished] = rightSteps(role, kind).slice(-2) as [RogueStep, RogueStep];
        const inClear = rightSteps(role, kind).slice(0, -2);
        for (let cut = 0; cut < inClear.length; cut++) {
          const trace = [...inClear.slice(0, cut), change, finished, ...inClear.slice(cut)];
          assert.equal(play(role, kind, trace).connected, false, `${kind.name}, ${role} ${cut}`);
        }
      }
    }
  });
});

test('D13: ACK records of DTLS 1.3, which is not spoken here, are discarded unread in any epoch and state', () => {
  const kind = credentialKinds[0] as CredentialKind;
  const lists = [0, 1, 4095].map((entries) =>
    new ByteWriter().vector16(new Uint8Array(Math.min(entries * 16, 16_000))).finish(),
  );
  const odd = Uint8Array.of(0, 17, ...new Uint8Array(17));
  const records = [...lists, odd, noBytes].flatMap((content) => [
    ...[0, 1, 2].map((epoch) => ackRecord(epoch, content)),
    // The unified header (RFC 9147 §4).
    concatBytes(Uint8Array.of(0x2f, 0, 1, 0, content.length), content),
  ]);
  for (const role of ['client', 'server'] as const) {
    const layer = play(role, kind, rightSteps(role, kind), (it) => {
      for (const record of records) assert.deepEqual(it.give(record), []);
    });
    assert.ok(layer.connected, role);
  }
});

/** Content type 26 (RFC 9147 §4). */
function ackRecord(epoch: number, content: Uint8Array): Uint8Array {
  const record = encodePlaintextRecord(ContentType.Handshake, 0xfefd, epoch, 7, content);
  record[0] = 26;
  return record;
}

suite('lists that go on', () => {
  function timeOf(extensions: readonly Extension[], cipherList = [0xc0a8]): [string | undefined, number] {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient({ extensions, cipherSuites: cipherList });
    const record = client.messageRecord(client.helloWithCookie(server));
    const begin = performance.now();
    server.give(record);
    return [server.failure, performance.now() - begin];
  }

  test('D14: 1,000 repeated extensions, or one repeated, are refused with illegal_parameter', () => {
    for (const count of [2, 1000]) {
      const server = new LonelyLayer('server');
      const extensions = Array.from({ length: count }, () => extendedMasterSecretOffer);
      const client = new ScriptedClient({ extensions });
      const [alert] = server.give(client.messageRecord(client.helloWithCookie(server)));
      assert.equal(server.failure, 'illegal-parameter');
      assert.deepEqual(alert?.slice(13), Uint8Array.of(2, 47));
    }
  });

  test('D14: 1,000 key shares, 4,000 groups, schemes, suites, names or protocols take a few milliseconds', () => {
    const list = (type: number, length: number): Extension => ({
      type,
      data: new ByteWriter().vector16(new Uint8Array(length).fill(0x1d)).finish(),
    });
    const names = new ByteWriter();
    names.nested(2, () => {
      for (let i = 0; i < 4000; i++) names.vector8(Uint8Array.of(0x61));
    });
    const shares = Array.from({ length: 1000 }, () => ({ type: 51, data: new Uint8Array(4) }));
    const many = Array.from({ length: 4000 }, () => 0xc0a8);
    for (const [extensions, cause, suites] of [
      [shares, 'illegal-parameter'],
      [[list(10, 8000)], undefined],
      [[list(13, 8000)], undefined],
      [[{ type: 16, data: names.finish() }], undefined],
      [[], undefined, many],
    ] as const) {
      let best = [undefined, Infinity] as [string | undefined, number];
      // A busy machine makes any run slow once.
      for (let attempt = 0; attempt < 5; attempt++) {
        const run = timeOf([extendedMasterSecretOffer, ...extensions], suites && [...suites]);
        if (run[1] < best[1]) best = run;
      }
      assert.equal(best[0], cause);
      assert.ok(best[1] < 20, `${best[1]} ms`);
    }
  });
});

suite('what leaves', () => {
  test('D15: the explicit nonces of 100,000 records are epoch and sequence number, each once', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.connect(server);
    const association = server.layer.associationAt(server.peer);
    assert.ok(association !== undefined);
    let expected = 1;
    for (let i = 0; i < 100_000; i++) {
      assert.equal(server.layer.send(association, Uint8Array.of(i), server.clock.now), 'sent');
      const [datagram] = server.drain();
      server.outputs.length = 0;
      const [record] = splitRecords(datagram as Uint8Array).records;
      assert.ok(record !== undefined && record.epoch === 1 && record.sequenceNumber === expected);
      const nonce = (datagram as Uint8Array).subarray(13, 21);
      const number = new ByteWriter(8).u16(1).u16(0).u32(expected).finish();
      assert.deepEqual(nonce, number);
      expected++;
    }
  });

  test('D16: no ClientHello offers CBC, NULL, static RSA or anonymous suites', () => {
    const allowed = new Set([0x00ff, ...cipherSuites.map(({ id }) => id)]);
    assert.ok(
      cipherSuites.every(
        ({ name }) => !/CBC|NULL|anon|_RSA_WITH|RC4|3DES/.test(name.replace('ECDHE_RSA', '')),
      ),
    );
    for (const { client } of credentialKinds) {
      const { suites: _, ...config } = client;
      const layer = new LonelyLayer('client', config);
      layer.layer.connect(layer.peer, {}, layer.clock.now);
      const [message] = messagesOf(layer.drain());
      const hello = decodeClientHello(message?.fragment ?? noBytes);
      assert.ok('cipherSuites' in hello && hello.cipherSuites.length > 1);
      for (const id of hello.cipherSuites) assert.ok(allowed.has(id), `0x${id.toString(16)}`);
    }
  });
});

test('D17: datagrams of no bytes, of 65,507 and from port 0 throw nothing, in every state of both sides', () => {
  const kind = credentialKinds[3] as CredentialKind;
  const odd = [noBytes, new Uint8Array(1), new Uint8Array(65_507), new Uint8Array(65_507).fill(22)];
  for (const role of ['client', 'server'] as const) {
    const layer = play(role, kind, rightSteps(role, kind), (it) => {
      for (const datagram of odd) {
        it.give(datagram);
        it.give(datagram, ipAddress('192.0.2.9', 0));
      }
    });
    assert.ok(layer.connected, role);
  }
});

suite('alerts in the clear', () => {
  for (const kind of credentialKinds) {
    test(`D18: a fatal alert or close_notify of anybody, in any state of both sides, ends nothing with ${kind.name}`, () => {
      for (const content of [Uint8Array.of(2, 40), Uint8Array.of(1, 0), Uint8Array.of(2, 0)]) {
        const alert = encodePlaintextRecord(ContentType.Alert, 0xfefd, 0, 901, content);
        for (const role of ['client', 'server'] as const) {
          const layer = play(role, kind, rightSteps(role, kind), (it) => it.give(alert));
          assert.ok(layer.connected, `${role}, alert ${content}`);
          layer.wait(100);
          layer.give(alert);
          assert.deepEqual(layer.all('closed'), []);
          assert.equal(layer.layer.usage.associations, 1);
        }
      }
    });
  }
});

suite('loss', () => {
  for (const kind of credentialKinds) {
    for (const mtu of [256, 1232]) {
      test(`D20: any one of the first 20 datagrams lost, with ${kind.name} at MTU ${mtu}: connects within 8 s`, () => {
        for (let lost = 1; lost <= 20; lost++) {
          const both = { mtu, keylog: true };
          const pair = new DtlsPair({
            conditions: { mtu },
            client: { ...kind.client, ...both },
            server: { ...kind.server, ...both },
          });
          pair.network.hook = ({ index }): DatagramAction | undefined =>
            index === lost - 1 ? { kind: 'drop' } : undefined;
          pair.connect();
          pair.run(8000, () => pair.bothConnected);
          assertSameView(pair, `datagram ${lost}`);
        }
      });
    }
  }
});

suite('certificates from the line', () => {
  const inputs = long ? 100_000 : 1500;
  for (const role of ['client', 'server'] as const) {
    test(`D22: mutated Certificate messages of a ${role} throw nothing and connect nobody`, () => {
      const random = new SeededRandom(22);
      for (const kind of credentialKinds) {
        const steps = rightSteps(role, kind);
        const place = steps.findIndex(({ content }) => content === 'Certificate');
        if (place < 0) continue;
        let refused = 0;
        for (let i = 0; i < inputs / 3; i++) {
          const { layer, peer } = roguePeer(role, kind);
          for (const step of steps.slice(0, place)) peer.send(step);
          const body = peer.bodyOf('Certificate') as Uint8Array;
          const changed = mutate([body], random);
          if (Buffer.compare(changed, body) === 0) continue;
          peer.sendBody('Certificate', changed);
          for (const step of steps.slice(place + 1)) peer.send(step);
          const shown = layer.all('verify-peer').length;
          // A changed certificate may still be one, with the same key: then it is the application that judges it.
          if (shown === 0) refused++;
          assert.ok(!layer.connected || shown > 0);
        }
        assert.ok(refused > inputs / 12, `${refused}`);
      }
    });
  }
});
