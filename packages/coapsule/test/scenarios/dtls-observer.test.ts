/**
 * Who watches DTLS associations without part in them: what is seen, and what a secret opens.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type CipherSuite, cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { DtlsLayer } from '../../src/core/dtls/dtls-layer.ts';
import { ExtensionType } from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { DtlsObserver } from '../../src/core/dtls/observer/dtls-observer.ts';
import type { ObservedDatagram, ObserverSecrets } from '../../src/core/dtls/observer/observed-record.ts';
import {
  ContentType,
  connectionIdRecordType,
  recordHeaderLength,
} from '../../src/core/dtls/record/record-header.ts';
import { equalBytes, fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { rawPublicKeyCredentials } from './dtls-credentials.ts';
import { closeAssociation, DtlsPair, type DtlsPairOptions, sensorIdentity, sensorKey } from './dtls-pair.ts';

const nothing: ObserverSecrets = { masterSecret: () => undefined, presharedKey: () => undefined };
const withKey: ObserverSecrets = {
  ...nothing,
  presharedKey: (identity) => (equalBytes(identity, sensorIdentity) ? sensorKey : undefined),
};

/** What the client's key log has. */
function withKeyLog(pair: DtlsPair): ObserverSecrets {
  const secrets = new Map(
    pair.client.all('keylog').map(({ line }) => {
      const [, random = '', secret = ''] = line.split(' ');
      return [random, fromHex(secret)];
    }),
  );
  return { ...nothing, masterSecret: (random) => secrets.get(toHex(random)) };
}

function watch(pair: DtlsPair, secrets: ObserverSecrets): readonly ObservedDatagram[] {
  const observer = new DtlsObserver(nodeCrypto, secrets);
  return pair.network.sent.map(({ from, to, datagram }) => observer.observe(from.key, to.key, datagram));
}

/** The texts that were read, with who sent them. */
function texts(seen: readonly ObservedDatagram[]): readonly string[] {
  return seen.flatMap(({ sender, records }) =>
    records.flatMap(({ contentType, content }) =>
      contentType === ContentType.ApplicationData && content !== undefined
        ? `${sender}: ${decodeUtf8(content)}`
        : [],
    ),
  );
}

function connected(options: DtlsPairOptions): DtlsPair {
  const pair = new DtlsPair(options);
  pair.connect();
  pair.run(120_000, () => pair.bothConnected);
  assert.ok(pair.bothConnected);
  return pair;
}

/** For a suite, with a key log. */
function optionsFor({ name, keyExchange }: CipherSuite, more: Partial<DtlsConfig> = {}): DtlsPairOptions {
  const type = keyExchange === 'ECDHE_RSA' ? 'rsa' : 'ec-secp256r1';
  const isKey = keyExchange === 'PSK' || keyExchange === 'ECDHE_PSK';
  const side = (role: 'client' | 'server'): Partial<DtlsConfig> => ({
    ...{ suites: [name], keylog: true, ...more },
    ...(!isKey && { credentials: rawPublicKeyCredentials(role, type) }),
  });
  return { client: side('client'), server: side('server') };
}

suite('with a key log', () => {
  for (const cipherSuite of cipherSuites) {
    for (const [what, more] of [
      ['without connection ids', { connectionIdLength: 'off' }],
      ['with connection ids', { connectionIdLength: 5 }],
    ] as const) {
      test(`${cipherSuite.name} ${what}: what both sides send is read, and nothing else`, () => {
        const pair = connected(optionsFor(cipherSuite, more));
        assert.ok(pair.exchange('22.5'));
        const seen = watch(pair, withKeyLog(pair));
        assert.deepEqual(texts(seen), ['client: 22.5', 'server: 22.5']);
        assert.equal(seen.at(-1)!.suite?.name, cipherSuite.name);
        assert.deepEqual(new Set(seen.map(({ association }) => association)), new Set([1]));
        const finished = seen.flatMap(({ sender, records }) =>
          records.flatMap(({ fragments, epoch }) =>
            epoch === 1 && fragments.some(({ type }) => type === HandshakeType.Finished) ? sender : [],
          ),
        );
        assert.deepEqual(finished, ['client', 'server']);
      });
    }
  }
});

