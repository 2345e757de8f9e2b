/** The figures of batteries, radios, links and fleets (requirements 2.1 to 2.3, 2.7, 2.8): printed where right, corrected where not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  amortisedMillijoulesPerDay,
  batteryLife,
  impliedDrain,
  joulesOf,
} from '../../src/figures/battery-life.ts';
import {
  rejectedShare,
  type SleepApproach,
  sleepBattery,
  sleepFigures,
  sleepPresets,
} from '../../src/figures/deep-sleep-presets.ts';
import { deliveryOdds } from '../../src/figures/delivery-odds.ts';
import { fleetTraffic } from '../../src/figures/fleet-traffic.ts';
import { handshakePresets, radioCost, simpleRadio, stepRadio } from '../../src/figures/radio-energy.ts';

/** Rounded as the requirements print it. */
function near(actual: number | undefined, expected: number, digits: number): void {
  assert.equal(actual?.toFixed(digits), expected.toFixed(digits));
}

describe('deep sleep (2.3)', () => {
  const inputsOf = (approach: SleepApproach) => sleepPresets.find((one) => one.approach === approach)?.inputs;

  test('1800 mAh are 23,976 J at 3.7 V, 21,384 J at 3.3 V and 19,440 J at 3.0 V', () => {
    near(joulesOf(1800, 3.7), 23_976, 6);
    near(joulesOf(1800, 3.3), 21_384, 6);
    near(joulesOf(1800, 3), 19_440, 6);
  });

  test('energy a day: OSCORE 43.2 mJ, handshake every wake 1123.2 mJ, which is 26.0 times as much, plain 28.8 mJ', () => {
    near(sleepFigures('oscore').millijoulesPerDay, 43.2, 9);
    near(sleepFigures('saved-session').millijoulesPerDay, 43.2, 9);
    near(sleepFigures('handshake-every-wake').millijoulesPerDay, 1123.2, 9);
    near(sleepFigures('plain').millijoulesPerDay, 28.8, 9);
    near(1123.2 / 43.2, 26, 9);
  });

  test('a session that is saved costs 88.2 mJ on its first day and 43.3 mJ a day over 18 months', () => {
    const inputs = inputsOf('saved-session') ?? assert.fail();
    near(amortisedMillijoulesPerDay(inputs, 1), 88.2, 9);
    near(amortisedMillijoulesPerDay(inputs, 548), 43.3, 1);
  });

  test('43.2 mJ a day would last 1520 years, not 18 months', () => {
    near(sleepFigures('oscore').years, 1519.5, 1);
  });

  test('read as joules: OSCORE 18.2 months, plain 27.4 at 3.7 V and 24.4 at 3.3 V, handshake every wake 0.70', () => {
    near(sleepFigures('oscore').monthsInJoules, 18.2, 1);
    assert.ok(Math.abs((sleepFigures('plain').monthsInJoules ?? 0) - 27.35) < 0.01);
    near(sleepFigures('handshake-every-wake').monthsInJoules, 0.7, 2);
    const plain = inputsOf('plain') ?? assert.fail();
    near(batteryLife({ ...plain, volts: 3.3, messageMillijoules: 1200 }).months, 24.4, 1);
    assert.equal(
      Math.floor(batteryLife({ ...(inputsOf('oscore') ?? plain), messageMillijoules: 1800 }).days),
      555,
    );
  });

  test('what the printed months mean: 18 are 137 µA, 24 are 103 µA, 6 are 411 µA, 3 are 821 µA', () => {
    for (const [months, perDay, microamps] of [
      [18, 3.285, 137],
      [24, 2.464, 103],
      [6, 9.856, 411],
      [3, 19.71, 821],
    ] as const) {
      const drain = impliedDrain(sleepBattery.capacityMilliampHours, sleepBattery.volts, months);
      assert.ok(Math.abs(drain.milliampHoursPerDay - perDay) < 0.003, String(drain.milliampHoursPerDay));
      near(drain.averageMicroamps, microamps, 0);
    }
    near(impliedDrain(1800, 3.7, 18).joulesPerDay, 43.8, 1);
    near(sleepFigures('broken-reuse').impliedMicroamps, 821, 0);
    assert.equal(sleepFigures('broken-reuse').monthsInJoules, undefined);
  });

  test('of 24 messages a day 23 are rejected: 95.8 %', () => near(100 * rejectedShare(24), 95.8, 1));

  test('sleep current, wakes and self-discharge count', () => {
    const life = batteryLife({
      ...{ capacityMilliampHours: 1000, volts: 3, messagesPerDay: 10, handshakes: 'once' },
      ...{ sleepMicroamps: 10, wakeMillijoules: 90, messageMillijoules: 10, handshakeMillijoules: 800 },
      selfDischargePerYear: 0.01,
    });
    near(life.messagesMillijoulesPerDay, 1000, 9);
    near(life.sleepMillijoulesPerDay, 2592, 9);
    near(life.selfDischargeMillijoulesPerDay, (1000 * 10_800 * 0.01) / 365.25, 6);
    near(life.days, (10_800_000 - 800) / life.millijoulesPerDay, 6);
    near(life.averageMicroamps, (1e6 * (life.millijoulesPerDay / 1000)) / (3 * 86_400), 6);
  });

  test('a device that takes nothing is refused', () => {
    const inputs = inputsOf('plain') ?? assert.fail();
    assert.throws(() => batteryLife({ ...inputs, messageMillijoules: 0 }), RangeError);
  });
});

