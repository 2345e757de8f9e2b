/** A tap between libcoap's client and libcoap's server: neither is ours, and it edits what they say to each other inside DTLS. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Client, content, ipAddress, Server } from 'coapsule';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { parseRule, type Rule } from '../../src/tap/rule.ts';
import { startTap, type TapOptions } from '../../src/tap/start-tap.ts';
import type { TapEvent } from '../../src/tap/tap.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, run, start, temporaryFolder, untilBound } from './process.ts';
import { coapsuleInBackground, demo, demoCredentials } from './programs.ts';
import { frames } from './tshark.ts';

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

peerTest('tshark decrypts both sides of its capture and finds nothing wrong in it', ['tshark'], async (t) => {
  const server = new Server();
  t.after(() => server.close());
  server.resource('/temp', { get: () => content('21') });
  const { port } = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([[demo.identity, key]]) },
  });
  const file = join(temporaryFolder(t), 'tap.pcapng');
  const tap = coapsuleInBackground(
    t,
    ...[
      'tap',
      '--listen',
      '127.0.0.1:0',
      '--to',
      `coaps://127.0.0.1:${port}`,
      ...demoCredentials,
      '-w',
      file,
    ],
  );
  const [, tapPort = ''] = await tap.waitFor(/^ready .*"listen":"127\.0\.0\.1:(\d+)"/m);
  await using client = new Client({ psk: { identity: demo.identity, key } });
  assert.equal((await client.request('GET', `coaps://127.0.0.1:${tapPort}/temp`)).text(), '21');
  await client.close();
  await tap.stop('SIGINT');
  const ports = { coapsPort: Number(tapPort) };
  const other = ['-d', `udp.port==${port},dtls`, '-d', `dtls.port==${port},coap`];
  const seen = await frames(t, file, ports, 'coap', ['udp.dstport', 'coap.code'], [], other);
  assert.deepEqual(
    seen.map((row) => row.split('|')[1]),
    ['1', '1', '69', '69'],
    tap.output,
  );
  const wrong = await frames(t, file, ports, '_ws.malformed || _ws.short', ['frame.number'], [], other);
  assert.deepEqual(wrong, []);
});

function summariesOf(events: readonly TapEvent[]): readonly string[] {
  return events.flatMap((event) => (event.kind === 'passing' ? [event.message.summary] : []));
}
