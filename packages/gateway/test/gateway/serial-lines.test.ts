/**
 * Devices behind serial lines of the gateway, over pseudo-terminals: their telemetry, their resources, and lines that are
 * not there, are pulled, or print.
 */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, type TestContext } from 'node:test';
import {
  type CertificateInfo,
  Client,
  type ClientOptions,
  changed,
  content,
  describeCertificates,
  type ListenOptions,
  type SerialLineStatus,
  Server,
} from 'coapsule';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { peerTest } from '../interop/peer.ts';
import { until } from '../interop/process.ts';
import { lineUri, VirtualLine } from '../interop/virtual-line.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway } from './test-gateway.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A data folder with devices, and one who may use what is behind the lines. */
function folderWith(t: TestContext, keys: Readonly<Record<string, string>>): string {
  const dataFolder = temporaryFolder(t);
  const opened = openDatabase(dataFolder, { create: true, asGateway: false });
  const devices = new DeviceTable(opened);
  const rules = (id: string): readonly string[] =>
    id === 'operator' ? ['GET:/sensors/*', 'GET:/serial', '*:/serial/*'] : [`PUT,POST,GET:/sensors/${id}/*`];
  for (const [id, key] of Object.entries(keys)) {
    devices.add({ id, credential: { kind: 'psk', key: bytes(key) }, rules: rules(id), addedAtMs: 1 });
  }
  opened.close();
  return dataFolder;
}

const operatorKey = 'the key of the operator';

/** A device at the far end of a line: it has a resource, and writes telemetry. */
interface Device {
  readonly client: Client;
  readonly base: string;
  /** Handshakes that were made with it, or by it. */
  handshakes(): number;
  change(temperature: string): void;
  stop(): Promise<void>;
}

async function startDevice(
  t: TestContext,
  line: VirtualLine,
  scheme: 'coap+serial' | 'coaps+serial',
  credentials: ClientOptions,
  listening: ListenOptions = {},
): Promise<Device> {
  let temperature = '21.5';
  let handshakes = 0;
  const server = new Server();
  server.resource('/temperature', {
    get: () => content(temperature),
    put: ({ payload }) => {
      temperature = new TextDecoder().decode(payload);
      return changed();
    },
    observable: true,
  });
  server.resource('/large', { get: () => content('0123456789abcdef'.repeat(512)) });
  const client = new Client(credentials);
  const base = lineUri(scheme, line.far);
  await server.listen(base, {
    ...listening,
    client,
    serial: { whenMissing: 'wait' },
    trace: (event) => {
      if (event.kind === 'connected') handshakes++;
    },
  });
  const stop = async (): Promise<void> => {
    await client.close();
    await server.close();
  };
  t.after(stop);
  return {
    client,
    stop,
    base,
    handshakes: () => handshakes,
    change(text) {
      temperature = text;
      server.notify('/temperature');
    },
  };
}

/** What a device needs to be let in, and to be asked without being asked for anything. */
function pskDevice(identity: string, key: string): readonly [ClientOptions, ListenOptions] {
  const own = { psk: { identity, key: bytes(key) } };
  return [own, { psk: { lookup: new Map([['gateway', bytes(key)]]) } }];
}

const path = (line: VirtualLine, resource: string): string => `/serial/${basename(line.near)}${resource}`;

