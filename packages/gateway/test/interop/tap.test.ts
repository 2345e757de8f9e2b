/** A tap between libcoap's client and libcoap's server: neither is ours, and it edits what they say to each other inside DTLS. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Client, ipAddress } from 'coapsule';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { parseRule, type Rule } from '../../src/tap/rule.ts';
import { startTap, type TapOptions } from '../../src/tap/start-tap.ts';
import type { TapEvent } from '../../src/tap/tap.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, run, start, untilBound } from './process.ts';
import { demo, demoCredentials } from './programs.ts';

const identity = new TextEncoder().encode(demo.identity);
const key = new TextEncoder().encode(demo.key);

async function tapped(
  t: TestContext,
  more: Partial<TapOptions>,
  rule: string,
): Promise<{ readonly uri: string; readonly events: TapEvent[] }> {
  const port = await freeUdpPorts(2);
  start(t, 'coap-server-openssl', [
    '-A',
    '127.0.0.1',
    '-p',
    String(port),
    '-k',
    demo.key,
    '-h',
    'CoAP',
    '-d',
    '10',
  ]);
  await untilBound(port + 1);
  const events: TapEvent[] = [];
  const running = await startTap({
    ...{ listen: { host: '127.0.0.1', port: 0 }, server: ipAddress('127.0.0.1', port + 1), transport: 'udp' },
    ...{ secrets: new KnownSecrets(), mostPeers: 10, mostWaiting: 10, mostKept: 100 },
    wallTimeMs: () => Date.now(),
    onEvent: (event) => events.push(event),
    ...more,
  });
  t.after(() => running.close());
  running.tap.command((gate) => gate.addRule(parseRule(rule) as Rule));
  return { uri: `coaps://127.0.0.1:${running.local.port}`, events };
}

peerTest(
  'as an end of DTLS on both sides it edits the request of libcoap’s client and the answer of its server',
  ['coap-client-openssl', 'coap-server-openssl'],
  async (t) => {
    const security = {
      ...{ keys: [{ identity, key }], towardsDevices: {}, towardsServer: {}, config: {} },
      serverHost: '127.0.0.1',
    };
    const { uri, events } = await tapped(t, { security }, 'code=PUT => edit payload=edited-by-tap');
    const client = (...args: string[]) =>
      run(t, 'coap-client-openssl', [...args, ...demoCredentials, `${uri}/note`]);
    await client('-m', 'put', '-e', 'mine');
    const { output } = await client('-m', 'get');
    assert.match(output, /edited-by-tap/, events.map(({ kind }) => kind).join());
    const links = events.flatMap((event) => (event.kind === 'passing' ? [event.message.link] : []));
    assert.deepEqual([...new Set(links.map((link) => link.identity))], [demo.identity]);
    assert.equal(new Set(links.map(({ id }) => id)).size, 2);
  },
);

peerTest(
  'without a key it lets through what libcoap’s client and server say, and shows their handshake',
  ['coap-client-openssl', 'coap-server-openssl'],
  async (t) => {
    const { uri, events } = await tapped(t, {}, 'path=/none => drop');
    const { output } = await run(t, 'coap-client-openssl', ['-m', 'get', ...demoCredentials, `${uri}/time`]);
    assert.match(output, /\d\d:\d\d:\d\d/);
    const summaries = summariesOf(events);
    assert.ok(
      summaries.some((text) => text.includes('ServerHelloDone')),
      summaries.join('\n'),
    );
    assert.ok(summaries.every((text) => !text.includes('GET')));
  },
);

peerTest(
  'with the key it reads what goes to libcoap’s server and back under plain PSK',
  ['coap-server-openssl'],
  async (t) => {
    const secrets = new KnownSecrets([{ identity, key }]);
    const { uri, events } = await tapped(t, { secrets }, 'path=/none => drop');
    await using client = new Client({
      psk: { identity: demo.identity, key },
      suites: ['TLS_PSK_WITH_AES_128_CCM_8'],
      extendedMasterSecret: 'preferred',
    });
    assert.match((await client.request('GET', `${uri}/time`)).text(), /\d\d:\d\d:\d\d/);
    const summaries = summariesOf(events);
    assert.ok(
      summaries.some((text) => /GET id .* \/time/.test(text)),
      summaries.join('\n'),
    );
    assert.ok(
      summaries.some((text) => text.includes('2.05 Content')),
      summaries.join('\n'),
    );
  },
);

function summariesOf(events: readonly TapEvent[]): readonly string[] {
  return events.flatMap((event) => (event.kind === 'passing' ? [event.message.summary] : []));
}
