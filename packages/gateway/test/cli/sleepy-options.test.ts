/** The options of `coapsule serve` for devices that sleep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailure } from '../../src/cli/command-failure.ts';
import { type SleepyCommandOptions, sleepyOptions } from '../../src/cli/sleepy-options.ts';

test('without devices that sleep there is nothing, and options for them are refused', () => {
  assert.equal(sleepyOptions({}), undefined);
  for (const [options, flag] of [
    [{ sleepyWait: 3 }, '--sleepy-wait'],
    [{ sleepyStale: true }, '--sleepy-stale'],
    [{ sleepyLatest: ['/a'] }, '--sleepy-latest'],
  ] as readonly (readonly [SleepyCommandOptions, string])[]) {
    assert.throws(
      () => sleepyOptions(options),
      (error) => error instanceof CommandFailure && error.message.startsWith(flag),
    );
  }
});

test('times are seconds there and milliseconds here, with defaults', () => {
  const { latestOnly, ...made } =
    sleepyOptions({
      sleepy: ['meter'],
      sleepyAwake: 5,
      sleepyLatest: ['/config/*'],
    }) ?? assert.fail();
  assert.deepEqual(made, {
    devices: ['meter'],
    registered: false,
    awakeMs: 5000,
    waitMs: 20_000,
    lifetimeMs: 86_400_000,
    mostCommands: 32,
    freshMs: 3_600_000,
    servesStale: false,
  });
  assert.deepEqual(latestOnly, [{ segments: ['config'], below: true }]);
  assert.equal(sleepyOptions({ sleepyRegistered: true })?.registered, true);
  assert.throws(() => sleepyOptions({ sleepy: ['a'], sleepyLatest: ['x'] }), /--sleepy-latest: the path "x"/);
});
