/** What the routes answer, held against the schemas that the document of the API is made of. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as z from 'zod';
import { answerSchemas, apiProblem } from '../../src/console/answer-schemas.ts';
import type {
  AssociationsPage,
  DevicesPage,
  DeviceWithSecret,
  DirectoryPage,
  ExplorerResult,
  GatewayInfo,
  LookupView,
  MetricsView,
  ObservationsView,
} from '../../src/console/api-types.ts';
import { openApiDocument } from '../../src/console/open-api.ts';
import { type RouteName, routeTable } from '../../src/console/route-table.ts';
import { type Browser, problemOf, startTestConsole, type TestConsole } from './console-fixture.ts';

/** The answer of a route, which is as its schema says. */
async function answered<T>(user: Browser, name: RouteName, path: string, body?: unknown): Promise<T> {
  const [method = ''] = name.split(' ');
  const answer = await user.json<T>(method, path, body);
  const schema = answerSchemas[name];
  assert.equal(schema.kind, 'json');
  if (schema.kind === 'json') {
    const parsed = schema.schema.safeParse(answer);
    assert.ok(parsed.success, `${name}: ${parsed.error && z.prettifyError(parsed.error)}`);
  }
  return answer;
}

async function connectedDevice({ coaps, client }: TestConsole, id: string, key: string) {
  const device = client(id, key);
  await device.put(`${coaps}/sensors/${id}/temp`, { payload: '21.5', contentFormat: 'text/plain' });
  return device;
}

