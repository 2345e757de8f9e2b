/** Californium's Scandium with pre-shared keys in both directions, with and without (EC)DHE (RFC 6655, 5487, 8442). */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { CipherSuiteName } from 'coapsule';
import { helloRequest, startScandium } from './json-peer.ts';
import { ownClient, ownPsk, securityOf, servedPsk, startOwnServer } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts } from './process.ts';
import { demo } from './programs.ts';

const psk = ['--psk', `${demo.identity}:${demo.key}`];

const suites: readonly CipherSuiteName[] = [
  'TLS_PSK_WITH_AES_128_CCM_8',
  'TLS_PSK_WITH_AES_256_CCM_8',
  'TLS_PSK_WITH_AES_128_CCM',
  'TLS_PSK_WITH_AES_256_CCM',
  'TLS_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_PSK_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256',
];

/** Scandium 3.14 spells the hash of two suites wrong. */
function scandiumName(suite: CipherSuiteName): string {
  return suite.replace(/(PSK_WITH_AES_256_GCM_SHA)384/, '$1378');
}

describe('Scandium with a pre-shared key', () => {
  peerTest('its server answers our client with every suite', ['scandium'], async (t) => {
    const port = await freeUdpPorts(1);
    await startScandium(t, 'server', port, ...psk, '--suites', suites.map(scandiumName).join(','));
    for (const suite of suites) {
      await t.test(suite, async (sub) => {
        const client = ownClient(sub, { psk: ownPsk, suites: [suite] });
        const response = await client.get(`coaps://127.0.0.1:${port}/hello`);
        assert.equal(response.text(), 'hello from scandium');
        assert.equal(securityOf(response.peer).suite, suite);
      });
    }
  });

  for (const group of ['X25519', 'secp256r1', 'secp384r1']) {
    peerTest(`both sides agree on ${group}`, ['scandium'], async (t) => {
      const suite: CipherSuiteName = 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256';
      const options = [...psk, '--suites', suite, '--groups', group];
      const server = await startOwnServer(t, { psk: servedPsk });
      const client = await startScandium(t, 'client', server.port, ...options);
      client.say(`send ${helloRequest}`);
      assert.equal((await client.event('connected'))['group'], group);
      const port = await freeUdpPorts(1);
      const peer = await startScandium(t, 'server', port, ...options);
      await ownClient(t, { psk: ownPsk, suites: [suite] }).get(`coaps://127.0.0.1:${port}/hello`);
      assert.equal((await peer.event('connected'))['group'], group);
    });
  }

  for (const suite of suites) {
    peerTest(`its client reads from our server: ${suite}`, ['scandium'], async (t) => {
      const server = await startOwnServer(t, { psk: servedPsk });
      const peer = await startScandium(t, 'client', server.port, ...psk, '--suites', scandiumName(suite));
      peer.say(`send ${helloRequest}`);
      assert.match(String((await peer.event('data'))['text']), /Hello, world!/);
      const connected = await server.connected();
      assert.equal(connected.suite, suite);
      assert.equal(connected.identity, demo.identity);
    });
  }
});
