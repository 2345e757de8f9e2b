/**
 * The simulated serial line: the stage of scenarios on slow, noisy and unplugged lines.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concatBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { after, type Instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { FramedLine } from '../../../src/testing/framed-line.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { type LineConditions, SimulatedLine, wireTimeMs } from '../../../src/testing/simulated-line.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const a = ipAddress('192.0.2.1', 1);
const b = ipAddress('192.0.2.2', 2);

/** A line whose end `b` collects what it reads. */
function lineTo(conditions: Partial<LineConditions> = {}) {
  const clock = new VirtualClock(0);
  const line = new SimulatedLine({ seed: 1, conditions });
  const reads: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  line.attach('b', (bytes, now) => reads.push({ at: now, bytes }));
  const run = (): void => {
    for (let next = line.nextArrival(); next !== undefined; next = line.nextArrival()) {
      clock.advanceTo(next);
      line.deliverDue(clock.now);
    }
  };
  const received = (): Uint8Array => concatBytes(...reads.map(({ bytes }) => bytes));
  return { clock, line, reads, run, received };
}

function randomBytes(length: number): Uint8Array {
  return new SeededRandom(7).fill(new Uint8Array(length));
}

describe('a simulated serial line', () => {
  it('a byte takes ten bits: 1,024 bytes take 1.07 s at 9,600 baud and 89 ms at 115,200', () => {
    for (const [baudRate, ms] of [
      [9600, 1066.67],
      [115_200, 88.89],
    ] as const) {
      assert.ok(Math.abs(wireTimeMs(1024, baudRate) - ms) < 0.01);
      const { line, clock, reads, run, received } = lineTo({ baudRate });
      const sent = randomBytes(1024);
      line.write('a', sent, clock.now);
      assert.equal(line.queued('a', clock.now), 1024);
      run();
      assert.deepEqual(received(), sent);
      assert.equal(reads.at(-1)?.at, Math.ceil(ms));
      assert.equal(line.queued('a', clock.now), 0);
    }
  });

  it('what is written while the line is busy follows without a gap, and the other direction does not wait for it', () => {
    const { line, clock, run, received } = lineTo({ baudRate: 9600 });
    const sent = randomBytes(96);
    line.write('a', sent.subarray(0, 48), clock.now);
    line.write('a', sent.subarray(48), clock.now);
    assert.equal(line.idleAt('a', clock.now), after(clock.now, 100));
    assert.equal(line.idleAt('b', clock.now), clock.now);
    run();
    assert.deepEqual(received(), sent);
    assert.equal(clock.now, 100);
  });

  it('a slow reader gets packets merged and split, and loses what its buffer does not hold', () => {
    const merged = lineTo({ readEveryMs: 20 });
    merged.line.write('a', randomBytes(100), merged.clock.now);
    merged.line.write('a', randomBytes(200), merged.clock.now);
    merged.run();
    assert.deepEqual(
      merged.reads.map(({ bytes }) => bytes.length),
      [230, 70],
    );
    const full = lineTo({ readEveryMs: 100, systemBufferBytes: 1000 });
    full.line.write('a', randomBytes(1152), full.clock.now);
    full.run();
    assert.equal(full.received().length, 1000);
    assert.equal(full.line.overruns, 152);
  });

  it('noise flips single bits and drops lose bytes, as often as they should', () => {
    const sent = randomBytes(100_000);
    const noisy = lineTo({ baudRate: 4_000_000, noiseRate: 0.01 });
    noisy.line.write('a', sent, noisy.clock.now);
    noisy.run();
    const changed = noisy.received().map((byte, i) => byte ^ (sent[i] as number));
    assert.ok(changed.every((bits) => (bits & (bits - 1)) === 0));
    const count = changed.filter((bits) => bits !== 0).length;
    assert.ok(count > 900 && count < 1100, `${count} bytes`);
    const lossy = lineTo({ baudRate: 4_000_000, dropRate: 0.01 });
    lossy.line.write('a', sent, lossy.clock.now);
    lossy.run();
    const { length } = lossy.received();
    assert.ok(length > 98_900 && length < 99_100, `${length} bytes`);
  });

  it('nothing passes while it is unplugged, nor what travelled when it was', () => {
    const { line, clock, run, received } = lineTo({ baudRate: 9600 });
    line.write('a', randomBytes(96), clock.now);
    clock.advanceTo(50 as Instant);
    line.deliverDue(clock.now);
    const { length } = received();
    assert.ok(length > 0 && length < 96);
    line.unplug();
    line.write('a', randomBytes(96), clock.now);
    run();
    assert.equal(received().length, length);
    line.plug();
    assert.ok(line.isPlugged);
    line.write('a', randomBytes(10), clock.now);
    run();
    assert.equal(received().length, length + 10);
  });

  it('conditions that no line has are refused', () => {
    for (const conditions of [
      { baudRate: 0 },
      { readEveryMs: -1 },
      { noiseRate: 1.1 },
      { dropRate: Number.NaN },
    ]) {
      assert.throws(() => new SimulatedLine({ seed: 1, conditions }), ApiMisuseError);
    }
  });
});

describe('a simulated serial line with packet connections', () => {
  it('on any line, what arrives is what was sent, and what does not is counted', () => {
    const random = new SeededRandom(3);
    let arrivedInAll = 0;
    for (let run = 0; run < 40; run++) {
      const noiseRate = run % 4 === 0 ? 0 : 0.0005;
      const dropRate = run % 4 === 3 ? 0.0005 : 0;
      const carrier = new FramedLine(a, b, {
        seed: run,
        conditions: { noiseRate, dropRate, readEveryMs: 1 + random.integer(30) },
      });
      const clock = new VirtualClock();
      const sent: string[] = [];
      const arrived: string[] = [];
      carrier.attach(b, (datagram, from) => {
        assert.equal(from, a);
        arrived.push(datagram.join());
      });
      for (let i = 0; i < 20; i++) {
        const packet = random.fill(new Uint8Array(1 + random.integer(1024)));
        packet[0] = 20 + random.integer(108);
        sent.push(packet.join());
        carrier.send(a, b, packet, clock.now);
      }
      for (let next = carrier.nextArrival(); next !== undefined; next = carrier.nextArrival()) {
        clock.advanceTo(next);
        carrier.deliverDue(clock.now);
      }
      assert.deepEqual(
        arrived,
        sent.filter((packet) => arrived.includes(packet)),
        'something else, or in another order',
      );
      if (noiseRate === 0) assert.equal(arrived.length, sent.length);
      if (arrived.length < sent.length) assert.ok(carrier.events.length > 0, 'lost without a count');
      arrivedInAll += arrived.length;
    }
    assert.ok(arrivedInAll > 400 && arrivedInAll < 800, `${arrivedInAll} of 800`);
  });
});
