import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { addSerialOptions, type SerialCommandOptions, serialOptions } from '../../src/cli/serial-options.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

function parsed(...args: string[]): SerialCommandOptions {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addSerialOptions(command);
  return command.parse(args, { from: 'user' }).opts();
}

test('--serial is repeatable; what is wrong with one is said', () => {
  assert.deepEqual(
    serialOptions(parsed('--serial', 'ttyUSB0', '--serial', 'COM3,9600,plain'), () => {}),
    {
      serial: [
        { device: 'ttyUSB0', baudRate: 115_200, security: undefined },
        { device: 'COM3', baudRate: 9600, security: 'plain' },
      ],
    },
  );
  assert.throws(() => parsed('--serial', 'ttyUSB0,fast'), /"fast" is not a baud rate such as 9600/);
  assert.throws(() => parsed('--serial', 'ttyUSB0,9600,open'), /"open" is neither secured nor plain/);
});

test('--serial-credentials has what is used on some lines, and is read at once', (t) => {
  const file = join(temporaryFolder(t), 'lines.json');
  const map = { 'coaps+serial://ttyUSB0/*': { identity: 'sensor-7', key: 'a key of sixteen bytes' } };
  writeFileSync(file, JSON.stringify(map), { mode: 0o600 });
  const lines = ['--serial', 'ttyUSB0', '--serial', 'ttyUSB1', '--serial-credentials', file];
  const { lineCredentials } = serialOptions(parsed(...lines), (text) => assert.fail(text));
  assert.deepEqual(lineCredentials?.('coaps+serial://ttyUSB0:115200'), {
    psk: {
      identity: new TextEncoder().encode('sensor-7'),
      key: new TextEncoder().encode('a key of sixteen bytes'),
    },
  });
  assert.deepEqual(lineCredentials?.('coaps+serial://ttyUSB1:115200'), {});
  assert.throws(() => serialOptions(parsed('--serial-credentials', file), () => {}), {
    message: '--serial-credentials is for serial lines, and there is none',
    exitCode: 64,
  });
  assert.throws(() => serialOptions(parsed('--serial-mtu', '512'), () => {}), {
    message: '--serial-mtu is for serial lines, and there is none',
    exitCode: 64,
  });
  assert.equal(serialOptions(parsed('--serial', 'COM1', '--serial-mtu', '512'), () => {}).lineMtu, 512);
  const warnings: string[] = [];
  const others = parsed('--serial', 'ttyACM0,9600', '--serial-credentials', file);
  assert.deepEqual(
    serialOptions(others, (text) => warnings.push(text)).lineCredentials?.('coaps+serial://ttyACM0:9600'),
    {},
  );
  assert.deepEqual(warnings, [
    `${file} has nothing for any line; it names them as coaps+serial://ttyACM0:9600`,
  ]);
  writeFileSync(file, '{');
  assert.throws(() => serialOptions(parsed(...lines), () => {}), { message: /is not JSON/, exitCode: 64 });
});
