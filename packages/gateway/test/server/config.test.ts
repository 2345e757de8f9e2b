import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'coapsule';
import { keyValue } from '../../src/cli/option-values.ts';
import { serveCommand } from '../../src/cli/serve.ts';
import { configuredOptions } from '../../src/cli/serve-config.ts';
import { parseConfig, readConfigFile } from '../../src/config/config-file.ts';
import { configKeys } from '../../src/config/config-keys.ts';
import type { ConfiguredOptions } from '../../src/config/config-schema.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import type { DocumentFault } from '../../src/config/read-document.ts';
import { expectDistinctPorts } from '../../src/server/endpoint-check.ts';
import { nearestWord } from '../../src/text/nearest-word.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { leaves, optionOf, referenceTable } from './config-reference.ts';
import { CoapsuleProcess, coapsule } from './gateway-process.ts';

const root = join(import.meta.dirname, '../../../..');

/** With `COAPSULE_WRITE_REFERENCE=1` the files are written anew instead of compared. */
function expectFile(path: string, text: string): void {
  if (process.env['COAPSULE_WRITE_REFERENCE'] === '1') writeFileSync(path, text);
  assert.equal(
    readFileSync(path, 'utf8'),
    text,
    `write it anew: COAPSULE_WRITE_REFERENCE=1 npm test -- ${path}`,
  );
}

function parse(text: string, variables: Record<string, string> = {}): ReturnType<typeof parseConfig> {
  return parseConfig(text, {
    resolvePath: (path) => `/etc/${path}`,
    readSecret: (path) => {
      if (path !== '/etc/pump.key') throw new Error(`no such file ${path}`);
      return '0x00112233\n';
    },
    keyOf: keyValue,
    variables,
  });
}

function optionsOf(text: string, variables?: Record<string, string>): ConfiguredOptions {
  const file = parse(text, variables);
  assert.ok('options' in file, JSON.stringify(file));
  return file.options;
}

function faultsOf(text: string): readonly DocumentFault[] {
  const file = parse(text);
  assert.ok('faults' in file, text);
  return file.faults;
}

test('the published JSON Schema is the one that reads the file', () => {
  expectFile(
    join(root, 'packages/gateway/coapsule.schema.json'),
    `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`,
  );
});

test('docs/configuration.md has every key with its flag, variable, default and meaning', () => {
  const path = join(root, 'docs/configuration.md');
  const [before = '', , after = ''] = readFileSync(path, 'utf8').split(/^<!-- \/?reference -->$/m);
  const table = `<!-- reference -->\n\n${referenceTable(serveCommand({}))}\n\n<!-- /reference -->`;
  expectFile(path, `${before}${table}${after}`);
});

test('the examples of docs/configuration.md are configurations', () => {
  const text = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
  const [first = '', second = ''] = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(
    ([, example = '']) => example,
  );
  const options = optionsOf(first.replace('pump-1.key', 'pump.key'));
  assert.equal(options.coap, 'off');
  assert.equal(options.maxBytes, 64 * 1024 * 1024);
  const { access } = optionsOf(second);
  assert.deepEqual(access?.groups[1]?.rules, ['PUT,POST:/sensors/ward-3/{id}/*']);
  assert.equal(access?.resources.length, 2);
});

test('every option of serve is a key of the file, and every key an option', () => {
  const command = serveCommand({});
  const asked = ['config', 'check', 'printSchema'];
  // Its names are those of the operator: no flag could have them.
  const fileOnly = ['access'];
  const names = command.options
    .map((option) => option.attributeName())
    .filter((name) => !asked.includes(name));
  assert.deepEqual(Object.keys(configKeys).sort(), [...names, ...fileOnly].sort());
  const keys = leaves().map(({ key }) => key);
  for (const key of Object.values(configKeys))
    assert.ok(
      keys.some((other) => other === key || other.startsWith(`${key}.`)),
      key,
    );
  const without = keys.filter((key) => optionOf(command, key) === undefined && !key.includes('[]'));
  assert.deepEqual(
    without.filter((key) => !key.startsWith('access.')),
    ['$schema'],
  );
});

