/** libcoap's clients while the key of their device is rotated: both keys get in, each by the first try. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { peerTest } from './peer.ts';
import { run } from './process.ts';
import { coapsule, startGateway } from './programs.ts';

const [oldKey, newKey] = ['the old key of sixteen', 'the new key of sixteen'];

for (const client of ['coap-client-openssl', 'coap-client-gnutls'] as const) {
  describe(client, () => {
    peerTest(
      'connects with either key while both count, and with the new one alone after that',
      [client],
      async (t) => {
        const gateway = await startGateway(t);
        const data = ['--data', gateway.folder];
        const put = async (key: string, payload: string): Promise<string> => {
          const uri = `${gateway.coaps}/sensors/meter`;
          const args = ['-v', '6', '-B', '10', '-m', 'put', '-e', payload, '-u', 'meter', '-k', key, uri];
          return (await run(t, client, args)).output;
        };
        await coapsule(t, 'device', 'add', 'meter', '--psk', oldKey, ...data);
        assert.match(await put(oldKey, '1'), /c:2\.01/);
        const rotated = await coapsule(
          t,
          'device',
          'rotate',
          'meter',
          '--psk',
          newKey,
          '--overlap',
          '7d',
          ...data,
        );
        assert.match(rotated.output, /the old one counts until 20/);
        assert.match(await put(oldKey, '2'), /c:2\.04/);
        assert.match(await put(newKey, '3'), /c:2\.04/);
        assert.match(await put(oldKey, '4'), /c:2\.04/);
        const shown = await coapsule(t, 'device', 'show', 'meter', '--json', ...data);
        assert.equal(JSON.parse(shown.stdout.toString()).before.keyVersion, 1);
        const listed = await coapsule(t, 'device', 'list', ...data);
        assert.match(listed.stdout.toString(), /psk; psk before until \d{4}-\d\d-\d\d\n/);
        await coapsule(t, 'device', 'retire', 'meter', ...data);
        assert.doesNotMatch(await put(oldKey, '5'), /c:2\./);
        assert.match(await put(newKey, '6'), /c:2\.04/);
      },
    );
  });
}
