/** The programs on a serial line, over pseudo-terminals: the command line as client, the gateway as server, and pion/dtls without framing. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { type AssociationEvent, Client, content, Server } from 'coapsule';
import { CoapsuleProcess, unprivileged } from '../server/gateway-process.ts';
import { endEntity, trustAnchor } from './certificates.ts';
import { startPion } from './json-peer.ts';
import { anchor, ownCertificate } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';
import { coapsule, coapsuleInBackground, commandLine, demoCredentials, startGateway } from './programs.ts';
import { frames } from './tshark.ts';
import { lineUri, VirtualLine } from './virtual-line.ts';

/** A server of ours at the far end, which answers as the original does. */
async function serve(
  t: TestContext,
  line: VirtualLine,
  scheme: 'coap+serial' | 'coaps+serial',
  options: Parameters<Server['listen']>[1] = {},
): Promise<AssociationEvent[]> {
  const events: AssociationEvent[] = [];
  const server = new Server().resource('/a', { get: () => content('Hello World') });
  const secured = scheme === 'coaps+serial' ? { onAssociation: (e: AssociationEvent) => events.push(e) } : {};
  await server.listen(lineUri(scheme, line.far), { ...options, ...secured });
  t.after(() => server.close());
  return events;
}

const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };

describe('the command line on a serial line', () => {
  peerTest('asks a device in plain, and tells with -v how the line fared', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    await serve(t, line, 'coap+serial');
    const uri = lineUri('coap+serial', line.near);
    const asked = await coapsule(t, 'get', `${uri}/a`, '-v');
    assert.equal(asked.code, 0, asked.output);
    assert.equal(asked.stdout.toString(), 'Hello World');
    assert.match(asked.output, /→ serial:\S+ CON GET /);
    assert.match(
      asked.output,
      /\* coap\+serial:\/\/\S+:115200 1 packets sent, 1 received, \d+ bytes sent, \d+ received, largest packet \d+ of 1024 bytes, read buffer \d+ of 2048 bytes$/m,
    );
    const missing = await coapsule(t, 'get', `${uri}/none`);
    assert.equal(missing.code, 4, missing.output);
    const listed = await coapsule(t, 'discover', uri);
    assert.equal(listed.stdout.toString(), '</a>\n');
    const pinged = await coapsule(t, 'ping', uri);
    assert.match(pinged.stdout.toString(), /answers in [\d.]+ ms/);
  });

  peerTest('asks a gateway with a pre-shared key and observes it', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const gateway = await startGateway(t, '--serial', `${line.far},115200`);
    assert.match(gateway.process.output, /"serial":\["coaps\+serial:\/\/\S+:115200"\]/);
    const uri = lineUri('coaps+serial', line.near);
    const read = await coapsule(t, 'get', `${uri}/temperature`, ...demoCredentials);
    assert.equal(read.code, 0, read.output);
    assert.match(read.stdout.toString(), /^[\d.]+/);
    const large = await coapsule(t, 'get', `${uri}/large`, ...demoCredentials);
    assert.equal(large.stdout.length, 8192);
    const stored = await coapsule(t, 'put', `${uri}/store/x`, '-e', 'y'.repeat(8192), ...demoCredentials);
    assert.equal(stored.code, 0, stored.output);
    const observed = await coapsule(t, 'observe', `${uri}/obs`, '-s', '2', ...demoCredentials);
    assert.equal(observed.code, 0, observed.output);
    assert.ok(observed.stdout.toString().split('tick ').length > 3, observed.output);
    const json = await coapsule(t, 'get', `${uri}/hello`, '--json', ...demoCredentials);
    assert.equal(JSON.parse(json.stdout.toString()).peer.transport, 'serial');
  });

  peerTest('names what is wrong, with the exit code of its kind', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const uri = lineUri('coaps+serial', line.near);
    const silent = await coapsule(t, 'get', `${uri}/a`, '-B', '1', ...demoCredentials);
    assert.equal(silent.code, 6, silent.output);
    assert.match(silent.output, /nothing came from the line: is the device there and running/);
    await serve(t, line, 'coaps+serial', { psk: { lookup: new Map([[psk.identity, psk.key]]) } });
    const wrongKey = await coapsule(t, 'get', `${uri}/a`, '-u', 'sensor-042', '-k', 'another key than that');
    assert.equal(wrongKey.code, 7, wrongKey.output);
    const noKey = await coapsule(t, 'get', `${uri}/a`);
    assert.equal(noKey.code, 7, noKey.output);
    const plain = await coapsule(t, 'get', `${lineUri('coap+serial', line.near)}/a`, '-B', '1');
    assert.equal(plain.code, 6, plain.output);
    const nowhere = await coapsule(t, 'get', 'coap+serial://ttyNOPE/a');
    assert.equal(nowhere.code, 1, nowhere.output);
    assert.match(
      nowhere.output,
      /there is no serial device \/dev\/ttyNOPE\n {2}plug it in, or check its name/,
    );
    const busy = await coapsule(t, 'get', `${lineUri('coap+serial', line.far)}/a`);
    assert.equal(busy.code, 1, busy.output);
    assert.match(busy.output, /is open in another program\n {2}close that program/);
    const rate = await coapsule(t, 'get', 'coap+serial://ttyUSB0:fast/a');
    assert.equal(rate.code, 64, rate.output);
    const noLine = await coapsule(t, 'get', 'coap://127.0.0.1/a', '--framing', 'raw');
    assert.equal(noLine.code, 64, noLine.output);
  });

  peerTest('and neither permission nor the package serialport is forgotten', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const uri = `${lineUri('coap+serial', line.near)}/a`;
    // As if it were not installed.
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, context, next) => {
        if (name === 'serialport') throw new Error('not installed');
        return next(name, context);
      } });`;
    const withoutDriver = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`];
    const command = [...withoutDriver, '--conditions=@coapsule/source', commandLine];
    const folder = temporaryFolder(t);
    const serving = ['--data', folder, '--coap', '127.0.0.1:0', '--coaps', 'off', '--serial', 'ttyX,,plain'];
    for (const args of [
      ['get', uri],
      ['serial', 'list'],
      ['serve', ...serving],
    ]) {
      const { code, output } = await run(t, process.execPath, [...command, ...args]);
      assert.equal(code, 1, `${args[0]}: ${output}`);
      assert.match(output, /serial lines need the npm package serialport.*\n {2}npm install serialport@13/);
    }
    if (unprivileged === undefined) return;
    const denied = await new CoapsuleProcess(t, ['get', uri], unprivileged).ended;
    assert.equal(denied.code, 1, denied.stderr);
    assert.match(denied.stderr, /no permission to open .*tty-near\n {2}add your user to the group/);
  });

  peerTest('writes a capture that Wireshark reads and decrypts', ['socat', 'tshark'], async (t) => {
    const line = await VirtualLine.open(t);
    await serve(t, line, 'coaps+serial', { psk: { lookup: new Map([[psk.identity, psk.key]]) } });
    const file = join(temporaryFolder(t), 'line.pcapng');
    const uri = `${lineUri('coaps+serial', line.near)}/a`;
    const asked = await coapsule(t, 'get', uri, '-w', file, ...demoCredentials);
    assert.equal(asked.code, 0, asked.output);
    const messages = await frames(t, file, { coapPort: 5683, coapsPort: 5684 }, 'coap', [
      'ip.dst',
      'coap.code',
    ]);
    assert.deepEqual(messages, ['198.51.100.1|1', '192.0.2.1|69']);
  });

  peerTest('waits for a server that is started after it', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const asking = coapsuleInBackground(
      t,
      ...['get', `${lineUri('coaps+serial', line.near)}/a`, '-vv', ...demoCredentials],
    );
    await asking.waitFor(/ClientHello/);
    await serve(t, line, 'coaps+serial', { psk: { lookup: new Map([[psk.identity, psk.key]]) } });
    const { code, stdout, output } = await asking.finished();
    assert.equal(code, 0, output);
    assert.equal(stdout.toString(), 'Hello World');
  });
});

