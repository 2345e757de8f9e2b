/** What the console says is to be done with a device that was added: its commands work as they stand, with programs of others too. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type {
  DevicesPage,
  DeviceWithSecret,
  ExplorerResult,
  TrafficPage,
} from '../../src/console/api-types.ts';
import { TrafficRing } from '../../src/traffic/traffic-ring.ts';
import { startTestConsole } from '../console/console-fixture.ts';
import { endEntity, rawKey, trustAnchor } from './certificates.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, run, start, temporaryFolder, untilBound } from './process.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

for (const client of ['coap-client-openssl', 'coap-client-gnutls'] as const) {
  peerTest(
    `a device that was added in the console connects with the printed command of ${client} and of coapsule`,
    [client],
    async (t) => {
      const { admin } = await startTestConsole(t);
      const user = await admin();
      const { snippets } = await user.json<DeviceWithSecret>('POST', '/api/devices', {
        id: "ward 7's pump",
        credential: { kind: 'psk' },
      });
      for (const { tool, command } of snippets.commands) {
        // It reads a file of the page: see wizard.test.ts.
        if (tool === 'aiocoap-client') continue;
        const program =
          tool === 'coap-client'
            ? command.replace(/^coap-client/, `${client} -v 6`)
            : command.replace(/^coapsule/, `'${process.execPath}' --conditions=@coapsule/source '${main}'`);
        const { code, output } = await run(t, 'sh', ['-c', program]);
        assert.equal(code, 0, output);
        if (tool === 'coap-client') assert.match(output, /c:2\.0[14]/);
      }
      const { devices } = await user.json<DevicesPage>('GET', '/api/devices?search=ward');
      // Both have said goodbye: what is known of it is what it has written.
      assert.deepEqual([devices[0]?.association, typeof devices[0]?.lastSeenAtMs], [null, 'number']);
    },
  );
}

async function libcoapServer(t: TestContext, program: string, options: readonly string[]): Promise<string> {
  const port = await freeUdpPorts(2);
  start(t, program, ['-A', '127.0.0.1', '-p', String(port), ...options]);
  await untilBound(port + 1);
  return `coaps://127.0.0.1:${port + 1}/time`;
}

peerTest(
  "the explorer asks libcoap's servers with credentials that have a name: a pre-shared key, a raw public key and certificates",
  ['coap-server-openssl', 'coap-server-gnutls', 'openssl'],
  async (t) => {
    const { admin } = await startTestConsole(t);
    const user = await admin();
    const [own, certified] = [endEntity({ role: 'client' }), endEntity({ role: 'server' })];
    const text = (file: string): string => readFileSync(file, 'utf8');
    const certificates = ['-c', certified.certificate, '-j', certified.key, '-C', trustAnchor()];
    const x509 = {
      ...{ kind: 'x509', authorityPem: text(trustAnchor()) },
      ...{ certificatePem: text(own.certificate), privateKeyPem: text(own.key) },
    };
    const psk = { kind: 'psk', identity: 'lab', keyHex: Buffer.from('MySecret16ByteK!').toString('hex') };
    const rpk = {
      ...{
        kind: 'rpk',
        privateKeyPem: text(rawKey('client').key),
        serverKey: text(rawKey('server').publicKey),
      },
    };
    for (const [name, program, options, proof] of [
      ['key', 'coap-server-openssl', ['-k', 'MySecret16ByteK!'], psk],
      ['raw', 'coap-server-gnutls', ['-M', rawKey('server').both], rpk],
      ['certified', 'coap-server-openssl', certificates, x509],
      ['certified too', 'coap-server-gnutls', certificates, x509],
    ] as const) {
      const uri = await libcoapServer(t, program, options);
      await user.json('POST', '/api/explorer/credentials', { name, proof });
      const { response, problem } = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
        ...{ uri, method: 'GET', credential: { kind: 'named', name } },
      });
      assert.equal(response?.code, '2.05', `${name}: ${problem?.message}`);
      assert.match(Buffer.from(response.payloadHex, 'hex').toString(), /\d\d:\d\d:\d\d/);
    }
    const uri = await libcoapServer(t, 'coap-server-gnutls', ['-M', rawKey('server').both]);
    const { problem } = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
      ...{ uri, method: 'GET' },
      credential: { ...rpk, serverKey: text(rawKey('stranger').publicKey) },
    });
    assert.match(problem?.message ?? '', /the raw public key sha256:[0-9a-f]{64} .* is not known here/);
    assert.match(problem?.nextStep ?? '', /give the public key of the server/);
  },
);

peerTest(
  'the exported traffic is opened by tshark, decrypted with the secrets in it',
  ['tshark'],
  async (t) => {
    const ring = new TrafficRing({ maxBytes: 1024 * 1024, keepSecrets: true });
    const { admin, client, coaps } = await startTestConsole(t, {
      ...{ demo: true, traffic: ring, capture: (captured) => ring.add(captured) },
      keylog: (line) => ring.addSecret(line),
    });
    await client('sensor-042', 'MySecret16ByteK!').get(`${coaps}/temperature`);
    const user = await admin();
    const { kept } = await user.json<TrafficPage>('GET', '/api/traffic/messages');
    const answer = await user.ask('POST', '/api/traffic/export', { withSecrets: true });
    const file = join(temporaryFolder(t), 'traffic.pcapng');
    writeFileSync(file, new Uint8Array(await answer.arrayBuffer()));
    const port = coaps.split(':').at(-1);
    const { output } = await run(t, 'tshark', [
      '-r',
      file,
      '-d',
      `udp.port==${port},dtls`,
      '-d',
      `dtls.port==${port},coap`,
    ]);
    assert.match(output, /CoAP .*\/temperature/, output);
    assert.ok(kept >= 8);
  },
);
