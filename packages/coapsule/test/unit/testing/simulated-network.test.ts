/**
 * The simulated network: repeatable, and each condition does what its name says.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { linkProfileNames } from '../../../src/core/coap/link-profile.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { linkProfiles } from '../../../src/testing/link-profiles.ts';
import {
  datagramLossRate,
  framesOf,
  type NetworkConditions,
} from '../../../src/testing/network-conditions.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { type DatagramAction, SimulatedNetwork } from '../../../src/testing/simulated-network.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const a = ipAddress('192.0.2.1', 1000);
const b = ipAddress('2001:db8::2', 5684);

interface Arrival {
  readonly first: number;
  readonly from: string;
  readonly at: number;
}

/** A network with a receiver at both ends and its clock. */
class Line {
  readonly network: SimulatedNetwork;
  readonly clock: VirtualClock = new VirtualClock(0);
  readonly arrivals: Arrival[] = [];

  constructor(seed = 1, conditions: Partial<NetworkConditions> = {}) {
    this.network = new SimulatedNetwork({ seed, conditions });
    for (const address of [a, b]) {
      this.network.attach(address, (datagram, from, now) => {
        this.arrivals.push({ first: datagram[0] as number, from: from.key, at: now });
      });
    }
  }

  send(...firsts: number[]): void {
    for (const first of firsts) this.network.send(a, b, Uint8Array.of(first, 0, 0), this.clock.now);
  }

  /** Lets everything arrive. */
  run(): number[] {
    for (;;) {
      const next = this.network.nextArrival();
      if (next === undefined) return this.arrivals.map(({ first }) => first);
      this.clock.advanceTo(next);
      this.network.deliverDue(next);
    }
  }
}

function onNth(
  n: number,
  action: DatagramAction,
): (sent: { directionIndex: number }) => DatagramAction | undefined {
  return ({ directionIndex }) => (directionIndex === n ? action : undefined);
}

const hundred = Array.from({ length: 100 }, (_, i) => i);