peerTest(
  'certificates of "coapsule keys" on a line: what a device writes there is read over UDP, and one that waits there is asked',
  ['socat'],
  async (t) => {
    const line = await VirtualLine.open(t);
    const folder = temporaryFolder(t);
    const at = (name: string): string => join(folder, name);
    const done = async (...args: string[]): Promise<string> => {
      const { code, stdout, output } = await coapsule(t, ...args);
      assert.equal(code, 0, `${args.join(' ')}\n${output}`);
      return stdout.toString();
    };
    const ca = ['--ca', at('ca.pem')];
    await done('keys', 'ca', '--out', at('ca'));
    await done('keys', 'cert', 'localhost', '--server', ...ca, '--out', at('localhost'));
    // The gateway has one of a server for those who come, and one of a device for where it goes.
    for (const id of ['sensor-7', 'gateway-1']) await done('keys', 'cert', id, ...ca, '--out', at(id));
    const data = ['--data', at('data')];
    await done('device', 'add', 'sensor-7', '--cert', at('sensor-7.pem'), ...data);
    const key = ['--psk', 'the key of the operator'];
    await done('device', 'add', 'operator', ...key, '--allow', 'GET:/serial/*', ...data);
    const map = {
      'coaps+serial://*/*': { cert: 'gateway-1.pem', 'private-key': 'gateway-1.key', ca: 'ca.pem' },
    };
    writeFileSync(at('lines.json'), JSON.stringify(map), { mode: 0o600 });
    const gateway = await startGateway(
      t,
      ...[...data, '--cert', at('localhost.pem'), '--private-key', at('localhost.key'), ...ca],
      ...['--serial', line.near, '--serial-credentials', at('lines.json')],
    );
    const own = ['-c', at('sensor-7.pem'), '-j', at('sensor-7.key'), '-C', at('ca.pem')];
    const reading = '/sensors/sensor-7/temp';
    await done('put', `${lineUri('coaps+serial', line.far)}${reading}`, '-e', '21.5', ...own);
    const overUdp = `coaps://localhost:${gateway.coapsPort}`;
    assert.equal(await done('get', `${overUdp}${reading}`, ...own), '21.5');

    const device = await serve(t, line, 'coaps+serial', {
      certificate: {
        chain: readFileSync(at('localhost.pem')),
        privateKey: readFileSync(at('localhost.key')),
      },
      clientCertificates: { trustAnchors: readFileSync(at('ca.pem')) },
    });
    const behind = `${overUdp}/serial/${basename(line.near)}/a`;
    assert.equal(await done('get', behind, '-u', 'operator', '-k', 'the key of the operator'), 'Hello World');
    const [connected] = device;
    assert.ok(connected?.kind === 'connected' && connected.peer.security.kind === 'dtls');
    assert.equal(connected.peer.security.identity, 'gateway-1');
  },
);