describe('serial lines of the gateway', () => {
  peerTest(
    'two at once: what each device writes is in the store, and both are asked over UDP',
    ['socat'],
    async (t) => {
      const [one, two] = [await VirtualLine.open(t, 'one'), await VirtualLine.open(t, 'two')];
      const keys = { first: 'the key of the first', second: 'the key of the second', operator: operatorKey };
      const gateway = await startTestGateway(t, {
        dataFolder: folderWith(t, keys),
        serial: [
          { device: one.near, baudRate: 115_200, security: undefined },
          { device: two.near, baudRate: 9600, security: 'secured' },
        ],
      });
      assert.deepEqual(gateway.gateway.endpoints.serial, [
        lineUri('coaps+serial', one.near),
        lineUri('coaps+serial', two.near, 9600),
      ]);
      const first = await startDevice(t, one, 'coaps+serial', ...pskDevice('first', keys.first));
      const second = await startDevice(t, two, 'coaps+serial', ...pskDevice('second', keys.second));
      assert.equal(
        (await first.client.put(`${first.base}/sensors/first/temp`, { payload: '21.5' })).codeText,
        '2.01',
      );
      assert.equal(
        (await second.client.put(`${second.base}/sensors/second/temp`, { payload: '-3' })).codeText,
        '2.01',
      );
      // Each writes its own, on whatever line.
      assert.equal(
        (await first.client.put(`${first.base}/sensors/second/temp`, { payload: '0' })).codeText,
        '4.03',
      );
      second.change('-4');
      const operator = gateway.client('operator', operatorKey);
      const read = async (resource: string): Promise<string> =>
        (await operator.get(`${gateway.coaps}${resource}`)).text();
      assert.equal(await read('/sensors/first/temp'), '21.5');
      assert.equal(await read('/sensors/second/temp'), '-3');
      assert.equal(await read(path(one, '/temperature')), '21.5');
      assert.equal(await read(path(two, '/temperature')), '-4');
      assert.equal((await read(path(one, '/large'))).length, 8192);
      // Both directions go over the association that the device has begun.
      assert.deepEqual([first.handshakes(), second.handshakes()], [1, 1]);
      const states: readonly SerialLineStatus[] = JSON.parse(await read('/serial'));
      assert.deepEqual(
        states.map(({ path: device, mtu, bufferBytes }) => [device, mtu, bufferBytes]),
        [
          [one.near, 1024, 2048],
          [two.near, 1024, 2048],
        ],
      );
      for (const { counters } of states) {
        assert.ok(
          counters.largestPacket > 100 && counters.largestPacket <= 1024,
          `${counters.largestPacket}`,
        );
        assert.ok(counters.bufferPeak > 0 && counters.bufferPeak <= 2048, `${counters.bufferPeak}`);
      }
      assert.deepEqual(
        gateway.gateway.lines.map((line) => [line.path, line.isOpen, line.counters.lost]),
        [
          [one.near, true, {}],
          [two.near, true, {}],
        ],
      );
    },
  );

  peerTest('only those may ask a device who may do so by the rules', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const keys = { first: 'the key of the first', operator: operatorKey };
    const gateway = await startTestGateway(t, {
      dataFolder: folderWith(t, keys),
      serial: [{ device: line.near, baudRate: 115_200, security: 'plain' }],
    });
    await startDevice(t, line, 'coap+serial', {});
    const code = async (client: Client, base: string): Promise<string> =>
      (await client.get(`${base}${path(line, '/temperature')}`)).codeText;
    assert.equal(await code(gateway.client(), gateway.coap), '4.01');
    assert.equal(await code(gateway.client('first', keys.first), gateway.coaps), '4.03');
    const operator = gateway.client('operator', operatorKey);
    assert.equal(await code(operator, gateway.coaps), '2.05');
    const uri = `${gateway.coaps}${path(line, '/temperature')}`;
    assert.equal((await operator.put(uri, { payload: '18' })).codeText, '2.04');
    assert.equal((await operator.get(uri)).text(), '18');
    assert.equal((await operator.get(`${gateway.coaps}${path(line, '/none')}`)).codeText, '4.04');
  });

  peerTest('neither the demo nor plain writes open the devices on lines', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const gateway = await startTestGateway(t, {
      demo: true,
      dangerouslyAllowPlainWrites: true,
      serial: [{ device: line.near, baudRate: 115_200, security: 'plain' }],
    });
    await startDevice(t, line, 'coap+serial', {});
    const uri = path(line, '/temperature');
    for (const asked of ['/serial', uri]) {
      assert.equal((await gateway.client().get(`${gateway.coap}${asked}`)).codeText, '4.01', asked);
    }
    assert.equal((await gateway.client().put(`${gateway.coap}${uri}`, { payload: '1' })).codeText, '4.01');
    const demo = gateway.client('sensor-042', 'MySecret16ByteK!');
    assert.equal((await demo.get(`${gateway.coaps}${uri}`)).codeText, '4.03');
  });

  peerTest('a plain line gives its device no more than plain coap', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const gateway = await startTestGateway(t, {
      serial: [{ device: line.near, baudRate: 115_200, security: undefined }],
    });
    await gateway.log.waitFor(/^the serial line tty-near is not secured: there are no credentials yet/);
    const { client, base } = await startDevice(t, line, 'coap+serial', {});
    assert.equal((await client.put(`${base}/sensors/first/temp`, { payload: '1' })).codeText, '4.01');
    assert.equal((await client.get(`${base}/.well-known/core`)).codeText, '2.05');
  });

  peerTest(
    'a device that waits to be connected to is, with a certificate on both sides',
    ['socat'],
    async (t) => {
      const line = await VirtualLine.open(t);
      const certificates = await makeCertificates();
      const gateway = await startTestGateway(t, {
        // A device of the store has the name that is in the certificate of the one on the line.
        dataFolder: folderWith(t, { operator: operatorKey, 'meter-1': 'a key of that device' }),
        serial: [{ device: line.near, baudRate: 115_200, security: 'secured' }],
        lineCredentials: () => ({
          certificate: certificates.gateway,
          trustAnchors: certificates.authority,
        }),
      });
      const trusted = { trustAnchors: certificates.authority };
      const device = await startDevice(
        t,
        line,
        'coaps+serial',
        {},
        { certificate: certificates.device, clientCertificates: trusted },
      );
      const operator = gateway.client('operator', operatorKey);
      const ask = async (temperature: string): Promise<void> => {
        const uri = `${gateway.coaps}${path(line, '/temperature')}`;
        assert.equal((await operator.put(uri, { payload: temperature })).codeText, '2.04');
      };
      await ask('20');
      await gateway.client('meter-1', 'a key of that device').get(`${gateway.coaps}/sensors`);
      // Another process changes a device: all associations are compared with the store.
      const opened = openDatabase(gateway.folder, { create: false, asGateway: false });
      new DeviceTable(opened).remove('meter-1');
      opened.close();
      await gateway.log.waitFor(/^secured association with 127\.0\.0\.1:\d+ ended/);
      await ask('19');
      // What it writes on that association it writes as itself, as soon as it is a device here.
      const write = async (): Promise<string> =>
        (await device.client.put(`${device.base}/sensors/meter-1/temp`, { payload: '19' })).codeText;
      assert.equal(await write(), '4.01');
      const again = openDatabase(gateway.folder, { create: false, asGateway: false });
      const [{ fingerprint, notAfter }] = describeCertificates(certificates.device.chain) as [
        CertificateInfo,
      ];
      new DeviceTable(again).add({
        id: 'meter-1',
        credential: { kind: 'cert', fingerprint, expiresAtMs: notAfter.getTime() },
        rules: ['PUT:/sensors/meter-1/*'],
        addedAtMs: 2,
      });
      again.close();
      await until(async () => (await write()) === '2.01', 'it is known');
      assert.equal(device.handshakes(), 1);
    },
  );

  peerTest('why a device that waits cannot be connected to is told', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const certificates = await makeCertificates();
    const gateway = await startTestGateway(t, {
      dataFolder: folderWith(t, { operator: operatorKey }),
      serial: [{ device: line.near, baudRate: 115_200, security: 'secured' }],
      // That of a server is none of a client.
      lineCredentials: () => ({ certificate: certificates.device, trustAnchors: certificates.authority }),
    });
    const trusted = { trustAnchors: certificates.authority };
    const listening = { certificate: certificates.device, clientCertificates: trusted };
    const device = await startDevice(t, line, 'coaps+serial', {}, listening);
    const operator = gateway.client('operator', operatorKey);
    const response = await operator.get(`${gateway.coaps}${path(line, '/temperature')}`);
    assert.equal(response.codeText, '5.02');
    await gateway.log.waitFor(
      /handshake with serial:.*tty-near failed: .*(unsupported_certificate|certificate)/,
    );
    assert.equal(device.handshakes(), 0);
  });

  peerTest(
    'a device with a pre-shared key that waits is connected to with the key of its line',
    ['socat'],
    async (t) => {
      const line = await VirtualLine.open(t);
      const key = 'the key of this line';
      const keys = { operator: operatorKey, first: key, second: 'another key of somebody' };
      const gateway = await startTestGateway(t, {
        dataFolder: folderWith(t, keys),
        serial: [{ device: line.near, baudRate: 115_200, security: 'secured' }],
        lineCredentials: (uri) => {
          assert.equal(uri, lineUri('coaps+serial', line.near));
          return { psk: { identity: 'first', key: bytes(key) } };
        },
      });
      const lookup = new Map([['first', bytes(key)]]);
      const device = await startDevice(t, line, 'coaps+serial', {}, { psk: { lookup } });
      const operator = gateway.client('operator', operatorKey);
      const uri = `${gateway.coaps}${path(line, '/temperature')}`;
      assert.equal((await operator.get(uri)).text(), '21.5');
      assert.equal((await operator.put(uri, { payload: '5' })).codeText, '2.04');
      assert.equal((await operator.get(uri)).text(), '5');
      // Over the same association it writes as the device that has this key.
      const write = async (id: string): Promise<string> =>
        (await device.client.put(`${device.base}/sensors/${id}/temp`, { payload: '1' })).codeText;
      assert.deepEqual([await write('first'), await write('second')], ['2.01', '4.03']);
      assert.equal((await operator.get(`${gateway.coaps}/sensors/first/temp`)).text(), '1');
      assert.equal(device.handshakes(), 1);
    },
  );

  peerTest('a device is observed over UDP', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const keys = { first: 'the key of the first', operator: operatorKey };
    const gateway = await startTestGateway(t, {
      dataFolder: folderWith(t, keys),
      serial: [{ device: line.near, baudRate: 115_200, security: 'plain' }],
    });
    const device = await startDevice(t, line, 'coap+serial', {});
    const seen: string[] = [];
    const observation = gateway
      .client('operator', operatorKey)
      .observe(`${gateway.coaps}${path(line, '/temperature')}`);
    for await (const notification of observation) {
      seen.push(notification.text());
      if (seen.length === 3) break;
      device.change(`${22 + seen.length}`);
    }
    assert.deepEqual(seen, ['21.5', '23', '24']);
  });

  peerTest(
    'a device that is not there stops nothing, and is served as soon as it is',
    ['socat'],
    async (t) => {
      const line = VirtualLine.unplugged(t);
      const keys = { first: 'the key of the first', operator: operatorKey };
      const gateway = await startTestGateway(t, {
        dataFolder: folderWith(t, keys),
        serial: [{ device: line.near, baudRate: 115_200, security: undefined }],
      });
      await gateway.log.waitFor(/there is no serial device .*tty-near; .*The gateway goes on/);
      const operator = gateway.client('operator', operatorKey);
      assert.equal((await operator.get(`${gateway.coaps}/sensors/first/temp`)).codeText, '4.04');
      assert.equal(gateway.gateway.lines[0]?.isOpen, false);
      await line.plug();
      const device = await startDevice(t, line, 'coaps+serial', ...pskDevice('first', keys.first));
      assert.equal(
        (await device.client.put(`${device.base}/sensors/first/temp`, { payload: '20' })).codeText,
        '2.01',
      );
      assert.equal((await operator.get(`${gateway.coaps}/sensors/first/temp`)).text(), '20');
    },
  );

  peerTest(
    'a line that is pulled goes on when it is plugged in again: no acknowledged reading is lost, and there is no new handshake',
    ['socat'],
    async (t) => {
      const line = await VirtualLine.open(t);
      const keys = { first: 'the key of the first', operator: operatorKey };
      const gateway = await startTestGateway(t, {
        dataFolder: folderWith(t, keys),
        serial: [{ device: line.near, baudRate: 115_200, security: undefined }],
      });
      const device = await startDevice(t, line, 'coaps+serial', ...pskDevice('first', keys.first));
      const acknowledged: number[] = [];
      const writing = (async () => {
        for (let reading = 1; reading <= 40; reading++) {
          const uri = `${device.base}/sensors/first/${reading}`;
          if ((await device.client.put(uri, { payload: `${reading}` })).ok) acknowledged.push(reading);
        }
      })();
      await until(() => acknowledged.length >= 5, 'some readings were acknowledged');
      await line.unplug();
      await gateway.log.waitFor(/tty-near was unplugged/);
      const before = acknowledged.length;
      assert.ok(before < 40);
      await line.plug();
      await until(() => acknowledged.length > before, 'readings go on', 5_000);
      await writing;
      assert.equal(acknowledged.length, 40);
      const operator = gateway.client('operator', operatorKey);
      for (const reading of acknowledged) {
        assert.equal((await operator.get(`${gateway.coaps}/sensors/first/${reading}`)).text(), `${reading}`);
      }
      assert.equal(device.handshakes(), 1);
      assert.equal(gateway.gateway.lines[0]?.counters.reopened, 1);
      await gateway.log.waitFor(/tty-near:115200 is there again/);
    },
  );

  peerTest(
    'a device goes on over a restart of the gateway, both ways, without a handshake',
    ['socat'],
    async (t) => {
      const line = await VirtualLine.open(t);
      const keys = { first: 'the key of the first', operator: operatorKey };
      const options = {
        dataFolder: folderWith(t, keys),
        serial: [{ device: line.near, baudRate: 115_200, security: undefined }],
      };
      const before = await startTestGateway(t, options);
      const device = await startDevice(t, line, 'coaps+serial', ...pskDevice('first', keys.first));
      const put = async (payload: string): Promise<string> =>
        (await device.client.put(`${device.base}/sensors/first/temp`, { payload })).codeText;
      assert.equal(await put('1'), '2.01');
      await before.gateway.close();
      const after = await startTestGateway(t, options);
      await after.log.waitFor(/^1 of 1 secured associations go on without a handshake$/);
      const operator = after.client('operator', operatorKey);
      // The gateway is the first to speak.
      assert.equal((await operator.get(`${after.coaps}${path(line, '/temperature')}`)).text(), '21.5');
      assert.equal(await put('2'), '2.04');
      assert.equal((await operator.get(`${after.coaps}/sensors/first/temp`)).text(), '2');
      assert.equal(device.handshakes(), 1);
    },
  );

  peerTest(
    'a device that has lost everything is let in anew, and asked over its new association',
    ['socat'],
    async (t) => {
      const line = await VirtualLine.open(t);
      const keys = { first: 'the key of the first', operator: operatorKey };
      const gateway = await startTestGateway(t, {
        dataFolder: folderWith(t, keys),
        serial: [{ device: line.near, baudRate: 115_200, security: undefined }],
        lineMtu: 256,
      });
      const operator = gateway.client('operator', operatorKey);
      const large = `${gateway.coaps}${path(line, '/large')}`;
      for (const reading of ['1', '2']) {
        const device = await startDevice(t, line, 'coaps+serial', ...pskDevice('first', keys.first));
        const put = device.client.put(`${device.base}/sensors/first/temp`, { payload: reading });
        assert.ok((await put).ok);
        // A query of its own: the proxy has a cache.
        assert.equal((await operator.get(`${large}?${reading}`)).text().length, 8192);
        assert.equal(device.handshakes(), 1);
        // Its goodbye does not arrive.
        await line.unplug();
        await device.stop();
        await line.plug();
      }
      assert.equal((await operator.get(`${gateway.coaps}/sensors/first/temp`)).text(), '2');
      const [{ mtu, counters } = { mtu: 0, counters: { largestPacket: 0 } }] = gateway.gateway.lines;
      assert.equal(mtu, 256);
      assert.ok(counters.largestPacket <= 1024);
    },
  );

  peerTest(
    'what a device prints, noise, and what is no CoAP at all go past the gateway',
    ['socat'],
    async (t) => {
      const line = await VirtualLine.open(t);
      const gateway = await startTestGateway(t, {
        serial: [{ device: line.near, baudRate: 115_200, security: 'plain' }],
      });
      writeFileSync(line.far, 'rst:0x1 (POWERON_RESET),boot:0x13\r\n');
      await gateway.log.waitFor(/tty-near:115200 prints: rst:0x1 \(POWERON_RESET\),boot:0x13$/);
      // A CoAP frame with a wrong check sequence, an endless frame, and bytes.
      writeFileSync(line.far, Uint8Array.of(0xc0, 0xa9, 0x40, 0x01, 0x00, 0x01, 0xff, 0xff, 0xc0));
      writeFileSync(line.far, new Uint8Array(10_000).fill(0xa9));
      writeFileSync(
        line.far,
        Uint8Array.from({ length: 3000 }, (_, i) => (i * 73) & 0xff),
      );
      const lost = (): number =>
        Object.values(gateway.gateway.lines[0]?.counters.lost ?? {}).reduce((sum, count) => sum + count, 0);
      await until(() => lost() >= 2, 'they are counted');
      writeFileSync(line.far, Uint8Array.of(0xc0));
      const { client, base } = await startDevice(t, line, 'coap+serial', {});
      assert.equal((await client.get(`${base}/.well-known/core`)).codeText, '2.05');
      assert.ok((gateway.gateway.lines[0]?.counters.bufferPeak ?? 0) <= 2048);
    },
  );

  peerTest('two lines of one name are refused', ['socat'], async (t) => {
    const serial = ['/dev/ttyUSB0', 'ttyUSB0'].map((device) => ({
      device,
      baudRate: 9600,
      security: 'plain' as const,
    }));
    await assert.rejects(startTestGateway(t, { serial }), {
      name: 'StartUpFault',
      message: 'two serial lines are called ttyUSB0',
    });
  });
});

async function makeCertificates(): Promise<{
  readonly authority: string;
  readonly gateway: { chain: string; privateKey: string };
  readonly device: { chain: string; privateKey: string };
}> {
  const validity = {
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000 * 60),
  };
  const ca = await issueAuthority('CA', { ...validity, type: 'p256' });
  const issuer = {
    certificate: new X509Certificate(ca.certificatePem),
    privateKey: createPrivateKey(ca.privateKeyPem),
  };
  const issue = async (role: 'server' | 'device', commonName: string) => {
    const names = role === 'server' ? [commonName] : [];
    const issued = await issueCertificate(issuer, { role, commonName, names, type: 'p256' }, validity);
    return { chain: issued.certificatePem, privateKey: issued.privateKeyPem };
  };
  return {
    authority: ca.certificatePem,
    gateway: await issue('device', 'gateway-1'),
    device: await issue('server', 'meter-1'),
  };
}
