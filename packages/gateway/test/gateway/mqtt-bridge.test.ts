/** The gateway's bridge to a message broker, here one in this process that speaks MQTT 3.1.1. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseRule, type Rule } from '../../src/access/rule.ts';
import { type MqttOptions, mqttDefaults, telemetryTopic } from '../../src/bridge/mqtt-options.ts';
import { type AlertPattern, parseAlert } from '../../src/overload/alerts.ts';
import { TestBroker } from '../bridge/test-broker.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const text = new TextEncoder();
const sensor = { identity: 'sensor-7', key: 'a key of sixteen' };

function mqttOptions(broker: TestBroker, options: Partial<MqttOptions> = {}): MqttOptions {
  return {
    ...mqttDefaults,
    topic: telemetryTopic(mqttDefaults.base),
    protocol: 4,
    url: broker.url,
    ...{ clientId: undefined, user: undefined, password: undefined },
    ...{ ca: undefined, certificate: undefined, privateKey: undefined },
    ...{ retain: false, form: 'raw', observe: [], allow: [] },
    ...options,
  };
}

function allow(...texts: readonly string[]): readonly Rule[] {
  return texts.map((one) => {
    const rule = parseRule(one);
    assert.ok(typeof rule !== 'string', String(rule));
    return rule;
  });
}

function startBridged(
  t: TestContext,
  mqtt: MqttOptions,
  options: Parameters<typeof startTestGateway>[1] = {},
): Promise<TestGateway> {
  return startTestGateway(t, {
    psks: [{ identity: sensor.identity, key: text.encode(sensor.key) }],
    ...options,
    mqtt,
  });
}

test('a reading that is acknowledged appears on its topic, once', async (t) => {
  const broker = await TestBroker.start(t);
  const { coaps, client } = await startBridged(t, mqttOptions(broker));
  const device = client(sensor.identity, sensor.key);
  for (const value of ['21.5', '22.5']) {
    assert.ok((await device.put(`${coaps}/sensors/sensor-7/temp`, { payload: value })).ok);
  }
  await broker.waitFor(({ payload }) => payload === '22.5');
  const readings = broker.messages.filter(({ topic }) => topic !== 'coapsule/status');
  assert.deepEqual(
    readings.map(({ topic, payload, qos, retain }) => [topic, payload, qos, retain]),
    [
      ['coapsule/telemetry/sensors/sensor-7/temp', '21.5', 1, false],
      ['coapsule/telemetry/sensors/sensor-7/temp', '22.5', 1, false],
    ],
  );
});

test('template, quality of service, retaining and the JSON form are as the operator says', async (t) => {
  const broker = await TestBroker.start(t);
  const more = { topic: 'site/{identity}/{path}', qos: 2, retain: true, form: 'json' } as const;
  const { coaps, client } = await startBridged(t, mqttOptions(broker, more), { clock: () => 1_000 });
  const device = client(sensor.identity, sensor.key);
  await device.put(`${coaps}/sensors/sensor-7/a%2Bb`, { payload: '{"t":1}', contentFormat: 50 });
  await device.put(`${coaps}/sensors/sensor-7/raw`, { payload: Uint8Array.of(0xff) });
  const { topic, payload, qos, retain } = await broker.waitFor((message) => message.topic.includes('%2B'));
  assert.deepEqual([topic, qos, retain], ['site/sensor-7/sensors/sensor-7/a%2Bb', 2, true]);
  assert.deepEqual(JSON.parse(payload), {
    path: '/sensors/sensor-7/a+b',
    ...{
      identity: 'sensor-7',
      receivedAt: '1970-01-01T00:00:01.000Z',
      contentFormat: 50,
      values: [{ name: 't', value: 1, at: '1970-01-01T00:00:01.000Z' }],
      payload: '{"t":1}',
    },
  });
  const bytes = await broker.waitFor((message) => message.topic.endsWith('/raw'));
  assert.equal(JSON.parse(bytes.payload).payloadBase64, '/w==');
});

test('in the form of SenML each value has its name, unit and time, and what has no values goes as it came', async (t) => {
  const broker = await TestBroker.start(t);
  const { coaps, client } = await startBridged(t, mqttOptions(broker, { form: 'senml' }), {
    clock: () => 5_000,
  });
  const device = client(sensor.identity, sensor.key);
  await device.put(`${coaps}/sensors/sensor-7/t`, { payload: '22.5°C', contentFormat: 0 });
  await device.put(`${coaps}/sensors/sensor-7/pack`, {
    payload: '[{"bn":"hr/","bt":1700000000,"n":"a","v":1},{"n":"b","t":1,"v":2}]',
    contentFormat: 110,
  });
  await device.put(`${coaps}/sensors/sensor-7/picture`, { payload: 'GIF', contentFormat: 21 });
  const last = await broker.waitFor(({ topic }) => topic.endsWith('/picture'));
  assert.equal(last.payload, 'GIF');
  const packs = broker.messages
    .filter(({ payload }) => payload.startsWith('['))
    .map(({ payload }) => payload);
  assert.deepEqual(
    packs.map((pack) => JSON.parse(pack)),
    [
      [{ bn: 'sensors/sensor-7/t', bt: 5, bu: 'Cel', v: 22.5 }],
      [
        { bt: 1_700_000_000, n: 'hr/a', v: 1 },
        { n: 'hr/b', v: 2, t: 1 },
      ],
    ],
  );
});

test('a device has its birth with its first reading, and what the broker keeps of an earlier gateway is taken back', async (t) => {
  const broker = await TestBroker.start(t);
  const options = mqttOptions(broker, { deviceSilenceMs: 60_000 });
  const { coaps, client, gateway } = await startBridged(t, options);
  const device = client(sensor.identity, sensor.key);
  await device.put(`${coaps}/sensors/sensor-7/t`, { payload: '1' });
  const birth = await broker.waitFor(({ topic }) => topic === 'coapsule/device/sensor-7');
  assert.deepEqual([JSON.parse(birth.payload).status, birth.retain, birth.qos], ['online', true, 1]);
  await gateway.close();
  assert.ok(!broker.messages.some(({ payload }) => payload.includes('"offline"')));
  await startBridged(t, { ...options, deviceSilenceMs: 200 });
  const death = await broker.waitFor(
    ({ topic, payload }) => topic.endsWith('/sensor-7') && payload.includes('"offline"'),
  );
  assert.ok(death.retain);
});

test('readings wait on disk while the broker is away, over a restart of the gateway too, and all of them arrive', async (t) => {
  const broker = await TestBroker.start(t);
  const folder = temporaryFolder(t);
  const options = mqttOptions(broker);
  await broker.down();
  const first = await startBridged(t, options, { dataFolder: folder });
  const device = first.client(sensor.identity, sensor.key);
  for (let n = 0; n < 20; n++) {
    assert.ok((await device.put(`${first.coaps}/sensors/sensor-7/n`, { payload: String(n) })).ok);
  }
  await first.gateway.close();
  assert.equal(broker.messages.length, 0);
  await broker.up();
  const second = await startBridged(t, options, { dataFolder: folder });
  await broker.waitFor(({ payload }) => payload === '19');
  await broker.down();
  await second.log.waitFor(/mqtt: the connection to mqtt:\S+ is lost; readings wait on disk/);
  const later = second.client(sensor.identity, sensor.key);
  assert.ok((await later.put(`${second.coaps}/sensors/sensor-7/n`, { payload: '20' })).ok);
  await broker.up();
  await broker.waitFor(({ payload }) => payload === '20');
  const values = broker.messages
    .filter(({ topic }) => topic.endsWith('/n'))
    .map(({ payload }) => Number(payload));
  assert.deepEqual(
    [...new Set(values)],
    Array.from({ length: 21 }, (_, n) => n),
    'none is missing, and their order stays',
  );
});

test('after an outage of the broker alerts overtake the readings that wait, also over a restart of the gateway (requirement L11)', async (t) => {
  const broker = await TestBroker.start(t);
  const folder = temporaryFolder(t);
  const alerts = [parseAlert('/sensors/*/alarm') as AlertPattern];
  const overload = { maxRate: undefined, maxDelayMs: 1000, alerts };
  await broker.down();
  const first = await startBridged(t, mqttOptions(broker), { dataFolder: folder, overload });
  const device = first.client(sensor.identity, sensor.key);
  let count = 0;
  for (const path of ['n', 'n', 'n', 'alarm', 'n', 'alarm', 'n']) {
    const payload = `${path} ${count++}`;
    assert.ok((await device.put(`${first.coaps}/sensors/sensor-7/${path}`, { payload })).ok);
  }
  await first.gateway.close();
  await broker.up();
  await startBridged(t, mqttOptions(broker), { dataFolder: folder, overload });
  await broker.waitFor(({ payload }) => payload === 'n 6');
  const received = broker.messages.filter(({ topic }) => topic.includes('/sensors/'));
  assert.deepEqual(
    received.map(({ payload }) => payload),
    ['alarm 3', 'alarm 5', 'n 0', 'n 1', 'n 2', 'n 4', 'n 6'],
  );
});

