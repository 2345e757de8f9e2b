import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { encodePlaintextRecord } from '../../../src/core/dtls/record/plaintext-record.ts';
import { ContentType } from '../../../src/core/dtls/record/record-header.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { MadeAssociations } from './made-association.ts';

suite('the limits of a key (RFC 9147 §4.5.3, RFC 9325 §4.4)', () => {
  test('an association that sealed as many records as it may is closed, with a close_notify within the limit', () => {
    const made = new MadeAssociations();
    const peer = made.add({ suite: { maxSealedRecords: 100, maxForgedRecords: 10 } });
    let sent = 0;
    while (made.table.send(peer.association, new Uint8Array(4)) === 'sent') sent++;
    // One is the Finished, and 16 are left for alerts.
    assert.equal(sent, 100 - 1 - 16);
    assert.equal(made.all('transmit').length, sent + 1);
    assert.equal(made.all('closed')[0]?.reason, 'sequence-exhausted');
    assert.equal(made.table.size, 0);
  });

  test('a new handshake is asked for once, when 90 % of the records are sealed', () => {
    const made = new MadeAssociations();
    const peer = made.add({ suite: { maxSealedRecords: 1000 }, role: 'client' });
    let sent = 1;
    while (made.all('renew-association').length === 0) {
      made.table.send(peer.association, new Uint8Array(4));
      sent++;
    }
    assert.equal(sent, 900);
    for (let i = 0; i < 50; i++) made.table.send(peer.association, new Uint8Array(4));
    const [renewal, ...more] = made.all('renew-association');
    assert.deepEqual(more, []);
    assert.ok(renewal?.reason === 'sealed-records' && renewal.role === 'client');
    assert.equal(made.table.size, 1);
  });

  test('an association that was sent more forged records than the limit is closed; replayed ones do not count', () => {
    const made = new MadeAssociations();
    const peer = made.add({ suite: { maxSealedRecords: 100, maxForgedRecords: 10 } });
    const record = peer.sealed(new Uint8Array(4));
    for (let i = 0; i < 20; i++) peer.give(record);
    const forged = (): unknown =>
      peer.give(encodePlaintextRecord(ContentType.ApplicationData, 0xfefd, 1, 7, new Uint8Array(40)));
    for (let i = 0; i < 10; i++) {
      assert.equal(made.all('renew-association').length, i >= 9 ? 1 : 0);
      forged();
    }
    assert.equal(made.all('renew-association')[0]?.reason, 'forged-records');
    peer.say(4);
    assert.equal(made.all('application-data').length, 2);
    assert.equal(made.table.size, 1);
    assert.deepEqual(peer.info?.discarded, { 'replayed-record': 19, 'authentication-failed': 10 });
    forged();
    assert.equal(made.all('closed')[0]?.reason, 'forgery-limit');
  });
});

suite('several peers at one address (a NAT gave the port of one to another)', () => {
  const ids = [Uint8Array.of(1, 1), Uint8Array.of(2, 2)] as const;

  test('one with a connection id stays reachable by it; the address finds the newest', () => {
    const made = new MadeAssociations();
    const first = made.add({ own: ids[0], identity: 'a' });
    const second = made.add({ own: ids[1], identity: 'b' });
    assert.equal(made.all('connected')[1]?.replaced, undefined);
    assert.equal(made.table.id(made.table.slotAt(first.address) as number), second.association);
    for (const peer of [first, second, first]) peer.say(3);
    assert.deepEqual(
      made.all('application-data').map(({ association }) => association),
      [first.association, second.association, first.association],
    );
    made.table.close(second.association, 'local');
    assert.equal(made.table.slotAt(first.address), undefined);
    first.say(3);
    assert.equal(made.all('application-data').length, 4);
  });

  test('the same peer, or one without a connection id, is replaced (RFC 6347 §4.2.8)', () => {
    for (const before of [{ own: ids[0], identity: 'a' }, { identity: 'b' }]) {
      const made = new MadeAssociations();
      const first = made.add(before);
      made.add({ own: ids[1], identity: 'a' });
      assert.equal(made.all('connected')[1]?.replaced, first.association);
      assert.equal(made.all('closed')[0]?.reason, 'replaced');
      assert.equal(made.table.size, 1);
    }
  });

  test('a peer that moved away leaves its address to the one that has it now', () => {
    const made = new MadeAssociations();
    const first = made.add({ own: ids[0], identity: 'a' });
    const second = made.add({ own: ids[1], identity: 'b' });
    first.say(3, ipAddress('192.0.2.1', 50_000));
    assert.equal(made.table.id(made.table.slotAt(second.address) as number), second.association);
    assert.equal(first.info?.address.port, 50_000);
  });
});

test('a peer that claims the address of another one without a connection id does not take its records', () => {
  const made = new MadeAssociations();
  const victim = made.add({ identity: 'victim' });
  const mover = made.add({
    own: Uint8Array.of(1),
    identity: 'mover',
    address: ipAddress('198.51.100.1', 1),
  });
  mover.say(3, victim.address);
  assert.equal(mover.info?.address, victim.address);
  victim.say(3);
  mover.say(3, victim.address);
  assert.deepEqual(
    made.all('application-data').map(({ association }) => association),
    [mover.association, victim.association, mover.association],
  );
});

suite('what is told about an association', () => {
  test('a record of AES-128-CCM-8 without connection id costs exactly 29 bytes', () => {
    const peer = new MadeAssociations().add();
    assert.equal(peer.info?.recordOverhead, 29);
    assert.equal(peer.info?.maxDataLength, 1232 - 29);
    assert.equal(peer.info?.connectionIdLengths, undefined);
  });

  test('a connection id costs its length and one byte for the type', () => {
    const peer = new MadeAssociations().add({ own: Uint8Array.of(1), peer: new Uint8Array(20) });
    assert.equal(peer.info?.recordOverhead, 29 + 21);
    assert.deepEqual(peer.info?.connectionIdLengths, { own: 1, peer: 20 });
  });

  test('data longer than the peer takes in a record is refused as such (RFC 8449 §4)', () => {
    const made = new MadeAssociations();
    const plain = made.add({ peerRecordSizeLimit: 64 });
    const other = ipAddress('192.0.2.9', 1);
    const withId = made.add({ address: other, peer: Uint8Array.of(9), peerRecordSizeLimit: 64 });
    assert.equal(plain.info?.maxDataLength, 64);
    assert.equal(withId.info?.maxDataLength, 63);
    assert.equal(made.table.send(plain.association, new Uint8Array(64)), 'sent');
    assert.equal(made.table.send(plain.association, new Uint8Array(65)), 'too-large');
    assert.equal(made.table.send(withId.association, new Uint8Array(63)), 'sent');
    assert.equal(made.table.send(withId.association, new Uint8Array(64)), 'too-large');
    assert.equal(made.table.send(99, new Uint8Array(64)), 'no-association');
  });
});
