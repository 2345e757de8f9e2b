/**
 * RFC 9853: Return Routability Check for DTLS 1.2, by section of the draft it came from (draft-ietf-tls-dtls-rrc).
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import {
  decodePathMessage,
  encodePathMessage,
  type PathMessage,
} from '../../src/core/dtls/return-routability-message.ts';
import { concatBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { hex } from '../unit/crypto/vector-files.ts';
import { home, MadeAssociations, type MadeOptions, type MadePeer } from '../unit/dtls/made-association.ts';

const elsewhere = ipAddress('198.51.100.7', 50_000);
const third = ipAddress('203.0.113.5', 60_000);
const { ReturnRoutabilityCheck } = ContentType;
const cookie = hex('0102030405060708');

/** An association that checks, and where a record came `quietMs` before now. */
function checking(quietMs: number, options: MadeOptions = {}): { made: MadeAssociations; peer: MadePeer } {
  const made = new MadeAssociations();
  const peer = made.add({ own: Uint8Array.of(0xc1), returnRoutabilityCheck: true, ...options });
  peer.say(20);
  made.pass(quietMs);
  made.take();
  return { made, peer };
}

/** Messages of the check that went out since the last time, and to where. */
function sentMessages(made: MadeAssociations, peer: MadePeer): { to: PeerAddress; message: PathMessage }[] {
  return made.take().flatMap((output) => {
    if (output.kind !== 'transmit') return [];
    const opened = peer.open(output.datagram);
    if (opened?.contentType !== ReturnRoutabilityCheck) return [];
    const message = decodePathMessage(opened.content);
    assert.ok(typeof message !== 'string');
    return [{ to: output.address, message }];
  });
}

/** The only one, of which only the address and the type are predictable. */
function challengeTo(made: MadeAssociations, peer: MadePeer, address: PeerAddress): Uint8Array {
  const [sent, ...more] = sentMessages(made, peer);
  assert.deepEqual(more, []);
  assert.equal(sent?.to, address);
  assert.equal(sent?.message.type, 0);
  return sent?.message.cookie as Uint8Array;
}

function answer(peer: MadePeer, type: 1 | 2, cookieSent: Uint8Array, from: PeerAddress): unknown {
  return peer.give(
    peer.sealed(encodePathMessage({ type, cookie: cookieSent }), ReturnRoutabilityCheck),
    from,
  );
}

suite('RFC 9853 §4: messages', () => {
  test('have a type and 8 bytes of cookie', () => {
    for (const type of [0, 1, 2] as const) {
      const content = encodePathMessage({ type, cookie });
      assert.equal(toHex(content), `0${type}${toHex(cookie)}`);
      assert.deepEqual(decodePathMessage(content), { type, cookie });
    }
  });

  test('of another length are malformed, of a later type ignored', () => {
    assert.equal(decodePathMessage(hex('')), 'malformed');
    assert.equal(decodePathMessage(hex('00')), 'malformed');
    assert.equal(decodePathMessage(hex('010102030405060708ff')), 'malformed');
    assert.equal(decodePathMessage(hex('03')), 'unknown');
    assert.equal(decodePathMessage(hex('ff010203')), 'unknown');
    const { peer } = checking(0);
    assert.deepEqual(peer.give(peer.sealed(hex('2a00'), ReturnRoutabilityCheck)), [undefined]);
    assert.deepEqual(peer.give(peer.sealed(hex('0000'), ReturnRoutabilityCheck)), ['malformed-record']);
  });

  test('have no effect where the check was not agreed on (§3)', () => {
    const { made, peer } = checking(0, { returnRoutabilityCheck: false });
    const content = encodePathMessage({ type: 0, cookie });
    assert.deepEqual(peer.give(peer.sealed(content, ReturnRoutabilityCheck)), ['unexpected-content-type']);
    assert.deepEqual(made.all('transmit'), []);
  });
});

