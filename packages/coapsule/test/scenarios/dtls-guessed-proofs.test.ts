/**
 * Peers that want to be believed without proof: of an address that is not theirs, or of being alive after a crash.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { elsewhere, home, pingId, RawDevice, request, reset, victim } from './raw-device.ts';

const unchecked = { server: { returnRoutabilityCheck: false } } as const;

/** A device that was at `elsewhere` for a moment, and so knows the Message ID of a ping. */
function informedDevice(): { readonly device: RawDevice; readonly messageId: number } {
  const device = new RawDevice(unchecked);
  device.address = elsewhere;
  device.send(request('CON', 1, 1));
  const messageId = device.received.map(pingId).find((id) => id !== undefined);
  assert.ok(messageId !== undefined);
  device.send(reset(messageId));
  device.pass(3000);
  return { device, messageId };
}

/** Asks for 1,000 bytes, often, in the name of an address; the bytes from and to there. */
function askMuch(device: RawDevice, from: PeerAddress): { readonly in: number; readonly out: number } {
  device.payload = new Uint8Array(1000);
  for (let i = 0; i < 50; i++) device.send(request('CON', 1, 256 + i), from);
  return device.takeBytes(from);
}

suite('an address without a return routability check', () => {
  test('is not proved by a Reset with the Message ID after that of the last ping, in the record that changes it', () => {
    const { device, messageId } = informedDevice();
    for (const ahead of [1, 2, 3]) device.send(reset((messageId + ahead) % 65_536), victim);
    const bytes = askMuch(device, victim);
    assert.ok(bytes.out <= 3 * bytes.in, `${bytes.out} for ${bytes.in}`);
  });

  test('is not proved by acknowledging a Confirmable message whose Message ID follows from another', () => {
    const { device } = informedDevice();
    device.address = elsewhere;
    device.received = [];
    device.ping(elsewhere);
    const known = device.received.map(pingId).find((id) => id !== undefined);
    assert.ok(known !== undefined);
    device.send(reset(known));
    device.send(request('NON', 1, 3), victim);
    device.ping(victim);
    device.send(reset((known + 1) % 65_536), victim);
    const bytes = askMuch(device, victim);
    assert.ok(bytes.out <= 3 * bytes.in, `${bytes.out} for ${bytes.in}`);
  });

  test('is proved by no ping any more after eight guesses, however often it changes', () => {
    const { device, messageId } = informedDevice();
    for (let i = 0; i < 8; i++)
      device.send(reset((messageId + 1000 + i) % 65_536), i % 2 === 0 ? victim : home);
    device.received = [];
    device.address = home;
    device.answersPings = true;
    device.send(request('CON', 1, 7));
    device.pass(100_000);
    assert.deepEqual(
      device.received.filter((message) => pingId(message) !== undefined),
      [],
    );
    const bytes = askMuch(device, victim);
    assert.ok(bytes.out <= 3 * bytes.in);
    // Its association lives on.
    assert.deepEqual(device.all('closed'), []);
  });

  test('of an honest device is proved by the Reset of the ping, also after late Resets of older messages', () => {
    const { device, messageId } = informedDevice();
    for (let i = 0; i < 20; i++) device.send(reset(messageId));
    device.answersPings = true;
    device.address = home;
    device.send(request('CON', 1, 8));
    device.address = ipAddress('198.51.100.8', 2222);
    for (let i = 0; i < 20; i++) device.send(reset(messageId));
    device.payload = new Uint8Array(1000);
    device.received = [];
    device.send(request('CON', 1, 9));
    assert.equal(device.received.at(-1)?.length, 1005);
  });

  test('whose ping came while the device slept is asked for again by its next record', () => {
    const device = new RawDevice(unchecked);
    device.address = ipAddress('0.0.0.0', 1);
    device.send(request('NON', 2, 1), elsewhere);
    device.pass(3_600_000);
    device.address = elsewhere;
    device.answersPings = true;
    device.payload = new Uint8Array(1000);
    device.received = [];
    device.send(request('CON', 1, 2));
    assert.equal(device.received.at(-1)?.length, 1005, 'at once: it waited for the proof');
    assert.equal(device.received.map(pingId).filter((id) => id !== undefined).length, 1);
  });

  test('of a device that answers no ping is asked for once a time-out, not with each record', () => {
    const device = new RawDevice(unchecked);
    device.address = elsewhere;
    for (let i = 0; i < 30; i++) {
      device.send(request('CON', 1, i));
      device.pass(10_000);
    }
    const pings = device.received.map(pingId).filter((id) => id !== undefined);
    assert.ok(new Set(pings).size <= 5, `${new Set(pings).size} in 300 s`);
    assert.ok(device.received.filter((message) => message[1] === 0x45).length >= 25, 'it is served');
  });
});

