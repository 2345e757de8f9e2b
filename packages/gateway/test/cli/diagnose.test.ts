import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Code, OptionNumber } from 'coapsule/message';
import { Pair, pairPsk } from 'coapsule/testing';
import { CaptureFixture, device, gateway } from '../diagnosis/capture-fixture.ts';
import { run } from './recorded-environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'coapsule-decode-'));
after(() => rmSync(folder, { recursive: true }));

/** A file with a capture in it. */
function file(name: string, capture: CaptureFixture, length?: number): string {
  const path = join(folder, name);
  writeFileSync(path, capture.file.subarray(0, length));
  return path;
}

const plain = new CaptureFixture()
  .message(device, gateway, 0, {
    ...{ messageId: 1, options: [[OptionNumber.UriPath, 'temperature']] },
  })
  .message(gateway, device, 20, { messageId: 1, type: 'ACK', code: Code.Content, payload: '22.5' });

function secured(): CaptureFixture {
  const pair = new Pair({ security: 'dtls', handler: () => ({ code: Code.Content, payload: '22.5' }) });
  const request = pair.request('/temperature');
  pair.runUntil(() => request.final);
  return new CaptureFixture().pair(pair);
}

describe('decode', () => {
  test('prints a line for each packet', async () => {
    const { exitCode, stdout, stderr } = await run(['decode', file('plain.pcapng', plain)]);
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.equal(
      stdout,
      `1 0.000000 192.0.2.1:40001 → 192.0.2.2:5683 CON GET id 0001 token 01020304 /temperature
2 0.020000 192.0.2.2:5683 → 192.0.2.1:40001 ACK 2.05 Content id 0001 token 01020304 4 bytes
`,
    );
  });

  test('opens DTLS with a key, and never prints it', async () => {
    const path = file('secured.pcapng', secured());
    const key = new TextDecoder().decode(pairPsk.key);
    const { stdout, stderr } = await run(['decode', path, '-u', pairPsk.identity, '-k', key, '-vv']);
    assert.match(stdout, /GET id [0-9a-f]{4} token [0-9a-f]+ \/temperature/);
    assert.match(stdout, /Payload: "22\.5"/);
    assert.ok(!`${stdout}${stderr}`.includes(key));
    const without = await run(['decode', path]);
    assert.doesNotMatch(without.stdout, /temperature/);
    assert.match(without.stdout, /\(encrypted, epoch 1, \d+ bytes\)/);
  });

  test('--json gives fields with their places', async () => {
    const { stdout } = await run(['decode', file('plain.pcapng', plain), '--frame', '2', '--json']);
    const packet = JSON.parse(stdout) as {
      frame: number;
      parts: { fields: { name: string; start: number }[] }[];
    };
    assert.equal(packet.frame, 2);
    const payload = packet.parts[0]!.fields.find(({ name }) => name === 'Payload');
    assert.equal(payload!.start, 9);
  });

  test('a capture that is cut is read as far as it goes, and ends with 1', async () => {
    const path = file('cut.pcapng', plain, plain.file.length - 10);
    const { exitCode, stdout, stderr } = await run(['decode', path]);
    assert.equal(exitCode, 1);
    assert.equal(stdout.split('\n').length, 2);
    assert.match(stderr, /makes no sense from byte \d+ on: the file ends inside a block/);
  });

  test('one of file and --hex is needed', async () => {
    for (const args of [['decode'], ['decode', 'x', '--hex', '40010001']]) {
      assert.equal((await run(args)).exitCode, 64);
    }
    const { exitCode, stderr } = await run(['decode', '--hex', 'xyz']);
    assert.equal(exitCode, 64);
    assert.match(stderr, /pairs of hexadecimal digits/);
  });
});

describe('diagnose', () => {
  test('prints what was seen, why, and what to do, and ends with 1', async () => {
    const fixture = new CaptureFixture().message(device, gateway, 0, {
      ...{ type: 'NON', code: Code.Put, payload: 'unlock', options: [[OptionNumber.UriPath, 'lock']] },
    });
    const { exitCode, stdout, stderr } = await run(['diagnose', file('lock.pcapng', fixture)]);
    assert.equal(exitCode, 1);
    assert.equal(
      stdout,
      `warning: non-confirmable-command, 192.0.2.1:40001 → 192.0.2.2:5683
  seen: 1 Non-confirmable messages to /lock (frames 1)
  cause: an order to an actuator is Non-confirmable
  consequence: if it is lost, nobody knows
  what to do: Confirmable commands, alarms and settings
  see: RFC 7252 §4.2

`,
    );
    assert.equal(stderr, 'coapsule: 1 packets, 1 finding\n');
  });

  test('a clean capture has no finding, and ends with 0', async () => {
    const { exitCode, stdout } = await run(['diagnose', file('plain.pcapng', plain), '--json']);
    assert.deepEqual([exitCode, stdout], [0, '']);
  });
});
