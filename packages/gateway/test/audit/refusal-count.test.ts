import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RefusalAudit } from '../../src/audit/audit-log.ts';
import { RefusalCount, type RefusalLine, type RefusedRequest } from '../../src/audit/refusal-count.ts';
import { RefusalRelay } from '../../src/audit/refusal-relay.ts';
import { networkOf } from '../../src/text/network.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const stranger = (peer: string): RefusedRequest => ({
  ...{ reason: 'handshake-unknown-identity', peer, isProven: false },
  details: { from: `[${peer}]:1`, claimed: 'x'.repeat(256) },
});
const proven = (peer: string): RefusedRequest => ({
  ...{ reason: 'forbidden', peer, isProven: true, details: { path: '/lock' } },
});

test('IPv6 addresses are counted by their /64, others as they are', () => {
  for (const [host, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['serial:/dev/ttyUSB0', 'serial:/dev/ttyUSB0'],
  ] as const) {
    assert.equal(networkOf(host), network, host);
  }
});

test('strangers with any number of names and networks do not take the lines of who has proved an identity', () => {
  const count = new RefusalCount();
  const told = Array.from({ length: 10_000 }, (_, n) =>
    count.add(stranger(`2001:db8:${n >> 8}:${n & 255}::/64`)),
  );
  assert.equal(told.filter((line) => line !== undefined).length, 60);
  assert.deepEqual(count.add(proven('nurse')), proven('nurse'));
  const [others] = count.takeCounted();
  assert.deepEqual(others, {
    ...{ reason: 'several', peer: 'others', isProven: false, details: {}, repeated: 9940 },
  });
});

test('the longer strangers go on the fewer lines they get', () => {
  const count = new RefusalCount();
  const perMinute = Array.from({ length: 4 }, (_, minute) => {
    const lines = Array.from({ length: 1000 }, (_, n) => count.add(stranger(`2001:db8:${minute}:${n}::/64`)));
    count.takeCounted();
    return lines.filter((line) => line !== undefined).length;
  });
  assert.deepEqual(perMinute, [60, 10, 10, 10]);
  for (let minute = 0; minute < 5; minute++) count.takeCounted();
  assert.notEqual(count.add(stranger('192.0.2.1')), undefined);
});

test('a day of a flood from all networks leaves the refusals of devices in their file', (t) => {
  const folder = temporaryFolder(t);
  let minuteIsOver = (): void => {};
  const refusals = new RefusalAudit({
    dataFolder: folder,
    clock: () => 0,
    after: (_, action) => {
      minuteIsOver = action;
      return () => {};
    },
    onError: assert.fail,
  });
  refusals.add(proven('nurse'));
  let written = 0;
  for (let minute = 0; minute < 24 * 60; minute++) {
    for (let n = 0; n < 100; n++) refusals.add(stranger(`2001:db8:${minute}:${n}::/64`));
    minuteIsOver();
  }
  refusals.close();
  const own = readFileSync(join(folder, 'audit-refusals.ndjson'), 'utf8');
  assert.match(own, /"reason":"forbidden","peer":"nurse"/);
  for (const line of own.trim().split('\n')) assert.match(line, /nurse/);
  for (const name of ['audit-strangers.ndjson', 'audit-strangers.ndjson.1', 'audit-strangers.ndjson.2'])
    written += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  assert.ok(written < 12 * 1024 * 1024, `${written} bytes in a day`);
});

test('a flood in another thread sends few messages, and none of it is lost from the count', () => {
  const sent: RefusalLine[] = [];
  const due: (() => void)[] = [];
  const relay = new RefusalRelay(
    (line) => sent.push(line),
    (_, action) => due.push(action),
  );
  for (let n = 0; n < 100_000; n++) relay.add(stranger(`192.0.2.${n % 100}`));
  assert.equal(sent.length, 60);
  assert.equal(due.length, 1);
  due[0]?.();
  assert.equal(sent.length, 60 + 60 + 1);
  const count = new RefusalCount();
  const lines = [...sent.flatMap((line) => count.add(line) ?? []), ...count.takeCounted()];
  const total = lines.reduce((sum, { repeated }) => sum + (repeated ?? 1), 0);
  assert.equal(total, 100_000);
  relay.add(proven('nurse'));
  assert.equal(due.length, 2, 'the next minute begins with the next refusal');
});