suite('with a pre-shared key', () => {
  for (const cipherSuite of cipherSuites.filter(({ keyExchange }) => keyExchange === 'PSK')) {
    test(`${cipherSuite.name}: what both sides send is read`, () => {
      const pair = connected(optionsFor(cipherSuite));
      assert.ok(pair.exchange());
      assert.deepEqual(texts(watch(pair, withKey)), ['client: hello', 'server: hello']);
    });
  }

  test('an ephemeral exchange stays closed: the key alone does not open it', () => {
    const cipherSuite = cipherSuites.find(({ keyExchange }) => keyExchange === 'ECDHE_PSK')!;
    const pair = connected(optionsFor(cipherSuite));
    assert.ok(pair.exchange());
    const seen = watch(pair, withKey);
    assert.deepEqual(texts(seen), []);
    assert.equal(seen.at(-1)!.records[0]!.unreadable, 'no-keys');
  });

  test('a wrong key opens nothing, and says that it is not authentic', () => {
    const pair = connected({});
    assert.ok(pair.exchange());
    const seen = watch(pair, { ...nothing, presharedKey: () => new Uint8Array(16) });
    assert.deepEqual(texts(seen), []);
    assert.equal(seen.at(-1)!.records[0]!.unreadable, 'not-authentic');
  });

  test('loss, repetition and disorder change nothing', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = connected({
        seed,
        client: { mtu: 128 },
        conditions: { lossRate: 0.2, duplicateRate: 0.1, reorderRate: 0.2, jitterMs: 40 },
      });
      const association = pair.client.layer.associationAt(pair.server.address)!;
      pair.client.layer.send(association, new TextEncoder().encode('seen'), pair.clock.now);
      pair.drain(pair.client);
      assert.ok(texts(watch(pair, withKey)).includes('client: seen'), `seed ${seed}`);
    }
  });
});

suite('sessions that go on', () => {
  for (const resumption of ['session-id', 'ticket'] as const) {
    test(`${resumption}: an abbreviated handshake is read with the key of the full one before it`, () => {
      const lifetime = { resumption, sessionLifetimeMs: 3_600_000 };
      const pair = connected({ client: lifetime, server: lifetime });
      assert.ok(pair.exchange('one'));
      closeAssociation(pair);
      pair.connect();
      pair.run(8000);
      assert.equal(pair.client.all('connected').at(-1)!.resumed, true);
      assert.ok(pair.exchange('two'));
      assert.deepEqual(texts(watch(pair, withKey)), [
        'client: one',
        'server: one',
        'client: two',
        'server: two',
      ]);
    });
  }
});

test('a ticket that the server does not take any more: the full handshake in its place is read with the pre-shared key', () => {
  const lifetime = { resumption: 'ticket', sessionLifetimeMs: 3_600_000 } as const;
  const pair = connected({ client: lifetime, server: lifetime });
  assert.ok(pair.exchange('one'));
  closeAssociation(pair);
  // It was started anew, and has another key for its tickets.
  pair.server.layer = new DtlsLayer({
    ...{ role: 'server', crypto: nodeCrypto, random: new SeededRandom(77), config: lifetime },
  });
  pair.connect();
  pair.run(8000, () => pair.bothConnected);
  assert.equal(pair.client.all('connected')[0]?.resumed, false);
  assert.ok(pair.exchange('two'));
  assert.deepEqual(texts(watch(pair, withKey)), ['client: one', 'server: one', 'client: two', 'server: two']);
});

