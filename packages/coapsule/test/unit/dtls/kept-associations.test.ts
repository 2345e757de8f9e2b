import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { KeepingOutput } from '../../../src/core/dtls/dtls-output.ts';
import { KeptAssociations } from '../../../src/core/dtls/kept-associations.ts';
import { instant } from '../../../src/core/foundation/instant.ts';

class Fixture {
  readonly outputs: KeepingOutput[] = [];
  readonly kept = new KeptAssociations((output) => this.outputs.push(output));
  readonly sent: number[] = [];

  constructor(role: 'client' | 'server' = 'server') {
    this.kept.add(1, role, 10, 74, 5, instant(0));
  }

  send(sequence: number, at = 0, isAlert = false): void {
    this.kept.noteTime(instant(at));
    if (this.kept.mayWrite(1, sequence, isAlert)) this.sent.push(sequence);
    else if (!isAlert) this.kept.hold(1, Uint8Array.of(sequence >> 8, sequence & 0xff));
  }

  reservations(): number[] {
    return this.outputs.flatMap((output) => (output.kind === 'reserve-sequence' ? [output.upTo] : []));
  }

  edges(): number[] {
    return this.outputs.flatMap((output) => (output.kind === 'advance-edge' ? [output.edge] : []));
  }

  stored(upTo: number): void {
    for (const [high = 0, low = 0] of this.kept.reservationStored(1, upTo)) this.sent.push(high * 256 + low);
  }
}

suite('reserved sequence numbers', () => {
  test('nothing is written beyond what is reserved, and what was held back goes out in order when it is', () => {
    const fixture = new Fixture();
    for (let sequence = 10; sequence < 80; sequence++) fixture.send(sequence);
    assert.equal(fixture.sent.at(-1), 69);
    const [upTo = 0] = fixture.reservations();
    assert.ok(upTo >= 74 + 64, `${upTo}`);
    fixture.stored(upTo);
    assert.deepEqual(
      fixture.sent,
      Array.from({ length: 70 }, (_, i) => 10 + i),
    );
  });

  test('the reservation is renewed when half of it is used, so that a steady sender never waits', () => {
    const fixture = new Fixture();
    let at = 0;
    let answered = 0;
    for (let sequence = 10; sequence < 20_000; sequence++) {
      fixture.send(sequence, at);
      at += 5;
      // The store takes 30 ms.
      const pending = fixture.reservations()[answered];
      if (pending !== undefined && at % 30 === 0) {
        fixture.stored(pending);
        answered++;
      }
    }
    assert.equal(fixture.sent.length, 19_990);
    // 200 records a second: a block lasts about 20 s, after the first ones.
    assert.ok(fixture.reservations().length < 16, `${fixture.reservations().length} writes`);
  });

  test('one reservation is asked for at a time', () => {
    const fixture = new Fixture();
    for (let sequence = 10; sequence < 74; sequence++) fixture.send(sequence);
    assert.equal(fixture.reservations().length, 1);
  });

  test('an alert may use the last numbers, so that the end can be told', () => {
    const fixture = new Fixture();
    for (let sequence = 10; sequence < 72; sequence++) fixture.send(sequence);
    fixture.send(72, 0, true);
    fixture.send(73, 0, true);
    fixture.send(74, 0, true);
    assert.deepEqual(fixture.sent.slice(-3), [69, 72, 73]);
  });

  test('at most 32 messages are held back; more are dropped', () => {
    const fixture = new Fixture();
    for (let sequence = 10; sequence < 200; sequence++) fixture.send(sequence);
    fixture.stored(fixture.reservations()[0] ?? 0);
    assert.equal(fixture.sent.length, 60 + 32);
  });

  test('a reservation that could not be stored is asked for again by the next record', () => {
    const fixture = new Fixture();
    for (let sequence = 10; sequence < 60; sequence++) fixture.send(sequence);
    assert.equal(fixture.kept.storingFailed(1), false);
    fixture.send(60);
    assert.equal(fixture.reservations().length, 2);
    for (let sequence = 61; sequence < 80; sequence++) fixture.send(sequence);
    assert.equal(fixture.kept.storingFailed(1), true, 'records wait that cannot go');
  });
});