test('a queue that is full of readings still has room for alerts', async (t) => {
  const broker = await TestBroker.start(t);
  await broker.down();
  const alerts = [parseAlert('/sensors/*/alarm') as AlertPattern];
  const { coaps, client } = await startBridged(t, mqttOptions(broker, { queueBytes: 4000 }), {
    overload: { maxRate: undefined, maxDelayMs: 1000, alerts },
  });
  const device = client(sensor.identity, sensor.key);
  const put = async (path: string, length: number): Promise<string> => {
    const answer = await device.put(`${coaps}/sensors/sensor-7/${path}`, {
      payload: 'x'.repeat(length),
      whenBusy: 'send',
    });
    return answer.codeText;
  };
  assert.equal(await put('n', 3400), '2.01');
  assert.equal(await put('n', 200), '5.03', 'the last tenth is for alerts');
  assert.equal(await put('alarm', 200), '2.01', 'also where the share of the identity is used up');
  assert.equal(await put('alarm', 400), '5.03', 'they are bounded too');
  await broker.up();
  await broker.waitFor(({ topic }) => topic.endsWith('/n'));
});

test('a queue that is full refuses readings with 5.03 and Max-Age 30, and stores nothing of them (requirement J16)', async (t) => {
  const broker = await TestBroker.start(t);
  await broker.down();
  const { coaps, client } = await startBridged(t, mqttOptions(broker, { queueBytes: 1000 }));
  const device = client(sensor.identity, sensor.key);
  const put = (payload: string) => device.put(`${coaps}/sensors/sensor-7/n`, { payload, whenBusy: 'send' });
  assert.ok((await put('a'.repeat(900))).ok);
  const refused = await put('b'.repeat(200));
  assert.deepEqual([refused.codeText, refused.maxAgeSeconds], ['5.03', 30]);
  assert.equal(
    (await device.get(`${coaps}/sensors/sensor-7/n`, { whenBusy: 'send' })).text(),
    'a'.repeat(900),
  );
  await broker.up();
  await broker.waitFor(({ payload }) => payload.startsWith('a'));
  // Room is there as soon as the acknowledgement is on disk.
  while (!(await put('b'.repeat(200))).ok);
  await broker.waitFor(({ payload }) => payload.startsWith('b'));
});

