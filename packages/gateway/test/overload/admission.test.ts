/** Who is turned away, with which code and until when: a server with the admission of the gateway, and a client. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  Client,
  Code,
  changed,
  content,
  type LocalObserver,
  OptionNumber,
  type PeerInfo,
  Server,
} from 'coapsule';
import { localPeer } from '../../src/access/local-asker.ts';
import { Admission, type Load, type TurnedAway } from '../../src/overload/admission.ts';
import { type AlertPattern, parseAlert } from '../../src/overload/alerts.ts';
import { defaultOverload, type OverloadSettings } from '../../src/overload/overload-options.ts';
import type { RequestRate } from '../../src/overload/request-rate.ts';

interface Bench {
  readonly server: Server;
  readonly client: Client;
  readonly uri: string;
  readonly turnedAway: TurnedAway[];
  /** What the admission is told; tests change it. */
  readonly state: { load: Load; nowMs: number };
}

async function start(
  t: TestContext,
  settings: Partial<OverloadSettings>,
  rates: Readonly<Record<string, RequestRate>> = {},
): Promise<Bench> {
  const state: Bench['state'] = { load: 'normal', nowMs: 0 };
  const turnedAway: TurnedAway[] = [];
  const admission = new Admission({
    settings: () => ({ ...defaultOverload, ...settings }),
    rateOf: (identity) => rates[identity],
    load: () => state.load,
    now: () => state.nowMs,
    onTurnedAway: (why) => turnedAway.push(why),
  });
  const server = new Server();
  server.use(admission.middleware);
  for (const path of ['/sensors/*', '/alerts/*'])
    server.resource(path, { get: () => content('1'), put: () => changed(), observable: true });
  const listener = await server.listen('coap://127.0.0.1:0');
  const client = new Client();
  t.after(async () => {
    await client.close();
    await server.close();
  });
  return { server, client, uri: listener.uri, turnedAway, state };
}

const alerts = [parseAlert('/alerts/*') as AlertPattern];

test('more requests than the rate are 4.29 with the seconds to wait as Max-Age (RFC 8516), and pass when they are over', async (t) => {
  const { server, state, turnedAway } = await start(t, { maxRate: { perSecond: 0.5, burst: 2 } });
  const peer = localPeer({ identity: '(http panel)', rules: [] });
  const put = () => server.request('PUT', '/sensors/1', { peer, payload: '1' });
  assert.equal((await put()).code, Code.Changed);
  assert.equal((await put()).code, Code.Changed);
  const refused = await put();
  assert.equal(refused.code, Code.TooManyRequests);
  assert.equal(refused.options.uint(OptionNumber.MaxAge), 2);
  state.nowMs = 2000;
  assert.equal((await put()).code, Code.Changed);
  assert.deepEqual(turnedAway, ['rate']);
});

test('an identity with a rate of its own has that and not the general one; the gateway itself has none', async (t) => {
  const none = { perSecond: 0.001, burst: 1 };
  const { server } = await start(t, { maxRate: none }, { '(http fast)': { perSecond: 100, burst: 50 } });
  const codes = async (identity: string): Promise<ReadonlySet<number>> => {
    const peer = localPeer({ identity, rules: [] });
    const all = Array.from({ length: 20 }, () => server.request('GET', '/sensors/1', { peer }));
    return new Set((await Promise.all(all)).map(({ code }) => code));
  };
  assert.deepEqual([...(await codes('(http fast)'))], [Code.Content]);
  assert.deepEqual([...(await codes('(mqtt)'))], [Code.Content]);
  assert.deepEqual(await codes('(http slow)'), new Set([Code.Content, Code.TooManyRequests]));
});

test('telemetry that comes too fast does not hold up the alerts of the same sender', async (t) => {
  const { server } = await start(t, { maxRate: { perSecond: 0.001, burst: 1 }, alerts });
  const peer = localPeer({ identity: '(http ward)', rules: [] });
  const put = (path: string) => server.request('PUT', path, { peer, payload: '1' });
  assert.equal((await put('/sensors/1')).code, Code.Changed);
  assert.equal((await put('/sensors/1')).code, Code.TooManyRequests);
  assert.equal((await put('/alerts/1')).code, Code.Changed);
  assert.equal((await put('/alerts/1')).code, Code.TooManyRequests, 'a storm of alerts has a bound too');
});