suite('RFC 9853 §5.4: the responder', () => {
  test('answers each challenge at once, to where it came from, once', () => {
    const { made, peer } = checking(0);
    const challenge = peer.sealed(encodePathMessage({ type: 0, cookie }), ReturnRoutabilityCheck);
    peer.give(challenge);
    assert.deepEqual(sentMessages(made, peer), [{ to: home, message: { type: 1, cookie } }]);
    assert.deepEqual(peer.give(challenge), ['replayed-record']);
    assert.deepEqual(sentMessages(made, peer), []);
  });

  test('not by more than three times the bytes of the challenge, where the peer is not known to be', () => {
    const { made, peer } = checking(5000, { peer: new Uint8Array(255) });
    const challenge = (): Uint8Array =>
      peer.sealed(encodePathMessage({ type: 0, cookie }), ReturnRoutabilityCheck);
    const older = challenge();
    peer.say(20);
    peer.give(older, elsewhere);
    assert.deepEqual(sentMessages(made, peer), []);
    peer.give(challenge());
    assert.deepEqual(sentMessages(made, peer), [{ to: home, message: { type: 1, cookie } }]);
  });

  test('does so in records without connection id too', () => {
    const made = new MadeAssociations();
    const peer = made.add({ role: 'client', peer: Uint8Array.of(8), returnRoutabilityCheck: true });
    peer.give(peer.sealed(encodePathMessage({ type: 0, cookie }), ReturnRoutabilityCheck));
    assert.deepEqual(sentMessages(made, peer), [{ to: home, message: { type: 1, cookie } }]);
  });
});

suite('RFC 9853 §5.1: the basic check, of a path that was not used for a while', () => {
  test('challenges the new address, and takes it over when the cookie comes back from there', () => {
    const { made, peer } = checking(5000);
    peer.say(20, elsewhere);
    assert.equal(made.all('application-data').length, 1);
    assert.deepEqual(made.all('address-changed'), []);
    const sent = challengeTo(made, peer, elsewhere);
    assert.equal(peer.info?.address, home);
    assert.equal(peer.info?.addressValidated, false);
    assert.deepEqual(answer(peer, 1, sent, elsewhere), [undefined]);
    assert.deepEqual(made.all('address-changed'), [
      { kind: 'address-changed', association: peer.association, from: home, to: elsewhere, validated: true },
    ]);
    assert.equal(peer.info?.address, elsewhere);
    assert.equal(peer.info?.addressValidated, true);
  });

  test('challenges at most three times, one second apart, each with a cookie of its own; then the address stays', () => {
    const { made, peer } = checking(5000);
    peer.say(200, elsewhere);
    const cookies = [challengeTo(made, peer, elsewhere)];
    for (let i = 0; i < 2; i++) {
      made.pass(999);
      assert.deepEqual(sentMessages(made, peer), []);
      made.pass(1);
      cookies.push(challengeTo(made, peer, elsewhere));
    }
    assert.equal(new Set(cookies.map(toHex)).size, 3);
    made.pass(1000);
    assert.deepEqual(sentMessages(made, peer), []);
    assert.equal(peer.info?.address, home);
    assert.equal(peer.info?.addressValidated, true);
    assert.deepEqual(answer(peer, 1, cookies[2] as Uint8Array, home), ['unexpected-path-message']);
  });

  test('takes an answer to any of the challenges', () => {
    const { made, peer } = checking(5000);
    peer.say(200, elsewhere);
    const first = challengeTo(made, peer, elsewhere);
    made.pass(1000);
    answer(peer, 1, first, elsewhere);
    assert.equal(peer.info?.address, elsewhere);
  });

  test('takes no other cookie, no path_drop, and no answer over another path', () => {
    const { made, peer } = checking(5000);
    peer.say(20, elsewhere);
    const sent = challengeTo(made, peer, elsewhere);
    assert.deepEqual(answer(peer, 1, cookie, elsewhere), ['unexpected-path-message']);
    assert.deepEqual(answer(peer, 2, sent, elsewhere), ['unexpected-path-message']);
    assert.deepEqual(answer(peer, 1, sent, home), ['unexpected-path-message']);
    assert.equal(peer.info?.address, home);
    answer(peer, 1, sent, elsewhere);
    assert.equal(peer.info?.address, elsewhere);
  });

  test('a third address begins a new check, and the answer to the old one no longer counts (§5)', () => {
    const { made, peer } = checking(5000);
    peer.say(20, elsewhere);
    const old = challengeTo(made, peer, elsewhere);
    made.pass(5000);
    made.take();
    peer.say(20, third);
    const sent = challengeTo(made, peer, third);
    assert.deepEqual(answer(peer, 1, old, third), ['unexpected-path-message']);
    answer(peer, 1, sent, third);
    assert.equal(peer.info?.address, third);
  });
});