test('the document of the API has every route with its role, body and answer, and nothing else', async (t) => {
  const { admin } = await startTestConsole(t);
  const served = await (await admin()).json<Record<string, never>>('GET', '/api/openapi.json');
  const document = openApiDocument('0') as {
    openapi: string;
    paths: Record<string, Record<string, { responses: object; requestBody?: object; 'x-role': string }>>;
  };
  assert.deepEqual(Object.keys(served), Object.keys(document));
  assert.equal(document.openapi, '3.1.0');
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(documented.sort(), Object.keys(answerSchemas).sort());
  for (const { method, path, role, body } of routeTable) {
    const operation = document.paths[path]?.[method.toLowerCase()] ?? assert.fail(path);
    assert.equal(operation['x-role'], role);
    assert.equal(operation.requestBody !== undefined, body !== undefined);
    assert.ok('default' in operation.responses);
  }
  const head = readFileSync(join(import.meta.dirname, '../../src/console/api-types.ts'), 'utf8');
  for (const { method, path } of routeTable) {
    const row = `| ${method.padEnd(6)} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
    assert.ok(head.includes(row), `the table at the head of api-types.ts lacks ${row}`);
  }
});

test('the views of a gateway at work are as they are documented', async (t) => {
  const started = await startTestConsole(t);
  const user = await started.admin();
  const { secret } = await answered<DeviceWithSecret>(user, 'POST /api/devices', '/api/devices', {
    id: 'pump-1',
    credential: { kind: 'psk', asText: true },
  });
  assert.equal(secret?.kind, 'psk');
  const key = secret?.kind === 'psk' ? (secret.keyText ?? '') : '';
  const device = await connectedDevice(started, 'pump-1', key);
  await device.post(`${started.coaps}/rd?ep=pump-1&lt=600`, {
    payload: '</temp>;rt="temperature"',
    contentFormat: 'application/link-format',
  });
  const observation = device.observe(`${started.coaps}/sensors/pump-1/temp`);
  await observation[Symbol.asyncIterator]().next();

  const info = await answered<GatewayInfo>(user, 'GET /api/gateway', '/api/gateway');
  assert.deepEqual(
    info.endpoints.map(({ name }) => name),
    ['coap', 'coaps', 'http'],
  );
  const { families } = await answered<MetricsView>(user, 'GET /api/metrics', '/api/metrics');
  assert.ok(families.some(({ kind }) => kind === 'histogram'));
  const { devices, total, next } = await answered<DevicesPage>(
    user,
    'GET /api/devices',
    '/api/devices?search=PUMP',
  );
  assert.deepEqual([devices.length, total, next], [1, 1, null]);
  const [view] = devices;
  assert.deepEqual(
    [view?.security, view?.isStored, view?.association?.scheme, view?.association?.epoch],
    ['psk', true, 'coaps', 1],
  );
  assert.ok((view?.lastSeenAtMs ?? 0) > 0);
  await answered(user, 'GET /api/devices/{id}', '/api/devices/pump-1');
  const { associations } = await answered<AssociationsPage>(
    user,
    'GET /api/associations',
    '/api/associations?limit=5',
  );
  assert.equal(associations[0]?.identity, 'pump-1');
  const observed = await answered<ObservationsView>(user, 'GET /api/observations', '/api/observations');
  assert.deepEqual([observed.total, observed.peers[0]?.identity], [1, 'pump-1']);
  assert.deepEqual(
    observed.resources.map(({ resource, observers }) => [resource, observers]),
    [['/sensors/pump-1/temp', 1]],
  );
  const directory = await answered<DirectoryPage>(user, 'GET /api/directory', '/api/directory?search=temp');
  assert.deepEqual(
    directory.registrations.map(({ endpoint, lifetimeSeconds }) => [endpoint, lifetimeSeconds]),
    [['pump-1', 600]],
  );
  const lookup = await answered<LookupView>(
    user,
    'GET /api/directory/lookup',
    '/api/directory/lookup?kind=res&query=rt%3Dtemperature',
  );
  assert.match(lookup.links[0]?.target ?? '', /\/temp$/);
  for (const name of [
    'GET /api/session',
    'GET /api/users',
    'GET /api/bridge',
    'GET /api/proxy',
    'GET /api/codes',
    'GET /api/explanations',
    'GET /api/explorer/credentials',
  ] as const)
    await answered(user, name, name.slice('GET '.length));
  const history = await user.json<{ measurements?: unknown }>(
    'GET',
    '/api/history?path=/sensors/pump-1/temp',
  );
  assert.match(JSON.stringify(history), /21\.5/);
  await observation.cancel();
});

test('a device is added with what it needs, changed and removed, and each change is in the audit log by name', async (t) => {
  const started = await startTestConsole(t);
  await started.as('view');
  const user = await started.as('admin');
  const added = await answered<DeviceWithSecret>(user, 'POST /api/devices', '/api/devices', {
    id: "o'brien",
    credential: { kind: 'psk', asText: true },
    rules: ['PUT:/sensors/ward/*'],
  });
  const { secret, snippets } = added;
  assert.ok(secret?.kind === 'psk' && secret.keyText !== null);
  assert.equal(Buffer.from(secret.keyHex, 'hex').toString(), secret.keyText);
  assert.deepEqual(snippets.path, '/sensors/ward/temperature');
  assert.equal(
    snippets.commands[0]?.command,
    `coapsule put ${started.coaps}/sensors/ward/temperature -e '22.5' -u 'o'\\''brien' -k ${secret.keyText}`,
  );
  const device = started.client("o'brien", secret.keyText);
  const put = () =>
    device.put(`${started.coaps}/sensors/ward/temperature`, { payload: '1', timeoutMs: 5000 });
  assert.equal((await put()).codeText, '2.01');

  const id = encodeURIComponent("o'brien");
  const again = await user.ask('POST', '/api/devices', { id: "o'brien", credential: { kind: 'psk' } });
  assert.deepEqual([again.status, (await problemOf(again)).code], [409, 'conflict']);
  await answered(user, 'PUT /api/devices/{id}/rules', `/api/devices/${id}/rules`, {
    rules: ['GET:/sensors/*'],
  });
  const rotated = await answered<DeviceWithSecret>(
    user,
    'POST /api/devices/{id}/rotate',
    `/api/devices/${id}/rotate`,
    { credential: { kind: 'psk' }, overlapSeconds: 60, untilUsed: true },
  );
  assert.notEqual(rotated.device.overlapUntilMs, null);
  assert.notDeepEqual(rotated.secret, secret);
  const retired = await answered<DeviceWithSecret['device']>(
    user,
    'POST /api/devices/{id}/retire',
    `/api/devices/${id}/retire`,
  );
  assert.equal(retired.overlapUntilMs, null);
  const oscore = await answered<DeviceWithSecret>(user, 'POST /api/devices', '/api/devices', {
    id: 'osc',
    credential: { kind: 'oscore' },
  });
  assert.match(oscore.secret?.kind === 'oscore' ? oscore.secret.file : '', /^master_secret,hex,/m);
  const fingerprint = `SHA256:${'AB'.repeat(32)}`;
  const rpk = await answered<DeviceWithSecret>(user, 'POST /api/devices', '/api/devices', {
    id: 'raw',
    credential: { kind: 'rpk', fingerprint },
  });
  assert.deepEqual([rpk.secret, rpk.device.fingerprint], [null, fingerprint.toLowerCase()]);
  const twice = await user.ask('POST', '/api/devices', {
    id: 'raw-2',
    credential: { kind: 'rpk', fingerprint },
  });
  assert.equal(twice.status, 409, 'no two devices have one key');
  assert.deepEqual(rpk.snippets.commands, []);
  assert.match(rpk.snippets.missing ?? '', /--private-key/);
  assert.equal((await user.ask('DELETE', `/api/devices/${id}`)).status, 204);
  assert.equal((await user.ask('DELETE', `/api/devices/${id}`)).status, 404);
  await assert.rejects(put(), 'its association ends');

  const audit = readFileSync(join(started.folder, 'audit-changes.ndjson'), 'utf8');
  const lines = audit.split('\n').filter((line) => line.includes('"how":"console"'));
  for (const event of [
    'device-added',
    'device-allowed',
    'device-rotated',
    'credential-retired',
    'device-removed',
  ]) {
    const line = lines.find((one) => one.includes(`"event":"${event}"`)) ?? assert.fail(event);
    assert.match(line, /"user":"admin"/);
  }
  assert.ok(!audit.includes(secret.keyText) && !audit.includes(secret.keyHex), 'no line has a key');
});

