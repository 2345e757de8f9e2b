/**
 * What retransmission costs (requirement G09): a timer of fixed 2 s, RFC 7252 and CoCoA on the same lines. The table is
 * in docs/retransmission.md; this test holds it true.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { after } from '../../src/core/foundation/instant.ts';
import { TimerQueue } from '../../src/core/foundation/timer-queue.ts';
import { linkProfiles } from '../../src/testing/link-profiles.ts';
import type { NetworkConditions } from '../../src/testing/network-conditions.ts';
import { clientAddress, Pair, type PairRequest, serverAddress } from '../../src/testing/pair.ts';
import { SimulatedNetwork } from '../../src/testing/simulated-network.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const lines: readonly (readonly [name: string, conditions: Partial<NetworkConditions>])[] = [
  ['no loss', {}],
  ['10 % loss', { lossRate: 0.1 }],
  ['20 % loss', { lossRate: 0.2 }],
  ['30 % loss', { lossRate: 0.3 }],
  ['`nb-iot`', linkProfiles['nb-iot']],
  ['round trip of 5 s', { delayMs: 2500, jitterMs: 100 }],
];

interface Cost {
  /** Requests sent for each exchange, the first one included. */
  readonly sends: number;
  readonly answered: number;
  /** Of those answered. */
  readonly meanMs: number;
}

const exchanges = 2000;

/** A sender as it should not be: every 2 s, up to 20 times, whatever the line is like. */
function fixedTimer(conditions: Partial<NetworkConditions>): Cost {
  const clock = new VirtualClock();
  const network = new SimulatedNetwork({ seed: 9, conditions, keepSent: false });
  const due = new TimerQueue<number>();
  let answered = 0;
  let totalMs = 0;
  let open = false;
  let sends = 0;
  network.attach(serverAddress, (datagram, from, now) => {
    const answer = { type: 'ACK', code: Code.Content, token: noBytes, options: new OptionSet() } as const;
    const messageId = ((datagram[2] as number) << 8) | (datagram[3] as number);
    network.send(serverAddress, from, encodeMessage({ ...answer, messageId, payload: noBytes }), now);
  });
  for (let i = 0; i < exchanges; i++) {
    const start = clock.now;
    const request = { type: 'CON', code: Code.Get, token: noBytes, options: new OptionSet() } as const;
    const datagram = encodeMessage({ ...request, messageId: i, payload: noBytes });
    let left = 20;
    open = true;
    network.attach(clientAddress, (answer, _from, now) => {
      const message = decodeMessage(answer);
      if (isDecodeFault(message) || message.messageId !== i || !open) return;
      open = false;
      answered++;
      totalMs += now - start;
    });
    due.set(0, start);
    while (open) {
      const next = [due.next(), network.nextArrival()].filter((time) => time !== undefined);
      const soonest = next.length === 0 ? undefined : next.reduce((x, y) => (x < y ? x : y));
      if (soonest === undefined) break;
      clock.advanceTo(soonest > clock.now ? soonest : clock.now);
      network.deliverDue(clock.now);
      if (!open || due.expire(clock.now) === undefined) continue;
      if (left-- === 0) break;
      sends++;
      network.send(clientAddress, serverAddress, datagram, clock.now);
      due.set(0, after(clock.now, 2000));
    }
    due.cancel(0);
  }
  return { sends: sends / exchanges, answered: answered / exchanges, meanMs: totalMs / answered };
}

function library(conditions: Partial<NetworkConditions>, congestionControl: 'rfc7252' | 'cocoa'): Cost {
  const pair = new Pair({ conditions, seed: 9, keepRecords: false, client: { congestionControl } });
  let requests = 0;
  pair.network.hook = ({ from, datagram }) => {
    // Not the pings that follow a request that was given up.
    if (from === clientAddress && datagram[1] === Code.Get) requests++;
    return undefined;
  };
  let answered = 0;
  let totalMs = 0;
  for (let i = 0; i < exchanges; i++) {
    const start = pair.now;
    const request: PairRequest = pair.request('/');
    assert.ok(pair.runUntil(() => request.final || request.error !== undefined, 600_000));
    if (!request.final) continue;
    answered++;
    totalMs += pair.now - start;
  }
  return { sends: requests / exchanges, answered: answered / exchanges, meanMs: totalMs / answered };
}

function cell({ sends, answered, meanMs }: Cost): string {
  return `${sends.toFixed(2)}, ${(100 * answered).toFixed(1)} %, ${(meanMs / 1000).toFixed(2)} s`;
}

test('the table of docs/retransmission.md is what the simulator measures', () => {
  const rows = lines.map(([name, conditions]) => {
    const costs = [fixedTimer(conditions), library(conditions, 'rfc7252'), library(conditions, 'cocoa')];
    return `| ${name} | ${costs.map(cell).join(' | ')} |`;
  });
  const text = readFileSync(join(import.meta.dirname, '../../../../docs/retransmission.md'), 'utf8');
  for (const row of rows) assert.ok(text.includes(`${row}\n`), `${row}\nis not in docs/retransmission.md`);
});

test('a fixed timer sends more than back-off does where the line is slow, and CoCoA learns it', () => {
  const slow = { delayMs: 2500, jitterMs: 100 };
  const fixed = fixedTimer(slow).sends;
  const backOff = library(slow, 'rfc7252').sends;
  const learnt = library(slow, 'cocoa').sends;
  assert.ok(fixed > backOff && backOff > 1.9 && learnt < 1.1, `${fixed} ${backOff} ${learnt}`);
});
