/**
 * Which serial devices a machine has.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { serialDevices } from '../../src/node/serial-device.ts';
import { devicesOf, linuxDevices } from '../../src/node/serial-device-list.ts';

it('without udev the names that drivers make are devices, and ports that have a chip', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coapsule-dev-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const names = [
    'ttyUSB0',
    'ttyACM12',
    'ttyGS0',
    'rfcomm0',
    'tty',
    'tty1',
    'ttyS0',
    'ttyS1',
    'ttyS2',
    'null',
  ];
  for (const name of names) writeFileSync(join(folder, name), '');
  for (const [name, type] of Object.entries({ ttyS0: '4\n', ttyS1: '0\n' })) {
    mkdirSync(join(folder, 'class', name), { recursive: true });
    writeFileSync(join(folder, 'class', name, 'type'), type);
  }
  const found = await linuxDevices(folder, join(folder, 'class'));
  const wanted = ['rfcomm0', 'ttyACM12', 'ttyGS0', 'ttyS0', 'ttyUSB0'];
  assert.deepEqual(
    found.toSorted(),
    wanted.map((name) => `${folder}/${name}`),
  );
});

it('a folder that is not there has none', async () => {
  assert.deepEqual(await linuxDevices('/no/such/folder', '/none'), []);
});

it('this machine tells its devices by path, in order', async () => {
  const paths = (await serialDevices()).map(({ path }) => path);
  assert.deepEqual(
    paths,
    paths.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })),
  );
  for (const path of paths) assert.match(path, /^(\/dev\/|COM\d+$)/);
});

it('what the system tells is passed on without what it does not know', async () => {
  const list = async () => [
    { path: '/dev/ttyUSB10', manufacturer: undefined, vendorId: '10c4', productId: 'ea60' },
    { path: '/dev/ttyUSB9', manufacturer: 'Silicon Labs', serialNumber: '0001' },
  ];
  assert.deepEqual(await devicesOf(list), [
    { path: '/dev/ttyUSB9', manufacturer: 'Silicon Labs', serialNumber: '0001' },
    { path: '/dev/ttyUSB10', vendorId: '10c4', productId: 'ea60' },
  ]);
});
