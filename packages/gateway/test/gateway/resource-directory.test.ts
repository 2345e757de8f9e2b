/** The Resource Directory of the gateway over CoAP (RFC 9176): who may register whom, and what others find. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Client } from 'coapsule';
import { defaultRules, ruleText } from '../../src/access/rule.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const key = (id: string): string => `the key of ${id}`;

/** A gateway that knows these devices, each with its own rules and those that are given. */
async function startDirectory(
  t: TestContext,
  devices: Readonly<Record<string, readonly string[]>>,
  options: Parameters<typeof startTestGateway>[1] = {},
): Promise<TestGateway & { as(id: string): Client }> {
  const folder = options.dataFolder ?? temporaryFolder(t);
  const opened = openDatabase(folder, { create: true, asGateway: false });
  const table = new DeviceTable(opened);
  for (const [id, rules] of Object.entries(devices)) {
    table.add({
      id,
      credential: { kind: 'psk', key: new TextEncoder().encode(key(id)) },
      rules: [...defaultRules(id).map(ruleText), ...rules],
      addedAtMs: 1,
    });
  }
  opened.close();
  const gateway = await startTestGateway(t, { ...options, dataFolder: folder });
  return { ...gateway, as: (id) => gateway.client(id, key(id)) };
}

const linkFormat = 40;

test('the directory is found with rt=core.rd*, an endpoint registers, others look it up, and it goes (RFC 9176 §4.3, §5, §6)', async (t) => {
  const { as, coaps } = await startDirectory(t, { node1: [], reader: [] });
  const [node, reader] = [as('node1'), as('reader')];
  const found = await reader.discover(coaps, { query: ['rt=core.rd*'] });
  assert.deepEqual(found.map(({ target }) => target).sort(), ['/rd', '/rd-lookup/ep', '/rd-lookup/res']);

  const links =
    '</sensors/temp>;rt=temperature-c;if=sensor,<http://www.example.com/t>;anchor="/sensors/temp";rel=describedby';
  const registration = `${coaps}/rd?ep=node1&lt=500&base=coap://local-proxy-old.example.com&et=oic.d.sensor`;
  const registered = await node.post(registration, { payload: links, contentFormat: linkFormat });
  assert.equal(registered.codeText, '2.01');
  const location = `${coaps}${registered.locationPath}`;
  const again = await node.post(registration, { payload: links, contentFormat: linkFormat });
  assert.equal(again.locationPath, registered.locationPath, 'it is idempotent');

  const resources = await reader.get(`${coaps}/rd-lookup/res?ep=node1`);
  assert.equal(resources.contentFormat, linkFormat);
  assert.equal(
    resources.text(),
    '<coap://local-proxy-old.example.com/sensors/temp>;rt="temperature-c";if="sensor",' +
      '<http://www.example.com/t>;anchor="coap://local-proxy-old.example.com/sensors/temp";rel="describedby"',
  );
  // Figure 15: the base changes, and what was relative with it.
  assert.equal((await node.post(`${location}?base=coaps://new.example.com`)).codeText, '2.04');
  assert.match(
    (await reader.get(`${coaps}/rd-lookup/res?rt=temperature-c`)).text(),
    /^<coaps:\/\/new\.example\.com\/sensors\/temp>/,
  );
  assert.equal(
    (await reader.get(`${coaps}/rd-lookup/ep?et=oic.d.sensor`)).text(),
    `<${registered.locationPath}>;ep="node1";base="coaps://new.example.com";rt="core.rd-ep";et="oic.d.sensor"`,
  );
  assert.equal((await reader.get(`${coaps}/rd-lookup/ep`, { accept: 50 })).codeText, '4.06');

  assert.equal((await node.delete(location)).codeText, '2.02');
  assert.equal((await node.delete(location)).codeText, '4.04');
  assert.equal((await node.post(location)).codeText, '4.04');
  const nothing = await reader.get(`${coaps}/rd-lookup/ep`);
  assert.deepEqual([nothing.codeText, nothing.payload.length], ['2.05', 0]);
});

