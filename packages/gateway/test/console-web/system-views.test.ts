/**
 * The views of the running system, in a browser, on answers of the API that a test gives: what they show and ask, what names that mean
 * harm do, and what happens when the gateway is gone. The same on a real gateway is in `real-gateway.test.ts`.
 */

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type {
  AssociationView,
  BridgeView,
  CredentialNames,
  DevicesPage,
  DeviceView,
  DeviceWithSecret,
  DirectoryPage,
  ExplorerResult,
  GatewayInfo,
  LiveEvents,
  MetricsView,
  NamedCredentialView,
  ProxyView,
  ScenariosView,
  SessionView,
  SimulationView,
  TrafficDetail,
  TrafficMessage,
} from '../../src/console/api-types.ts';
import { noBrowser, openPage, startBrowser, type WatchedPage } from './browser.ts';
import { buildConsole } from './built-console.ts';
import { type Answers, ConsoleServer } from './console-server.ts';

const skip = noBrowser();

/** Names as an attacker would choose them. */
const hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>\u202e"\'`{{7*7}}';

const session: SessionView = {
  ...{ name: 'ada', role: 'admin', csrfToken: 'token-1', isByLink: false },
  ...{ idleEndsAtMs: Date.now() + 3_600_000, endsAtMs: Date.now() + 36_000_000 },
};

const association: AssociationView = {
  ...{ identity: 'sensor-7', address: '192.0.2.7:40000', scheme: 'coaps', security: 'psk' },
  ...{ suite: 'TLS_PSK_WITH_AES_128_CCM_8', isResumed: false, epoch: 1, connectionId: { own: 8, peer: 0 } },
  ...{
    ageSeconds: 3700,
    idleSeconds: 5,
    bytesReceived: 1234,
    bytesSent: 567,
    roundTripMs: 21,
    lossRate: 0.02,
  },
  ...{ waitingMessages: 0, observations: 2, worker: 0 },
};

function device(id: string, more: Partial<DeviceView> = {}): DeviceView {
  return {
    ...{
      id,
      security: 'psk',
      isStored: true,
      home: null,
      fingerprint: null,
      expiresAtMs: null,
      keyVersion: 1,
    },
    ...{ addedAtMs: Date.now(), rotatedAtMs: null, overlapUntilMs: null, rules: ['PUT:/sensors/7'] },
    ...{ association: null, lastSeenAtMs: null, isSleeping: false, waitingCommands: 0, ...more },
  };
}

const devices: readonly DeviceView[] = [
  device('sensor-7', { association }),
  device(hostile, { isSleeping: true, waitingCommands: 3, rules: [hostile] }),
];

const layer: TrafficDetail['layers'][number] = {
  name: 'CoAP',
  problems: ['a doubt'],
  bytesHex: '44027d344a810c5f',
  fields: [
    { name: 'Version', value: '1', start: 0, end: 1 },
    { name: 'Code', value: 'POST', start: 1, end: 2, problem: 'a problem' },
    {
      ...{ name: 'Token', value: hostile, start: 4, end: 8 },
      fields: [{ name: 'first', value: '4a', start: 4, end: 5 }],
    },
  ],
};

const detail: TrafficDetail = { message: trafficMessage(2), layers: [layer], exchange: [1, 2] };

function trafficMessage(number: number): TrafficMessage {
  return {
    ...{ number, atMs: Date.now(), direction: 'received', peer: hostile, identity: null, protocol: 'coap' },
    ...{ isSecure: false, length: 8, type: 'CON', code: 'POST', messageId: 1, tokenHex: '4a810c5f' },
    ...{ path: `/p${number}`, summary: 'CON POST', problems: number === 2 ? ['a note'] : [] },
  };
}

/** A record whose keys nobody has given. */
const sealedMessage: TrafficMessage = {
  ...trafficMessage(1),
  ...{
    protocol: 'dtls',
    isSecure: true,
    type: null,
    messageId: null,
    tokenHex: null,
    path: null,
    length: 61,
  },
  ...{ code: 'DTLS 1.2 epoch 1 #7 application data, 40 bytes', problems: [] },
  summary: 'DTLS 1.2 epoch 1 #7 application data, 40 bytes',
};

const result: ExplorerResult = {
  response: {
    ...{ code: '2.05', codeName: 'Content', explanation: 'The payload is the representation.' },
    options: [{ number: 12, name: 'Content-Format', value: hostile, valueHex: '00' }],
    ...{
      contentFormat: 0,
      contentFormatName: 'text/plain',
      isPayloadCut: false,
      etagHex: null,
      maxAgeSeconds: 60,
    },
    payloadHex: Buffer.from(hostile).toString('hex'),
  },
  ...{ problem: null, elapsedMs: 12.5, isLadderCut: false },
  ladder: [
    { atMs: 0, kind: 'sent', text: 'CON GET', bytesHex: layer.bytesHex, fields: layer.fields },
    { atMs: 12, kind: 'received', text: hostile, bytesHex: null, fields: [] },
  ],
  commands: [{ tool: 'coap-client', command: 'coap-client -m get coap://[::1]/x', notes: [] }],
};

