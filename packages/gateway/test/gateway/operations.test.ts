/** Metrics, readiness and the view of the peers, over HTTP, of a gateway that runs. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Client, type Response } from 'coapsule';
import { parseRule, type Rule } from '../../src/access/rule.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import type { PeersPage } from '../../src/operations/gateway-operations.ts';
import type { Readiness } from '../../src/operations/readiness.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const token = '9f86d081884c7d659f86d081884c7d65';
const rules = ['GET:/api/peers', 'GET:/metrics'].map(parseRule) as readonly Rule[];
const local = { host: '127.0.0.1', port: 0 };
const bearer = { authorization: `Bearer ${token}` };

interface Watched extends TestGateway {
  readonly http: string;
}

async function start(t: TestContext, options: Partial<GatewayOptions> = {}): Promise<Watched> {
  const tokens = [
    { name: 'operator', token, rules },
    { name: 'panel', token: `${token}00`, rules: [parseRule('GET:/sensors/*') as Rule] },
  ];
  const gateway = await startTestGateway(t, {
    demo: true,
    http: { address: local, tokens, tls: undefined },
    ...options,
  });
  return { ...gateway, http: `http://${gateway.gateway.endpoints.http}` };
}

/** The value of one line of the text form. */
function numberOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

async function metricsOf(base: string): Promise<string> {
  const response = await fetch(`${base}/metrics`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return response.text();
}

test('/metrics counts requests by method, code and transport, handshakes, associations, commits and observers', async (t) => {
  const { http, coap, coaps, client } = await start(t);
  const device = client('sensor-042', 'MySecret16ByteK!');
  const stranger = client();
  await device.put(`${coaps}/sensors/sensor-042`, { payload: '21.5' });
  await device.get(`${coaps}/sensors/sensor-042`);
  await stranger.get(`${coap}/nothing-here`);
  const states = device.observe(`${coaps}/light`)[Symbol.asyncIterator]();
  await states.next();
  const text = await metricsOf(http);
  assert.equal(numberOf(text, 'coapsule_requests_total{method="PUT",code="2.01",transport="dtls"}'), 1);
  assert.equal(numberOf(text, 'coapsule_requests_total{method="GET",code="2.05",transport="dtls"}'), 2);
  assert.equal(numberOf(text, 'coapsule_requests_total{method="GET",code="4.04",transport="udp"}'), 1);
  assert.equal(numberOf(text, 'coapsule_request_duration_seconds_count'), 4);
  assert.equal(numberOf(text, 'coapsule_request_duration_seconds_bucket{le="+Inf"}'), 4);
  assert.equal(numberOf(text, 'coapsule_handshakes_total{kind="full"}'), 1);
  assert.equal(numberOf(text, 'coapsule_associations{scheme="coaps"}'), 1);
  assert.equal(numberOf(text, 'coapsule_observers{scheme="coaps"}'), 1);
  assert.ok((numberOf(text, 'coapsule_store_commits_total') as number) >= 1);
  assert.ok((numberOf(text, 'coapsule_messages_transmitted_total{scheme="coaps"}') as number) >= 3);
  assert.ok((numberOf(text, 'coapsule_disk_free_bytes') as number) > 0);
  assert.ok((numberOf(text, 'process_resident_memory_bytes') as number) > 1e7);
  assert.ok(text.includes('# TYPE coapsule_request_duration_seconds histogram\n'));
  assert.ok(text.includes('# TYPE coapsule_requests_total counter\n'));
  assert.doesNotMatch(text, /sensor-042|nothing-here|127\.0\.0\.1/, 'nothing that a peer chooses is a label');
  await states.return?.();
});

test('a handshake that fails is counted by its cause', async (t) => {
  const { http, coaps, client } = await start(t);
  await assert.rejects(client('sensor-042', 'another key').get(`${coaps}/light`));
  const text = await metricsOf(http);
  const failed = text.split('\n').filter((line) => line.startsWith('coapsule_handshakes_failed_total{'));
  assert.equal(failed.length, 1, text);
  assert.match(failed[0] as string, /^coapsule_handshakes_failed_total\{cause="[a-z-]+"\} 1$/);
});

test('metrics have an endpoint of their own, which shows health and readiness and nothing else', async (t) => {
  const { gateway } = await start(t, { metrics: local });
  const base = `http://${gateway.endpoints.metrics}`;
  assert.match(await metricsOf(base), /^coapsule_info\{version="/m);
  assert.equal((await fetch(`${base}/health`)).status, 200);
  assert.equal((await fetch(`${base}/ready`)).status, 200);
  for (const path of ['/api/peers', '/coap/light', '/']) {
    assert.equal((await fetch(base + path, { headers: bearer })).status, 404, path);
  }
});

test('metrics of all workers are one sum, and each worker has its own event loop', async (t) => {
  const { http, coaps, client } = await start(t, { workers: 2 });
  const devices = Array.from({ length: 12 }, () => client('sensor-042', 'MySecret16ByteK!'));
  await Promise.all(devices.map((device) => device.get(`${coaps}/sensors/temp`)));
  const text = await metricsOf(http);
  assert.equal(numberOf(text, 'coapsule_requests_total{method="GET",code="2.05",transport="dtls"}'), 12);
  assert.equal(numberOf(text, 'coapsule_handshakes_total{kind="full"}'), 12);
  assert.equal(numberOf(text, 'coapsule_associations{scheme="coaps"}'), 12);
  assert.equal(numberOf(text, 'coapsule_workers_answering'), 2);
  for (const worker of [0, 1])
    assert.notEqual(numberOf(text, `coapsule_event_loop_delay_seconds{worker="${worker}"}`), undefined);
});

test('/ready names each part of a gateway that is ready', async (t) => {
  const { http } = await start(t);
  const readiness = (await (await fetch(`${http}/ready`)).json()) as Readiness;
  assert.equal(readiness.status, 'ready');
  assert.deepEqual(readiness.reasons, []);
  assert.deepEqual(readiness.checks['store'], { ok: true });
  assert.deepEqual(readiness.checks['workers'], { ok: true, all: 1, answering: 1 });
  assert.ok((readiness.checks['disk']?.['freeBytes'] as number) > 0);
});

test('/api/peers shows who is connected, how, and since when, to a token that may see it', async (t) => {
  const { http, coaps, client } = await start(t);
  const device = client('sensor-042', 'MySecret16ByteK!');
  const states = device.observe(`${coaps}/light`)[Symbol.asyncIterator]();
  await states.next();
  assert.equal((await fetch(`${http}/api/peers`)).status, 401);
  const other = await fetch(`${http}/api/peers`, { headers: { authorization: `Bearer ${token}00` } });
  assert.equal(other.status, 403);
  assert.match(await other.text(), /GET:\/api\/peers/);
  const { peers, next } = (await (await fetch(`${http}/api/peers`, { headers: bearer })).json()) as PeersPage;
  assert.equal(next, null);
  const [peer] = peers;
  assert.ok(peer !== undefined && peers.length === 1);
  assert.equal(peer.identity, 'sensor-042');
  assert.match(peer.address, /^127\.0\.0\.1:\d+$/);
  assert.equal(peer.scheme, 'coaps');
  assert.equal(peer.authentication, 'psk');
  assert.match(peer.suite, /^TLS_/);
  assert.equal(peer.epoch, 1);
  assert.equal(peer.observations, 1);
  assert.ok(peer.bytesReceived !== null && peer.bytesReceived > 20);
  assert.ok(peer.bytesSent !== null && peer.bytesSent > 20);
  await states.return?.();
});

test('peers come a page at a time, those of all workers, each once', async (t) => {
  const { http, coaps, client } = await start(t, { workers: 2 });
  const devices = Array.from({ length: 7 }, () => client('sensor-042', 'MySecret16ByteK!'));
  await Promise.all(devices.map((device) => device.get(`${coaps}/sensors/temp`)));
  const seen: string[] = [];
  let after = '';
  do {
    const response = await fetch(`${http}/api/peers?limit=3${after}`, { headers: bearer });
    assert.equal(response.status, 200);
    const page = (await response.json()) as PeersPage;
    assert.ok(page.peers.length <= 3);
    seen.push(...page.peers.map(({ address }) => address));
    after = page.next === null ? '' : `&after=${page.next}`;
  } while (after !== '');
  assert.equal(new Set(seen).size, 7);
  assert.equal(seen.length, 7);
  for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?after=x'])
    assert.equal((await fetch(`${http}/api/peers${query}`, { headers: bearer })).status, 400, query);
});

test('a gateway that stops ends each observation with 5.03 and says when to register again', async (t) => {
  for (const workers of [1, 2]) {
    const { gateway, coaps } = await start(t, { workers });
    const observed = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const device = new Client({
          psk: { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') },
        });
        t.after(() => device.close());
        const states = device.observe(`${coaps}/light`)[Symbol.asyncIterator]();
        await states.next();
        return states;
      }),
    );
    const last = Promise.all(observed.map((states) => states.next()));
    await gateway.close();
    for (const { value } of await last) {
      const response = value as Response;
      assert.equal(response.code, 0xa3, 'Service Unavailable');
      assert.equal(response.options.uint(14), 10, 'Max-Age');
    }
  }
});