test('without ep an endpoint gets the name of its identity, without base the address that it comes from', async (t) => {
  const { as, coaps } = await startDirectory(t, { node1: [] });
  const node = as('node1');
  const { locationPath } = await node.post(`${coaps}/rd`, { payload: '</a>', contentFormat: linkFormat });
  const { port } = new URL(
    (await node.get(`${coaps}/rd-lookup/res`)).text().slice(1, -1).replace('coaps:', 'http:'),
  );
  assert.equal(
    (await node.get(`${coaps}/rd-lookup/ep`)).text(),
    `<${locationPath}>;ep="node1";base="coaps://127.0.0.1:${port}";rt="core.rd-ep"`,
  );
});

test('an endpoint registers, changes and removes nobody but itself (RFC 9176 §7.1)', async (t) => {
  const { as, coap, coaps, client } = await startDirectory(t, { a: [], b: [] });
  const [a, b] = [as('a'), as('b')];
  const post = (from: Client, uri: string, payload = '</x>') =>
    from.post(uri, { payload, contentFormat: linkFormat });
  assert.equal((await post(a, `${coaps}/rd?ep=b`)).codeText, '4.03');
  const location = `${coaps}${(await post(a, `${coaps}/rd?ep=a`)).locationPath}`;
  assert.equal((await b.post(`${location}?base=coap://evil.example`)).codeText, '4.03');
  assert.equal((await b.delete(location)).codeText, '4.03');
  assert.equal((await b.get(location)).codeText, '4.05');
  const stranger = client();
  assert.equal((await post(stranger, `${coap}/rd?ep=a`)).codeText, '4.01');
  assert.equal((await stranger.get(`${coap}/rd-lookup/ep`)).codeText, '4.01');
  assert.equal((await a.post(`${location}?ep=c`)).codeText, '4.00');
  assert.equal((await a.post(`${location}?lt=60`, { payload: 'x' })).codeText, '4.00');
  assert.equal((await a.delete(location)).codeText, '2.02');
});

test('a commissioning tool with a rule for /rd registers others and groups; the endpoint itself can take over (RFC 9176 §5.2, Appendix A)', async (t) => {
  const { as, coaps } = await startDirectory(t, { tool: ['POST:/rd'], lamp: [], other: [] });
  const [tool, lamp, other] = [as('tool'), as('lamp'), as('other')];
  const payload = { payload: '</light>;rt="light"', contentFormat: linkFormat };
  const group = `${coaps}/rd?ep=lights&et=core.rd-group&base=coap://%5Bff35:30:2001:db8:f1::8000:1%5D`;
  assert.equal((await tool.post(group, payload)).codeText, '2.01');
  assert.equal(
    (await other.get(`${coaps}/rd-lookup/res?et=core.rd-group`)).text(),
    '<coap://[ff35:30:2001:db8:f1::8000:1]/light>;rt="light"',
  );
  assert.equal(
    (await tool.post(`${coaps}/rd?ep=lamp`, payload)).codeText,
    '4.00',
    'the lamp is not where the tool is',
  );
  const { locationPath } = await tool.post(`${coaps}/rd?ep=lamp&base=coap://lamp.example`, payload);
  assert.equal((await other.delete(`${coaps}${locationPath}`)).codeText, '4.03');
  assert.equal((await lamp.post(`${coaps}${locationPath}?base=coap://lamp2.example`)).codeText, '2.04');
  assert.equal((await lamp.post(`${coaps}/rd`, payload)).locationPath, locationPath);
});