test('YAML and JSON mean the same, paths are from the folder of the file, off is no text to guess', () => {
  const yaml = `
endpoints: { coap: off, coaps: "[::1]:5684", tcp: 5683, ws: false, multicast: [eth0] }
credentials: { certificate: gateway.pem, extendedMasterSecret: false }
psk: { file: devices.psk, hint: CoAP }
limits: { keep: 5, maxBytes: 2K }
reverseProxy: [{ path: /cloud, uri: "coap://cloud.example/api", oscore: cloud.oscore }]
serial: { lines: [{ device: ttyUSB0, baud: 9600, security: plain }] }
`;
  const json = `{
\t"endpoints": { "coap": "off", "coaps": "[::1]:5684", "tcp": 5683, "ws": false, "multicast": ["eth0"] },
\t"credentials": { "certificate": "gateway.pem", "extendedMasterSecret": false },
\t"psk": { "file": "devices.psk", "hint": "CoAP" },
\t"limits": { "keep": 5, "maxBytes": 2048 },
\t"reverseProxy": [{ "path": "/cloud", "uri": "coap://cloud.example/api", "oscore": "cloud.oscore" }],
\t"serial": { "lines": [{ "device": "ttyUSB0", "baud": 9600, "security": "plain" }] }
}`;
  const options = optionsOf(yaml);
  assert.deepEqual(optionsOf(json), options);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  assert.deepEqual(given, {
    coap: 'off',
    coaps: { host: '::1', port: 5684 },
    tcp: { host: '::', port: 5683 },
    ws: 'off',
    multicast: ['eth0'],
    cert: '/etc/gateway.pem',
    ems: false,
    pskFile: '/etc/devices.psk',
    pskHint: 'CoAP',
    keep: 5,
    maxBytes: 2048,
    reverseProxy: [{ path: '/cloud', uri: 'coap://cloud.example/api', oscore: '/etc/cloud.oscore' }],
    serial: [{ device: 'ttyUSB0', baudRate: 9600, security: 'plain' }],
  });
  assert.deepEqual(
    Object.values(optionsOf('')).filter((value) => value !== undefined),
    [],
  );
});

test('a key stands in the file, in a file of its own or in a variable, and in one of them only', () => {
  const entry = (how: string): string => `psk: { keys: [{ identity: pump, ${how} }] }`;
  const keyOf = (how: string) => optionsOf(entry(how), { PUMP: 'from the variable' }).psk?.[0]?.key;
  assert.deepEqual(keyOf('key: "0x0a0b"'), Uint8Array.of(10, 11));
  assert.deepEqual(keyOf('keyFile: pump.key'), Uint8Array.of(0, 0x11, 0x22, 0x33));
  assert.deepEqual(keyOf('keyEnvironment: PUMP'), new TextEncoder().encode('from the variable'));
  for (const [how, problem] of [
    ['key: a, keyFile: pump.key', /expected one of key, keyFile, keyEnvironment/],
    ['keyFile: none.key', /cannot be read: no such file/],
    ['keyEnvironment: NONE', /not set/],
    ['key: ""', /empty/],
    ['key: "0xsecret"', /hexadecimal/],
  ] as const) {
    const [fault] = faultsOf(entry(how));
    assert.match(fault?.problem ?? '', problem);
    assert.ok(!fault?.problem.includes('secret'));
  }
});

