import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'coapsule';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { CoapsuleProcess, coapsule } from './gateway-process.ts';

test('devices are added, listed, shown, rotated and removed; keys are shown once or on demand', async (t) => {
  const data = join(temporaryFolder(t), 'data');
  const device = (...args: string[]) => coapsule(t, 'device', ...args, '--data', data);

  const added = await device('add', 'sensor-7');
  assert.equal(added.code, 0, added.stderr);
  assert.match(added.stderr, /^added sensor-7; it may PUT,POST,GET:\/sensors\/sensor-7 /);
  assert.match(added.stdout, /^0x[0-9a-f]{32}\n$/);
  const key = added.stdout.trim();

  const given = await device('add', 'b', '--psk', 'short', '--allow', 'get:/sensors/*', '--allow', '*:/x');
  assert.deepEqual([given.code, given.stdout], [0, '']);
  assert.match(given.stderr, /the key of b has 5 bytes/);
  assert.ok(!given.stderr.includes('short'));

  const again = await device('add', 'b');
  assert.equal(again.code, 1);
  assert.match(again.stderr, /a device b already/);

  const list = await device('list', '--json');
  const [first, second] = JSON.parse(list.stdout);
  assert.deepEqual([first.id, first.allow], ['b', ['GET:/sensors/*', '*:/x']]);
  assert.deepEqual(
    [second.id, second.keyLength, second.keyVersion, second.rotated],
    ['sensor-7', 16, 1, null],
  );
  for (const output of [
    list.stdout,
    (await device('list')).stdout,
    (await device('show', 'sensor-7')).stdout,
  ])
    assert.ok(!output.includes(key.slice(2)));
  assert.ok((await device('show', 'sensor-7', '--reveal')).stdout.includes(key));
  assert.equal(JSON.parse((await device('show', 'sensor-7', '--reveal', '--json')).stdout).psk, key);

  const rotated = await device('rotate', 'sensor-7');
  assert.match(rotated.stdout, /^0x[0-9a-f]{32}\n$/);
  assert.notEqual(rotated.stdout.trim(), key);
  assert.equal(JSON.parse((await device('show', 'sensor-7', '--json')).stdout).keyVersion, 2);

  const allowed = await device('allow', 'sensor-7', 'put:/x', 'GET:/y/*');
  assert.deepEqual(
    [allowed.code, allowed.stdout, allowed.stderr],
    [0, '', 'sensor-7 may now PUT:/x GET:/y/*, and nothing else\n'],
  );
  const shown = JSON.parse((await device('show', 'sensor-7', '--json')).stdout);
  assert.deepEqual([shown.keyVersion, shown.allow], [2, ['PUT:/x', 'GET:/y/*']]);

  const removed = await device('remove', 'sensor-7');
  assert.deepEqual([removed.code, removed.stderr], [0, 'removed sensor-7; its readings stay\n']);
  await device('remove', 'b');
  const none = await device('list');
  assert.deepEqual([none.code, none.stdout], [0, '']);
  assert.match(none.stderr, /^no devices yet; add one with: coapsule device add ID\n$/);
  for (const [name, ...rules] of [['show'], ['remove'], ['rotate'], ['allow', 'PUT:/x']] as const) {
    const missing = await device(name, 'sensor-7', ...rules);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /no device sensor-7/);
  }
});

test('wrong usage of device ends with 64 and makes no store', async (t) => {
  const data = join(temporaryFolder(t), 'data');
  const cases: readonly (readonly [args: string[], code: number, message: RegExp])[] = [
    [['add', 'a/b'], 64, /has a \//],
    [['add', '*'], 64, /any identity/],
    [['add', 'a', '--allow', 'PULL:/x'], 64, /PULL/],
    [['allow', 'a'], 64, /missing required argument/],
    [['allow', 'a', 'x'], 64, /not METHOD:PATH/],
    [['add', 'a', '--psk', '0xnothex'], 64, /hexadecimal/],
    [['add', 'a', '--rpk', 'x', '--cert', 'x'], 64, /one credential/],
    [['add', 'a', '--rpk', join(data, 'none')], 1, /there is no such file/],
    [['add', 'a', '--oscore', 'generate', '--psk', 'generate'], 64, /one credential/],
    [['add', 'a', '--oscore-file', 'x'], 64, /for the end that is made/],
    [['list'], 1, /there is no data folder/],
    [['frobnicate'], 64, /unknown command/],
  ];
  for (const [args, code, message] of cases) {
    const ended = await coapsule(t, 'device', ...args, ...(args[0] === 'frobnicate' ? [] : ['--data', data]));
    assert.equal(ended.code, code, `${args}: ${ended.stderr}`);
    assert.match(ended.stderr, message);
    assert.ok(!ended.stderr.includes('0xnothex'));
  }
  assert.equal(existsSync(data), false);
});

test('the command works while the gateway runs, which then ends the association of a removed device', async (t) => {
  const data = temporaryFolder(t);
  const gateway = new CoapsuleProcess(t, [
    'serve',
    '-v',
    '--data',
    data,
    '--coap',
    'off',
    '--coaps',
    '127.0.0.1:0',
  ]);
  const { coaps } = await gateway.ready();
  const added = await coapsule(t, 'device', 'add', 'late', '--data', data);
  const key = Buffer.from(added.stdout.trim().slice(2), 'hex');
  await using client = new Client({ psk: { identity: 'late', key } });
  assert.equal((await client.put(`coaps://${coaps}/sensors/late`, { payload: '1' })).codeText, '2.01');
  assert.equal((await coapsule(t, 'device', 'remove', 'late', '--data', data)).code, 0);
  await gateway.waitFor('stderr', /ended: local/);
  const { stderr } = await gateway.kill('SIGTERM');
  assert.ok(!stderr.includes(key.toString('hex')));
});

test('each change of a device is audited with who made it, and without its key', async (t) => {
  const data = temporaryFolder(t);
  const device = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await coapsule(t, 'device', ...args, '--data', data);
    assert.equal(code, 0, stderr);
  };
  await device('add', 'a', '--psk', 'MySecret16ByteK!', '--allow', 'GET:/x');
  assert.notEqual((await coapsule(t, 'device', 'add', 'a', '--data', data)).code, 0);
  await device('allow', 'a', 'PUT:/x');
  await device('list');
  await device('rotate', 'a', '--psk', 'MySecret16ByteKK');
  await device('remove', 'a');
  const text = readFileSync(join(data, 'audit-changes.ndjson'), 'utf8');
  const by = userInfo().username;
  assert.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map((line) => ({ ...JSON.parse(line), at: undefined })),
    [
      {
        event: 'device-added',
        how: 'coapsule device add',
        device: 'a',
        credential: 'psk',
        allow: ['GET:/x'],
        by,
      },
      { event: 'device-allowed', how: 'coapsule device allow', device: 'a', allow: ['PUT:/x'], by },
      { event: 'device-rotated', how: 'coapsule device rotate', device: 'a', credential: 'psk', by },
      { event: 'device-removed', how: 'coapsule device remove', device: 'a', by },
    ].map((line) => ({ ...line, at: undefined })),
  );
  assert.ok(!text.includes('MySecret'));
});