const simulation: SimulationView = {
  ...{
    id: 's1',
    scenario: 'hospital',
    devices: 20,
    state: 'running',
    problem: null,
    startedAtMs: Date.now(),
  },
  ...{ startedBy: 'ada', durationSeconds: 600, simulatedSeconds: 60, outcomes: { acknowledged: 40 } },
  groups: [
    {
      ...{ name: 'monitors', devices: 20, sent: 40, acknowledged: 40, lost: 0 },
      ...{ handshakes: 20, lostDatagrams: 3, addressChanges: 1 },
    },
  ],
  timeline: [
    { sent: 20, acknowledged: 20, lost: 0 },
    { sent: 20, acknowledged: 20, lost: 0 },
  ],
};

/** A stream that stays open, with a first piece. */
function stream(first: readonly (readonly [name: string, data: unknown])[]) {
  return (_: unknown, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(first.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join(''));
    streams.add(response);
  };
}

const streams = new Set<ServerResponse>();

function liveValues(value: number): LiveEvents['values'] {
  return {
    nowMs: Date.now(),
    values: [
      {
        ...{ path: '/sensors/7/temperature', name: '', value, unit: 'Cel', identity: 'sensor-7' },
        ...{ atMs: Date.now(), updates: 1 },
      },
      {
        path: `/sensors/${hostile}`,
        name: hostile,
        value: hostile,
        unit: hostile,
        identity: hostile,
        atMs: 1,
        updates: 1,
      },
    ],
  };
}

