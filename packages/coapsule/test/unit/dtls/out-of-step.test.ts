import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { OutOfStepWatch } from '../../../src/core/dtls/out-of-step.ts';
import { type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { home, MadeAssociations } from './made-association.ts';

suite('a peer that is out of step', () => {
  test('is told of once after five records in a row, with what it most likely means', () => {
    const made = new MadeAssociations();
    const peer = made.add({ own: Uint8Array.of(7) });
    const record = peer.sealed(new Uint8Array(4));
    for (let i = 0; i < 50; i++) peer.give(record);
    assert.deepEqual(made.all('out-of-step'), [
      {
        kind: 'out-of-step',
        association: peer.association,
        address: home,
        records: 5,
        likely: 'old-copy-restored',
      },
    ]);
    const forged = (): Uint8Array => {
      const bytes = peer.sealed(new Uint8Array(4));
      bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
      return bytes;
    };
    made.pass(600_000);
    for (let i = 0; i < 50; i++) peer.give(forged());
    assert.equal(made.all('out-of-step')[1]?.likely, 'other-session');
    assert.deepEqual(peer.info?.discarded, { 'replayed-record': 49, 'authentication-failed': 50 });
  });

  test('is not, when good records come between', () => {
    const made = new MadeAssociations();
    const peer = made.add({ own: Uint8Array.of(7) });
    for (let i = 0; i < 50; i++) {
      const record = peer.sealed(new Uint8Array(4));
      for (let n = 0; n < 4; n++) peer.give(record);
    }
    assert.deepEqual(made.all('out-of-step'), []);
  });

  test('is one that reports once an hour, too', () => {
    const watch = new OutOfStepWatch();
    const hour = (n: number): Instant => instant(n * 3_600_000);
    const told = Array.from({ length: 24 }, (_, n) =>
      watch.noteDiscarded(home, undefined, 'unknown-connection-id', hour(n)),
    );
    assert.deepEqual(
      told.flatMap((one, n) => (one === undefined ? [] : [n])),
      Array.from({ length: 20 }, (_, n) => n + 4),
    );
    assert.equal(told[4]?.likely, 'session-unknown-here');
  });

  test('is told of twenty times a minute at most, however many addresses there are', () => {
    const watch = new OutOfStepWatch();
    const told = (at: Instant): number => {
      let count = 0;
      for (let i = 0; i < 5000; i++) {
        for (let n = 0; n < 6; n++) {
          const one = watch.noteDiscarded(ipAddress('192.0.2.1', 1 + i), undefined, 'no-association', at);
          if (one !== undefined) count++;
        }
      }
      return count;
    };
    assert.equal(told(instant(0)), 20);
    assert.equal(told(instant(59_999)), 0);
    assert.equal(told(instant(60_000)), 20);
  });
});

test('what came too late is not kept with an association that is over', () => {
  const made = new MadeAssociations();
  const peer = made.add({ suite: { maxForgedRecords: 3 } });
  for (let i = 0; i < 5; i++) {
    const forged = peer.sealed(new Uint8Array(4));
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    peer.give(forged);
  }
  assert.equal(made.all('closed')[0]?.reason, 'forgery-limit');
  const next = made.add();
  assert.deepEqual(next.info?.discarded, {});
});
