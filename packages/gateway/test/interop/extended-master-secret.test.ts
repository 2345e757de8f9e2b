/** Scandium told not to speak the extended master secret (RFC 7627): refused by default, taken where we are told so. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { helloRequest, startScandium } from './json-peer.ts';
import { ownClient, ownPsk, refusalOf, securityOf, servedPsk, startOwnServer } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts } from './process.ts';
import { demo } from './programs.ts';

const without = ['--psk', `${demo.identity}:${demo.key}`, '--ems', 'NONE'];

describe('a peer without extended master secret', () => {
  peerTest(
    'as server is refused by our client, and taken with extendedMasterSecret: preferred',
    ['scandium'],
    async (t) => {
      const port = await freeUdpPorts(1);
      await startScandium(t, 'server', port, ...without);
      const uri = `coaps://127.0.0.1:${port}/hello`;
      const failure = await refusalOf(ownClient(t, { psk: ownPsk }).get(uri));
      assert.equal(failure.cause, 'no-extended-master-secret', failure.detail);
      const response = await ownClient(t, { psk: ownPsk, extendedMasterSecret: 'preferred' }).get(uri);
      assert.equal(securityOf(response.peer).extendedMasterSecret, false);
    },
  );

  peerTest('as client is refused by our server', ['scandium'], async (t) => {
    const server = await startOwnServer(t, { psk: servedPsk });
    const peer = await startScandium(t, 'client', server.port, ...without);
    peer.say(`send ${helloRequest}`);
    assert.equal((await server.failed()).cause, 'no-extended-master-secret');
    assert.equal((await peer.event('alert'))['level'], 'FATAL');
  });

  peerTest(
    'as client is taken by our server with extendedMasterSecret: preferred',
    ['scandium'],
    async (t) => {
      const server = await startOwnServer(t, { psk: servedPsk, extendedMasterSecret: 'preferred' });
      const peer = await startScandium(t, 'client', server.port, ...without);
      peer.say(`send ${helloRequest}`);
      await peer.event('data');
      assert.equal((await server.connected()).extendedMasterSecret, false);
    },
  );
});
