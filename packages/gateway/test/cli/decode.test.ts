/** `coapsule decode`: what it prints of bytes that mean harm, and never of keys. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { packetBlock, pcapngHeader } from '../../src/capture/pcapng.ts';
import { hexText } from '../../src/cli/option-values.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { run } from './recorded-environment.ts';

const datagram = {
  source: { host: '192.0.2.1', port: 40_000 },
  destination: { host: '192.0.2.2', port: 5683 },
  payload: Uint8Array.of(0x40, 1, 0, 1),
};

test('a path that would move the cursor of a terminal is printed as text, also of --hex', async () => {
  const options = new OptionSet().add(
    OptionNumber.UriPath,
    new TextEncoder().encode('\u001b[2J\u202egot\nin'),
  );
  const bytes = encodeMessage({
    ...{ type: 'CON', code: 1, messageId: 7, token: new Uint8Array(), options },
    payload: new Uint8Array(),
  });
  const { exitCode, stdout } = await run(['decode', '--hex', hexText(bytes)]);
  assert.equal(exitCode, 0);
  assert.match(stdout, /^CON GET id 0007 \/\\u\{1b\}\[2J\\u\{202e\}got\\u\{a\}in\n/);
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
});

test('a packet whose time is no date has none in JSON, and the ones behind it are read', async (t) => {
  const header = pcapngHeader();
  const block = packetBlock(datagram, 0) as Uint8Array;
  const late = block.slice();
  // 2^64 - 1 units; with as many in a second as there are here, 584,542 years.
  late.fill(0xff, 12, 20);
  const file = join(temporaryFolder(t), 'late.pcapng');
  writeFileSync(file, Buffer.concat([header, late, block]));
  const { exitCode, stdout, stderr } = await run(['decode', file, '--json']);
  assert.deepEqual([exitCode, stderr], [0, '']);
  const times = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).time);
  assert.deepEqual(times, [null, '1970-01-01T00:00:00.000Z']);
});

test('a key that is mistyped is not repeated', async () => {
  const { exitCode, stderr } = await run(['decode', '-k', '0x5eC2e7zz', '--hex', '40010001']);
  assert.equal(exitCode, 64);
  assert.match(stderr, /-k: After 0x come pairs of hexadecimal digits/);
  assert.doesNotMatch(stderr, /5eC2e7/);
});
