/** `GET /api/traffic`: what passed a gateway, for those who may see it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseRule, type Rule } from '../../src/access/rule.ts';
import { type CaptureContents, readCapture } from '../../src/capture/capture-reader.ts';
import { openTraffic } from '../../src/cli/traffic-options.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { run } from '../cli/recorded-environment.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const local = { host: '127.0.0.1', port: 0 };
const tokens = [
  { name: 'operator', token: 'operator-0123456789', rules: rulesOf('GET:/api/traffic') },
  {
    name: 'owner',
    token: 'owner-0123456789abc',
    rules: rulesOf('GET:/api/traffic', 'GET:/api/traffic/keys'),
  },
  { name: 'panel', token: 'panel-0123456789abc', rules: rulesOf('GET:/sensors/*') },
];

function rulesOf(...texts: readonly string[]): readonly Rule[] {
  return texts.map((text) => parseRule(text) as Rule);
}

type Traffic = Partial<Parameters<typeof openTraffic>[0]>;

async function start(t: TestContext, traffic: Traffic, workers = 1): Promise<TestGateway & { url: string }> {
  const silent = { verbosity: 0, error() {}, warning() {}, detail() {} } as const;
  const opened = openTraffic({ writeLimit: 1_000_000, ...traffic }, silent);
  const gateway = await startTestGateway(t, {
    demo: true,
    workers,
    http: { address: local, tokens, tls: undefined },
    ...{ capture: opened.capture, keylog: opened.keylog, traffic: opened.ring },
  });
  t.after(() => opened.close());
  return { ...gateway, url: `http://${gateway.gateway.endpoints.http}/api/traffic` };
}

const as = (name: string): { headers: { authorization: string } } => ({
  headers: { authorization: `Bearer ${tokens.find((one) => one.name === name)!.token}` },
});

async function contents(response: Response): Promise<CaptureContents> {
  assert.equal(response.status, 200);
  return readCapture(new Uint8Array(await response.arrayBuffer()));
}

function summaries(
  { packets, keyLog, fault }: CaptureContents,
  ports: readonly number[] = [],
): readonly string[] {
  assert.equal(fault, undefined);
  const secrets = new KnownSecrets();
  for (const line of keyLog) secrets.addLine(line);
  const decoder = new CaptureDecoder(secrets, ports);
  return packets.map((packet) => decoder.decode(packet).summary);
}

test('who may see traffic gets it as a capture; keys only who asks, may, and where they are kept', async (t) => {
  const { url, coap, coaps, client } = await start(t, { traffic: 1_000_000, dangerouslyTrafficKeys: true });
  await client().get(`${coap}/hello`);
  await client('sensor-042', 'MySecret16ByteK!').get(`${coaps}/light`);
  assert.deepEqual(
    [
      await fetch(url),
      await fetch(url, as('panel')),
      await fetch(`${url}?keys=1`, as('operator')),
      await fetch(`${url}?minutes=0`, as('operator')),
      await fetch(`${url}?minutes=x`, as('operator')),
    ].map(({ status }) => status),
    [401, 403, 403, 400, 400],
  );
  const closed = await contents(await fetch(url, as('operator')));
  assert.deepEqual(closed.keyLog, []);
  assert.match(summaries(closed).join('\n'), /GET id \w{4} token \w+ \/hello/);
  assert.doesNotMatch(summaries(closed).join('\n'), /\/light/);
  const open = await contents(await fetch(`${url}?keys=1`, as('owner')));
  assert.match(summaries(open).join('\n'), /ClientHello[\s\S]*GET id \w{4} token \w+ \/light/);
});

test('a gateway that keeps no traffic, or no keys, says how it would', async (t) => {
  const silent = { verbosity: 0, error() {}, warning() {}, detail() {} } as const;
  const { capture, keylog, ring } = openTraffic({ writeLimit: 1_000_000 }, silent);
  assert.deepEqual([capture, keylog, ring], [undefined, undefined, undefined], 'nothing is copied');
  const { url } = await start(t, {});
  const none = await fetch(url, as('operator'));
  assert.deepEqual(
    [none.status, await none.json()],
    [404, { error: 'this gateway keeps no traffic: start it with --traffic 16M' }],
  );
  const { url: other } = await start(t, { traffic: 1_000_000 });
  const noKeys = await fetch(`${other}?keys=1`, as('owner'));
  assert.equal(noKeys.status, 404);
  assert.match(await noKeys.text(), /--dangerously-traffic-keys/);
});

test('what passes other threads is in it too', async (t) => {
  const { url, coap, client } = await start(t, { traffic: 1_000_000 }, 2);
  // Which thread gets them the kernel decides, by the port of the client.
  for (let count = 0; count < 12; count++) await client().get(`${coap}/hello`);
  // What other threads tell comes a little later than their answers.
  let asked = 0;
  for (let tries = 0; tries < 2000 && asked < 12; tries++) {
    const decoded = summaries(await contents(await fetch(url, as('operator'))));
    asked = decoded.filter((line) => /GET .*\/hello/.test(line)).length;
  }
  assert.equal(asked, 12);
});

test('diagnose --gateway asks for it, and says what is missing', async (t) => {
  const { url, coap, client } = await start(t, { traffic: 1_000_000 });
  const folder = temporaryFolder(t);
  const tokenFile = (name: string): string => {
    const file = join(folder, name);
    writeFileSync(file, `${tokens.find((one) => one.name === name)!.token}\n`);
    return file;
  };
  const asking = client();
  await asking.get(`${coap}/hello`);
  const base = new URL(url).origin;
  const good = await run(['diagnose', '--gateway', base, '--token-file', tokenFile('operator')]);
  assert.deepEqual([good.exitCode, good.stdout], [0, '']);
  assert.match(good.stderr, /^coapsule: \d+ packets, 0 findings\n$/);
  // An order that nobody hears of when it is lost.
  await asking.put(`${coap}/light`, { payload: 'on', confirmable: false }).catch(() => {});
  const { token: COAPSULE_TOKEN } = tokens[0]!;
  const found = await run(['diagnose', '--gateway', base, '--json'], { variables: { COAPSULE_TOKEN } });
  assert.equal(found.exitCode, 1);
  assert.match(found.stdout, /"kind":"non-confirmable-command"/);
  const refused = await run(['diagnose', '--gateway', base, '--token-file', tokenFile('panel')]);
  assert.equal(refused.exitCode, 7);
  assert.match(refused.stderr, /gives its traffic not to everyone \(403\)[^\n]*\n {2}give --token-file/);
  const closed = await run([
    'diagnose',
    '--gateway',
    base,
    '--gateway-keys',
    '--token-file',
    tokenFile('owner'),
  ]);
  assert.match(closed.stderr, /answered 404: this gateway keeps no keys/);
  const nobody = await run(['diagnose', '--gateway', 'http://127.0.0.1:1']);
  assert.deepEqual([nobody.exitCode, /does not answer/.test(nobody.stderr)], [1, true]);
  const warned = async (host: string): Promise<boolean> => {
    const { stderr } = await run(['diagnose', '--gateway', `http://${host}:1`], {
      variables: { COAPSULE_TOKEN },
    });
    return /the token goes to \S+ in the clear/.test(stderr);
  };
  const hosts = [
    '127.0.0.1',
    '[::1]',
    'localhost',
    'localhost.attacker.example',
    '127.0.0.1.attacker.example',
  ];
  assert.deepEqual(await Promise.all(hosts.map(warned)), [false, false, false, true, true]);
  assert.equal((await run(['diagnose', '--gateway', 'ftp://a'])).exitCode, 64);
  assert.equal((await run(['diagnose'])).exitCode, 64);
  for (const { stdout, stderr } of [good, found, refused, closed])
    for (const { token } of tokens) assert.ok(!`${stdout}${stderr}`.includes(token), 'a token is printed');
});

test('the file of --write stays within its limit, and the one before it can be read too', async (t) => {
  const path = join(temporaryFolder(t), 'traffic.pcapng');
  const { coap, client } = await start(t, { write: path, writeLimit: 64 * 1024 });
  const asking = client();
  for (let count = 0; count < 12; count++) await asking.get(`${coap}/large`);
  const [newer, older] = [readFileSync(path), readFileSync(`${path}.1`)];
  assert.ok(newer.length + older.length <= 64 * 1024, `${newer.length} and ${older.length}`);
  for (const file of [newer, older]) assert.match(summaries(readCapture(file)).join('\n'), /\/large|Block2/);
});
