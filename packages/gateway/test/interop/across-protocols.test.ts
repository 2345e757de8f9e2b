/**
 * The gateway between protocols, with the programs of others at every end: curl, libcoap, Python's HTTP server, socat and mosquitto.
 */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { Client } from 'coapsule';
import mqtt from 'mqtt';
import { peerTest } from './peer.ts';
import { freeTcpPort, freeUdpPorts, run, start, temporaryFolder, until } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';
import { lineUri, VirtualLine } from './virtual-line.ts';

const token = 'the-token-of-a-panel';

/** An HTTP server with a folder of files. */
async function startFileServer(t: TestContext): Promise<{ readonly uri: string; readonly folder: string }> {
  const folder = temporaryFolder(t);
  const port = await freeTcpPort();
  start(t, 'python3', ['-m', 'http.server', String(port), '--bind', '127.0.0.1', '--directory', folder]);
  const uri = `http://127.0.0.1:${port}`;
  const answers = async (): Promise<boolean> => (await run(t, 'curl', ['-s', uri])).code === 0;
  await until(answers, 'the file server answers');
  return { uri, folder };
}

/** A device of libcoap's over DTLS with a pre-shared key. */
async function startDevice(t: TestContext): Promise<string> {
  const port = await freeUdpPorts(2);
  start(t, 'coap-server-openssl', ['-A', '127.0.0.1', '-p', String(port), '-k', demo.key, '-h', 'CoAP']);
  const answers = async (): Promise<boolean> => {
    await using client = new Client();
    return await client.ping(`coap://127.0.0.1:${port}`, { timeoutMs: 500 }).then(
      () => true,
      () => false,
    );
  };
  await until(answers, 'the device answers');
  return `coaps://127.0.0.1:${port + 1}`;
}

/** `http://127.0.0.1:PORT` of a gateway. */
function httpOf(output: string): string {
  const [, place = ''] = /"http":"([^"]+)"/.exec(output) ?? [];
  return `http://${place}`;
}

describe('HTTP on one side, CoAP on the other', () => {
  peerTest('curl reads and writes a device on DTLS', ['curl', 'coap-server-openssl'], async (t) => {
    const device = await startDevice(t);
    const folder = temporaryFolder(t);
    const [credentials, tokens] = [join(folder, 'credentials.json'), join(folder, 'tokens')];
    const map = { 'coaps://127.0.0.1:*/*': { identity: demo.identity, key: demo.key } };
    writeFileSync(credentials, JSON.stringify(map), { mode: 0o600 });
    writeFileSync(tokens, `panel ${token}\n`);
    const gateway = await startGateway(
      t,
      ...['--http', '0', '--http-tokens', tokens, '--http-template', '?target_uri={+tu}'],
      ...[
        '--proxy',
        'coaps://127.0.0.1:*',
        '--proxy-network',
        '127.0.0.1',
        '--proxy-credentials',
        credentials,
      ],
    );
    const base = httpOf(gateway.process.output);
    const curl = (path: string, ...args: string[]): ReturnType<typeof run> =>
      run(t, 'curl', ['-s', '-i', '-H', `Authorization: Bearer ${token}`, ...args, `${base}${path}`]);
    const time = await curl(`/hc/${device}/time`);
    assert.match(time.output, /^HTTP\/1\.1 200 OK[\s\S]*\d\d:\d\d:\d\d/);
    const put = await curl(
      `/hc/${device}/example_data`,
      '-X',
      'PUT',
      '-H',
      'Content-Type: text/plain',
      '-d',
      '22.5',
    );
    assert.match(put.output, /^HTTP\/1\.1 20[14] /);
    const read = await curl(`/hc/?target_uri=${device}/example_data`);
    assert.match(read.output, /\r\n\r\n22\.5/);
    const nobody = await run(t, 'curl', ['-s', '-i', `${base}/hc/${device}/time`]);
    assert.match(nobody.output, /^HTTP\/1\.1 403 /);
  });

  for (const client of ['coap-client-openssl', 'coap-client-gnutls'] as const) {
    peerTest(`${client} -P reads an HTTP resource`, [client, 'python3', 'curl'], async (t) => {
      const { uri, folder } = await startFileServer(t);
      writeFileSync(join(folder, 'weather.json'), '{"t":21.5}');
      const large = Buffer.alloc(100_000, 'abcdefghijklmnopqrstuvwxyz');
      writeFileSync(join(folder, 'large.bin'), large);
      const gateway = await startGateway(
        t,
        ...['--proxy', 'http://127.0.0.1:*', '--proxy-network', '127.0.0.1', '--dangerously-open-proxy'],
      );
      const through = ['-P', gateway.coap];
      const read = await run(t, client, ['-m', 'get', ...through, `${uri}/weather.json`]);
      assert.match(read.output, /\{"t":21\.5\}/);
      const missing = await run(t, client, ['-m', 'get', ...through, `${uri}/nothing`]);
      assert.match(missing.output, /4\.04/);
      const received = join(temporaryFolder(t), 'received');
      await run(t, client, ['-m', 'get', '-o', received, ...through, `${uri}/large.bin`]);
      assert.ok(readFileSync(received).equals(large));
      // Python's server has no PUT.
      const put = await run(t, client, ['-m', 'put', '-e', 'x', ...through, `${uri}/weather.json`]);
      assert.match(put.output, /5\.01/);
    });
  }

  peerTest('a path of the gateway stands for an HTTP server', ['python3', 'curl'], async (t) => {
    const { uri, folder } = await startFileServer(t);
    writeFileSync(join(folder, 'ulm.txt'), 'sunny');
    const gateway = await startGateway(t, '--reverse-proxy', `/weather=${uri}`);
    // The demo opens no other servers: a device needs a rule.
    const added = await coapsule(
      t,
      ...['device', 'add', 'reader', '--data', gateway.folder, '--psk', '0x00112233445566778899aabbccddeeff'],
      ...['--allow', 'GET:/weather/*'],
    );
    assert.equal(added.code, 0, added.output);
    const device = ['-u', 'reader', '-k', '0x00112233445566778899aabbccddeeff'];
    const read = await coapsule(t, 'get', `${gateway.coaps}/weather/ulm.txt`, ...device);
    assert.equal(read.stdout.toString(), 'sunny', read.output);
  });
});