test('no answer but that to who added it has a key, and looks are in order and in pages', async (t) => {
  const started = await startTestConsole(t);
  const user = await started.admin();
  const keys: string[] = [];
  for (const id of ['c', 'a', 'b']) {
    const { secret } = await user.json<DeviceWithSecret>('POST', '/api/devices', {
      id,
      credential: { kind: 'psk', asText: id === 'a' },
    });
    if (secret?.kind === 'psk')
      keys.push(secret.keyHex, ...(secret.keyText === null ? [] : [secret.keyText]));
  }
  const ids: string[] = [];
  let seen = '';
  for (let after = ''; ; ) {
    const page = await user.json<DevicesPage>('GET', `/api/devices?limit=2&after=${after}`);
    ids.push(...page.devices.map(({ id }) => id));
    seen += JSON.stringify(page);
    if (page.next === null) break;
    after = page.next;
  }
  assert.deepEqual(ids, ['a', 'b', 'c']);
  for (const path of ['/api/devices/a', '/api/explorer/credentials', '/api/gateway', '/api/metrics'])
    seen += JSON.stringify(await user.json('GET', path));
  assert.ok(keys.length === 4 && keys.every((key) => !seen.includes(key)));
});

test('names and payloads that are script, controls or huge come out as JSON alone', async (t) => {
  const started = await startTestConsole(t);
  const user = await started.admin();
  const hostile = '"><script>alert(1)</script>\u202e\u0007';
  const added = await user.ask('POST', '/api/devices', { id: hostile, credential: { kind: 'psk' } });
  const hostileId = added.status === 201 ? hostile : '<img src=x onerror=alert(1)>';
  if (added.status !== 201)
    await user.json('POST', '/api/devices', { id: hostileId, credential: { kind: 'psk' } });
  for (const path of [
    '/api/devices',
    `/api/devices/${encodeURIComponent(hostileId)}`,
    '/api/devices/%3Cb%3E',
  ]) {
    const answer = await user.ask('GET', path);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    JSON.parse(await answer.text());
  }
  const result = await answered<ExplorerResult>(user, 'POST /api/explorer/request', '/api/explorer/request', {
    uri: `${started.coap}/<script>`.replaceAll('<', '%3C').replaceAll('>', '%3E'),
    method: 'GET',
  });
  assert.equal(result.response?.code, '4.04');
  for (const [path, body] of [
    ['/api/devices', { id: 'x'.repeat(300), credential: { kind: 'psk' } }],
    ['/api/devices', { id: 'x', credential: { kind: 'psk' }, rules: ['<b>'] }],
    ['/api/devices', { id: 'x', credential: { kind: 'psk' }, more: 1 }],
    ['/api/devices', '{'],
    ['/api/explorer/request', { uri: 'http://127.0.0.1/', method: 'GET' }],
    ['/api/explorer/request', { uri: 'coap://224.0.1.187/', method: 'GET' }],
    [
      '/api/explorer/request',
      { uri: started.coap, method: 'GET', options: [{ option: 'No-Such', value: '' }] },
    ],
    ['/api/explorer/request', { uri: started.coap, method: 'GET', contentFormat: 'no/such' }],
    ['/api/explorer/request', { uri: started.coaps, method: 'GET' }],
  ] as const) {
    const answer = await user.ask('POST', path, body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.ok(apiProblem.safeParse(await answer.json()).success);
  }
  const huge = await user.ask('POST', '/api/devices', { id: 'x'.repeat(4 * 1024 * 1024) });
  assert.equal(huge.status, 413);
});
