/** Telemetry through the gateway: SenML and units into the database, history and formats by CoAP, queries by HTTP. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  decodeSenmlCbor,
  decodeSenmlJson,
  isDecodeFault,
  resolveSenml,
  type SenmlRecord,
} from 'coapsule/senml';
import { parseTokens } from '../../src/cli/http-options.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { startTestGateway } from './test-gateway.ts';

const key = 'key of sensor a.';
const psks = ['a', 'b'].map((identity) => ({ identity, key: new TextEncoder().encode(key) }));
const token = 'a-token-of-a-panel';

async function start(t: TestContext, options: Partial<GatewayOptions> = {}, rules = 'GET:/sensors/a/*') {
  const started = await startTestGateway(t, {
    psks,
    http: {
      address: { host: '127.0.0.1', port: 0 },
      tokens: parseTokens(`panel ${token} ${rules}`, 'tokens'),
      tls: undefined,
    },
    ...options,
  });
  const api = (query: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://${started.gateway.endpoints.http}/api/telemetry${query}`, {
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
  const rowsOf = async (query: string): Promise<readonly Row[]> => {
    const response = await api(query);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return (JSON.parse(text) as { measurements: Row[] }).measurements;
  };
  return { ...started, api, rowsOf };
}

type Row = Readonly<Record<string, unknown>>;

function resolved(records: SenmlRecord[] | object): [string, unknown, number][] {
  assert.ok(Array.isArray(records));
  const all = resolveSenml(records as SenmlRecord[]);
  assert.ok(!isDecodeFault(all));
  return all.map(({ name, value, time }) => [name, value, time]);
}

test('a pack of a device that slept is stored with the time of each record, and found by HTTP and CoAP', async (t) => {
  const { coaps, client, rowsOf } = await start(t);
  const device = client('a', key);
  const pack = [
    { bn: 'urn:dev:a:', bt: 1_700_000_000, bu: 'Cel', n: 'temp', v: 20 },
    { n: 'temp', t: 60, v: 21 },
    { n: 'temp', t: 120.5, v: 22.25 },
    { n: 'door', u: '/', t: 30, vb: true },
  ];
  const put = await device.put(`${coaps}/sensors/a/slept`, {
    payload: JSON.stringify(pack),
    contentFormat: 110,
  });
  assert.equal(put.codeText, '2.01');
  const rows = await rowsOf('?path=/sensors/a/*');
  assert.deepEqual(
    rows.map(({ name, value, unit, at, identity }) => [name, value, unit, at, identity]),
    [
      ['urn:dev:a:temp', 20, 'Cel', '2023-11-14T22:13:20.000Z', 'a'],
      ['urn:dev:a:door', true, '/', '2023-11-14T22:13:50.000Z', 'a'],
      ['urn:dev:a:temp', 21, 'Cel', '2023-11-14T22:14:20.000Z', 'a'],
      ['urn:dev:a:temp', 22.25, 'Cel', '2023-11-14T22:15:20.500Z', 'a'],
    ],
  );
  const history = await device.get(`${coaps}/sensors/a/slept?name=urn:dev:a:temp&limit=2`);
  assert.equal(history.contentFormat, 110);
  assert.deepEqual(resolved(decodeSenmlJson(history.payload)), [
    ['urn:dev:a:temp', 21, 1_700_000_060],
    ['urn:dev:a:temp', 22.25, 1_700_000_120.5],
  ]);
  const cbor = await device.get(`${coaps}/sensors/a/slept?from=1700000060&order=oldest`, { accept: 112 });
  assert.equal(cbor.contentFormat, 112);
  assert.equal(resolved(decodeSenmlCbor(cbor.payload)).length, 2);
  assert.equal((await device.get(`${coaps}/sensors/a/slept?from=yesterday`)).codeText, '4.00');
  assert.equal((await device.get(`${coaps}/sensors/a/slept?limit=5`, { accept: 0 })).codeText, '4.06');
  assert.equal((await device.get(`${coaps}/sensors/b/x?limit=5`)).codeText, '4.03');
});

test('SenML that is none is 4.00 with the position, and nothing of it is stored', async (t) => {
  const { coaps, client, rowsOf } = await start(t);
  const device = client('a', key);
  const refused = await device.put(`${coaps}/sensors/a/x`, {
    payload: '[{"n":"t","v":1},{"n":"t"}]',
    contentFormat: 110,
  });
  assert.deepEqual(
    [refused.codeText, refused.diagnostic],
    ['4.00', 'SenML Record 1: there is neither a value nor a sum'],
  );
  assert.equal((await device.get(`${coaps}/sensors/a/x`)).codeText, '4.04');
  assert.deepEqual(await rowsOf(''), []);
  // Of another format, or of one that is not what it says, all is kept as it came.
  for (const [payload, contentFormat] of [
    ['<t/>', 41],
    ['{"broken', 50],
  ] as const) {
    assert.match((await device.put(`${coaps}/sensors/a/x`, { payload, contentFormat })).codeText, /^2\.0/);
    assert.equal((await device.get(`${coaps}/sensors/a/x`)).text(), payload);
  }
  assert.deepEqual(await rowsOf(''), []);
});

test('a name leads nowhere: what a device calls its values, they are below the path that it may write', async (t) => {
  const { coaps, client, rowsOf } = await start(t, {}, 'GET:/sensors/*');
  const device = client('a', key);
  const payload = '[{"n":"sensors/b/t","v":1},{"n":"x/../../b/t","v":2}]';
  assert.equal((await device.put(`${coaps}/sensors/a/x`, { payload, contentFormat: 110 })).codeText, '2.01');
  assert.equal((await device.put(`${coaps}/sensors/b/x`, { payload, contentFormat: 110 })).codeText, '4.03');
  assert.deepEqual(
    (await rowsOf('')).map(({ path, name, value }) => [path, name, value]),
    [
      ['/sensors/a/x', 'sensors/b/t', 1],
      ['/sensors/a/x', 'x/../../b/t', 2],
    ],
  );
  assert.deepEqual(await rowsOf('?path=/sensors/b/*'), []);
});

test('a long history goes block by block', async (t) => {
  const { coaps, client } = await start(t);
  const device = client('a', key);
  const pack = Array.from({ length: 900 }, (_, index) => ({
    n: 'load',
    bt: 1_700_000_000,
    t: index,
    v: index / 7,
  }));
  await device.put(`${coaps}/sensors/a/meter`, { payload: JSON.stringify(pack), contentFormat: 110 });
  const history = await device.get(`${coaps}/sensors/a/meter?limit=1000`, { accept: 112 });
  assert.ok(history.payload.length > 4096);
  assert.deepEqual(
    resolved(decodeSenmlCbor(history.payload)).map(([, value]) => value),
    pack.map(({ v }) => v),
  );
});

test('the newest reading is given, and observed, in the format that is asked for', async (t) => {
  const { coaps, client } = await start(t);
  const device = client('a', key);
  const uri = `${coaps}/sensors/a/t`;
  await device.put(uri, { payload: '22.5°C', contentFormat: 0 });
  assert.equal((await device.get(uri)).text(), '22.5°C');
  assert.equal((await device.get(uri, { accept: 0 })).text(), '22.5°C');
  const json = await device.get(uri, { accept: 50 });
  assert.deepEqual(
    { ...(JSON.parse(json.text()) as object), time: '' },
    { value: 22.5, unit: 'Cel', time: '' },
  );
  const observer = client('a', key);
  const seen: unknown[] = [];
  const observation = await observer.observe(uri, { accept: 112 });
  for await (const state of observation) {
    const [record] = resolved(decodeSenmlCbor(state.payload));
    seen.push([state.contentFormat, record?.[0], record?.[1]]);
    if (seen.length === 2) break;
    await device.put(uri, { payload: '[{"n":"t","u":"Cel","v":23}]', contentFormat: 110 });
  }
  assert.deepEqual(seen, [
    [112, 'sensors/a/t', 22.5],
    [112, 't', 23],
  ]);
  await device.put(uri, { payload: '24' });
  assert.equal((await device.get(uri)).contentFormat, undefined);
  const cbor = await device.get(uri, { accept: 112 });
  assert.deepEqual(resolved(decodeSenmlCbor(cbor.payload))[0]?.slice(0, 2), ['sensors/a/t', 24]);
  await device.put(uri, { payload: 'a picture', contentFormat: 42 });
  assert.equal((await device.get(uri, { accept: 110 })).codeText, '4.06');
});

test('HTTP queries give what the token may read, by path, identity, name, unit and time, as JSON, CSV and lines of JSON', async (t) => {
  const { coaps, client, api, rowsOf } = await start(t, {}, 'GET:/sensors/a/* GET:/sensors/b/open');
  const [a, b] = [client('a', key), client('b', key)];
  const put = async (device: typeof a, path: string, payload: string): Promise<void> => {
    assert.match((await device.put(`${coaps}${path}`, { payload, contentFormat: 0 })).codeText, /^2/);
  };
  await put(a, '/sensors/a/t', '21 Cel');
  await put(a, '/sensors/a/t', '22 Cel');
  await put(a, '/sensors/a/rh', '45 %RH');
  await put(a, '/sensors/a/note', '=1+"2"');
  await put(b, '/sensors/b/t', '23 Cel');
  await put(b, '/sensors/b/open', '24 Cel');
  const valuesOf = async (query: string): Promise<unknown[]> =>
    (await rowsOf(query)).map(({ value }) => value);
  assert.deepEqual(await valuesOf(''), [21, 22, 45, '=1+"2"', 24]);
  assert.deepEqual(await valuesOf('?order=newest&limit=2'), [24, '=1+"2"']);
  assert.deepEqual(await valuesOf('?unit=Cel'), [21, 22, 24]);
  assert.deepEqual(await valuesOf('?identity=b'), [24]);
  assert.deepEqual(await valuesOf('?path=/sensors/b/t'), []);
  assert.deepEqual(await valuesOf('?path=/sensors/a/rh&from=-1h'), [45]);
  assert.deepEqual(await valuesOf('?to=2020-01-01T00:00:00Z'), []);
  const csv = await api('?path=/sensors/a/note', { accept: 'text/csv' });
  assert.equal(csv.headers.get('content-type'), 'text/csv; charset=utf-8; header=present');
  const [header, line, end] = (await csv.text()).split('\r\n');
  assert.equal(header, 'path,name,identity,unit,value,data,sum,at,deviceAt,receivedAt');
  assert.match(line ?? '', /^\/sensors\/a\/note,,a,,"'=1\+""2""",,,2/);
  assert.equal(end, '');
  const lines = (await (await api('?format=ndjson&limit=2')).text()).trimEnd().split('\n');
  const { cursor } = JSON.parse(lines[2] ?? '') as { cursor: string };
  assert.deepEqual(await valuesOf(`?limit=10&cursor=${cursor}`), [45, '=1+"2"', 24]);
  assert.equal((await api('?format=xml')).status, 406);
  for (const wrong of ['?form=json', '?limit=0', '?from=soon', '?step=1x', '?aggregate=mean', '?cursor=x']) {
    assert.equal((await api(wrong)).status, 400, wrong);
  }
  assert.equal((await api('', { authorization: 'Bearer wrong' })).status, 401);
});

test('without a token nothing is told, unless the gateway is open', async (t) => {
  const closed = await start(t);
  const without = (base: string | undefined): Promise<Response> => fetch(`http://${base}/api/telemetry`);
  assert.equal((await without(closed.gateway.endpoints.http)).status, 403);
  const open = await start(t, { demo: true });
  assert.equal((await without(open.gateway.endpoints.http)).status, 200);
});

test('what a path demands of requests holds for queries too', async (t) => {
  const resources = [
    {
      path: { segments: ['sensors', 'a', 'secret'], below: false },
      requires: 'dtls' as const,
      freshWithinSeconds: undefined,
    },
  ];
  const { coaps, client, rowsOf } = await start(t, {
    access: { identities: new Map(), groups: [], resources },
  });
  const device = client('a', key);
  for (const path of ['secret', 'other']) {
    await device.put(`${coaps}/sensors/a/${path}`, { payload: '1', contentFormat: 0 });
  }
  assert.deepEqual(
    (await rowsOf('')).map(({ path }) => path),
    ['/sensors/a/other'],
  );
});

test('steps of time have minimum, maximum, mean, count and last, one series after the other', async (t) => {
  const { coaps, client, api, rowsOf } = await start(t);
  const device = client('a', key);
  const bt = 1_700_000_040; // begins a minute
  const pack = [10, 20, 60, 5, 7].map((v, index) => ({ n: 'hr', bt, t: index * 25, v }));
  await device.put(`${coaps}/sensors/a/hr`, { payload: JSON.stringify(pack), contentFormat: 110 });
  await device.put(`${coaps}/sensors/a/text`, { payload: 'open', contentFormat: 0 });
  const from = new Date(bt * 1000).toISOString();
  assert.deepEqual(
    (await rowsOf('?step=1m')).map(({ at, min, max, mean, sum, count, last }) => [
      at,
      min,
      max,
      mean,
      sum,
      count,
      last,
    ]),
    [
      [from, 10, 60, 30, 90, 3, 60],
      [new Date((bt + 60) * 1000).toISOString(), 5, 7, 6, 12, 2, 7],
    ],
  );
  const newest = await rowsOf('?step=1m&aggregate=max&order=newest&limit=1');
  assert.deepEqual(
    newest.map(({ max, min }) => [max, min]),
    [[7, undefined]],
  );
  const answer = (await (await api('?step=1m&limit=1&aggregate=last')).json()) as { cursor: string };
  assert.deepEqual(
    (await rowsOf(`?step=1m&aggregate=last&cursor=${answer.cursor}`)).map(({ last }) => last),
    [7],
  );
  const csv = await (await api('?step=1m&aggregate=mean,count&format=csv')).text();
  assert.equal(csv.split('\r\n')[1], `/sensors/a/hr,hr,a,,${from},30,3`);
});
