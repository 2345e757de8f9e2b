/** `serve --reverse-proxy`: what a rule says, and what is refused before anything is opened. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OscoreLog } from '../../src/cli/oscore-log.ts';
import { OpenedUpstreams, upstreamServers } from '../../src/cli/upstream-options.ts';
import { parseReverseProxyRule, type ReverseProxyRule } from '../../src/server/reverse-proxy-option.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

function rule(text: string): ReverseProxyRule {
  const parsed = parseReverseProxyRule(text);
  assert.ok(!('problem' in parsed), text);
  return parsed;
}

/** The gateway's end of a context, in libcoap's form. */
function contextFile(t: TestContext): string {
  const file = join(temporaryFolder(t), 'cloud.oscore');
  const lines = [
    'master_secret,hex,"0102030405060708090a0b0c0d0e0f10"',
    'sender_id,hex,"0c"',
    'recipient_id,hex,"05"',
    '',
  ];
  writeFileSync(file, lines.join('\n'), { mode: 0o600 });
  return file;
}

test('a rule is PATH=URI[,oscore=FILE]', () => {
  assert.deepEqual(rule('/cloud=coap://cloud.example/api?x=1,oscore=/etc/gw.oscore'), {
    path: '/cloud',
    uri: 'coap://cloud.example/api?x=1',
    oscore: '/etc/gw.oscore',
  });
  assert.deepEqual(rule('/a/b=coaps+tcp://[::1]'), {
    path: '/a/b',
    uri: 'coaps+tcp://[::1]',
    oscore: undefined,
  });
  for (const [text, problem] of [
    ['cloud', /give PATH=URI/],
    ['/cloud', /give PATH=URI/],
    ['/=coap://a', /is no path such as/],
    ['/a/=coap://b', /is no path such as/],
    ['/a/*=coap://b', /is no path such as/],
    ['/sensors/x=coap://a', /\/sensors is the gateway's own/],
    ['/serial=coap://a', /\/serial is the gateway's own/],
    ['/a=coap+serial://ttyUSB0', /name it with --serial/],
    ['/a=https://b?c=d', /a query or a fragment/],
    ['/a=https://me:secret@b', /credentials do not stand in the URI/],
  ] as const) {
    const parsed = parseReverseProxyRule(text);
    assert.ok('problem' in parsed, text);
    assert.match(parsed.problem, problem);
  }
});

test('what is kept of the answers of one server can be off, of all be bounded', () => {
  const caches = upstreamServers(
    {
      reverseProxy: [rule('/a=coap://b,cache=off'), rule('/c=coap://d')],
      proxyCache: 1024,
    },
    () => {},
  ).map(({ uri, cache }) => [uri, cache]);
  assert.deepEqual(caches, [
    ['coap://b', false],
    ['coap://d', { maxBytes: 1024 }],
  ]);
});

test('rules that cannot be, and files that are no contexts, are refused; what goes on unprotected is warned of', (t) => {
  const warnings: string[] = [];
  const servers = (...rules: string[]): unknown =>
    upstreamServers({ reverseProxy: rules.map(rule) }, (text) => warnings.push(text));
  assert.throws(() => servers('/a=coap://b', '/a=coap://c'), /two rules are for \/a/);
  assert.throws(() => servers('/a=ftp://b'), /"ftp" is not a CoAP scheme/);
  assert.throws(() => servers(`/a=https://b,oscore=${contextFile(t)}`), /is HTTP, which has no OSCORE/);
  assert.throws(() => servers('/a=coap://b/c?d'), /expected no query/);
  assert.throws(() => servers('/a=coaps://b'), /needs credentials/);
  const file = contextFile(t);
  warnings.length = 0;
  servers(`/a=coap://b,oscore=${file}`);
  assert.deepEqual(warnings, []);
  servers('/a=coap://b');
  assert.match(
    warnings.join(),
    /what goes to coap:\/\/b from \/a is not protected: give the rule oscore=FILE, or a coaps URI/,
  );
  writeFileSync(file, 'sender_id,hex,"01"\n');
  assert.throws(() => servers(`/a=coap://b,oscore=${file}`), /has no master_secret/);
  assert.throws(() => servers('/a=coap://b,oscore=/nowhere'), /ENOENT/);
});

test('two rules of one file have one context, which is closed with them; while it is open nobody else has it', async (t) => {
  const file = contextFile(t);
  const options = {
    reverseProxy: [
      rule(`/a=coap://b,oscore=${file}`),
      rule(`/c=coap://b/d,oscore=${file}`),
      rule('/e=coap://f'),
    ],
  };
  const opened = await OpenedUpstreams.open(options, () => {});
  const [one, two, three] = opened.servers.map(({ client }) => client.oscore);
  assert.ok(one !== undefined && one === two && three === undefined);
  await assert.rejects(
    OpenedUpstreams.open(options, () => {}),
    /cloud\.oscore/,
  );
  await opened[Symbol.asyncDispose]();
  await using again = await OpenedUpstreams.open(options, () => {});
  assert.equal(again.servers.length, 3);
});

test('contexts that cannot be closed as they should, such as on a full disk, are warned of, and end nothing', async (t) => {
  const file = contextFile(t);
  const warnings: string[] = [];
  const opened = await OpenedUpstreams.open(
    { reverseProxy: [rule(`/a=coap://cloud.example,oscore=${file}`)] },
    (text) => warnings.push(text),
  );
  // Where the numbers are written before they are moved to their place.
  mkdirSync(`${file}.sequence.next`);
  await opened[Symbol.asyncDispose]();
  assert.match(warnings.at(-1) ?? '', /exact sequence numbers could not be kept, some are left out: EISDIR/);
});

test('the file that contexts are logged to is warned of once, however many there are', async (t) => {
  const [one, two] = [contextFile(t), contextFile(t)];
  const path = join(temporaryFolder(t), 'oscore_contexts');
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  const rules = [one, two].map((file, index) => rule(`/${index}=coap://cloud.example,oscore=${file}`));
  await using opened = await OpenedUpstreams.open({ reverseProxy: rules }, warn, new OscoreLog(path, warn));
  assert.equal(opened.servers.length, 2);
  assert.equal(warnings.filter((text) => /Master Secrets/.test(text)).length, 1);
});

test('a path that the gateway serves itself cannot be that of another server', () => {
  for (const path of ['/sensors', '/sensor/x', '/serial', '/rd', '/rd-lookup/x', '/store', '/.well-known']) {
    assert.ok('problem' in parseReverseProxyRule(`${path}=coap://cloud.example`), path);
  }
});

test('an HTTP server whose token is another one is a new server when the options are read again, with the same one it stays', async (t) => {
  const folder = temporaryFolder(t);
  const [map, token] = [join(folder, 'credentials.json'), join(folder, 'api.token')];
  writeFileSync(map, '{ "https://api.example/*": { "bearer-file": "api.token" } }', { mode: 0o600 });
  writeFileSync(token, 'the-token-of-it\n');
  const options = { reverseProxy: [rule('/weather=https://api.example/v1')], proxyCredentials: map };
  await using opened = await OpenedUpstreams.open(options, () => {});
  assert.equal((await opened.plan(options, () => {})).servers[0], opened.servers[0]);
  writeFileSync(token, 'another-token\n');
  const [renewed] = (await opened.plan(options, () => {})).servers;
  assert.deepEqual(renewed?.http, { authorization: 'Bearer another-token' });
});
