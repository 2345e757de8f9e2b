/** The options of what a gateway shares with others. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { CommandFailure } from '../../src/cli/command-failure.ts';
import { expectPossible } from '../../src/cli/serve-check.ts';
import { addSharedOptions, type SharedCommandOptions, sharedOptions } from '../../src/cli/shared-options.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

function parsed(...args: readonly string[]): SharedCommandOptions {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addSharedOptions(command);
  return command.parse(args, { from: 'user' }).opts();
}

test('--redis-link names the place where other gateways reach this one', (t) => {
  const key = join(temporaryFolder(t), 'shared.key');
  writeFileSync(key, new Uint8Array(32), { mode: 0o600 });
  const shared = ['--redis', 'redis://localhost', '--redis-key', key];
  const linkOf = (...more: readonly string[]) => sharedOptions(parsed(...shared, ...more))?.link;
  assert.equal(linkOf(), undefined);
  assert.deepEqual(linkOf('--redis-link', '10.0.0.1:5690'), { host: '10.0.0.1', port: 5690 });
  assert.deepEqual(linkOf('--redis-link', '[fd00::1]:5690'), { host: 'fd00::1', port: 5690 });
  for (const wrong of ['5690', '[::]:5690', '0.0.0.0:5690', 'off', 'gateway.example:5690', '10.0.0.1'])
    assert.throws(() => linkOf('--redis-link', wrong), wrong);
  assert.throws(
    () => sharedOptions(parsed('--redis-link', '10.0.0.1:5690')),
    (error) =>
      error instanceof CommandFailure && /--redis-link is for gateways that share/.test(error.message),
  );
});

test('records are passed on by machine or by worker, not by both', (t) => {
  const key = join(temporaryFolder(t), 'shared.key');
  writeFileSync(key, new Uint8Array(32), { mode: 0o600 });
  const options = {
    ...parsed('--redis', 'redis://localhost', '--redis-key', key, '--redis-link', '10.0.0.1:5690'),
    ...{ coap: 'off', coaps: { host: '::', port: 5684 }, tcp: 'off', tls: 'off', ws: 'off', wss: 'off' },
    ...{ http: 'off', metrics: 'off', workers: 1 },
  } as unknown as Parameters<typeof expectPossible>[0];
  expectPossible(options);
  assert.throws(
    () => expectPossible({ ...options, workers: 2 }),
    /--redis-link is for gateways of one thread/,
  );
});
