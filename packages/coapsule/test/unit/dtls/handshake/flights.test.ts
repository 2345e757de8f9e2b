import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  type FlightInput,
  FlightMachine,
  type FlightState,
  flightTransitions,
} from '../../../../src/core/dtls/handshake/flight-machine.ts';
import { planFlight } from '../../../../src/core/dtls/handshake/fragmentation.ts';
import { instant } from '../../../../src/core/foundation/instant.ts';

suite('fragmentation (RFC 6347 §4.1.1.1, §4.2.3)', () => {
  const part = fc.record({
    length: fc.nat(2000),
    isMessage: fc.constant(true),
    recordOverhead: fc.constantFrom(13, 29, 37),
  });

  test('every byte of every message is sent once and in order, in datagrams within the MTU', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.integer({ min: 64, max: 1500 }), (parts, mtu) => {
        const datagrams = planFlight(parts, { mtu, recordLimit: 16_384 });
        for (const records of datagrams) {
          assert.ok(records.length > 0);
          const size = records.reduce(
            (sum, { part: index, length }) => sum + (parts[index]?.recordOverhead ?? 0) + 12 + length,
            0,
          );
          assert.ok(size <= mtu);
        }
        const sent = datagrams.flat();
        for (const [index, { length }] of parts.entries()) {
          let expected = 0;
          for (const record of sent.filter((one) => one.part === index)) {
            assert.equal(record.offset, expected);
            expected += record.length;
          }
          assert.equal(expected, length);
        }
        assert.deepEqual(
          [...sent].sort((a, b) => a.part - b.part),
          sent,
        );
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('a message that fits a datagram of its own is not cut', () => {
    const message = { length: 60, isMessage: true, recordOverhead: 13 };
    const datagrams = planFlight([message, message], { mtu: 128, recordLimit: 16_384 });
    assert.deepEqual(datagrams, [[{ part: 0, offset: 0, length: 60 }], [{ part: 1, offset: 0, length: 60 }]]);
  });

  test('messages that fit together go together, and a ChangeCipherSpec has no message header', () => {
    const parts = [
      { length: 20, isMessage: true, recordOverhead: 13 },
      { length: 1, isMessage: false, recordOverhead: 13 },
      { length: 12, isMessage: true, recordOverhead: 29 },
    ];
    assert.equal(planFlight(parts, { mtu: 45 + 14 + 53, recordLimit: 16_384 }).length, 1);
    assert.equal(planFlight(parts, { mtu: 45 + 14 + 52, recordLimit: 16_384 }).length, 2);
  });

  test('comes to an end when the headers of a record are larger than the MTU', () => {
    for (const recordOverhead of [100, 128, 300]) {
      const part = { isMessage: true, length: 40, recordOverhead };
      const records = planFlight([part, part], { mtu: 128, recordLimit: 16_384 }).flat();
      for (const index of [0, 1]) {
        const lengths = records.filter((record) => record.part === index).map(({ length }) => length);
        assert.ok(lengths.every((length) => length > 0));
        assert.equal(
          lengths.reduce((sum, length) => sum + length, 0),
          40,
        );
      }
    }
  });
});

suite('the flight machine (RFC 6347 §4.2.4, Figure 3)', () => {
  const inputs: readonly FlightInput[] = [
    'flight-sent',
    'timer-expired',
    'peer-repeated',
    'next-flight-received',
    'last-flight-received',
  ];

  test('has a timer exactly while it waits, after any inputs', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...inputs), fc.nat(5000))), (steps) => {
        const machine = new FlightMachine(1000, 60_000);
        let now = 0;
        for (const [input, ms] of steps) {
          now += ms;
          const before: FlightState = machine.state;
          const again = machine.handle(input, instant(now));
          const step = flightTransitions[before][input];
          assert.equal(machine.state, step?.to ?? before);
          assert.equal(machine.deadline !== undefined, machine.state === 'waiting');
          if (again) assert.ok(input === 'timer-expired' || input === 'peer-repeated');
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('doubles its timer from 1 s to 60 s, and begins at 1 s with the next flight', () => {
    const machine = new FlightMachine(1000, 60_000);
    let now = instant(0);
    machine.handle('flight-sent', now);
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const deadline = machine.deadline ?? now;
      waits.push(deadline - now);
      now = deadline;
      assert.equal(machine.handle('timer-expired', now), true);
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    machine.handle('next-flight-received', now);
    assert.equal(machine.deadline, undefined);
    machine.handle('flight-sent', now);
    assert.equal((machine.deadline ?? now) - now, 1000);
  });

  test('answers a repetition of the peer, but not within half the first timeout of sending', () => {
    const machine = new FlightMachine(1000, 60_000);
    machine.handle('flight-sent', instant(0));
    assert.equal(machine.handle('peer-repeated', instant(499)), false);
    assert.equal(machine.handle('peer-repeated', instant(500)), true);
    assert.equal(machine.handle('peer-repeated', instant(501)), false);
    assert.equal(machine.deadline, 1000);
  });

  test('a link that is there again has the flight sent at once, and the timer begin anew', () => {
    const machine = new FlightMachine(1000, 60_000);
    assert.equal(machine.linkRestored(instant(0)), false, 'nothing was sent');
    machine.handle('flight-sent', instant(0));
    for (const at of [1000, 3000, 7000]) machine.handle('timer-expired', instant(at));
    assert.equal(machine.deadline, 15_000);
    assert.equal(machine.linkRestored(instant(8000)), true);
    assert.equal(machine.deadline, 9000);
    machine.handle('next-flight-received', instant(8100));
    assert.equal(machine.linkRestored(instant(8200)), false, 'nothing is waited for');
    assert.equal(machine.deadline, undefined);
  });

  test('answers six repetitions of the peer for each flight, since anybody can pretend to be it', () => {
    const machine = new FlightMachine(1000, 60_000);
    let now = 0;
    for (const _flight of [1, 2]) {
      machine.handle('next-flight-received', instant(now));
      machine.handle('flight-sent', instant(now));
      let answered = 0;
      for (let i = 0; i < 20; i++) {
        now += 500;
        if (machine.handle('peer-repeated', instant(now))) answered++;
      }
      assert.equal(answered, 6);
    }
  });
});