test('messages without end before a ClientKeyExchange are not kept: a handshake that is longer than any is not read', () => {
  const pair = connected({});
  assert.ok(pair.exchange());
  const observer = new DtlsObserver(nodeCrypto, withKey);
  const { sent } = pair.network;
  const at = sent.findIndex(({ datagram }) => datagram[recordHeaderLength] === HandshakeType.ServerHello);
  const seen: ObservedDatagram[] = [];
  for (const { from, to, datagram } of sent.slice(0, at + 1))
    seen.push(observer.observe(from.key, to.key, datagram));
  // Of the server, which has said ServerHelloDone: nobody asks it for more.
  const body = new Uint8Array(1000);
  for (let messageSeq = 3; messageSeq < 40; messageSeq++) {
    const message = { type: HandshakeType.ServerKeyExchange, messageSeq, body };
    const fragment = encodeMessageFragment(message, 0, body.length);
    const record = new Uint8Array(recordHeaderLength + fragment.length);
    const view = new DataView(record.buffer);
    record.set([ContentType.Handshake, 0xfe, 0xfd]);
    view.setUint16(9, messageSeq + 100);
    view.setUint16(11, fragment.length);
    record.set(fragment, recordHeaderLength);
    seen.push(observer.observe(sent[at]!.from.key, sent[at]!.to.key, record));
  }
  assert.equal(seen.at(-1)!.records[0]!.fragments.length, 1);
  for (const { from, to, datagram } of sent.slice(at + 1))
    seen.push(observer.observe(from.key, to.key, datagram));
  assert.equal(seen.at(-1)!.records[0]!.unreadable, 'no-keys');
});