describe('handshakes (2.1, 2.2)', () => {
  test('6 messages of 100 bytes at 80 kbit/s and 10 mA: 60 ms, 0.6 mAs, 0.167 µAh, 1.98 mJ at 3.3 V', () => {
    const cost = radioCost(simpleRadio, { sentBytes: 600, receivedBytes: 0 });
    near(cost.airtimeMs, 60, 9);
    near(cost.milliampSeconds, 0.6, 9);
    near(cost.microampHours, 0.167, 3);
    near(cost.millijoules, 1.98, 9);
    near(cost.milliampSeconds / 1000, 0.0006, 9);
    near(
      radioCost({ ...simpleRadio, bitsPerSecond: 250_000 }, { sentBytes: 600, receivedBytes: 0 })
        .milliampSeconds,
      0.192,
      9,
    );
    near(
      radioCost({ ...simpleRadio, bitsPerSecond: 200_000 }, { sentBytes: 600, receivedBytes: 0 })
        .milliampSeconds,
      0.24,
      9,
    );
  });

  test('by step: 0.0267, 0.024 and 0.0133 µAh, 0.064 µAh together; 12.8 ms, 0.2304 mAs, 0.76 mJ', () => {
    near(radioCost(stepRadio, { sentBytes: 120, receivedBytes: 0 }).microampHours, 0.0267, 4);
    near(radioCost(stepRadio, { sentBytes: 0, receivedBytes: 140 }).microampHours, 0.024, 9);
    near(radioCost(stepRadio, { sentBytes: 60, receivedBytes: 0 }).microampHours, 0.0133, 4);
    const all = radioCost(stepRadio, { sentBytes: 180, receivedBytes: 140 });
    near(all.microampHours, 0.064, 9);
    near(all.airtimeMs, 12.8, 9);
    near(all.milliampSeconds, 0.2304, 9);
    near(all.millijoules, 0.76, 2);
  });

  test('the presets have 320, 600 and 360 bytes', () => {
    assert.deepEqual(
      handshakePresets.map(({ sentBytes, receivedBytes }) => sentBytes + receivedBytes),
      [320, 600, 360],
    );
  });
});

describe('Confirmable and Non-confirmable (2.7)', () => {
  test('5, 10, 20 and 40 % of loss', () => {
    for (const [loss, non, delivered, acknowledged, transmissions] of [
      [0.05, '95', '99.99997', '99.9991', '1.108'],
      [0.1, '90', '99.999', '99.975', '1.234'],
      [0.2, '80', '99.968', '99.395', '1.553'],
      [0.4, '60', '98.976', '89.26', '2.480'],
    ] as const) {
      const odds = deliveryOdds(loss);
      const digits = (text: string): number => text.split('.')[1]?.length ?? 0;
      const percent = (share: number, like: string): string => (100 * share).toFixed(digits(like));
      assert.equal(percent(odds.nonConfirmableDelivered, non), non);
      assert.equal(percent(odds.confirmableDelivered, delivered), delivered);
      assert.equal(percent(odds.confirmableAcknowledged, acknowledged), acknowledged);
      assert.equal(odds.transmissions.toFixed(3), transmissions);
    }
  });

  test('without loss one transmission is enough, and where all is lost none of five arrives', () => {
    assert.equal(deliveryOdds(0).transmissions, 1);
    assert.deepEqual(deliveryOdds(1), {
      nonConfirmableDelivered: 0,
      confirmableDelivered: 0,
      confirmableAcknowledged: 0,
      transmissions: 5,
    });
  });
});

test('the hospital (2.8): 2,880 messages a device and day, 576,000 in all, 6.67 a second, 83,520 bytes of DTLS', () => {
  const traffic = fleetTraffic({ devices: 200, periodSeconds: 30, overheadBytes: 29, handshakeBytes: 360 });
  assert.equal(traffic.messagesPerDeviceAndDay, 2880);
  assert.equal(traffic.messagesPerDay, 576_000);
  near(traffic.messagesPerSecond, 6.67, 2);
  assert.equal(traffic.overheadBytesPerDeviceAndDay, 83_520);
  near(traffic.overheadBytesPerDay / 1e6, 16.7, 1);
  assert.equal(traffic.handshakeBytesAtOnce, 72_000);
  assert.equal(traffic.handshakeBytesPerMessage, 0.125);
});