suite('the edge of the replay window', () => {
  test('it is exact for a peer that sends less than once a second', () => {
    const fixture = new Fixture();
    for (let i = 0; i < 24; i++) fixture.kept.received(1, 6 + i, instant(3_600_000 * (i + 1)));
    assert.deepEqual(
      fixture.edges(),
      Array.from({ length: 24 }, (_, i) => 6 + i),
    );
  });

  test('it is exact for a device that sends a few messages in a row and sleeps', () => {
    const fixture = new Fixture();
    for (let day = 0; day < 10; day++) {
      for (let i = 0; i < 8; i++)
        fixture.kept.received(1, 6 + 8 * day + i, instant(86_400_000 * day + 50 * i));
    }
    assert.deepEqual(
      fixture.edges(),
      Array.from({ length: 80 }, (_, i) => 6 + i),
    );
  });

  test('it runs seconds ahead of a fast peer, and has moved on before it is reached', () => {
    const fixture = new Fixture();
    let edge = 5;
    let beyond = 0;
    for (let i = 0; i < 30_000; i++) {
      const before = fixture.outputs.length;
      fixture.kept.received(1, 6 + i, instant(60_000 + 5 * i));
      if (6 + i > edge) beyond++;
      if (fixture.outputs.length > before) edge = fixture.edges().at(-1) ?? 0;
    }
    // Only while it learns the rate; then a write lasts about two seconds.
    assert.ok(beyond < 16, `${beyond} records had to wait`);
    assert.ok(fixture.edges().length < 100, `${fixture.edges().length} writes in 150 s`);
  });

  test('it is never behind a record that comes out', () => {
    const fixture = new Fixture();
    let edge = 5;
    let sequence = 5;
    for (let i = 0; i < 5000; i++) {
      sequence += 1 + ((i * i) % 7);
      fixture.kept.received(1, sequence, instant(i * ((i >> 6) % 3 === 0 ? 1 : 2500)));
      edge = fixture.edges().at(-1) ?? edge;
      assert.ok(sequence <= edge);
    }
  });

  test('it becomes exact again when a fast peer falls silent', () => {
    const fixture = new Fixture();
    for (let i = 0; i < 100; i++) fixture.kept.received(1, 6 + i, instant(i));
    assert.ok((fixture.edges().at(-1) ?? 0) > 105);
    for (let at = 100; at < 20_000; at += 100) fixture.kept.handleTimeout(instant(at));
    assert.equal(fixture.edges().at(-1), 105);
    assert.equal(fixture.kept.nextTimeout(), undefined);
  });

  test('it is at the first record, however soon after the handshake that comes and however far ahead it is', () => {
    for (const sequence of [6, 70, 5000]) {
      const fixture = new Fixture();
      fixture.kept.received(1, sequence, instant(1));
      assert.deepEqual(fixture.edges(), [sequence]);
    }
  });

  test('it never lies beyond the last sequence number there is', () => {
    const fixture = new Fixture();
    for (let i = 0; i < 20; i++) fixture.kept.received(1, 2 ** 48 - 21 + i, instant(i));
    assert.equal(fixture.edges().at(-1), 2 ** 48 - 1);
  });

  test('a client stores none', () => {
    const fixture = new Fixture('client');
    for (let i = 0; i < 100; i++) fixture.kept.received(1, 6 + i, instant(i));
    assert.deepEqual(fixture.edges(), []);
  });

  test('an edge that could not be stored is asked for again by the next record', () => {
    const fixture = new Fixture();
    fixture.kept.received(1, 6, instant(10_000));
    fixture.kept.storingFailed(1);
    fixture.kept.received(1, 7, instant(20_000));
    assert.deepEqual(fixture.edges(), [6, 7]);
    fixture.kept.edgeStored(1, 7);
    fixture.kept.received(1, 6, instant(20_001));
    assert.deepEqual(fixture.edges(), [6, 7]);
  });

  test('nothing is left of an association that was removed', () => {
    const fixture = new Fixture();
    for (let i = 0; i < 10; i++) fixture.kept.received(1, 6 + i, instant(i));
    fixture.kept.remove(1);
    assert.equal(fixture.kept.size, 0);
    assert.equal(fixture.kept.nextTimeout(), undefined);
    const before = fixture.outputs.length;
    fixture.kept.received(1, 1000, instant(50));
    fixture.send(5000);
    assert.equal(fixture.outputs.length, before);
    assert.deepEqual(fixture.sent, [5000]);
  });
});