const answers: Answers = {
  'GET /api/session': session,
  'DELETE /api/session': (_, response) => response.writeHead(204).end(),
  'GET /api/gateway': {
    ...{ version: '0.1.0', startedAtMs: Date.now(), nowMs: Date.now(), uptimeSeconds: 90_061, workers: 2 },
    ...{
      endpoints: [{ name: 'coap', address: '[::]:5683' }],
      status: 'ready',
      reasons: [],
      features: ['traffic'],
    },
  } satisfies GatewayInfo,
  'GET /api/metrics': {
    atMs: Date.now(),
    families: [
      {
        ...{ name: 'coapsule_requests_total', kind: 'counter', help: 'Requests.' },
        points: [{ labels: { method: 'GET' }, value: 12 }],
      },
    ],
  } satisfies MetricsView,
  'GET /api/devices': { devices, next: null, total: 2 } satisfies DevicesPage,
  'GET /api/devices/sensor-7': device('sensor-7', { association }),
  'POST /api/devices': {
    device: device('sensor-8'),
    secret: { kind: 'psk', identity: 'sensor-8', keyHex: '00112233445566778899aabbccddeeff', keyText: 'x' },
    snippets: {
      ...{
        gatewayUri: 'coaps://192.0.2.1:5684',
        host: '192.0.2.1',
        port: 5684,
        path: '/sensors/8',
        missing: null,
      },
      commands: [
        {
          ...{ tool: 'coap-client', note: null },
          command: "coap-client -m put -e '22.5' coaps://192.0.2.1/sensors/8",
        },
      ],
      ...{ fileBase: 'sensor-8', trust: { fingerprint: null, publicKeyPem: null, authorityPem: null } },
    },
  },
  'PUT /api/devices/sensor-7/rules': device('sensor-7'),
  'DELETE /api/devices/sensor-7': (_, response) => response.writeHead(204).end(),
  'GET /api/associations': { associations: [association], next: null },
  'GET /api/observations': {
    total: 2,
    resources: [{ resource: '/light', observers: 2, sequence: 7 }],
    peers: [
      { identity: 'sensor-7', address: '192.0.2.7:40000', scheme: 'coaps', worker: 0, observations: 2 },
    ],
  },
  'GET /api/traffic/handshakes': {
    handshakes: [
      {
        ...{ atMs: Date.now(), address: '192.0.2.9:1', scheme: 'coaps', identity: hostile, isOk: false },
        ...{ cause: 'the pre-shared keys differ', nextStep: 'give both the same key' },
      },
    ],
  },
  'GET /api/directory': {
    registrations: [
      {
        ...{
          id: '1',
          location: '/rd/1',
          endpoint: 'node1',
          sector: '',
          base: 'coap://192.0.2.7',
          owner: null,
        },
        ...{ lifetimeSeconds: 600, expiresAtMs: Date.now() + 65_000, attributes: [] },
        links: [{ target: '/temp', attributes: [{ name: 'rt', value: hostile }] }],
      },
    ],
    ...{ next: null, total: 1, nowMs: Date.now() },
  } satisfies DirectoryPage,
  'GET /api/directory/lookup': {
    kind: 'res',
    query: '',
    links: [{ target: 'coap://192.0.2.7/temp', attributes: [] }],
  },
  'GET /api/bridge': {
    ...{
      isConfigured: true,
      isConnected: false,
      broker: 'mqtt://broker.example',
      outboxEntries: 12,
      outboxBytes: 345,
    },
    topics: { prefix: 'coap', examples: [{ path: '/sensors/7', topic: 'coap/sensors/7' }] },
  } satisfies BridgeView,
  'GET /api/proxy': {
    ...{ forward: { targets: ['*.example'] }, reverse: [{ path: '/out', target: 'coap://192.0.2.7' }] },
    answers: { cached: 1, validated: 2, observed: 3, forwarded: 4, failed: 5 },
  } satisfies ProxyView,
  'GET /api/live': stream([['snapshot', { ...liveValues(20), isCut: false }]]),
  'GET /api/traffic/live': stream([['messages', { messages: [trafficMessage(3)], skipped: 0 }]]),
  'GET /api/traffic/messages': { messages: [trafficMessage(2), sealedMessage], next: null, kept: 2 },
  'GET /api/traffic/messages/2': detail,
  'GET /api/traffic/findings': {
    findings: [
      {
        ...{
          kind: 'retransmission',
          severity: 'warning',
          where: hostile,
          messages: [2],
          count: 1,
          evidence: '',
        },
        ...{
          cause: 'No ACK came.',
          consequence: 'It was sent again.',
          fix: 'Look at the path.',
          reference: 'RFC 7252',
        },
      },
    ],
  },
  'POST /api/traffic/export': (_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-pcapng' }).end('capture');
  },
  'GET /api/explorer/credentials': {
    credentials: [{ id: 'sensor-7', kind: 'psk' }],
    named: [
      {
        ...{ name: 'lab', proof: 'rpk', oscore: true, about: 'sha256:00', target: 'coaps://lab/*' },
        ...{ forOperators: false, addedAtMs: 1 },
      },
    ],
  } satisfies CredentialNames,
  'POST /api/explorer/request': result,
  'POST /api/explorer/discover': {
    links: [
      { target: '/sensors/temp', attributes: [{ name: 'obs', value: null }] },
      { target: `/${hostile}`, attributes: [{ name: 'title', value: hostile }] },
    ],
    ...{ problem: null, elapsedMs: 3 },
  },
  'POST /api/explorer/ping': { roundTripMs: 4.2, problem: null, ladder: [] },
  'POST /api/explorer/observe': stream(
    [20, 21, 23].map((value, at) => [
      'notification',
      {
        ...{ atMs: Date.now() + 1000 * at, sequence: at, skipped: 0 },
        response: { ...result.response, payloadHex: Buffer.from(String(value)).toString('hex') },
      },
    ]),
  ),
  'POST /api/collections/run': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(
      'event: step\ndata: {"name":"first","isOk":true,"elapsedMs":3,"failures":[]}\n\nevent: summary\ndata: {"passed":1,"failed":0,"elapsedMs":3}\n\nevent: end\ndata: null\n\n',
    );
  },
  'GET /api/simulations/scenarios': {
    scenarios: [
      { name: 'hospital', summary: 'Monitors of vital signs.', devices: 200, durationSeconds: 600 },
    ],
    ...{ linkProfiles: ['wifi', 'nb-iot'], most: { simulations: 2, devices: 500 } },
  } satisfies ScenariosView,
  'GET /api/simulations': { simulations: [simulation] },
  'POST /api/simulations': simulation,
  'GET /api/simulations/s1/events': stream([['progress', simulation]]),
  'DELETE /api/simulations/s1': { ...simulation, state: 'stopped' },
};

