import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { DtlsPair, sensorIdentity } from './dtls-pair.ts';

for (const suite of cipherSuites) {
  test(`client and server agree on ${suite.name} and exchange data`, () => {
    const pair = new DtlsPair({ client: { suites: [suite.name] } });
    pair.connect();
    pair.run(5000, () => pair.bothConnected);
    const [client, server] = [pair.client.all('connected')[0], pair.server.all('connected')[0]];
    assert.equal(client?.suite, suite.name);
    assert.equal(server?.suite, suite.name);
    assert.deepEqual(server?.identity, sensorIdentity);
    assert.equal(client?.extendedMasterSecret, true);
    assert.equal(server?.extendedMasterSecret, true);
    assert.ok(pair.exchange());
    const sent = pair.network.sent.slice(0, 8).map(({ datagram }) => datagram.length);
    assert.ok(Math.max(...sent) <= 1232);
  });
}
