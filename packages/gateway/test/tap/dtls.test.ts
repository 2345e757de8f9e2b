/** The tap and DTLS: as an end of it on both sides, and as somebody who lets it through. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import type { Finding } from '../../src/diagnosis/finding.ts';
import { LiveDiagnosis } from '../../src/tap/live-diagnosis.ts';
import { tappedPair } from './tapped-pair.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const identity = new TextEncoder().encode('sensor-042');
const psk = { identity: 'sensor-042', key };
const lookup = new Map([['sensor-042', key]]);
const bothEnds = {
  keys: [{ identity, key }],
  ...{ towardsDevices: {}, towardsServer: {}, config: {}, serverHost: '127.0.0.1' },
};

/** Wrong keys are answered at once. */
const unhurried = { ...bothEnds, config: { maxAttemptDelayMs: 0 } };

describe('a tap that is an end of DTLS', () => {
  test('edits what is inside, and the server knows the device by its own identity', async (t) => {
    const keylog: string[] = [];
    const { client, uri, received, events } = await tappedPair(t, {
      ...{ scheme: 'coaps', client: { psk }, listen: { psk: { lookup } } },
      rules: ['code=PUT => edit payload=99'],
      tap: { security: bothEnds, keylog: (line) => keylog.push(line) },
    });
    assert.equal((await client.request('PUT', `${uri}/echo`, { payload: '5' })).text(), '99');
    assert.deepEqual([received[0]?.payload, received[0]?.identity], ['99', 'sensor-042']);
    // One association on each side.
    assert.equal(keylog.filter((line) => line.startsWith('CLIENT_RANDOM ')).length, 2);
    const passing = events.flatMap((event) => (event.kind === 'passing' ? [event.message] : []));
    assert.deepEqual(
      passing.map(({ direction, link }) => [direction, link.identity]),
      [
        ['to-server', 'sensor-042'],
        ['to-device', 'sensor-042'],
      ],
    );
    const handshake = events.flatMap((event) =>
      event.kind === 'handshake' ? [event.datagram.decoded.summary] : [],
    );
    assert.ok(
      handshake.some((text) => text.includes('ClientHello')),
      handshake.join(),
    );
    assert.ok(!JSON.stringify(events.map(({ kind }) => kind)).includes('MySecret'));
  });

  test('Message IDs and tokens go through: a response that is dropped is asked for again with the same ones', async (t) => {
    const { client, uri, received, events } = await tappedPair(t, {
      ...{ scheme: 'coaps', listen: { psk: { lookup } }, tap: { security: bothEnds } },
      client: { psk, transmission: { ackTimeoutMs: 50 } },
      rules: ['direction=to-device code=response count=1 => drop'],
    });
    assert.equal((await client.request('POST', `${uri}/echo`, { payload: 'one' })).text(), 'one');
    assert.equal(received.length, 1);
    const requests = events.flatMap((event) =>
      event.kind === 'passing' && event.message.direction === 'to-server' ? [event.message.subject] : [],
    );
    assert.ok(requests.length >= 2);
    assert.equal(new Set(requests.map(({ messageId }) => messageId)).size, 1);
  });

  test('of a device with a wrong key nothing reaches the server', async (t) => {
    const { client, uri, received, events, until } = await tappedPair(t, {
      ...{ scheme: 'coaps', listen: { psk: { lookup } }, tap: { security: unhurried } },
      client: { psk: { identity: 'sensor-042', key: new TextEncoder().encode('AnotherKey16Byt!') } },
    });
    const failure = assert.rejects(client.request('GET', `${uri}/temp`), { code: 'ERR_CLOSED' });
    await until(() =>
      events.some((event) => event.kind === 'note' && /handshake failed \(/.test(event.text)),
    );
    assert.equal(received.length, 0);
    // It would try for a while.
    await client.close();
    await failure;
  });

  test('raw public keys: devices pin that of the tap, and the tap shows its own to the server', async (t) => {
    const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const [device, tap, server] = [pair(), pair(), pair()];
    const pem = ({ privateKey }: ReturnType<typeof pair>) =>
      privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const publicPem = ({ publicKey }: ReturnType<typeof pair>) =>
      publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const { client, uri, received } = await tappedPair(t, {
      scheme: 'coaps',
      client: { rawPublicKey: { privateKey: pem(device) }, peerPublicKeys: publicPem(tap) },
      listen: {
        rawPublicKey: { privateKey: pem(server) },
        clientPublicKeys: new Map([['the-tap', publicPem(tap)]]),
      },
      tap: {
        security: {
          ...{ keys: [], config: {}, serverHost: '127.0.0.1' },
          towardsDevices: {
            rawPublicKey: { privateKey: pem(tap) },
            clientPublicKeys: new Map([['the-device', publicPem(device)]]),
          },
          towardsServer: { rawPublicKey: { privateKey: pem(tap) }, peerPublicKeys: publicPem(server) },
        },
      },
    });
    assert.equal((await client.request('GET', `${uri}/temp`)).text(), '21');
    assert.equal(received[0]?.identity, 'the-tap');
  });
});

describe('a tap that lets DTLS through', () => {
  test('without a key it shows records, and drops them by number', async (t) => {
    const { client, uri, received, events } = await tappedPair(t, {
      ...{ scheme: 'coaps', client: { psk }, listen: { psk: { lookup } } },
      rules: ['protocol=dtls direction=to-server count=1 => drop', 'code=PUT => edit payload=99'],
    });
    assert.equal((await client.request('PUT', `${uri}/echo`, { payload: '5' })).text(), '5');
    assert.equal(received[0]?.identity, 'sensor-042');
    const protocols = events.flatMap((event) =>
      event.kind === 'passing' ? [event.message.subject.protocol] : [],
    );
    assert.deepEqual([...new Set(protocols)], ['dtls']);
    assert.equal(events.filter(({ kind }) => kind === 'dropped').length, 1);
  });

  test('with the key it reads along, matches what is inside, and says why it cannot edit', async (t) => {
    const { client, uri, received, events } = await tappedPair(t, {
      ...{ scheme: 'coaps', client: { psk }, listen: { psk: { lookup } } },
      rules: ['path=/echo code=PUT => edit payload=99'],
      tap: { secrets: new KnownSecrets([{ identity, key }]) },
    });
    assert.equal((await client.request('PUT', `${uri}/echo`, { payload: '5' })).text(), '5');
    assert.equal(received[0]?.payload, '5');
    const [refused] = events.flatMap((event) => (event.kind === 'not-edited' ? [event.reason] : []));
    assert.match(refused ?? '', /encrypted between the two/);
    assert.ok(
      events.some(
        (event) => event.kind === 'passing' && /PUT id .* \/echo 1 bytes/.test(event.message.summary),
      ),
    );
  });

  test('a record that is replayed has no effect at the server', async (t) => {
    const { client, uri, received, events, until } = await tappedPair(t, {
      ...{ scheme: 'coaps', client: { psk }, listen: { psk: { lookup } } },
      rules: ['path=/echo => duplicate'],
      tap: { secrets: new KnownSecrets([{ identity, key }]) },
    });
    await client.request('POST', `${uri}/echo`, { payload: 'once' });
    await until(() => events.some((event) => event.kind === 'left' && event.as === 'duplicate'));
    await client.request('GET', `${uri}/temp`);
    assert.deepEqual(
      received.map(({ path }) => path),
      ['/echo', '/temp'],
    );
  });
});

test('the diagnosis of a tap that is an end of DTLS looks inside', async (t) => {
  const findings: Finding[] = [];
  const diagnosis = new LiveDiagnosis(undefined, (finding) => findings.push(finding));
  const { client, uri } = await tappedPair(t, {
    ...{ scheme: 'coaps', client: { psk }, listen: { psk: { lookup } } },
    tap: { security: bothEnds, diagnosis },
    rules: ['direction=to-device code=2.05 => edit code=2.03'],
  });
  await client.request('GET', `${uri}/temp`).catch(() => {});
  diagnosis.look();
  assert.deepEqual(findings, []);
  diagnosis.look();
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['valid-without-etag'],
  );
  diagnosis.look();
  assert.equal(findings.length, 1);
  assert.equal(diagnosis.end()[0]?.count, 2);
});