test('each fault has its line, column and key, and what may stand there', () => {
  const faults = faultsOf(`endpoints:
  coap: 99999
  copas: off
psk:
  keys:
    - identity: a
      key: [MySecretKey16Byt]
serial:
  lines:
    - device: ttyUSB0
      security: plaid
limits: { keep: -1 }
reverseProxy:
  - path: /cloud
log: 3
`);
  const shown = faults.map(({ line, column, key, problem }) => `${line}:${column} ${key} ${problem}`);
  const wanted = [
    /^2:9 endpoints\.coap .*port.* 0 to 65535/,
    /^3:3 endpoints\.copas is no key here: did you mean coap\? \(keys: coap, coaps, multicast, tcp/,
    /^7:12 psk\.keys\[0\]\.key expected a key$/,
    /^11:17 serial\.lines\[0\]\.security is "plaid"; expected secured or plain$/,
    /^12:17 limits\.keep is -1; expected a whole number, 0 to 1000000000$/,
    /^14:5 reverseProxy\[0\]\.uri is missing: expected a URI such as/,
    /^15:6 log is 3; expected keys with values: verbosity, keylog/,
  ];
  for (const pattern of wanted)
    assert.ok(
      shown.some((text) => pattern.test(text)),
      `${pattern}\n${shown.join('\n')}`,
    );
  assert.ok(shown.every((text) => !text.includes('MySecret')));
  const [twice] = faultsOf('psk:\n  keys:\n  - { identity: b, key: x }\n  - { identity: b, key: y }\n');
  assert.deepEqual([twice?.line, twice?.key], [4, 'psk.keys[1].identity']);
  assert.match(twice?.problem ?? '', /is "b" a second time/);
});

test('a burst without a rate beside it says nothing, and is refused', () => {
  for (const [text, key] of [
    ['access: { roles: { r: { allow: ["GET:/a"], burst: 3 } } }\n', 'access.roles.r.burst'],
    ['access: { groups: { g: { members: [a], burst: 3 } } }\n', 'access.groups.g.burst'],
    ['access: { identities: { i: { burst: 3 } } }\n', 'access.identities.i.burst'],
  ] as const) {
    const [fault] = faultsOf(text);
    assert.equal(fault?.key, key);
    assert.match(fault.problem, /has no rate beside it.*give rate/);
  }
  const { access } = optionsOf('access: { identities: { i: { rate: 2, burst: 3 } } }\n');
  assert.deepEqual(access?.rates?.get('i'), { perSecond: 2, burst: 3 });
});

test('a file that is no YAML is refused with the line, and no line of it is shown', () => {
  for (const [text, line, problem] of [
    ['data: x\ndata: y\n', 2, /unique/],
    ['psk:\n  hint: "secret\n', 3, /./],
    ['a: !secret b\n', 1, /./],
    ['- 1\n', 1, /expected keys with values/],
    [`a: &a [${'x,'.repeat(10)}]\n`.concat('b: [*a, *a, *a]\n', 'c: *none\n'), 3, /./],
  ] as const) {
    const [fault] = faultsOf(text);
    assert.equal(fault?.line, line, text);
    assert.match(fault.problem, problem);
    if (!text.startsWith('a: !')) assert.ok(!fault.problem.includes('secret'), fault.problem);
  }
  assert.match(faultsOf('#'.repeat(1024 * 1024 + 1))[0]?.problem ?? '', /more than 1 MiB/);
});

test('a flag counts before a variable, a variable before the file, the file before the default', async (t) => {
  const file = join(temporaryFolder(t), 'gateway.yaml');
  writeFileSync(file, 'limits: { keep: 1, maxPaths: 1, maxBytes: 1 }\ndemo: true\npsk: { hint: file }\n');
  const warnings: string[] = [];
  const log = {
    verbosity: 0,
    error: () => {},
    warning: (text: string) => warnings.push(text),
    detail: () => {},
  };
  const command = serveCommand({});
  const variables = {
    COAPSULE_CONFIG: file,
    COAPSULE_KEEP: '2',
    COAPSULE_MAX_PATHS: '2',
    COAPSULE_DEMO: 'false',
    COAPSULE_NO_EMS: '1',
    COAPSULE_VERBOSE: '2',
    COAPSULE_PROXY: 'coap://a.example coap://b.example',
    COAPSULE_PSK: '["a:key with spaces", "b:0x00"]',
    COAPSULE_MULTICAST: 'off',
    COAPSULE_MAX_PAHTS: '7',
  };
  command.action(() => {});
  command.parse(['--keep', '3', '--coap', '127.0.0.1:0'], { from: 'user' });
  const options = await configuredOptions<ConfiguredOptions>(command, variables, log);
  const { keep, maxPaths, maxBytes, demo, ems, verbose, proxy, psk, pskHint, multicast, coap, coaps } =
    options;
  assert.deepEqual(
    { keep, maxPaths, maxBytes, demo, ems, verbose, pskHint },
    {
      keep: 3,
      maxPaths: 2,
      maxBytes: 1,
      demo: false,
      ems: false,
      verbose: 2,
      pskHint: 'file',
    },
  );
  assert.deepEqual(proxy, ['coap://a.example', 'coap://b.example']);
  assert.deepEqual(
    psk?.map(({ identity, key }) => [identity, key.length]),
    [
      ['a', 15],
      ['b', 1],
    ],
  );
  assert.deepEqual([multicast, coap], [['off'], { host: '127.0.0.1', port: 0 }]);
  assert.deepEqual(coaps, { host: '::', port: 5684 });
  assert.deepEqual(warnings, [
    'the environment variable COAPSULE_MAX_PAHTS is not known; did you mean COAPSULE_MAX_PATHS?',
  ]);
  for (const [name, text] of [
    ['COAPSULE_COAPS', 'secret'],
    ['COAPSULE_DEMO', 'secret'],
    ['COAPSULE_VERBOSE', 'secret'],
    ['COAPSULE_PSK', '["secret'],
    ['COAPSULE_PSK', '[1]'],
  ] as const) {
    await assert.rejects(configuredOptions(command, { [name]: text }, log), ({ message }: Error) => {
      assert.match(message, new RegExp(`variable ${name} cannot be used`));
      return !message.includes('secret');
    });
  }
});

test('a word that nobody could have meant is not suggested', () => {
  assert.equal(nearestWord('tcpp', ['coap', 'tcp', 'tls']), 'tcp');
  assert.equal(nearestWord('Demo', ['demo']), 'demo');
  assert.equal(nearestWord('ab', ['ws', 'tls']), undefined);
  assert.equal(
    nearestWord('extendedMasterSecrets', ['extendedMasterSecret', 'data']),
    'extendedMasterSecret',
  );
});

test('two endpoints at one place are refused before anything is opened', () => {
  const at = (host: string, port: number) => ({ host, port });
  const clash = (one: string, other: string, port = 5683): void =>
    expectDistinctPorts([
      { scheme: 'coap', address: at(one, port) },
      { scheme: 'coap+tcp', address: at(one, port) },
      { scheme: 'coaps', address: at(other, port) },
    ]);
  for (const [one, other] of [
    ['::', '::1'],
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '0.0.0.0'],
  ] as const)
    assert.throws(() => clash(one, other), /coap and coaps are both on UDP port 5683/);
  for (const [one, other] of [
    ['127.0.0.1', '127.0.0.2'],
    ['0.0.0.0', '::1'],
  ] as const)
    clash(one, other);
  clash('::', '::', 0);
});

