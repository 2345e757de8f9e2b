/** Lines of key logs, remembered within bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownSecrets } from '../../src/decode/secrets.ts';

function line(label: string, index: number, bytes: number): string {
  return `${label} ${index.toString(16).padStart(64, '0')} ${'ab'.repeat(bytes)}`;
}

function random(index: number): Uint8Array {
  return new Uint8Array(Buffer.from(index.toString(16).padStart(64, '0'), 'hex'));
}

test('who reads a key log as it comes remembers its newest secrets, who reads a file all of it', () => {
  const [live, ofFile] = [new KnownSecrets([], 100), new KnownSecrets()];
  for (let index = 0; index < 150; index++) {
    for (const secrets of [live, ofFile]) {
      secrets.addLine(line('CLIENT_RANDOM', index, 48));
      secrets.addLine(line('CLIENT_TRAFFIC_SECRET_0', index, 32));
    }
  }
  const known = (secrets: KnownSecrets, index: number): readonly boolean[] => [
    secrets.masterSecret(random(index)) !== undefined,
    secrets.trafficSecret('CLIENT_TRAFFIC_SECRET_0', random(index)) !== undefined,
  ];
  assert.deepEqual(known(live, 49), [false, false]);
  assert.deepEqual(known(live, 50), [true, true]);
  assert.deepEqual(known(ofFile, 0), [true, true]);
});
