/**
 * The whole receive path under attack: plain and secured endpoints, server and client, fed with mutated
 * datagrams. Nothing may throw, and a peer that speaks properly must still be served.
 */

import assert from 'node:assert/strict';
import { Code } from '../../src/core/coap/code.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { Pair, serverAddress } from '../../src/testing/pair.ts';

const attacker = ipAddress('192.0.2.66', 40_666);

function stage(security: 'none' | 'dtls'): { pair: Pair; corpus: Uint8Array[] } {
  const pair = new Pair({
    security,
    handler: (request) => ({ code: request.code === Code.Get ? Code.Content : Code.Changed, observe: true }),
  });
  const observed = pair.request('/temperature', { observe: true });
  pair.runUntil(() => observed.responses.length > 0);
  const put = pair.request('/store', { code: Code.Put, payload: new Uint8Array(3000).fill(66) });
  pair.runUntil(() => put.final);
  pair.notify('/temperature');
  pair.run(1_000);
  return { pair, corpus: pair.network.sent.map(({ datagram }) => datagram) };
}

const plain = stage('none');
const secured = stage('dtls');
let runs = 0;

export const target = {
  name: 'endpoint',
  corpus: [...plain.corpus, ...secured.corpus],
  run(input: Uint8Array): void {
    for (const { pair } of [plain, secured]) {
      for (const side of ['server', 'client'] as const) {
        pair.command(side, (endpoint, now) => {
          const from = side === 'server' ? attacker : serverAddress;
          endpoint.handle({ address: from, datagram: input.slice() }, now);
        });
      }
      pair.network.sent.length = 0;
      pair.served.length = 0;
      pair.events.length = 0;
    }
    if (++runs % 500 !== 0) return;
    for (const { pair } of [plain, secured]) {
      pair.run(300_000);
      const request = pair.request('/temperature');
      assert.ok(pair.runUntil(() => request.final || request.error !== undefined));
      assert.equal(request.responses[0]?.code, Code.Content, JSON.stringify(request.error));
    }
  },
};