suite('what is not known', () => {
  test('without a secret the handshake is seen, and how long the rest is', () => {
    const pair = connected({});
    assert.ok(pair.exchange());
    const seen = watch(pair, nothing);
    const types = seen.flatMap(({ records }) =>
      records.flatMap(({ fragments }) => fragments.map(({ type }) => type)),
    );
    assert.deepEqual(types, [
      HandshakeType.ClientHello,
      HandshakeType.HelloVerifyRequest,
      HandshakeType.ClientHello,
      HandshakeType.ServerHello,
      HandshakeType.ServerHelloDone,
      HandshakeType.ClientKeyExchange,
    ]);
    assert.deepEqual(
      seen.at(-1)!.records.map(({ contentType, content, unreadable }) => [contentType, content, unreadable]),
      [[ContentType.ApplicationData, undefined, 'no-keys']],
    );
  });

  test('watched from its middle on, an association without connection ids shows lengths and numbers', () => {
    const pair = connected({ client: { connectionIdLength: 'off' } });
    assert.ok(pair.exchange());
    const observer = new DtlsObserver(nodeCrypto, withKey);
    const last = pair.network.sent.at(-1)!;
    const { sender, records } = observer.observe(last.from.key, last.to.key, last.datagram);
    assert.equal(sender, undefined);
    assert.deepEqual(
      records.map(({ contentType, epoch, unreadable }) => [contentType, epoch, unreadable]),
      [[ContentType.ApplicationData, 1, 'no-keys']],
    );
  });

  test('another handshake on the same addresses is read too, and records of the first are until then', () => {
    const pair = connected({});
    assert.ok(pair.exchange('one'));
    pair.restartClient();
    pair.client.outputs.length = 0;
    pair.connect();
    pair.run(60_000, () => pair.client.all('connected').length > 0);
    assert.ok(pair.exchange('two'));
    assert.deepEqual(texts(watch(pair, withKey)), [
      'client: one',
      'server: one',
      'client: two',
      'server: two',
    ]);
  });

  test('after a change of address a record is found by its connection id', () => {
    const pair = connected({});
    assert.ok(pair.exchange('one'));
    const observer = new DtlsObserver(nodeCrypto, withKey);
    const { sent } = pair.network;
    const moved = ipAddress('198.51.100.9', 4711).key;
    for (const { from, to, datagram } of sent.slice(0, -2)) observer.observe(from.key, to.key, datagram);
    const [record] = sent
      .slice(-2)
      .map(({ from, to, datagram }) =>
        observer.observe(
          from.key === pair.client.address.key ? moved : from.key,
          to.key === pair.client.address.key ? moved : to.key,
          datagram,
        ),
      );
    assert.deepEqual([record!.association, record!.sender], [1, 'client']);
    assert.deepEqual(texts([record!]), ['client: one']);
  });

  test('a forged record with its connection id from elsewhere moves no association', () => {
    const pair = connected({});
    assert.ok(pair.exchange('one'));
    const observer = new DtlsObserver(nodeCrypto, withKey);
    const seen = pair.network.sent.flatMap(({ from, to, datagram }) => {
      const observed = [observer.observe(from.key, to.key, datagram)];
      if (datagram[0] === connectionIdRecordType) {
        const forged = datagram.map((byte, i) => (i === datagram.length - 1 ? byte ^ 1 : byte));
        observed.push(observer.observe('elsewhere', to.key, forged));
      }
      // The answer has no connection id: it is found by its addresses.
      return observed;
    });
    assert.deepEqual(texts(seen), ['client: one', 'server: one']);
    assert.deepEqual(new Set(seen.map(({ association }) => association)), new Set([1]));
    assert.ok(seen.some(({ records }) => records.some(({ unreadable }) => unreadable === 'not-authentic')));
  });

  test('a connection id that is how a longer one begins takes no record of the other association', () => {
    const long = connected({});
    assert.ok(long.exchange('long'));
    const protectedRecord = long.network.sent.find(({ datagram }) => datagram[0] === connectionIdRecordType)!;
    // Another one elsewhere, of which the Hellos are seen: its whole id is that byte.
    const short = connected({ server: { connectionIdLength: 1 } });
    const extension = [0, ExtensionType.ConnectionId, 0, 2, 1];
    const observer = new DtlsObserver(nodeCrypto, withKey);
    for (const { from, to, datagram } of short.network.sent.slice(0, 4)) {
      const hello = datagram.slice();
      const at = hello.findIndex((_, i) => extension.every((byte, j) => hello[i + j] === byte));
      if (at > 0) hello[at + extension.length] = protectedRecord.datagram[recordHeaderLength - 2]!;
      observer.observe(`elsewhere ${from.key}`, `elsewhere ${to.key}`, hello);
    }
    const seen = long.network.sent.map(({ from, to, datagram }) =>
      observer.observe(from.key, to.key, datagram),
    );
    assert.deepEqual(texts(seen), ['client: long', 'server: long']);
    assert.deepEqual(new Set(seen.map(({ association }) => association)), new Set([2]));
  });

  test('no datagram makes it throw, whatever was seen before', () => {
    const pair = connected({});
    assert.ok(pair.exchange());
    const good = pair.network.sent.map(({ datagram }) => datagram);
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom('a', 'b', 'c'),
            fc.constantFrom('a', 'b', 'c'),
            fc.oneof(
              fc.uint8Array({ maxLength: 80 }),
              fc
                .tuple(fc.constantFrom(...good), fc.nat(), fc.nat(255), fc.nat())
                .map(([datagram, at, byte, length]) => {
                  const copy = datagram.slice(0, length % 2 === 0 ? undefined : length % datagram.length);
                  if (copy.length > 0) copy[at % copy.length] = byte;
                  return copy;
                }),
            ),
          ),
          { maxLength: 30 },
        ),
        (datagrams) => {
          const observer = new DtlsObserver(nodeCrypto, withKey);
          for (const [from, to, datagram] of datagrams) {
            const before = datagram.slice();
            observer.observe(from, to, datagram);
            assert.deepEqual(datagram, before, 'the datagram stays as it is');
          }
        },
      ),
      { numRuns: process.env['COAPSULE_LONG'] === '1' ? 20_000 : 300, seed: 7 },
    );
  });
});