describe('serial lines, MQTT and browsers', () => {
  peerTest(
    "a serial device's reading arrives on an MQTT topic; a command on a topic turns /light on, and an EventSource sees it",
    ['socat', 'mosquitto', 'curl'],
    async (t) => {
      const folder = temporaryFolder(t);
      chmodSync(folder, 0o777);
      const port = await freeTcpPort();
      const config = join(folder, 'mosquitto.conf');
      writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\nuser root\n`);
      await start(t, 'mosquitto', ['-c', config]).waitFor(/mosquitto version \S+ running/);
      const url = `mqtt://127.0.0.1:${port}`;
      const listener = await mqtt.connectAsync(url, { protocolVersion: 5 });
      t.after(() => listener.endAsync(true));
      const messages: string[] = [];
      listener.on('message', (topic, payload) => messages.push(`${topic} ${payload}`));
      await listener.subscribeAsync('#', { qos: 1 });

      const line = await VirtualLine.open(t);
      const gateway = await startGateway(
        t,
        ...['--serial', `${line.far},115200`, '--http', '0', '--mqtt', url, '--mqtt-allow', 'PUT:/light'],
      );
      await until(() => messages.includes('coapsule/status online'), 'the gateway is at the broker');

      const device = lineUri('coaps+serial', line.near);
      const put = await coapsule(
        t,
        ...['put', `${device}/sensors/${demo.identity}/temp`, '-e', '21.5', '-t', '0', ...demoCredentials],
      );
      assert.equal(put.code, 0, put.output);
      const topic = `coapsule/telemetry/sensors/${demo.identity}/temp`;
      await until(() => messages.includes(`${topic} 21.5`), 'the reading arrives');

      const browser = start(t, 'curl', [
        ...['-s', '-N', '-H', 'Accept: text/event-stream'],
        `${httpOf(gateway.process.output)}/coap/light`,
      ]);
      const off = await coapsule(t, 'put', `${gateway.coap}/light`, '-e', '{"status":false}', '-t', '50');
      assert.equal(off.code, 0, off.output);
      await browser.waitFor(/^data: .*"status":\s*false/m);
      await listener.publishAsync('coapsule/command/put/light', '{"status": true}', {
        qos: 1,
        properties: { contentType: 'application/json' },
      });
      await browser.waitFor(/"status":\s*false[\s\S]*^data: .*"status":\s*true/m);
      const light = await coapsule(t, 'get', `${gateway.coap}/light`);
      assert.match(light.stdout.toString(), /true/);
    },
  );
});
