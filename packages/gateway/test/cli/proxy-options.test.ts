/** The options that make `coapsule serve` a forward-proxy. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandFailure } from '../../src/cli/command-failure.ts';
import { ExitCode } from '../../src/cli/exit-code.ts';
import { type ProxyCommandOptions, proxyOptions } from '../../src/cli/proxy-options.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const silent = (): void => {};

test('without --proxy there is none', () => {
  assert.equal(proxyOptions({}, silent), undefined);
});

test('targets, networks and who may use it', () => {
  assert.deepEqual(proxyOptions({ proxy: ['coap://*.sensors.example'] }, silent), {
    targets: [{ uri: 'coap://*.sensors.example' }],
    networks: [],
    dangerouslyForEveryone: false,
  });
  const open = proxyOptions(
    { proxy: ['coap://a'], proxyNetwork: ['10.1.0.0/16'], dangerouslyOpenProxy: true },
    silent,
  );
  assert.deepEqual([open?.networks, open?.dangerouslyForEveryone], [['10.1.0.0/16'], true]);
});

test('a coaps target is asked with what --proxy-credentials has for it', (t) => {
  const file = join(temporaryFolder(t), 'credentials.json');
  const map = { 'coaps://plant.example/*': { identity: 'gw', key: 'TopSecret16Bytes' } };
  writeFileSync(file, JSON.stringify(map), { mode: 0o600 });
  const options = proxyOptions(
    { proxy: ['coaps://plant.example', 'coap://a'], proxyCredentials: file },
    silent,
  );
  const psk = { identity: new TextEncoder().encode('gw'), key: new TextEncoder().encode('TopSecret16Bytes') };
  assert.deepEqual(options?.targets, [
    { uri: 'coaps://plant.example', client: { psk } },
    { uri: 'coap://a' },
  ]);
  assert.throws(
    () => proxyOptions({ proxy: ['coaps://other.example'], proxyCredentials: file }, silent),
    (error) => error instanceof CommandFailure && error.exitCode === ExitCode.Security,
  );
});

test('an HTTP target has its own credentials, with files beside the map', (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'credentials.json');
  writeFileSync(join(folder, 'token'), 'the-token-of-it\n');
  const map = {
    'https://api.example/*': { 'bearer-file': 'token' },
    'https://*.plant.example/*': { user: 'gw', password: 'pass word' },
  };
  writeFileSync(file, JSON.stringify(map), { mode: 0o600 });
  const proxy = ['https://api.example/', 'https://*.plant.example', 'http://open.example'];
  assert.deepEqual(proxyOptions({ proxy, proxyCredentials: file }, silent)?.targets, [
    { uri: 'https://api.example/', http: { authorization: 'Bearer the-token-of-it' } },
    { uri: 'https://*.plant.example', http: { authorization: 'Basic Z3c6cGFzcyB3b3Jk' } },
    { uri: 'http://open.example' },
  ]);
});

for (const [entry, cause] of [
  [{ bearer: 'two words' }, /bearer token has other characters/],
  [{ bearer: 'x', user: 'u', password: 'p' }, /a bearer token and a password/],
  [{ user: 'u' }, /a "user" has a "password"/],
  [{ user: 'u:v', password: 'p' }, /no colon/],
  [{ bearer: 'x', 'bearer-file': 'y' }, /give "bearer" as text/],
  [{ 'bearer-file': 'not-there' }, /cannot be read/],
] as const) {
  test(`a credential ${JSON.stringify(entry)} for HTTP is refused`, (t) => {
    const file = join(temporaryFolder(t), 'credentials.json');
    writeFileSync(file, JSON.stringify({ 'https://api.example/*': entry }), { mode: 0o600 });
    assert.throws(
      () => proxyOptions({ proxy: ['https://api.example/'], proxyCredentials: file }, silent),
      (error) => error instanceof CommandFailure && cause.test(error.message),
    );
  });
}

test('what is kept of answers can be bounded, or off', () => {
  const cache = (proxyCache?: number | 'off') =>
    proxyOptions({ proxy: ['coap://a'], ...(proxyCache && { proxyCache }) }, silent)?.cache;
  assert.deepEqual([cache(), cache('off'), cache(1024)], [undefined, false, { maxBytes: 1024 }]);
});

const refused: [ProxyCommandOptions, RegExp][] = [
  [{ proxyNetwork: ['10.0.0.0/8'] }, /^--proxy-network is for a forward-proxy/],
  [{ proxyCredentials: 'x' }, /^--proxy-credentials is for a proxy/],
  [{ dangerouslyOpenProxy: true }, /^--dangerously-open-proxy is for a forward-proxy/],
  [{ proxy: ['sensors.example'] }, /^--proxy: .*'sensors\.example'/],
  [{ proxy: ['coap://10.0.0.*'] }, /^--proxy: .*only \* and \*\.NAME/],
  [{ proxy: ['http://10.0.0.*'] }, /^--proxy: .*only \* and \*\.NAME/],
  [{ proxy: ['http://a'], proxyNetwork: ['10.0.0.0/40'] }, /^--proxy: networks has '10\.0\.0\.0\/40'/],
  [{ proxy: ['coap://a'], proxyNetwork: ['10.0.0.0/40'] }, /^--proxy: networks has '10\.0\.0\.0\/40'/],
];
for (const [options, message] of refused) {
  test(`${JSON.stringify(options)} is refused with 64, by name`, () => {
    assert.throws(
      () => proxyOptions(options, silent),
      (error) =>
        error instanceof CommandFailure && error.exitCode === ExitCode.Usage && message.test(error.message),
    );
  });
}