test('a gateway runs by its file, and --check of that file leaves it alone', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'gateway.yaml');
  const text =
    'data: store\nendpoints: { coap: off, coaps: "127.0.0.1:0" }\npsk: { keys: [{ identity: pump, key: MySecretKey16Byt }] }\n';
  writeFileSync(file, text, { mode: 0o600 });
  const checked = await coapsule(t, 'serve', '--check', '--config', file);
  assert.deepEqual([checked.code, checked.stdout], [0, ''], checked.stderr);
  const gateway = new CoapsuleProcess(t, ['serve', '--config', file]);
  const { coap, coaps } = await gateway.ready();
  assert.equal(coap, undefined);
  await using client = new Client({
    psk: { identity: 'pump', key: new TextEncoder().encode('MySecretKey16Byt') },
  });
  assert.equal((await client.put(`coaps://${coaps}/sensors/pump`, { payload: '1' })).codeText, '2.01');

  const again = await coapsule(t, 'serve', '--check', '--config', file, '--coaps', String(coaps));
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /a gateway runs with them, so that no port was tried/);
  chmodSync(file, 0o644);
  writeFileSync(file, text.replace('127.0.0.1:0', 'nowhere').replace('pump', '""'));
  const bad = await coapsule(t, 'serve', '--check', '--config', file);
  assert.equal(bad.code, 64);
  assert.match(bad.stderr, /gateway\.yaml:2:\d+: endpoints\.coaps: give \[HOST:\]PORT/);
  assert.match(
    bad.stderr,
    /gateway\.yaml:3:\d+: psk\.keys\[0\]\.identity: cannot be: an identity has 1 to 128 bytes/,
  );
  assert.ok(!bad.stderr.includes('MySecret'));
  const missing = await coapsule(t, 'serve', '--check', '--config', join(folder, 'none.yaml'));
  assert.match(missing.stderr, /none\.yaml: there is no such file/);
});

test('a file with keys in it that others can read is warned about, one that names where they are is not', (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'gateway.yaml');
  writeFileSync(join(folder, 'pump.key'), 'MySecretKey16Byt', { mode: 0o600 });
  const read = (entry: string): number => {
    writeFileSync(file, `psk: { keys: [{ identity: pump, ${entry} }] }\n`);
    chmodSync(file, 0o644);
    const found = readConfigFile(file, { variables: { PUMP: 'MySecretKey16Byt' }, keyOf: keyValue });
    assert.ok(!('faults' in found), entry);
    return found.warnings.length;
  };
  const inIt = process.platform === 'win32' ? 0 : 1;
  assert.deepEqual(
    [
      read('key: MySecretKey16Byt'),
      read('"key": MySecretKey16Byt'),
      read('keyFile: pump.key'),
      read('keyEnvironment: PUMP'),
    ],
    [inIt, inIt, 0, 0],
  );
});