suite('SimulatedNetwork', () => {
  test('a perfect line delivers in order, after the delay, with the sender’s address', () => {
    const line = new Line(1, { delayMs: 25 });
    line.send(1, 2);
    assert.equal(line.network.nextArrival(), 25);
    assert.equal(line.network.deliverDue(instant(24)), 0);
    assert.deepEqual(line.run(), [1, 2]);
    assert.deepEqual(line.arrivals[0], { first: 1, from: '192.0.2.1:1000', at: 25 });
  });

  test('the same seed makes the same run, another seed another one', () => {
    const conditions = { lossRate: 0.2, duplicateRate: 0.2, reorderRate: 0.2, jitterMs: 30 };
    const runs = [5, 5, 6].map((seed) => {
      const line = new Line(seed, conditions);
      line.send(...hundred);
      return line.run();
    });
    assert.deepEqual(runs[0], runs[1]);
    assert.notDeepEqual(runs[0], runs[2]);
  });

  test('loss and duplication come at about their rates, and the record of what was sent knows each fate', () => {
    const line = new Line(2, { lossRate: 0.3, duplicateRate: 0.5 });
    for (let i = 0; i < 10; i++) line.send(...hundred);
    const arrived = line.run().length;
    const fates = line.network.sent.map(({ fate }) => fate);
    const lost = fates.filter((fate) => fate === 'lost').length;
    const duplicated = fates.filter((fate) => fate === 'duplicated').length;
    assert.ok(lost > 250 && lost < 350, `${lost}`);
    assert.ok(duplicated > 300 && duplicated < 400, `${duplicated}`);
    assert.equal(arrived, 1000 - lost + duplicated);
  });

  test('reordering lets neighbours change places and loses nothing', () => {
    const line = new Line(3, { reorderRate: 0.2 });
    line.send(...hundred);
    const arrived = line.run();
    assert.notDeepEqual(arrived, hundred);
    assert.deepEqual(
      [...arrived].sort((x, y) => x - y),
      hundred,
    );
    for (const [place, first] of arrived.entries()) assert.ok(Math.abs(place - first) <= 1);
  });

  test('jitter stays between delay and delay plus jitter', () => {
    const line = new Line(4, { delayMs: 100, jitterMs: 50 });
    line.send(...hundred);
    line.run();
    for (const { at } of line.arrivals) assert.ok(at >= 100 && at < 150);
    assert.ok(new Set(line.arrivals.map(({ at }) => at)).size > 50);
  });

  test('conditions of one direction leave the other alone', () => {
    const line = new Line(1);
    line.network.setConditions({ lossRate: 1 }, { from: a, to: b });
    line.send(1);
    line.network.send(b, a, Uint8Array.of(2), line.clock.now);
    assert.deepEqual(line.run(), [2]);
    line.network.setConditions({ lossRate: 0 }, { from: a, to: b });
    line.network.setConditions({ delayMs: 7 });
    line.send(3);
    assert.deepEqual(line.run(), [2, 3]);
    assert.equal(line.network.conditions.delayMs, 7);
  });

  test('a datagram above the MTU is dropped and counted, one of the MTU passes', () => {
    const line = new Line(1, { mtu: 10 });
    line.network.send(a, b, new Uint8Array(10).fill(1), line.clock.now);
    line.network.send(a, b, new Uint8Array(11).fill(2), line.clock.now);
    assert.deepEqual(line.run(), [1]);
    assert.equal(line.network.droppedForMtu, 1);
    assert.equal(line.network.sent[1]?.fate, 'over-mtu');
  });

  test('bandwidth: a datagram takes its time on the line, and waits for those before it', () => {
    // 8N1 at 9600 baud: 960 bytes a second.
    const line = new Line(1, { delayMs: 5, bitsPerSecond: 9600, bitsPerByte: 10 });
    for (const bytes of [96, 48]) line.network.send(a, b, new Uint8Array(bytes), line.clock.now);
    line.network.send(b, a, new Uint8Array(96), line.clock.now);
    line.run();
    assert.deepEqual(
      line.arrivals.map(({ at, from }) => [at, from]),
      [
        [105, a.key],
        [105, b.key], // the other direction has a line of its own
        [155, a.key],
      ],
    );
  });

  test('the queue in front of the line is bounded: what finds no room is dropped and counted', () => {
    const line = new Line(1, { delayMs: 0, bitsPerSecond: 8000, queueBytes: 10 });
    line.send(1, 2, 3, 4, 5); // 3 bytes each: three fit, one of them on the line
    assert.deepEqual(line.run(), [1, 2, 3]);
    assert.equal(line.network.droppedForQueue, 2);
    assert.equal(line.network.sent[3]?.fate, 'queue-full');
    line.network.send(a, b, new Uint8Array(30).fill(6), line.clock.now);
    assert.deepEqual(line.run(), [1, 2, 3, 6], 'an empty queue takes what is larger than itself');
  });

  test('a datagram in n frames arrives with (1 − p)^n: 1024 bytes over 6LoWPAN are lost to 48.7 %', () => {
    assert.equal(framesOf(1024, 80), 13);
    assert.equal(framesOf(0, 80), 1);
    assert.equal(datagramLossRate(0.05, 13).toFixed(3), '0.487');
    const line = new Line(7, { lossRate: 0.05, frameBytes: 80 });
    for (let i = 0; i < 4000; i++) line.network.send(a, b, new Uint8Array(1024), line.clock.now);
    const lost = line.network.sent.filter(({ fate }) => fate === 'lost').length / 4000;
    assert.ok(Math.abs(lost - 0.487) < 0.025, `${lost}`);
  });

  test('loss in bursts: the share and the mean length are those asked for, and single loss has shorter runs', () => {
    const runsOf = (conditions: Partial<NetworkConditions>): { share: number; meanRun: number } => {
      const line = new Line(11, conditions);
      for (let i = 0; i < 200; i++) line.send(...hundred);
      const fates = line.network.sent.map(({ fate }) => fate === 'lost');
      const lost = fates.filter(Boolean).length;
      const runs = fates.filter((isLost, i) => isLost && !fates[i - 1]).length;
      return { share: lost / fates.length, meanRun: lost / runs };
    };
    const bursts = runsOf({ burstLoss: { rate: 0.2, meanLength: 8 } });
    assert.ok(Math.abs(bursts.share - 0.2) < 0.03, `${bursts.share}`);
    assert.ok(Math.abs(bursts.meanRun - 8) < 1, `${bursts.meanRun}`);
    const single = runsOf({ lossRate: 0.2 });
    assert.ok(Math.abs(single.share - 0.2) < 0.03 && single.meanRun < 1.5, `${single.meanRun}`);
  });

  test('each profile is what its table says: a kilobyte takes so long one way, and 2048 bytes pass only some', () => {
    const quickest = linkProfileNames.map((name) => {
      const line = new Line(1, { ...linkProfiles[name], lossRate: 0, jitterMs: 0 });
      line.network.send(a, b, new Uint8Array(1024), line.clock.now);
      line.network.send(a, b, new Uint8Array(linkProfiles[name].mtu + 1), line.clock.now);
      line.run();
      assert.equal(line.network.droppedForMtu, 1, name);
      return Math.round(line.arrivals[0]?.at as number);
    });
    // serial: requirement 2.6, 89 ms and 1.07 s; 6lowpan: 25 + (1024 + 13 · 47) · 8 / 250.
    assert.deepEqual(quickest, [10, 1, 77, 1067, 89, 1086]);
  });

  test('conditions that no line has are refused by name', () => {
    for (const [conditions, message] of [
      [{ lossRate: 1.1 }, /lossRate is 1\.1; expected 0 to 1/],
      [{ delayMs: Infinity }, /delayMs/],
      [{ bitsPerSecond: 0 }, /bitsPerSecond is 0; expected a number above 0/],
      [{ burstLoss: { rate: 0.9, meanLength: 1 } }, /burstLoss/],
      [{ latency: 3 } as object, /"latency" is unknown/],
    ] as const) {
      assert.throws(() => new Line(1, conditions), { name: 'ApiMisuseError', message });
      assert.throws(() => new Line().network.setConditions(conditions), { name: 'ApiMisuseError', message });
    }
  });

  test('without keepSent a long run keeps no copies, and its counts go on', () => {
    const network = new SimulatedNetwork({ seed: 1, keepSent: false });
    for (let i = 0; i < 10; i++) network.send(a, b, new Uint8Array(7), instant(0));
    assert.deepEqual([network.sent.length, network.sentCount, network.sentBytes], [0, 10, 70]);
  });

  const hooked: readonly [action: DatagramAction, arrived: number[]][] = [
    [{ kind: 'pass' }, [0, 1, 2, 3]],
    [{ kind: 'drop' }, [0, 2, 3]],
    [{ kind: 'duplicate' }, [0, 1, 1, 2, 3]],
    [{ kind: 'swap' }, [0, 2, 1, 3]],
    [{ kind: 'delay', extraMs: 1 }, [0, 2, 3, 1]],
    [{ kind: 'edit', datagram: Uint8Array.of(99) }, [0, 99, 2, 3]],
  ];
  for (const [action, arrived] of hooked) {
    test(`the hook can ${action.kind} the n-th datagram of a direction`, () => {
      const line = new Line(1);
      line.network.hook = onNth(1, action);
      line.send(0, 1, 2, 3);
      assert.deepEqual(line.run(), arrived);
    });
  }

  test('the hook can deliver what the conditions would lose', () => {
    const line = new Line(1, { lossRate: 1 });
    line.network.hook = onNth(2, { kind: 'deliver' });
    line.send(0, 1, 2, 3);
    assert.deepEqual(line.run(), [2]);
  });

  test('a swapped datagram without a neighbour arrives anyway', () => {
    const line = new Line(1);
    line.network.hook = onNth(0, { kind: 'swap' });
    line.send(7);
    assert.deepEqual(line.run(), [7]);
    line.send(8);
    assert.deepEqual(line.run(), [7, 8]);
  });

  test('each arrival has bytes of its own; the record of what was sent does not change', () => {
    const line = new Line(1, { duplicateRate: 1 });
    const seen: Uint8Array[] = [];
    line.network.attach(b, (datagram) => {
      seen.push(datagram.slice());
      datagram.fill(0);
    });
    const datagram = Uint8Array.of(1, 2, 3);
    line.network.send(a, b, datagram, line.clock.now);
    datagram.fill(9);
    line.run();
    assert.deepEqual(seen, [Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3)]);
    assert.deepEqual(line.network.sent[0]?.datagram, Uint8Array.of(1, 2, 3));
  });

  test('nobody at the address: it vanishes; what a receiver sends at once arrives later', () => {
    const line = new Line(1);
    line.network.detach(b);
    line.send(1);
    assert.deepEqual(line.run(), []);
    line.network.attach(b, (datagram, from, now) => line.network.send(b, from, datagram, now));
    line.send(2);
    assert.deepEqual(line.run(), [2]);
    assert.equal(line.arrivals[0]?.from, b.key);
  });
});