describe('the views of the system', { skip }, () => {
  const server = new ConsoleServer(answers);
  let browser: Browser;
  let shown: WatchedPage;
  let page: Page;
  before(async () => {
    buildConsole();
    await server.listen();
    browser = await startBrowser();
    shown = await openPage(browser);
    ({ page } = shown);
  });
  after(async () => {
    await browser?.close();
    for (const response of streams) response.destroy();
    await server.close();
  });

  const at = async (path: string, where: Page = page): Promise<void> => {
    await where.goto(`${server.origin}/console/${path}`);
    await where.locator('main h1').waitFor();
  };
  const contains = async (text: string | RegExp, where: Page = page): Promise<void> => {
    await where.locator('main').getByText(text).first().waitFor();
  };
  const lastAsked = (route: string): unknown => {
    const body = server.asked.findLast((one) => one.route === route)?.body;
    assert.notEqual(body, undefined, route);
    return body === '' ? undefined : JSON.parse(body as string);
  };

  test('a view that needs a login asks for one, by password or by the link, whose token leaves the address', async () => {
    const stranger = await openPage(browser);
    let isIn = false;
    server.answers = {
      ...answers,
      'GET /api/session': (_, response) => {
        response.writeHead(isIn ? 200 : 401, { 'content-type': 'application/json' });
        response.end(JSON.stringify(isIn ? session : { code: 'unauthenticated', message: 'nobody' }));
      },
      'POST /api/session/password': (_, response, body) => {
        isIn = (JSON.parse(body) as { password: string }).password === 'right';
        response.writeHead(isIn ? 200 : 401, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify(isIn ? session : { code: 'login-failed', message: 'Name or password do not hold.' }),
        );
      },
      'POST /api/session/link': (_, response, body) => {
        isIn = (JSON.parse(body) as { token: string }).token === 'T'.repeat(43);
        response.writeHead(isIn ? 200 : 401, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify(isIn ? session : { code: 'login-failed', message: 'The link does not hold.' }),
        );
      },
    };
    await at('devices', stranger.page);
    assert.equal(await stranger.page.locator('h1').innerText(), 'Log in');
    await stranger.page.getByLabel('Name').fill('ada');
    await stranger.page.getByLabel('Password').fill('wrong');
    await stranger.page.keyboard.press('Enter');
    await contains('Name or password do not hold.', stranger.page);
    await stranger.check('login');
    await stranger.page.getByLabel('Password').fill('right');
    await stranger.page.keyboard.press('Enter');
    await contains('sensor-7', stranger.page);
    isIn = false;
    await stranger.page.goto('about:blank');
    await stranger.page.goto(`${server.origin}/console/login#${'T'.repeat(43)}`);
    await stranger.page.getByRole('button', { name: 'Log out ada' }).waitFor();
    assert.doesNotMatch(stranger.page.url(), /#|login/);
    await stranger.page.context().close();
    server.answers = answers;
  });

  test('a role that is too low is told so, and sees nothing to act with', async () => {
    server.answers = { ...answers, 'GET /api/session': { ...session, role: 'view' } };
    await at('explorer');
    await contains(/needs the role "operate", yours is "view"/);
    await at('devices/sensor-7');
    await contains('TLS_PSK_WITH_AES_128_CCM_8');
    assert.equal(await page.getByRole('button', { name: 'Revoke' }).count(), 0);
    assert.equal(await page.getByRole('link', { name: 'Add a device' }).count(), 0);
    server.answers = answers;
  });

  test('devices are listed with what is known of them', async () => {
    await at('devices');
    await contains('192.0.2.7:40000');
    await contains('8 B to us, 0 B to it');
    await contains('sleeping 3 waiting');
    await page.getByRole('link', { name: 'sensor-7', exact: true }).click();
    await contains('1 h 1 min');
    const [credential, rules] = await Promise.all(
      ['Credential', 'What it may do'].map((name) =>
        page.locator('section.card', { hasText: name }).first().boundingBox(),
      ),
    );
    assert.equal((rules?.y ?? 0) - (credential?.y ?? 0) - (credential?.height ?? 0), 16);
    await page.getByRole('button', { name: 'Change the rules' }).click();
    await page.getByLabel('What it may do').fill('GET:/a\nPUT:/b\n');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('button', { name: 'Change the rules' }).waitFor();
    assert.deepEqual(lastAsked('PUT /api/devices/sensor-7/rules'), { rules: ['GET:/a', 'PUT:/b'] });
    await shown.check('devices');
    await page.getByRole('button', { name: 'Revoke', exact: true }).click();
    await contains('sensor-7 cannot connect any more');
    await page.getByRole('button', { name: 'Revoke it' }).click();
    await page.waitForURL('**/console/devices');
  });

  test('a device is added with its key as QR code, commands and firmware', async () => {
    await at('devices/new');
    await page.getByLabel('Id', { exact: true }).fill('sensor-8');
    await page.getByRole('button', { name: 'Add it' }).click();
    await contains('sensor-8 may connect.');
    assert.deepEqual(lastAsked('POST /api/devices'), { id: 'sensor-8', credential: { kind: 'psk' } });
    await page.locator('svg.qr path').waitFor();
    for (const title of [
      'libcoap, ESP-IDF (C)',
      'Zephyr (C)',
      'aiocoap (credentials.json)',
      'coapsule (TypeScript)',
    ]) {
      await contains(title);
    }
    await contains('coap-client -m put');
    await shown.check('device-added');
    server.answers = {
      ...answers,
      'POST /api/devices': {
        device: { ...device('sensor-9'), security: 'rpk' },
        secret: null,
        snippets: {
          ...{ gatewayUri: 'coaps://192.0.2.1:5684', host: '192.0.2.1', port: 5684, path: '/sensors/9' },
          commands: [
            {
              ...{ tool: 'coapsule', note: 'a note' },
              command: 'coapsule put coaps://192.0.2.1/sensors/9 -M sensor-9.key',
            },
          ],
          fileBase: 'sensor-9',
          trust: { fingerprint: 'sha256:00', publicKeyPem: null, authorityPem: null },
          missing: 'this gateway has no key',
        },
      } satisfies DeviceWithSecret,
    };
    await at('devices/new');
    await page.getByLabel('Id', { exact: true }).fill('sensor-9');
    await page.getByLabel('How it proves itself').selectOption('rpk');
    const publicKeyPem = '-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----';
    await page.getByLabel(/^Public key in PEM/).fill(publicKeyPem);
    await page.getByRole('button', { name: 'Add it' }).click();
    await contains(/sensor-9\.key is its private key/);
    await contains('this gateway has no key');
    await contains('-M sensor-9.key');
    await contains(/Zephyr: no raw public keys/);
    assert.deepEqual(lastAsked('POST /api/devices'), {
      id: 'sensor-9',
      credential: { kind: 'rpk', publicKeyPem },
    });
    server.answers = answers;
  });

  test('a raw public key is made in the page: the gateway gets its public half alone, the rest is there to be saved', async () => {
    const trust = { fingerprint: `sha256:${'0f'.repeat(32)}`, authorityPem: null };
    const publicKeyPem = '-----BEGIN PUBLIC KEY-----\nAP8=\n-----END PUBLIC KEY-----\n';
    server.answers = {
      ...answers,
      'POST /api/devices': {
        device: { ...device('sensor-9'), security: 'rpk' },
        secret: null,
        snippets: {
          ...{ gatewayUri: 'coaps://192.0.2.1:5684', host: '192.0.2.1', port: 5684, path: '/sensors/9' },
          ...{ commands: [], fileBase: 'sensor-9', trust: { ...trust, publicKeyPem }, missing: null },
        },
      } satisfies DeviceWithSecret,
    };
    await at('devices/new');
    await page.getByLabel('Id', { exact: true }).fill('sensor-9');
    await page.getByLabel('How it proves itself').selectOption('rpk-new');
    await page.getByRole('button', { name: 'Add it' }).click();
    await contains('This is shown once: bring it to the device now.');
    const sent = JSON.stringify(lastAsked('POST /api/devices'));
    assert.match(sent, /"kind":"rpk","publicKeyPem":"-----BEGIN PUBLIC KEY-----/);
    assert.doesNotMatch(sent, /PRIVATE/);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Save sensor-9.key' }).click(),
    ]);
    const saved = readFileSync(await download.path(), 'utf8');
    const { credential } = lastAsked('POST /api/devices') as { credential: { publicKeyPem: string } };
    assert.equal(download.suggestedFilename(), 'sensor-9.key');
    assert.deepEqual(
      createPublicKey(createPrivateKey(saved)).export({ format: 'der', type: 'spki' }),
      createPublicKey(credential.publicKeyPem).export({ format: 'der', type: 'spki' }),
    );
    await page.getByRole('link', { name: 'Save gateway.pub' }).waitFor();
    await contains(/static const uint8_t gateway_key\[\] = \{ 0x00, 0xff \};/);
    await shown.check('device-added-rpk');
    server.answers = answers;
  });

  test('a credential is kept under a name, used by it, and removed; nothing of it stays in the page', async () => {
    const secrets = ['a secret that is long', 'master_secret,hex,"0102"'];
    server.answers = {
      ...answers,
      'POST /api/explorer/credentials': {
        ...{ name: 'both', proof: 'psk', oscore: true, about: 'identity me', target: null },
        ...{ forOperators: true, addedAtMs: 1 },
      } satisfies NamedCredentialView,
      'DELETE /api/explorer/credentials/lab': null,
    };
    await at('explorer');
    await page.getByLabel('As whom').selectOption('psk');
    await page.getByLabel('Identity').fill('me');
    await page.getByLabel('Key', { exact: true }).fill(secrets[0] ?? '');
    await page.getByLabel(/^Protect each request end to end/).check();
    await page.getByLabel('Security Context', { exact: true }).fill(secrets[1] ?? '');
    await page.getByText('Credentials with a name (1)').click();
    await page.getByLabel('Name', { exact: true }).fill('both');
    await page.getByLabel('The role "operate" may use it, too').check();
    await page.getByRole('button', { name: 'Keep it' }).click();
    await contains(/from which number on nobody has used the context/);
    await page.getByLabel('First number that nobody has used').fill('0');
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.waitForURL(/as=named/);
    assert.deepEqual(lastAsked('POST /api/explorer/credentials'), {
      ...{ name: 'both', forOperators: true },
      proof: { kind: 'psk', identity: 'me', keyHex: Buffer.from(secrets[0] ?? '').toString('hex') },
      oscore: { contextText: secrets[1], firstNumber: 0 },
    });
    const html = await page.content();
    const kept = JSON.stringify(
      await page.evaluate('({ ...localStorage, ...sessionStorage, url: location.href })'),
    );
    for (const secret of secrets) assert.ok(!html.includes(secret) && !kept.includes(secret));
    await page.getByLabel('As whom').selectOption('named:lab');
    await contains('Kept in the gateway: sha256:00. For coaps://lab/* alone.');
    await page.getByRole('button', { name: 'Send GET' }).click();
    await page.locator('.verdict').waitFor();
    const sent = lastAsked('POST /api/explorer/request') as Record<string, unknown>;
    assert.deepEqual([sent['credential'], sent['oscore']], [{ kind: 'named', name: 'lab' }, undefined]);
    await page.getByRole('button', { name: 'Remove lab' }).click();
    await page.waitForURL((url) => !url.search.includes('as='));
    await shown.check('explorer-credentials');
    server.answers = answers;
  });

  test('a request is saved under a name without its key, called up, and shown again from the log', async () => {
    await at('explorer?uri=coap%3A%2F%2Fa%2Fb&method=PUT&payload=1');
    await page.getByLabel('As whom').selectOption('psk');
    await page.getByLabel('Key', { exact: true }).fill('a secret that is long');
    await page.getByText(/^Saved requests/).click();
    await page.getByLabel('Name of this request').fill('light on');
    await page.getByRole('button', { name: 'Save it' }).click();
    await page.getByRole('button', { name: 'Start anew' }).click();
    assert.equal(await page.getByLabel('Payload', { exact: true }).inputValue(), '');
    await page.getByRole('link', { name: 'light on' }).click();
    assert.equal(await page.getByLabel('Address').inputValue(), 'coap://a/b');
    assert.equal(await page.getByLabel('Payload', { exact: true }).inputValue(), '1');
    assert.equal(await page.getByLabel('Key', { exact: true }).inputValue(), '', 'the key was nowhere');
    await page.getByLabel('Payload', { exact: true }).press('Control+Enter');
    await contains('Requests so far (1)');
    await page.getByRole('button', { name: 'Add an option' }).click();
    await page.getByLabel('Option 1', { exact: true }).fill('Uri-Query');
    await page.getByLabel('Value of option 1').fill('a=b');
    await page.getByRole('button', { name: 'Send PUT' }).click();
    await contains('Requests so far (2)');
    assert.deepEqual((lastAsked('POST /api/explorer/request') as Record<string, unknown>)['options'], [
      { option: 'Uri-Query', value: 'a=b' },
    ]);
    await page.getByRole('button', { name: 'Show' }).first().click();
    // It answered without being listed.
    await page.getByRole('button', { name: /^\/b not listed/ }).waitFor();
    await page.getByText('Collections', { exact: true }).click();
    await page.getByRole('button', { name: 'Add the request above' }).click();
    assert.match(
      await page.getByRole('textbox', { name: /^A collection/ }).inputValue(),
      /uri: "coap:\/\/a\/b"[\s\S]*expect: \{ code: "2\.05" \}/,
    );
  });

  test('live values move, are plotted, pinned by address, and paused without loss', async () => {
    await at('live');
    await contains('20 Cel');
    const push = (value: number): void => {
      for (const response of streams) {
        if (!response.destroyed)
          response.write(`event: values\ndata: ${JSON.stringify(liveValues(value))}\n\n`);
      }
    };
    push(21.5);
    await contains('21.5 Cel');
    await contains('+1.5');
    await page.getByRole('button', { name: /Plot of \/sensors\/7\/temperature/ }).click();
    await page.locator('.plot-box canvas').waitFor();
    await page.getByRole('button', { name: 'Pin', exact: true }).click();
    await page.waitForURL(/pins=/);
    await page.getByRole('button', { name: 'Pause' }).click();
    push(30);
    await page.waitForTimeout(400);
    assert.equal(await page.getByText('30 Cel').count(), 0);
    await page.getByRole('button', { name: 'Go on' }).click();
    await contains('30 Cel');
    await shown.check('live');
  });

  test('traffic has its list, the fields and the bytes of one message, notes and a file to save', async () => {
    await at('traffic');
    await contains('/p3');
    assert.match(
      await page.locator('.rows tbody tr td:nth-child(2)').first().innerText(),
      /^\d\d:\d\d:\d\d$/,
    );
    // Of what nobody can read there is no path, and what it is stands in one column.
    const sealed = page.locator('.rows tbody tr', { hasText: 'application data, 40 bytes' });
    assert.deepEqual(await sealed.locator('td:nth-child(n+4):nth-child(-n+6)').allInnerTexts(), [
      'DTLS 1.2 epoch 1 #7 application data, 40 bytes',
      '–',
      '61',
    ]);
    await page.getByRole('button', { name: '2', exact: true }).first().click();
    await page.getByRole('button', { name: 'Code POST' }).focus();
    assert.equal(await page.locator('.dump .lit').innerText(), '02');
    await page.locator('.dump .byte').first().hover();
    assert.match(await page.locator('.fields .lit').innerText(), /Version/);
    await contains('No ACK came. It was sent again.');
    await page.getByLabel('Filter').fill('code=');
    await contains(/^At character \d+: after code= comes a value/);
    assert.equal(await page.getByRole('button', { name: 'Apply' }).isDisabled(), true);
    await page.getByLabel('Filter').fill('code=4.04');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.waitForURL(/filter=/);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save traffic.pcapng' }).click(),
    ]);
    assert.equal(download.suggestedFilename(), 'traffic.pcapng');
    assert.deepEqual(lastAsked('POST /api/traffic/export'), { filter: 'code=4.04' });
    await page.getByLabel('With the secrets').check();
    await contains(/reads all that these associations protect/);
    await shown.check('traffic');
  });

  test('the explorer asks with all that is typed in, and shows the answer with every byte', async () => {
    await at('explorer?uri=coap%3A%2F%2F%5B%3A%3A1%5D%2Fx&method=PUT&payload=22.5&options=If-Match%3A+0x01');
    await page.getByLabel('Accept').fill('application/json');
    await page.getByLabel('As whom').selectOption('psk');
    await page.getByLabel('Identity').fill('me');
    await page.getByLabel('Key', { exact: true }).fill('hex:00ff');
    await page.getByRole('button', { name: 'Send PUT' }).click();
    await contains('The payload is the representation. It took 12.5 ms.');
    assert.deepEqual(lastAsked('POST /api/explorer/request'), {
      ...{ uri: 'coap://[::1]/x', timeoutSeconds: 30, method: 'PUT', type: 'CON', payloadHex: '32322e35' },
      ...{ credential: { kind: 'psk', identity: 'me', keyHex: '00ff' }, accept: 'application/json' },
      options: [{ option: 'If-Match', value: '0x01' }],
    });
    assert.doesNotMatch(page.url(), /00ff/, 'the key is in no address');
    assert.equal(
      server.asked.findLast(({ route }) => route.startsWith('POST'))?.route,
      'POST /api/explorer/request',
    );
    await page.getByRole('button', { name: /CON GET/ }).click();
    await page.locator('.dump .byte').first().waitFor();
    await contains('coap-client -m get coap://[::1]/x');
    await shown.picture('explorer');
    await page.getByRole('button', { name: 'Ping' }).click();
    await contains('It is there: 4.2 ms.');
    await page.getByRole('button', { name: 'Discover' }).click();
    await page.getByRole('button', { name: /\/temp/ }).click();
    assert.equal(await page.getByLabel('Address').inputValue(), 'coap://[::1]/sensors/temp');
    await page.getByRole('button', { name: 'Observe', exact: true }).click();
    await contains('Notifications (3)');
    await page.locator('.plot-box canvas').waitFor();
    await page.getByRole('button', { name: 'End the observation' }).click();
    await page.getByText('Collections', { exact: true }).click();
    await page.getByRole('textbox', { name: /^A collection/ }).fill('requests: []');
    await page.getByRole('button', { name: 'Run it' }).click();
    await contains('1 as expected, 0 not.');
    await page.getByText('Conditions and proxy').click();
    await page.getByLabel('ETag', { exact: true }).fill('02 03');
    await page.getByLabel('Through the proxy').fill('coap://p');
    await page.getByText('How messages go', { exact: true }).click();
    await page.getByLabel('Send again what is not acknowledged').uncheck();
    await page.getByLabel('Send each datagram twice').check();
    await page.getByLabel('A token of its own').check();
    await page.getByLabel('Token', { exact: true }).fill('c0ffee');
    await page.getByLabel('Written as').selectOption('diagnostic');
    await page.getByLabel('Payload', { exact: true }).fill("[1, h'02']");
    await page.getByLabel('As whom').selectOption('rpk');
    await page.getByLabel('Private key (PEM)', { exact: true }).fill('own');
    await page.getByLabel(/^Public key of the server/).fill('sha256:00');
    await page.getByRole('button', { name: 'Send PUT' }).click();
    await page.waitForFunction(`!document.querySelector('button.primary').disabled`);
    const sent = lastAsked('POST /api/explorer/request') as Record<string, unknown>;
    assert.deepEqual(
      [
        sent['options'],
        sent['proxy'],
        sent['retransmits'],
        sent['duplicates'],
        sent['tokenHex'],
        sent['payloadHex'],
      ],
      [
        [
          { option: 'ETag', value: '0x02' },
          { option: 'ETag', value: '0x03' },
          { option: 'If-Match', value: '0x01' },
        ],
        { uri: 'coap://p', form: 'Proxy-Uri' },
        ...[false, true, 'c0ffee', '82014102'],
      ],
    );
    assert.deepEqual(sent['credential'], { kind: 'rpk', privateKeyPem: 'own', serverKey: 'sha256:00' });
    await page.getByLabel('Option 1', { exact: true }).fill('no option!');
    await page.getByRole('button', { name: 'Send PUT' }).click();
    await contains(/is no option: write NAME: VALUE/);
    await shown.check('explorer-fault');
  });

  test('a payload in CBOR is the one that came last, also where both are equally long', async () => {
    let payloadHex = '8101';
    server.answers = {
      ...answers,
      'POST /api/explorer/request': (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(
          JSON.stringify({
            ...result,
            response: { ...result.response, contentFormatName: 'application/cbor', payloadHex },
          }),
        );
      },
    };
    await at('explorer');
    await page.getByRole('button', { name: 'Send GET' }).click();
    await contains('[1]');
    payloadHex = '8102';
    await page.getByRole('button', { name: 'Send GET' }).click();
    await contains('[2]');
    server.answers = answers;
  });

  test('sessions, directory, bridge and metrics show what there is', async () => {
    await at('sessions');
    await contains('the pre-shared keys differ give both the same key');
    await contains('2 observations');
    await contains('/light');
    await shown.check('sessions');
    await at('directory');
    await contains(/^1 min [0-5] s$/);
    await contains('coap://192.0.2.7/temp');
    await shown.check('directory');
    await at('bridge');
    await contains(/Not connected to mqtt:\/\/broker\.example/);
    await contains('Forward proxy to: *.example');
    await shown.check('bridge');
    await at('metrics');
    await contains('1 d 1 h');
    await page.getByRole('button', { name: 'coapsule_requests_total{method="GET"}' }).click();
    await page.locator('.plot-box canvas').waitFor();
    await shown.check('metrics');
  });

  test('a scenario is started with its knobs, watched and stopped', async () => {
    await at('scenarios?loss=10&roams=1');
    await page.getByRole('button', { name: 'Start it' }).click();
    await page.waitForURL(/watch=s1/);
    assert.deepEqual(lastAsked('POST /api/simulations'), {
      ...{ scenario: 'hospital', speed: 60, seed: 1, lossRate: 0.1, roams: true },
    });
    await contains('monitors');
    await page.locator('.plot-box canvas').waitFor();
    await shown.check('scenarios');
    await page.getByRole('button', { name: 'Stop it' }).click();
    await contains('hospital (stopped)');
  });

  test('names and payloads that mean harm are text everywhere', async () => {
    let alerts = 0;
    page.on('dialog', (dialog) => {
      alerts += 1;
      void dialog.dismiss();
    });
    for (const path of [
      'devices',
      'live',
      'traffic?message=2',
      'sessions',
      'directory',
      'explorer?uri=coap://a/b',
    ]) {
      await at(path);
      if (path.startsWith('explorer')) {
        await page.getByRole('button', { name: 'Discover' }).click();
        await page.getByRole('button', { name: 'Send GET' }).click();
      }
      await contains(/onerror="alert\(1\)"/);
      assert.equal(await page.locator('main img, main script').count(), 0, path);
      // What turns the reading direction round is written out.
      assert.doesNotMatch(await page.locator('main').innerText(), /\u202e/, path);
    }
    assert.equal(alerts, 0);
    assert.deepEqual(shown.faults, []);
  });

  test('what is not there yet is told with the way to the first one', async () => {
    server.answers = {
      ...answers,
      'GET /api/devices': { devices: [], next: null, total: 0 },
      'GET /api/directory': { registrations: [], next: null, total: 0, nowMs: Date.now() },
      'GET /api/live': stream([['snapshot', { values: [], isCut: false, nowMs: Date.now() }]]),
      'GET /api/bridge': { ...(answers['GET /api/bridge'] as BridgeView), isConfigured: false },
    };
    for (const [path, help] of [
      ['devices', /coapsule device add/],
      ['directory', /coapsule post/],
      ['live', /coapsule simulate/],
      ['bridge', /coapsule serve --mqtt/],
    ] as const) {
      await at(path);
      await contains(help);
    }
    server.answers = { ...answers, 'GET /api/traffic/findings': undefined as never };
    await at('traffic');
    await contains('no GET /api/traffic/findings here');
    server.answers = answers;
  });

  test('a gateway that is gone is told, and the page goes on by itself when it is back', async () => {
    await at('devices');
    await contains('192.0.2.7:40000');
    for (const response of streams) response.destroy();
    await server.close();
    await page
      .getByText(/The gateway does not answer/)
      .first()
      .waitFor();
    await server.listen();
    await page
      .getByText(/The gateway does not answer/)
      .first()
      .waitFor({ state: 'detached' });
    await contains('192.0.2.7:40000');
  });

  test('every view fits a screen of 360 pixels', async () => {
    const narrow = await openPage(browser, { width: 360, height: 740 });
    for (const path of [
      ...['explorer', 'devices', 'devices/sensor-7', 'devices/new', 'live', 'traffic?message=2', 'sessions'],
      ...['directory', 'bridge', 'metrics', 'scenarios?watch=s1'],
    ]) {
      await at(path, narrow.page);
      await narrow.page.waitForLoadState('domcontentloaded');
      await narrow.page.locator('main .card, main .inputs, main table').first().waitFor();
      const wide = await narrow.page.evaluate('document.documentElement.scrollWidth');
      assert.equal(wide, 360, `${path} is ${wide} pixels wide`);
      await narrow.picture(path.replace(/\?.*/, ''));
    }
    assert.deepEqual(narrow.faults, []);
    await narrow.page.context().close();
  });
});
