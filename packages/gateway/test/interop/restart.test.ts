/** A gateway that is killed and started again: devices with another stack go on as if nothing had been. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { helloRequest, type JsonPeer, type PeerEvent, startScandium } from './json-peer.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, temporaryFolder } from './process.ts';
import { coapsuleInBackground, demo } from './programs.ts';

/**
 * Sends GET /hello with a new Message ID, again every two seconds as RFC 7252 §4.2 has it, until the answer is there: a
 * gateway that has been killed takes the first copy as the sign that it has to ask, and the next one as the request.
 */
async function ask(peer: JsonPeer, messageId: number): Promise<void> {
  const id = messageId.toString(16).padStart(4, '0');
  const answer = (): PeerEvent | undefined =>
    peer.events.find(({ event, hex }) => event === 'data' && String(hex).slice(4, 8) === id);
  for (let transmissions = 0; answer() === undefined && transmissions < 10; transmissions++) {
    peer.say(`send ${helloRequest.replace(/^(....)..../, `$1${id}`)}`);
    for (let waits = 0; answer() === undefined && waits < 40; waits++) await sleep(50);
  }
  assert.match(String(answer()?.['text']), /Hello, world!/);
}

describe('Scandium and a gateway that is killed', () => {
  for (const [name, options] of [
    ['with connection ids', ['--cid', '6']],
    ['without connection ids', []],
  ] as const) {
    peerTest(`its client goes on without a handshake ${name}`, ['scandium'], async (t) => {
      const port = await freeUdpPorts(2);
      const folder = temporaryFolder(t);
      const startGateway = async (): Promise<BackgroundProcess> => {
        const places = ['--coap', `127.0.0.1:${port}`, '--coaps', `127.0.0.1:${port + 1}`, '--data', folder];
        const gateway = coapsuleInBackground(t, 'serve', '--demo', ...places);
        await gateway.waitFor(/^ready /m, 20_000);
        return gateway;
      };
      let gateway = await startGateway();
      const psk = ['--psk', `${demo.identity}:${demo.key}`];
      const peer = await startScandium(t, 'client', port + 1, ...psk, ...options);
      let asked = 0;
      await ask(peer, ++asked);
      for (let kills = 0; kills < 3; kills++) {
        await ask(peer, ++asked);
        await gateway.stop('SIGKILL');
        gateway = await startGateway();
        await ask(peer, ++asked);
      }
      assert.equal(peer.events.filter(({ event }) => event === 'connected').length, 1);
    });
  }
});
