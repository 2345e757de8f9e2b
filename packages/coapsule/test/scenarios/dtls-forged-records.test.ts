/**
 * Somebody on the path forges records of every epoch each millisecond, while hands are shaken and while data flows: not one
 * legitimate record is lost, and nothing happens later than without him (D5 of the robustness catalogue).
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import {
  ContentType,
  connectionIdRecordType,
  maxSequenceNumber,
  ProtocolVersion,
} from '../../src/core/dtls/record/record-header.ts';
import { ByteWriter } from '../../src/core/foundation/byte-writer.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { type CredentialKind, credentialKinds } from './dtls-credentials.ts';
import { assertSameView, DtlsPair } from './dtls-pair.ts';

const epochs = [0, 1, 2, 0xffff] as const;
const contentTypes = [
  ContentType.ChangeCipherSpec,
  ContentType.Alert,
  ContentType.Handshake,
  ContentType.ApplicationData,
] as const;
const stranger = ipAddress('203.0.113.66', 6666);

for (const idLength of ['off', 8] as const) {
  for (const kind of credentialKinds) {
    suite(`${kind.name}, ${idLength === 'off' ? 'without connection ids' : 'with connection ids'}`, () => {
      test('D5: forged records each millisecond delay nothing and lose nothing', () => {
        const clean = connected(kind, idLength, () => {});
        let forged = 0;
        const random = new SeededRandom(4);
        const pair = connected(kind, idLength, (attacked) => {
          forged += forge(attacked, random, idLength);
        });
        for (const side of ['client', 'server'] as const) {
          const when = pair[side].when('connected', pair.start);
          assert.equal(when, clean[side].when('connected', clean.start), `${side}: connected at`);
          const traces = pair[side].all('handshake-trace').filter(({ direction }) => direction === 'sent');
          assert.ok(
            traces.every(({ retransmit }) => !retransmit),
            `${side}: nothing sent twice`,
          );
        }
        assertSameView(pair, kind.name);
        transfer(pair, 150, () => {
          forged += forge(pair, random, idLength);
        });
        assert.ok(forged > 10_000, `${forged} records`);
        for (const node of [pair.client, pair.server]) {
          assert.deepEqual(node.all('closed'), []);
          assert.deepEqual(node.all('address-changed'), []);
        }
        const association = pair.server.layer.associationAt(pair.client.address);
        assert.equal(association, pair.server.all('connected')[0]?.association, 'the peer has not moved');
        assert.equal(pair.server.layer.usage.associations, 1);
        assert.equal(pair.server.layer.usage.keptBytes, 0);
      });
    });
  }
}

/** Connects, with something done in each millisecond. */
function connected(
  kind: CredentialKind,
  connectionIdLength: 'off' | 8,
  eachMillisecond: (pair: DtlsPair) => void,
): DtlsPair {
  const both = { keylog: true, connectionIdLength } as const;
  const pair = new DtlsPair({ client: { ...kind.client, ...both }, server: { ...kind.server, ...both } });
  pair.connect();
  for (let ms = 0; ms < 1000 && !pair.bothConnected; ms++) {
    eachMillisecond(pair);
    pair.run(1);
  }
  assert.ok(pair.bothConnected, JSON.stringify(pair.client.all('handshake-failed')));
  return pair;
}

/** A record from each side each millisecond; all of them arrive, once and in order. */
function transfer(pair: DtlsPair, records: number, eachMillisecond: () => void): void {
  const texts = Array.from({ length: records }, (_, i) => `reading ${i}`);
  for (const text of texts) {
    for (const [node, peer] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      const association = node.layer.associationAt(peer.address);
      assert.ok(association !== undefined);
      assert.equal(node.layer.send(association, encodeUtf8(text), pair.clock.now), 'sent');
      pair.drain(node);
    }
    eachMillisecond();
    pair.run(1);
  }
  pair.run(100);
  for (const node of [pair.client, pair.server]) {
    const arrived = node.all('application-data').map(({ data }) => new TextDecoder().decode(data));
    assert.deepEqual(arrived, texts);
  }
}

/** Hands forged records to both sides, from the address of the peer and from another; returns how many. */
function forge(pair: DtlsPair, random: SeededRandom, idLength: 'off' | 8): number {
  let count = 0;
  const deliver = (to: DtlsPair['client'], from: PeerAddress, datagram: Uint8Array): void => {
    to.layer.handle({ address: from, datagram }, pair.clock.now);
    pair.drain(to);
    count++;
  };
  for (const [node, peer] of [
    [pair.client, pair.server],
    [pair.server, pair.client],
  ] as const) {
    for (const epoch of epochs) {
      for (const sequenceNumber of [0, 1 + random.integer(300), maxSequenceNumber]) {
        const content = random.fill(new Uint8Array(24 + random.integer(40)));
        for (const contentType of contentTypes) {
          const record = encodePlaintextRecord(
            contentType,
            ProtocolVersion.Dtls12,
            epoch,
            sequenceNumber,
            content,
          );
          deliver(node, peer.address, record);
        }
        if (idLength === 'off') continue;
        for (const id of [ownIdOf(pair, node, idLength), random.fill(new Uint8Array(idLength))]) {
          const record = withId(id, epoch, sequenceNumber, content);
          deliver(node, peer.address, record.slice());
          deliver(node, stranger, record);
        }
      }
    }
  }
  return count;
}

/** The connection id in the records to a node, which everybody on the path can read; zeros before there are any. */
function ownIdOf(pair: DtlsPair, node: DtlsPair['client'], idLength: number): Uint8Array {
  for (const { to, datagram } of pair.network.sent) {
    if (to.key !== node.address.key) continue;
    // Behind another record in the same datagram, or alone.
    for (let at = 0; at + 13 <= datagram.length; ) {
      if (datagram[at] === connectionIdRecordType) return datagram.slice(at + 11, at + 11 + idLength);
      at += 13 + (((datagram[at + 11] as number) << 8) | (datagram[at + 12] as number));
    }
  }
  return new Uint8Array(idLength);
}

/** RFC 9146 §3: the header of a record with a connection id. */
function withId(id: Uint8Array, epoch: number, sequenceNumber: number, content: Uint8Array): Uint8Array {
  return new ByteWriter(13 + id.length + content.length)
    .u8(connectionIdRecordType)
    .u16(ProtocolVersion.Dtls12)
    .u16(epoch)
    .u16(Math.floor(sequenceNumber / 2 ** 32))
    .u16(Math.floor(sequenceNumber / 2 ** 16) % 2 ** 16)
    .u16(sequenceNumber % 2 ** 16)
    .bytes(id)
    .vector16(content)
    .finish();
}
