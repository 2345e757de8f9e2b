/** What the console says is to be done with a device that was added: its commands work as they stand, with programs of others too. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DevicesPage, DeviceWithSecret, TrafficPage } from '../../src/console/api-types.ts';
import { TrafficRing } from '../../src/traffic/traffic-ring.ts';
import { startTestConsole } from '../console/console-fixture.ts';
import { peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';

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