test('a busy gateway turns away what is Non-confirmable and new observers, with 5.03 and Max-Age 30', async (t) => {
  const { client, uri, state, turnedAway } = await start(t, { alerts });
  state.load = 'busy';
  assert.equal((await client.put(`${uri}/sensors/1`, { payload: '1' })).code, Code.Changed);
  const other = new Client();
  t.after(() => other.close());
  const refused = await other.put(`${uri}/sensors/1`, { payload: '1', confirmable: false });
  assert.equal(refused.code, Code.ServiceUnavailable);
  assert.equal(refused.options.uint(OptionNumber.MaxAge), 30);
  const alarm = new Client();
  t.after(() => alarm.close());
  const taken = await alarm.put(`${uri}/alerts/1`, { payload: '1', confirmable: false });
  assert.equal(taken.code, Code.Changed);
  const observer = new Client();
  t.after(() => observer.close());
  const states = observer.observe(`${uri}/sensors/1`)[Symbol.asyncIterator]();
  const { value } = await states.next();
  assert.equal(value?.code, Code.ServiceUnavailable);
  assert.deepEqual(turnedAway, ['busy', 'busy']);
});

test('an overloaded gateway takes alerts alone, and goes on telling those that observe already', async (t) => {
  const { server, client, uri, state } = await start(t, { alerts });
  const states = client.observe(`${uri}/sensors/1`)[Symbol.asyncIterator]();
  await states.next();
  state.load = 'overloaded';
  const next = states.next();
  server.notify('/sensors/1');
  assert.equal((await next).value?.code, Code.Content, 'a notification is no request');
  const device = new Client();
  const alarm = new Client();
  t.after(() => Promise.all([device.close(), alarm.close()]));
  assert.equal((await alarm.put(`${uri}/alerts/1`, { payload: '1' })).code, Code.Changed);
  assert.equal((await device.get(`${uri}/sensors/1`)).code, Code.ServiceUnavailable);
  state.load = 'normal';
  const later = new Client();
  t.after(() => later.close());
  assert.equal((await later.get(`${uri}/sensors/1`)).code, Code.Content);
  await states.return?.();
});

test('a client of ours does not come again before Max-Age of a 5.03 is over (requirement J16)', async (t) => {
  const { client, uri, state, turnedAway } = await start(t, {});
  state.load = 'overloaded';
  assert.equal((await client.get(`${uri}/sensors/1`)).code, Code.ServiceUnavailable);
  state.load = 'normal';
  await assert.rejects(client.get(`${uri}/sensors/1`));
  assert.equal(turnedAway.length, 1, 'the second request was not sent');
});

test('who has proved nothing is counted by its address, over IPv6 by its /64, and pushes out no one who has proved something', async (t) => {
  const { server } = await start(t, { maxRate: { perSecond: 0.001, burst: 1 } });
  const from = (host: string): PeerInfo => ({
    ...{ address: { key: host, host, port: 1 }, transport: 'udp', security: { kind: 'none' } },
  });
  const codeOf = async (peer: PeerInfo): Promise<number> =>
    (await server.request('GET', '/sensors/1', { peer })).code;
  const panel = localPeer({ identity: '(http panel)', rules: [] });
  assert.equal(await codeOf(panel), Code.Content);
  assert.equal(await codeOf(from('2001:db8::1')), Code.Content);
  assert.equal(await codeOf(from('2001:db8::2')), Code.TooManyRequests);
  assert.equal(await codeOf(from('2001:db8:0:1::2')), Code.Content);
  for (let n = 0; n < 66_000; n++) await codeOf(from(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`));
  assert.equal(await codeOf(panel), Code.TooManyRequests);
});

test('whoever reads as an observer, as event streams do, has no more requests for it', async (t) => {
  const { server } = await start(t, { maxRate: { perSecond: 0.001, burst: 1 } });
  const peer = localPeer({ identity: '(http panel)', rules: [] });
  const read = async (observer = anObserver()): Promise<number> =>
    (await server.request('GET', '/sensors/1', { peer, observer })).code;
  const first = anObserver();
  assert.equal(await read(first), Code.Content);
  assert.equal(await read(), Code.TooManyRequests);
  assert.equal(await read(first), Code.Content, 'a change is shown whatever the rate');
});

function anObserver(): LocalObserver {
  return { changed: () => {}, over: () => {}, ended: new AbortController().signal };
}