test('a command switches the light off and on, everybody sees the new state, and the answer goes back (requirement G01)', async (t) => {
  const broker = await TestBroker.start(t);
  const options = mqttOptions(broker, { observe: ['/light'], allow: allow('PUT:/light', 'GET:/light') });
  const { coap, client } = await startBridged(t, options, { demo: true });
  await broker.waitFor(({ topic }) => topic === 'coapsule/status');
  const before = await broker.waitFor(({ topic }) => topic === 'coapsule/state/light');
  assert.ok(before.retain);
  for (const status of ['{"status": false}', '{"status": true}']) {
    broker.messages.length = 0;
    broker.publish('coapsule/command/put/light', status);
    const answer = await broker.waitFor(({ topic }) => topic === 'coapsule/response/put/light');
    assert.equal(JSON.parse(answer.payload).code, '2.04', answer.payload);
    const after = await broker.waitFor(({ topic }) => topic === 'coapsule/state/light');
    assert.equal(after.payload, status);
    assert.equal((await client().get(`${coap}/light`)).text(), status);
  }
});

test('what commands may not do is answered 4.03, what is not there 4.04, and what is no command is told', async (t) => {
  const broker = await TestBroker.start(t);
  const options = mqttOptions(broker, { allow: allow('PUT:/light', 'POST:/sensors/*', '*:/nothing') });
  const { log } = await startBridged(t, options);
  await broker.waitFor(({ topic }) => topic === 'coapsule/status');
  const code = async (method: string, path: string): Promise<string> => {
    broker.publish(`coapsule/command/${method}${path}`, 'x');
    const { payload } = await broker.waitFor(({ topic }) => topic === `coapsule/response/${method}${path}`);
    return JSON.parse(payload).code;
  };
  assert.equal(await code('get', '/sensors/a'), '4.03');
  assert.equal(await code('put', '/sensors/a'), '4.03');
  assert.equal(await code('get', '/nothing'), '4.04');
  broker.publish('coapsule/command/fly/light', 'x');
  await log.waitFor(/mqtt: no command at coapsule\/command\/fly\/light: "fly" is no method/);
});