test('what is wrong with a registration is told, and nothing is registered', async (t) => {
  const { as, coaps } = await startDirectory(t, { a: [] });
  const a = as('a');
  const answer = async (query: string, payload: string, contentFormat = linkFormat): Promise<string> => {
    const { codeText, payload: text } = await a.post(`${coaps}/rd${query}`, { payload, contentFormat });
    return `${codeText} ${new TextDecoder().decode(text)}`;
  };
  assert.match(await answer('', '</a>', 50), /^4\.15/);
  assert.match(await answer('', '<relative>'), /^4\.00 <relative> is neither a full URI nor a path from \//);
  assert.match(await answer('', '</a'), /^4\.00 the links are not in link format/);
  assert.match(await answer('?lt=0', '</a>'), /^4\.00 lt is not a number of seconds/);
  assert.match(await answer('?base=coap://a/b', '</a>'), /^4\.00 base is not scheme:\/\/authority/);
  assert.match(await answer('?base=coap://%5Bfe80::1%5D', '</a>'), /^4\.00 base is link-local/);
  assert.match(await answer(`?ep=${'a'.repeat(64)}`, '</a>'), /^4\.00 ep has more than 63 bytes/);
  assert.equal((await a.get(`${coaps}/rd-lookup/ep`)).payload.length, 0);
  assert.equal((await a.get(`${coaps}/rd-lookup/ep?page=1`)).codeText, '4.00');
});

test('observers of a look-up see an endpoint come and go (RFC 9176 §6.2, Figure 20)', async (t) => {
  const { as, coaps } = await startDirectory(t, { a: [], watcher: [] });
  const a = as('a');
  const states: string[] = [];
  let location: string | undefined;
  for await (const { payload } of await as('watcher').observe(`${coaps}/rd-lookup/res?rt=light`)) {
    states.push(new TextDecoder().decode(payload));
    if (states.length === 1) {
      const links = { payload: '</west>;rt="light"', contentFormat: linkFormat };
      location = (await a.post(`${coaps}/rd?base=coap://a.example`, links)).locationPath;
    } else if (states.length === 2) {
      await a.delete(`${coaps}${location}`);
    } else break;
  }
  assert.deepEqual(states, ['', '<coap://a.example/west>;rt="light"', '']);
});

test('registrations outlive the gateway, with the time that they have left', async (t) => {
  let nowMs = 1_000_000_000_000;
  const clock = (): number => nowMs;
  const folder = temporaryFolder(t);
  const first = await startDirectory(t, { a: [] }, { dataFolder: folder, clock });
  const links = { payload: '</x>;rt="light";title="a \\"b\\""', contentFormat: linkFormat };
  const { locationPath } = await first
    .as('a')
    .post(`${first.coaps}/rd?lt=100&base=coap://a.example&et=one&flag`, links);
  await first.gateway.close();
  nowMs += 99_000;
  const second = await startTestGateway(t, { dataFolder: folder, clock });
  const a = second.client('a', key('a'));
  assert.equal(
    (await a.get(`${second.coaps}/rd-lookup/res`)).text(),
    '<coap://a.example/x>;rt="light";title="a \\"b\\""',
  );
  assert.equal(
    (await a.get(`${second.coaps}/rd-lookup/ep`)).text(),
    `<${locationPath}>;ep="a";base="coap://a.example";rt="core.rd-ep";et="one";flag`,
  );
  nowMs += 1000;
  assert.equal((await a.get(`${second.coaps}/rd-lookup/res`)).text(), '');
  assert.equal(
    (await a.post(`${second.coaps}${locationPath}`)).codeText,
    '2.04',
    'what is over can be refreshed',
  );
  assert.notEqual((await a.get(`${second.coaps}/rd-lookup/res`)).text(), '');
});

test('over a connection a registration needs a base: nobody reaches a client at its ephemeral port', async (t) => {
  const { as, gateway } = await startDirectory(
    t,
    { a: [] },
    {
      streams: [{ scheme: 'coap+tcp', address: { host: '127.0.0.1', port: 0 } }],
      dangerouslyAllowPlainWrites: true,
    },
  );
  const tcp = `coap+tcp://${gateway.endpoints.tcp}`;
  const a = as('a');
  const links = { payload: '</x>', contentFormat: linkFormat };
  assert.match((await a.post(`${tcp}/rd?ep=x`, links)).text(), /^base is missing/);
  assert.equal((await a.post(`${tcp}/rd?ep=x&base=coap%2Btcp://%5B2001:db8::1%5D`, links)).codeText, '2.01');
  assert.equal((await a.post(`${tcp}/.well-known/rd?ep=x`)).codeText, '4.00');
});
