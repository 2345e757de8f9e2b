/**
 * A serial device as a socket of datagrams, over a pair of pseudo-terminals.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { devicePath, SerialFailure, serialAddress, serialFailure } from '../../src/node/serial-device.ts';
import { type OpenSerialPort, openSerialPort, type SerialPortOptions } from '../../src/node/serial-port.ts';
import { PtyPair, withoutPty } from './pty-pair.ts';

type Heard = { readonly packets: string[]; readonly texts: string[]; readonly failures: string[] };

async function pairFor(t: TestContext): Promise<PtyPair> {
  const pair = await PtyPair.open();
  t.after(() => pair.close());
  return pair;
}

async function portAt(
  t: TestContext,
  path: string,
  options: Partial<SerialPortOptions> = {},
): Promise<{ readonly port: OpenSerialPort; readonly heard: Heard }> {
  const heard: Heard = { packets: [], texts: [], failures: [] };
  const port = await openSerialPort({
    path,
    baudRate: 115_200,
    onDatagram: (datagram) => heard.packets.push(Buffer.from(datagram).toString('hex')),
    onText: (text) => heard.texts.push(text),
    onFailure: ({ failure }) => heard.failures.push(failure),
    ...options,
  });
  t.after(() => port.close());
  return { port, heard };
}

async function until(done: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !done(); tries++) {
    if (tries > 1000) assert.fail(`did not happen: ${what}`);
    await sleep(10);
  }
}

function packet(length: number): Uint8Array {
  const bytes = Uint8Array.from(randomBytes(length));
  bytes[0] = 0x40;
  return bytes;
}

describe('a serial device', { skip: withoutPty }, () => {
  it('carries packets of 1 to 1024 bytes in both directions, all of them and as they were', async (t) => {
    const { a, b } = await pairFor(t);
    const [one, other] = [await portAt(t, a), await portAt(t, b)];
    assert.deepEqual(one.port.local, serialAddress(a));
    assert.deepEqual([one.port.mtu, one.port.bytesPerSecond, one.port.isOpen], [1024, 11_520, true]);
    const sent = [1, 2, 127, 500, 1023, 1024, 1024].map(packet);
    for (const bytes of sent) {
      one.port.send(bytes);
      other.port.send(bytes);
    }
    const hex = sent.map((bytes) => Buffer.from(bytes).toString('hex'));
    await until(() => one.heard.packets.length === 7 && other.heard.packets.length === 7, 'all packets came');
    assert.deepEqual(one.heard.packets, hex);
    assert.deepEqual(other.heard.packets, hex);
    const { counters } = other.port;
    assert.deepEqual([counters.packetsReceived, counters.largestPacket, counters.lost], [7, 1024, {}]);
  });

  it('tells what the device prints', async (t) => {
    const { a, b } = await pairFor(t);
    const { heard } = await portAt(t, a);
    const { SerialPort } = await import('serialport');
    const device = new SerialPort({ path: b, baudRate: 115_200 });
    t.after(() => new Promise((resolve) => device.close(resolve)));
    device.write('ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n');
    await until(() => heard.texts.length === 2, 'two lines');
    assert.deepEqual(heard.texts, ['ets Jul 29 2019 12:21:46', 'rst:0x1 (POWERON_RESET)']);
  });

  it('is opened again after it was unplugged, and loses what is sent meanwhile', async (t) => {
    const pair = await pairFor(t);
    let reopened = 0;
    const { port, heard } = await portAt(t, pair.a, { onReopened: () => reopened++ });
    await pair.unplug();
    await until(() => heard.failures.includes('no-such-device'), 'the device is gone');
    assert.equal(heard.failures[0], 'unplugged');
    assert.ok(!port.isOpen);
    port.send(packet(10));
    assert.equal(port.counters.dropped, 1);
    await pair.plug();
    await until(() => reopened === 1, 'opened again');
    const { port: other } = await portAt(t, pair.b);
    const bytes = packet(100);
    other.send(bytes);
    await until(() => heard.packets.length === 1, 'a packet');
    assert.deepEqual(heard.packets, [Buffer.from(bytes).toString('hex')]);
    assert.equal(port.counters.reopened, 1);
  });

  it('that is closed while it is unplugged is not opened again', async (t) => {
    const pair = await pairFor(t);
    const { port, heard } = await portAt(t, pair.a);
    await pair.unplug();
    await until(() => heard.failures.length > 0, 'the device is gone');
    await port.close();
    const { length } = heard.failures;
    await pair.plug();
    const { port: next } = await portAt(t, pair.a);
    assert.ok(next.isOpen);
    assert.ok(!port.isOpen);
    assert.equal(heard.failures.length, length);
  });

  it('that another program has open is busy', async (t) => {
    const { a } = await pairFor(t);
    await portAt(t, a);
    await assert.rejects(portAt(t, a), (error: SerialFailure) => {
      assert.equal(error.failure, 'busy');
      assert.match(error.message, /is open in another program/);
      return true;
    });
  });

  it('that another program closes a moment later is opened', async (t) => {
    const { a } = await pairFor(t);
    const { port: first } = await portAt(t, a);
    const opening = portAt(t, a);
    setTimeout(() => void first.close(), 50);
    const { port: second } = await opening;
    assert.ok(second.isOpen);
    assert.ok(!first.isOpen);
  });

  it('that is not there is named, with what is there', async (t) => {
    await assert.rejects(portAt(t, '/dev/ttyNOPE'), (error: SerialFailure) => {
      assert.ok(error instanceof SerialFailure);
      assert.equal(error.failure, 'no-such-device');
      assert.equal(error.message, 'there is no serial device /dev/ttyNOPE');
      assert.match(error.nextStep, /plug it in, or check its name; /);
      return true;
    });
  });
});

describe('names and failures of serial devices', () => {
  it('a name is a device of the system, a path is itself', () => {
    assert.equal(devicePath('ttyUSB0', 'linux'), '/dev/ttyUSB0');
    assert.equal(devicePath('tty.usbmodem1201', 'darwin'), '/dev/tty.usbmodem1201');
    assert.equal(devicePath('/tmp/line-a', 'linux'), '/tmp/line-a');
    assert.equal(devicePath('COM3', 'win32'), 'COM3');
    assert.equal(devicePath('\\\\.\\COM10', 'win32'), '\\\\.\\COM10');
  });

  it('the errors of each system have their meaning', async () => {
    const meaning = async (text: string) => (await serialFailure('/dev/ttyUSB0', new Error(text))).failure;
    const known = {
      'Error: No such file or directory, cannot open /dev/ttyUSB0': 'no-such-device',
      'Opening COM3: File not found': 'no-such-device',
      'Error: Permission denied, cannot open /dev/ttyUSB0': 'permission-denied',
      'Opening COM3: Access denied': 'permission-denied',
      'Error Resource temporarily unavailable Cannot lock port': 'busy',
      'Error: Device or resource busy, cannot open /dev/cu.usbserial': 'busy',
      'Error: Inappropriate ioctl for device': 'failed',
    };
    for (const [text, failure] of Object.entries(known)) assert.equal(await meaning(text), failure, text);
  });
});