peerTest(
  'a gateway that is killed and started again goes on with the device on its line, without a handshake',
  ['socat'],
  async (t) => {
    const line = await VirtualLine.open(t);
    const folder = temporaryFolder(t);
    const serving = ['--data', folder, '--serial', line.near];
    const gateway = await startGateway(t, ...serving);
    let handshakes = 0;
    await using device = new Client({
      psk,
      trace: ({ kind }) => {
        if (kind === 'connected') handshakes++;
      },
    });
    const uri = `${lineUri('coaps+serial', line.far)}/sensors/sensor-042/temp`;
    const put = async (payload: string): Promise<string> => (await device.put(uri, { payload })).codeText;
    assert.equal(await put('1'), '2.01');
    await gateway.process.stop('SIGKILL');
    const next = await startGateway(t, ...serving);
    assert.equal(await put('2'), '2.04');
    const read = await coapsule(t, 'get', `${next.coaps}/sensors/sensor-042/temp`, ...demoCredentials);
    assert.equal(read.stdout.toString(), '2', read.output);
    assert.equal(handshakes, 1);
  },
);

describe('pion/dtls on a serial line without framing', () => {
  const raw = { framing: 'raw' } as const;
  const peers = ['pion', 'socat'] as const;

  peerTest('its server answers our client, with a pre-shared key', peers, async (t) => {
    const line = await VirtualLine.open(t);
    const pion = await startPion(t, 'server', line.far, 'psk', psk.identity, 'MySecret16ByteK!');
    await using client = new Client({ psk, serial: raw });
    const response = await client.get(`${lineUri('coaps+serial', line.near)}/a`);
    assert.deepEqual([response.codeText, response.text()], ['2.05', 'Hello World']);
    assert.equal((await client.get(`${lineUri('coaps+serial', line.near)}/b`)).codeText, '4.04');
    await pion.event('answered', 2);
  });

  peerTest('its server and our client know each other by certificates', peers, async (t) => {
    const line = await VirtualLine.open(t);
    const [server, client, ca] = [
      endEntity({ role: 'server' }),
      endEntity({ role: 'client' }),
      trustAnchor(),
    ];
    const pion = await startPion(t, 'server', line.far, 'cert', server.chain, server.key, ca);
    await using own = new Client({
      certificate: ownCertificate(client),
      trustAnchors: anchor(),
      serverName: 'localhost',
      serial: raw,
    });
    const response = await own.get(`${lineUri('coaps+serial', line.near)}/a`);
    assert.equal(response.text(), 'Hello World');
    assert.match(String((await pion.event('connected'))['subject']), /^client-/);
  });

  peerTest('its client asks our server, with a pre-shared key', peers, async (t) => {
    const line = await VirtualLine.open(t);
    await serve(t, line, 'coaps+serial', {
      psk: { lookup: new Map([[psk.identity, psk.key]]) },
      serial: raw,
    });
    const pion = await startPion(t, 'client', line.near, 'psk', psk.identity, 'MySecret16ByteK!');
    const { code, text, type, messageId } = await pion.event('response');
    assert.deepEqual([code, text, type, messageId], ['2.05', 'Hello World', 2, 1234]);
  });

  peerTest('its client and our server know each other by certificates', peers, async (t) => {
    const line = await VirtualLine.open(t);
    const [server, client] = [endEntity({ role: 'server' }), endEntity({ role: 'client' })];
    const events = await serve(t, line, 'coaps+serial', {
      certificate: ownCertificate(server),
      clientCertificates: { trustAnchors: anchor() },
      serial: raw,
    });
    const pion = await startPion(t, 'client', line.near, 'cert', client.chain, client.key, trustAnchor());
    assert.equal((await pion.event('response'))['text'], 'Hello World');
    const [connected] = events;
    assert.ok(connected?.kind === 'connected' && connected.peer.security.kind === 'dtls');
    assert.equal(connected.peer.security.identity, 'localhost');
  });

  peerTest('the command line asks it, and the gateway answers it', peers, async (t) => {
    const line = await VirtualLine.open(t);
    const pion = await startPion(t, 'server', line.far, 'psk', psk.identity, 'MySecret16ByteK!');
    const asked = await coapsule(
      t,
      ...['get', `${lineUri('coaps+serial', line.near)}/a`, '--framing', 'raw', ...demoCredentials],
    );
    assert.equal(asked.stdout.toString(), 'Hello World', asked.output);
    await pion.process.stop();
    await startGateway(t, '--serial', `${line.far},,secured,raw`);
    const asking = await startPion(t, 'client', line.near, 'psk', psk.identity, 'MySecret16ByteK!');
    assert.equal((await asking.event('response'))['code'], '2.05');
  });
});