suite('RFC 9853 §5.2: the enhanced check, of a path that was used a moment ago', () => {
  test('asks on the old path; an answer there keeps the address', () => {
    const { made, peer } = checking(1000);
    peer.say(20, elsewhere);
    const sent = challengeTo(made, peer, home);
    assert.deepEqual(answer(peer, 1, sent, elsewhere), ['unexpected-path-message']);
    assert.deepEqual(answer(peer, 1, sent, home), [undefined]);
    made.pass(10_000);
    assert.deepEqual(sentMessages(made, peer), []);
    assert.equal(peer.info?.address, home);
    assert.equal(peer.info?.addressValidated, true);
  });

  test('path_drop on the old path leads to the basic check of the new one', () => {
    const { made, peer } = checking(1000);
    peer.say(20, elsewhere);
    answer(peer, 2, challengeTo(made, peer, home), home);
    answer(peer, 1, challengeTo(made, peer, elsewhere), elsewhere);
    assert.equal(peer.info?.address, elsewhere);
  });

  test('so does silence for a second', () => {
    const { made, peer } = checking(1000);
    peer.say(20, elsewhere);
    const old = challengeTo(made, peer, home);
    made.pass(1000);
    const sent = challengeTo(made, peer, elsewhere);
    assert.deepEqual(answer(peer, 1, old, home), ['unexpected-path-message']);
    answer(peer, 1, sent, elsewhere);
    assert.equal(peer.info?.address, elsewhere);
  });

  test('a newer record on the old path ends the check (§7.1.2)', () => {
    const { made, peer } = checking(1000);
    const copy = peer.sealed(new Uint8Array(20));
    peer.give(copy, elsewhere);
    peer.say(20, home);
    made.take();
    made.pass(10_000);
    assert.deepEqual(sentMessages(made, peer), []);
    assert.equal(peer.info?.addressValidated, true);
  });
});

suite('RFC 9853 §5: what is sent during a check', () => {
  test('goes to the address that is proved, and to the new one up to three times what came from there', () => {
    const { made, peer } = checking(5000);
    const record = peer.sealed(new Uint8Array(20));
    peer.give(record, elsewhere);
    for (let i = 0; i < 6; i++) made.table.send(peer.association, new Uint8Array(40));
    const sent = made.all('transmit');
    assert.equal(sent.filter(({ address }) => address === home).length, 6);
    const toNew = sent.filter(({ address }) => address === elsewhere);
    const bytes = toNew.reduce((sum, { datagram }) => sum + datagram.length, 0);
    assert.ok(bytes <= 3 * record.length);
    assert.equal(toNew.length + made.all('amplification-limit').length, 6 + 1);
  });

  test('and the rest reaches the new address once it is proved, in the very records that went to the old one', () => {
    const { made, peer } = checking(5000);
    peer.say(20, elsewhere);
    const challenge = challengeTo(made, peer, elsewhere);
    made.table.send(peer.association, new Uint8Array(500));
    const [toOld] = made.all('transmit');
    assert.equal(toOld?.address, home);
    made.take();
    answer(peer, 1, challenge, elsewhere);
    assert.deepEqual(made.all('transmit'), [
      { kind: 'transmit', address: elsewhere, datagram: toOld?.datagram },
    ]);
  });

  test('challenges count: a peer that sends little is not flooded', () => {
    const { made, peer } = checking(5000);
    const record = peer.sealed(new Uint8Array(0));
    peer.give(record, elsewhere);
    for (let i = 0; i < 10; i++) {
      made.pass(1000);
      made.table.send(peer.association, new Uint8Array(30));
    }
    const bytes = made
      .all('transmit')
      .filter(({ address }) => address === elsewhere)
      .reduce((sum, { datagram }) => sum + datagram.length, 0);
    assert.ok(bytes <= 3 * record.length, `${bytes} bytes for ${record.length}`);
  });

  test('no application proof ends it: what was sent went to both addresses', () => {
    const { made, peer } = checking(5000);
    peer.say(20, elsewhere);
    made.table.confirmAddress(peer.association);
    assert.equal(peer.info?.addressValidated, false);
    assert.equal(peer.info?.address, home);
  });
});

test('a check is forgotten with its association, and what waited with it', () => {
  const { made, peer } = checking(5000);
  peer.say(20, elsewhere);
  made.table.send(peer.association, new Uint8Array(1000));
  made.table.close(peer.association, 'local');
  made.take();
  made.pass(60_000);
  assert.deepEqual(made.outputs, []);
  assert.equal(made.table.nextTimeout(), undefined);
  assert.equal(made.connectionIds.associationWith(Uint8Array.of(0xc1)), undefined);
  assert.deepEqual(peer.give(concatBytes(peer.sealed(cookie)), elsewhere), ['no slot']);
});