suite('VirtualClock', () => {
  test('moves forward only, and only when told', () => {
    const clock = new VirtualClock(100);
    assert.equal(clock.now, 100);
    clock.advanceBy(5);
    clock.advanceTo(clock.now);
    assert.equal(clock.now, 105);
    assert.throws(() => clock.advanceTo(instant(104)), ApiMisuseError);
    assert.throws(() => clock.advanceTo(Number.NaN as Instant), ApiMisuseError);
    assert.equal(clock.now, 105);
  });
});

suite('SeededRandom', () => {
  test('the same seed gives the same bytes, at any length; another seed others', () => {
    const bytes = new SeededRandom(42).fill(new Uint8Array(64));
    assert.deepEqual(new SeededRandom(42).fill(new Uint8Array(64)), bytes);
    assert.deepEqual(new SeededRandom(42).fill(new Uint8Array(7)), bytes.slice(0, 7));
    assert.notDeepEqual(new SeededRandom(43).fill(new Uint8Array(64)), bytes);
  });

  test('bytes, fractions and integers are spread evenly', () => {
    const random = new SeededRandom(0);
    const counts = new Uint32Array(256);
    for (const byte of random.fill(new Uint8Array(256_000))) counts[byte] = (counts[byte] as number) + 1;
    for (const count of counts) assert.ok(count > 800 && count < 1200);
    const tens = new Uint32Array(10);
    for (let i = 0; i < 10_000; i++) {
      const integer = random.integer(10);
      tens[integer] = (tens[integer] as number) + 1;
    }
    for (const count of tens) assert.ok(count > 850 && count < 1150);
    let sum = 0;
    for (let i = 0; i < 10_000; i++) sum += random.fraction();
    assert.ok(sum > 4800 && sum < 5200);
  });

  test('`pick` reaches every item', () => {
    const random = new SeededRandom(1);
    assert.deepEqual(
      new Set(Array.from({ length: 100 }, () => random.pick(['x', 'y', 'z']))),
      new Set(['x', 'y', 'z']),
    );
  });
});

test('a hook that answers something that is no action is a mistake of the test, and told', () => {
  const line = new Line();
  line.network.hook = () => 'drop' as unknown as DatagramAction;
  assert.throws(
    () => line.send(1),
    /the hook of the network returned "drop"; expected undefined or \{ kind \}/,
  );
});
