/** Devices that bring a raw public key or a certificate: what is pasted, the commands for them, and what a gateway lacks. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { Client } from 'coapsule';
import type { DeviceWithSecret } from '../../src/console/api-types.ts';
import type { GatewayProof } from '../../src/console/gateway-proof.ts';
import { snippetFacts } from '../../src/console/snippets.ts';
import { problemOf, startTestConsole } from './console-fixture.ts';

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

test('a raw public key is pasted as PEM, and the printed command has all that the device needs to connect', async (t) => {
  const started = await startTestConsole(t, {
    credentials: {
      certificate: undefined,
      rawPublicKey: { privateKey: newKey().privateKey },
      authorities: undefined,
    },
  });
  const user = await started.admin();
  const { privateKey, publicKey } = newKey();
  const publicKeyPem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  const { secret, snippets } = await user.json<DeviceWithSecret>('POST', '/api/devices', {
    id: 'sensor 7',
    credential: { kind: 'rpk', publicKeyPem },
  });
  assert.deepEqual([secret, snippets.missing], [null, null]);
  const [own, libcoap] = snippets.commands;
  const uri = `${started.coaps}/sensors/sensor%207`;
  const [, fingerprint = ''] = /--peer-rpk (sha256:\w+)$/.exec(own?.command ?? '') ?? [];
  assert.equal(own?.command, `coapsule put ${uri} -e '22.5' -M sensor_7.key --peer-rpk ${fingerprint}`);
  assert.equal(libcoap?.command, `coap-client-gnutls -m put -e '22.5' -M sensor_7.key ${uri}`);
  await using client = new Client({ rawPublicKey: { privateKey }, peerPublicKeys: fingerprint });
  assert.equal((await client.put(uri, { payload: '22.5' })).codeText, '2.01');

  for (const [pasted, reason] of [
    [
      privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      /private key, and it stays with the device/,
    ],
    ['-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----', /no public key in PEM/],
  ] as const) {
    const refused = await user.ask('POST', '/api/devices', {
      id: 'other',
      credential: { kind: 'rpk', publicKeyPem: pasted },
    });
    assert.equal(refused.status, 400);
    assert.match((await problemOf(refused)).message, reason);
  }
});

test('commands for a certificate trust what the gateway shows, and what the gateway lacks is said', () => {
  const facts = (security: 'rpk' | 'x509', proof: Partial<GatewayProof>) =>
    snippetFacts(
      { id: 's', rules: ['PUT:/s'], security } as unknown as DeviceWithSecret['device'],
      null,
      { coap: undefined, coaps: '192.0.2.1:5684' },
      {
        trust: { fingerprint: 'sha256:00', publicKeyPem: null, authorityPem: null },
        ...{ hasCertificate: true, hasAuthorities: true, ...proof },
      },
      undefined,
    );
  assert.deepEqual(
    facts('x509', {}).commands.map(({ command }) => command),
    [
      "coapsule put coaps://192.0.2.1:5684/s -e '22.5' -c s.pem -j s.key -C ca.pem",
      "coap-client -m put -e '22.5' -c s.pem -j s.key -C ca.pem coaps://192.0.2.1:5684/s",
    ],
  );
  assert.match(facts('x509', { hasCertificate: false }).commands[0]?.command ?? '', /--peer-rpk sha256:00$/);
  assert.match(facts('x509', { hasAuthorities: false }).missing ?? '', /--ca/);
  assert.match(
    facts('rpk', { trust: { fingerprint: null, publicKeyPem: null, authorityPem: null } }).missing ?? '',
    /--private-key/,
  );
  assert.equal(facts('rpk', { hasAuthorities: false }).missing, null);
});
