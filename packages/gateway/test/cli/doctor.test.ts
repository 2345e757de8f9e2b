import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { examine } from '../../src/cli/doctor-command.ts';
import { type Check, fine, notice, trouble } from '../../src/doctor/check.ts';
import { dataFolderCheck } from '../../src/doctor/device-checks.ts';
import { loopbackCheck, multicastCheck } from '../../src/doctor/network-checks.ts';
import {
  clockCheck,
  cryptographyCheck,
  nodeCheck,
  randomnessCheck,
} from '../../src/doctor/runtime-checks.ts';
import { run } from './recorded-environment.ts';

/** What is printed of checks. */
async function printed(checks: readonly Check[], asJson = false): Promise<readonly [number, string]> {
  const parts: string[] = [];
  const stdout = {
    isTerminal: false,
    write: (data: string | Uint8Array): void => {
      parts.push(data.toString());
    },
  };
  return [await examine(checks, asJson, { stdout }), parts.join('')];
}

const check = (name: string, run: Check['run']): Check => ({ name, run });

describe('doctor', () => {
  test('prints each check with what to do, and ends with 1 where something is in trouble', async () => {
    const checks = [
      check('clock', async () => fine('2026')),
      check('MTU', async () => notice('unknown', 'look at it')),
    ];
    assert.deepEqual(await printed(checks), [
      0,
      'fine    clock: 2026\nnotice  MTU: unknown\n        look at it\n',
    ]);
    const [exitCode] = await printed([...checks, check('UDP', async () => trouble('lost', 'open it'))]);
    assert.equal(exitCode, 1);
  });

  test('a check that throws is a trouble of its own, and the others go on', async () => {
    const [exitCode, text] = await printed([
      check('one', async () => {
        throw new Error('broken');
      }),
      check('two', async () => fine('there')),
    ]);
    assert.equal(exitCode, 1);
    assert.match(text, /^trouble one: broken\n/);
    assert.match(text, /\nfine {4}two: there\n$/);
  });

  test('an old Node and a clock before this program are trouble', async () => {
    assert.equal((await nodeCheck('22.20.0').run()).state, 'trouble');
    assert.equal((await nodeCheck('24.10.9').run()).state, 'trouble');
    assert.equal((await nodeCheck('24.11.0').run()).state, 'fine');
    assert.equal((await clockCheck(0).run()).state, 'trouble');
    assert.equal((await clockCheck(Date.parse('2027-05-01')).run()).state, 'fine');
  });

  test('what runs these tests has sockets, randomness and AES-CCM', async () => {
    for (const one of [loopbackCheck, multicastCheck, randomnessCheck, cryptographyCheck]) {
      assert.notEqual((await one.run()).state, 'trouble', one.name);
    }
  });

  test('a data folder that others can read is told', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'coapsule-doctor-'));
    t.after(() => rmSync(folder, { recursive: true }));
    assert.equal((await dataFolderCheck(folder).run()).state, 'fine');
    chmodSync(folder, 0o755);
    assert.equal((await dataFolderCheck(folder).run()).state, 'notice');
    assert.match((await dataFolderCheck(join(folder, 'none')).run()).found, /not there yet/);
  });

  test('all checks have a line, also as JSON', async () => {
    const { stdout } = await run(['doctor', '--json']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; state: string });
    assert.deepEqual(
      lines.map(({ name }) => name),
      [
        'Node',
        'cryptography',
        'randomness',
        'clock',
        'UDP',
        'addresses',
        'ports',
        'multicast',
        'MTU',
        'serial lines',
        'data folder',
      ],
    );
  });
});