test('a reading that came as a command does not go back to the broker, so that no loop can be made (requirement I23)', async (t) => {
  const broker = await TestBroker.start(t);
  const options = mqttOptions(broker, { allow: allow('POST:/sensors/*') });
  const { coaps, client } = await startBridged(t, options);
  await broker.waitFor(({ topic }) => topic === 'coapsule/status');
  broker.publish('coapsule/command/post/sensors/sensor-7/x', 'from the broker');
  await broker.waitFor(({ topic }) => topic === 'coapsule/response/post/sensors/sensor-7/x');
  const device = client(sensor.identity, sensor.key);
  assert.equal((await device.get(`${coaps}/sensors/sensor-7/x`)).text(), 'from the broker');
  await device.put(`${coaps}/sensors/sensor-7/y`, { payload: 'from the device' });
  await broker.waitFor(({ payload }) => payload === 'from the device');
  assert.ok(
    !broker.messages.some(({ topic }) => topic.startsWith('coapsule/telemetry') && topic.endsWith('/x')),
  );
});

test('a retained command is not carried out: it would come again with every connection', async (t) => {
  const broker = await TestBroker.start(t);
  broker.publish('coapsule/command/post/sensors/old', 'old', true);
  const { log } = await startBridged(t, mqttOptions(broker, { allow: allow('POST:/sensors/*') }));
  await broker.waitFor(({ topic }) => topic === 'coapsule/status');
  broker.publish('coapsule/command/post/sensors/new', 'new');
  await broker.waitFor(({ topic }) => topic === 'coapsule/response/post/sensors/new');
  assert.ok(!log.lines.some((line) => line.includes('/sensors/old')));
});

test('the broker tells when the gateway goes: by itself, or by its last will', async (t) => {
  const broker = await TestBroker.start(t);
  const { gateway } = await startBridged(t, mqttOptions(broker));
  const status = ({ topic }: { readonly topic: string }): boolean => topic === 'coapsule/status';
  assert.deepEqual(await broker.waitFor(status), {
    topic: 'coapsule/status',
    payload: 'online',
    retain: true,
    qos: 1,
  });
  await gateway.close();
  await broker.waitFor((message) => status(message) && message.payload === 'offline');
});