suite('after a crash', () => {
  test('512 recorded Resets prove nothing, in nine days', () => {
    const device = new RawDevice(unchecked);
    const resets: Uint8Array[] = [];
    for (let i = 0; i < 512; i++) {
      device.received = [];
      device.ping(home);
      const id = device.received.map(pingId).find((one) => one !== undefined);
      assert.ok(id !== undefined);
      resets.push(device.send(reset(id)));
      device.pass(60_000);
    }
    const opened = device.send(request('NON', 2, 0x7777));
    device.pass(20_000);
    device.crash();
    const before = device.served;
    for (let hours = 0; hours < 9 * 24; hours++) {
      device.give(opened);
      for (const datagram of resets) device.give(datagram);
      device.give(opened);
      device.pass(3_600_000);
    }
    assert.equal(device.served, before);
    // Nor do they keep the device from being heard.
    device.send(request('CON', 1, 1));
    assert.equal(device.served, before + 1);
  });

  test('eight guesses at a ping end the doubt: what could be a replay counts as one for good', () => {
    const device = fastDevice(unchecked);
    device.crash();
    const before = device.served;
    const request_ = device.send(request('CON', 1, 1));
    device.received = [];
    for (let i = 0; i < 8; i++) device.send(reset(device.random.fill(new Uint8Array(1))[0] as number));
    device.answersPings = true;
    device.give(request_);
    for (let i = 0; i < 5; i++) {
      device.pass(100_000);
      device.send(request('CON', 1, 1));
    }
    assert.equal(device.served, before);
    assert.ok(
      device.received.every((message) => pingId(message) === undefined),
      'it is not even asked',
    );
    for (let i = 0; i < 400; i++) device.send(request('CON', 1, 100 + i));
    assert.ok(device.served > before, 'beyond the stored edge it is heard');
  });

  test('a clean end before the peer spoke does not forget the doubt', () => {
    for (const returnRoutabilityCheck of [true, false]) {
      const device = fastDevice({ server: { returnRoutabilityCheck } });
      const recorded = device.sent.slice(-200);
      device.crash();
      device.restart();
      const before = device.served;
      for (const datagram of recorded) device.give(datagram);
      assert.equal(device.served, before);
      device.pass(2000);
      device.answersPings = true;
      for (let i = 0; i < 60; i++) {
        device.send(request('CON', 1, 0x900 + i));
        device.pass(2000);
      }
      // The first is the question's occasion; a device repeats it.
      assert.ok(device.served - before >= 58, `${device.served - before} of 60`);
      for (const datagram of recorded) device.give(datagram);
      assert.ok(device.served - before <= 60);
    }
  });

  for (const returnRoutabilityCheck of [true, false]) {
    for (const moved of [false, true]) {
      const what = `${returnRoutabilityCheck ? 'with' : 'without'} RFC 9853, ${moved ? 'at another address' : 'where it was'}`;
      test(`replays from spoofed addresses do not keep a device from proving itself (${what})`, () => {
        const device = fastDevice({ server: { returnRoutabilityCheck } });
        const recorded = device.sent.slice(-100);
        device.crash();
        const before = device.served;
        device.answersPings = true;
        if (moved) device.address = elsewhere;
        const repeats = [100, 2100, 6100, 14_100, 30_100];
        for (let ms = 0; ms < 60_000; ms += 50) {
          const spoofed = ipAddress('203.0.113.9', 1000 + ((ms / 50) % 100));
          device.give(recorded[(ms / 50) % recorded.length] as Uint8Array, spoofed);
          if (repeats.includes(ms)) device.send(request('CON', 1, 9));
          device.pass(50);
        }
        assert.equal(device.served - before, 1);
      });
    }
  }

  for (const returnRoutabilityCheck of [true, false]) {
    test(`a recorded record brings its source no more than three times its bytes, ${returnRoutabilityCheck ? 'with' : 'without'} RFC 9853`, () => {
      const device = new RawDevice({ server: { returnRoutabilityCheck } });
      const recorded = device.send(Uint8Array.of(0x60, 0, 0, 1));
      device.crash();
      device.address = ipAddress('0.0.0.0', 1);
      device.give(recorded, victim);
      device.pass(300_000);
      const bytes = device.takeBytes(victim);
      assert.ok(bytes.out > 0 && bytes.out <= 3 * bytes.in, `${bytes.out} for ${bytes.in}`);
    });
  }
});

/** A device that sent fast, so that its stored edge is ahead of it. */
function fastDevice(dtls: ConstructorParameters<typeof RawDevice>[0]): RawDevice {
  const device = new RawDevice(dtls);
  for (let i = 0; i < 400; i++) {
    device.send(request('NON', 1, 0x1000 + i));
    device.pass(20);
  }
  return device;
}
