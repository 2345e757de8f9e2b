import assert from 'node:assert/strict';
import { test } from 'node:test';
import { weaknessOf } from '../../src/server/demo-credentials.ts';
import { lineLog, RateLimit } from '../../src/server/log.ts';
import { parseSerialLine, shortDevice } from '../../src/server/serial-option.ts';
import { deviceIdProblem, parseEndpoint, parsePsk } from '../../src/server/serve-options.ts';
import { endpointFault } from '../../src/server/start-up-fault.ts';
import { printable } from '../../src/text/printable.ts';

test('an endpoint is [HOST:]PORT or off', () => {
  assert.equal(parseEndpoint('off'), 'off');
  assert.deepEqual(parseEndpoint('0'), { host: '::', port: 0 });
  assert.deepEqual(parseEndpoint('[::1]:5683'), { host: '::1', port: 5683 });
  assert.deepEqual(parseEndpoint('127.0.0.1:65535'), { host: '127.0.0.1', port: 65535 });
  assert.deepEqual(parseEndpoint('localhost:1'), { host: '127.0.0.1', port: 1 });
  for (const text of ['', 'on', '65536', '::1:5683', 'example.org:5683', '[::1]', ':5683', '-1', '1.5']) {
    assert.ok('problem' in Object(parseEndpoint(text)), text);
  }
});

test('a serial line is PATH[,BAUD[,secured|plain]]', () => {
  const line = (device: string, baudRate: number, security?: string) => ({ device, baudRate, security });
  assert.deepEqual(parseSerialLine('/dev/ttyUSB0'), line('/dev/ttyUSB0', 115_200));
  assert.deepEqual(parseSerialLine('COM3,9600'), line('COM3', 9600));
  assert.deepEqual(parseSerialLine('ttyUSB0,1000000,plain'), line('ttyUSB0', 1_000_000, 'plain'));
  assert.deepEqual(parseSerialLine('ttyUSB0,,secured'), line('ttyUSB0', 115_200, 'secured'));
  for (const text of [
    '',
    ',9600',
    'a,b',
    'a,0',
    'a,-1',
    'a,1e3',
    'a,999999999999',
    'a,9600,dtls',
    'a,9600,plain,x',
  ]) {
    assert.ok('problem' in parseSerialLine(text), text);
  }
});

test('a device in /dev is called by its name alone', () => {
  assert.equal(shortDevice('/dev/ttyUSB0'), 'ttyUSB0');
  for (const device of ['ttyUSB0', 'COM3', '/tmp/line', '/dev/serial/by-id/usb-x', '/dev/']) {
    assert.equal(shortDevice(device), device);
  }
});

test('a PSK is split at its first colon, and what is wrong is said without the key', () => {
  const keyOf = (text: string): Uint8Array => {
    if (text === '' || text === '0xgg') throw new Error('bad');
    return new TextEncoder().encode(text);
  };
  assert.deepEqual(parsePsk('a:b:c', keyOf), { identity: 'a', key: new TextEncoder().encode('b:c') });
  assert.deepEqual(parsePsk('*:k', keyOf), { identity: '*', key: new TextEncoder().encode('k') });
  for (const text of [
    'secretkey',
    ':secretkey',
    'a:',
    'a:0xgg',
    `${'x'.repeat(129)}:secretkey`,
    'a\nb:secretkey',
    '0xff:secretkey',
  ]) {
    const parsed = parsePsk(text, keyOf);
    assert.ok('problem' in parsed, text);
    assert.ok(!/secretkey|0xgg/.test(parsed.problem), text);
  }
});

test('a device id that could be mistaken in a path is refused', () => {
  for (const id of ['', '*', '.', '..', 'a/b', 'a\nb', '0xff', 'x'.repeat(129)])
    assert.notEqual(deviceIdProblem(id), undefined, id);
  for (const id of ['sensor-042', 'ü', 'a b', 'a:b', '%2F', 'x'.repeat(128)])
    assert.equal(deviceIdProblem(id), undefined, id);
});

test('short keys and published sample keys are named as weak, without the key', () => {
  const weakness = (text: string): string | undefined => weaknessOf(new TextEncoder().encode(text));
  assert.match(weakness('MySecret16ByteK!') ?? '', /published/);
  assert.match(weakness('esp32c3_key') ?? '', /published/);
  assert.match(weakness('x') ?? '', /1 byte;/);
  assert.match(weakness('fifteen-bytes-x') ?? '', /15 bytes/);
  assert.equal(weakness('sixteen-bytes-xy'), undefined);
});

test('each fault of an endpoint names the endpoint, the port, the cause and the option that helps', () => {
  const fault = (code: string) => endpointFault('coaps', '::1', 84, Object.assign(new Error('no'), { code }));
  const codes = ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EIO'];
  const messages = codes.map((code) => fault(code).message);
  assert.equal(new Set(messages).size, codes.length);
  for (const code of codes) {
    assert.match(fault(code).message, /coaps endpoint .*\[::1\]:84/);
    assert.match(fault(code).nextStep, /--coaps/);
  }
});

test('a line of the log cannot be forged by the text of a peer', () => {
  assert.equal(printable('a\nb\u001b[2J\u2028c'), 'a\\u{a}b\\u{1b}[2J\\u{2028}c');
  assert.equal(printable('x'.repeat(10_000)).length, 257);
});

test('the log shows details from their verbosity on, warnings always', () => {
  const lines: string[] = [];
  lineLog((line) => lines.push(line), 0).detail(1, 'request nobody asked for');
  const log = lineLog((line) => lines.push(line), 1);
  log.detail(1, 'request');
  log.warning('careful');
  log.error('broken');
  assert.deepEqual(lines, ['coapsule: request', 'coapsule: warning: careful', 'coapsule: error: broken']);
});

test('a rate limit lets so many through an interval and tells how many it held back', () => {
  const limit = new RateLimit(2, 1000);
  const passed = [0, 1, 2, 3, 999, 1000, 1001].map((now) => limit.pass(now)?.heldBack);
  assert.deepEqual(passed, [0, 0, undefined, undefined, undefined, 3, 0]);
  assert.equal(limit.pass(-5000)?.heldBack, 0); // the clock was set back
});
