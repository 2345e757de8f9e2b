import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parsePskFile } from '../../src/cli/psk-file.ts';
import { openDatabase } from '../../src/store/database.ts';
import { type Device, DeviceTable } from '../../src/store/device-table.ts';
import { parseCsv } from '../../src/text/csv.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { coapsule, type Ended } from './gateway-process.ts';

const fingerprint = (digit: string): string => `sha256:${digit.repeat(64)}`;

function scene(t: TestContext) {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  return {
    at,
    /** Import a file of this text. */
    importing(name: string, text: string, ...args: string[]): Promise<Ended> {
      writeFileSync(at(name), text);
      return coapsule(t, 'device', 'import', at(name), '--data', at('data'), ...args);
    },
    devices(): Device[] {
      const opened = openDatabase(at('data'), { create: false, asGateway: false });
      const all = new DeviceTable(opened).all();
      opened.close();
      return all;
    },
  };
}

test('CSV: quotes, quoted commas, quotes and line ends, and the line of each record (RFC 4180)', () => {
  const records = parseCsv('\uFEFFid,allow\r\n"a,b","x ""y"""\n\n"two\nlines",\nlast,z');
  assert.deepEqual(records, [
    { line: 1, fields: ['id', 'allow'] },
    { line: 2, fields: ['a,b', 'x "y"'] },
    { line: 4, fields: ['two\nlines', ''] },
    { line: 6, fields: ['last', 'z'] },
  ]);
  assert.deepEqual(parseCsv(''), []);
  for (const text of ['a\n"b', 'a\nb"c"', 'a\n"b"c'])
    assert.equal((parseCsv(text) as { line: number }).line, 2, text);
});

test('devices of a CSV file are added with their keys and rules, and made keys go to a file of their own', async (t) => {
  const { at, importing, devices } = scene(t);
  const text = `id,psk,rpk,allow
pump-1,0x00112233445566778899aabbccddeeff,,
pump-2,,,
meter,,${fingerprint('a')},"PUT:/sensors/meter GET:/x/*"
`;
  const { code, stdout, stderr } = await importing('fleet.csv', text, '--keys', at('fleet.psk'));
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    [stdout, /added 3 devices, 1 with a new key in .*fleet\.psk/.test(stderr)],
    ['', true],
    stderr,
  );
  const [meter, one, two] = devices();
  assert.deepEqual(
    [meter?.credential, meter?.rules],
    [{ kind: 'rpk', fingerprint: fingerprint('a') }, ['PUT:/sensors/meter', 'GET:/x/*']],
  );
  assert.equal(one?.credential.kind === 'psk' && one.credential.key.length, 16);
  assert.deepEqual(one?.rules[0], 'PUT,POST,GET:/sensors/pump-1');
  const [made] = parsePskFile(readFileSync(at('fleet.psk'), 'utf8'), 'fleet.psk');
  assert.deepEqual(two?.credential, { kind: 'psk', key: made?.key });
  if (process.platform !== 'win32') assert.equal(statSync(at('fleet.psk')).mode & 0o777, 0o600);
  const audit = readFileSync(at('data/audit-changes.ndjson'), 'utf8').trimEnd().split('\n');
  assert.deepEqual(
    audit.map((line) => JSON.parse(line)).map(({ event, how, device }) => [event, how, device]),
    ['pump-1', 'pump-2', 'meter'].map((id) => ['device-added', 'coapsule device import', id]),
  );
});

test('a JSON list says the same, and made keys go to standard output without --keys', async (t) => {
  const { importing, devices } = scene(t);
  const list = [
    { id: 'a', psk: 'generate', allow: ['GET:/sensors/*'] },
    { id: 'b', psk: '0x00112233445566778899aabbccddeeff' },
  ];
  const { code, stdout, stderr } = await importing('fleet.json', JSON.stringify(list));
  assert.equal(code, 0, stderr);
  const [a, b] = devices();
  const [made] = parsePskFile(stdout, 'stdout');
  assert.deepEqual([a?.credential, a?.rules], [{ kind: 'psk', key: made?.key }, ['GET:/sensors/*']]);
  assert.equal(b?.id, 'b');
});

test('one fault, or one device that is there already, and none is added', async (t) => {
  const { at, importing, devices } = scene(t);
  const faulty = await importing(
    'fleet.csv',
    'id,psk,allow\na,0xsecret,\nb/c,secretsecretsecret,\nd,,PUT /x\ne,,\ne,,\nf\n',
    '--keys',
    at('keys'),
  );
  assert.equal(faulty.code, 64);
  const wanted = [
    /fleet\.csv:2: --psk: the key is empty, or not pairs/,
    /fleet\.csv:3: the id has a \//,
    /fleet\.csv:4: "PUT" is not METHOD:PATH/,
    /fleet\.csv:6: e stands on line 5 already/,
    /fleet\.csv:7: 1 fields, and 3 columns/,
    /has 5 faults; no device was added/,
  ];
  for (const pattern of wanted) assert.match(faulty.stderr, pattern);
  assert.ok(!faulty.stderr.includes('secret'));
  assert.deepEqual([existsSync(at('data')), existsSync(at('keys'))], [false, false]);

  for (const [name, text, problem] of [
    ['a.csv', 'sensor-1,secretsecretsecret\n', /a\.csv:1: the first line names the columns/],
    ['b.json', '[{ "id": "a", "pskk": "secret" }]', /b\.json:1: .*pskk: is no key here: did you mean psk\?/],
    ['c.json', '[{ "id": "a", "psk": ["secret"] }]', /c\.json:1: .*psk: expected a key/],
    ['d.csv', 'id,rpk\na,"unclosed', /d\.csv:2: a quote/],
    [
      'e.csv',
      `id,rpk\na,${fingerprint('b')}\nb,${fingerprint('b')}\n`,
      /e\.csv:3: b has the key or certificate of a/,
    ],
    ['f.csv', 'id\n', /has no device/],
  ] as const) {
    const ended = await importing(name, text);
    assert.equal(ended.code, 64, ended.stderr);
    assert.match(ended.stderr, problem);
    assert.ok(!ended.stderr.includes('secret'));
  }

  assert.equal((await importing('one.csv', 'id\nb\n')).code, 0);
  const again = await importing('two.csv', 'id\na\nb\n', '--keys', at('keys'));
  assert.equal(again.code, 1);
  assert.match(again.stderr, /two\.csv:3: there is a device b already; none was added/);
  assert.deepEqual(
    devices().map(({ id }) => id),
    ['b'],
  );
  assert.equal(existsSync(at('keys')), false);
});
