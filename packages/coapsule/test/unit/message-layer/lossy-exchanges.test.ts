/**
 * Two message layers and a network that loses, doubles and reorders: what §4.5 promises must hold.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Code, isRequestCode } from '../../../src/core/coap/code.ts';
import { after, earliest, type Instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import type { ReplyHandle, TransmissionId } from '../../../src/core/message-layer/message-layer.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { SimulatedNetwork } from '../../../src/testing/simulated-network.ts';
import { decoded, LayerUnderTest, outgoing } from './layer-under-test.ts';

const clientAddress = ipAddress('192.0.2.1', 40_000);
const serverAddress = ipAddress('192.0.2.2', 5683);

interface Conditions {
  readonly seed: number;
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly reorderRate: number;
  readonly jitterMs: number;
  /** Requests are answered at once, or after this time with an Empty ACK at its half. */
  readonly handlerMs: number;
}

interface Outcome {
  readonly executions: Map<number, number>;
  readonly responded: Set<number>;
  readonly timedOut: Set<number>;
}

/** Sends `count` POSTs, each with its number as token, and runs until nothing is left to do. */
function exchange(count: number, type: 'CON' | 'NON', conditions: Conditions): Outcome {
  const { seed, handlerMs, ...network } = conditions;
  const line = new SimulatedNetwork({ seed, conditions: network });
  const client = new LayerUnderTest({ random: new SeededRandom(seed + 1) });
  const server = new LayerUnderTest({ random: new SeededRandom(seed + 2) });
  const executions = new Map<number, number>();
  const responded = new Set<number>();
  const timedOut = new Set<number>();
  const transmissions = new Map<TransmissionId, number>();
  const later: { at: Instant; run: () => void }[] = [];

  const execute = (request: number, handle: ReplyHandle): void => {
    executions.set(request, (executions.get(request) ?? 0) + 1);
    const reply = (): void => server.reply(handle, Code.Changed, true, { token: Uint8Array.of(request) });
    if (handlerMs === 0) {
      reply();
      return;
    }
    later.push({
      at: after(server.now, handlerMs / 2),
      run: () => server.layer.acknowledge(handle, server.now),
    });
    later.push({ at: after(server.now, handlerMs), run: reply });
  };
  line.attach(serverAddress, (datagram) => {
    const message = decoded(datagram);
    const received = server.layer.receive(clientAddress.key, message, server.now);
    assert.notEqual(received.kind, 'overloaded');
    if (received.kind !== 'request') return;
    assert.ok(isRequestCode(message.code));
    execute(message.token[0] as number, received.reply);
  });
  line.attach(clientAddress, (datagram) => {
    const message = decoded(datagram);
    const received = client.layer.receive(serverAddress.key, message, client.now);
    if (received.kind !== 'response') return;
    const request = message.token[0] as number;
    responded.add(request);
    for (const [transmission, of] of transmissions) if (of === request) client.layer.stop(transmission);
    client.layer.acknowledgeResponse(serverAddress.key, message, client.now);
  });

  for (let request = 0; request < count; request++) {
    const message = outgoing(Code.Post, { token: Uint8Array.of(request) });
    transmissions.set(client.layer.send(serverAddress.key, type, message, client.now), request);
  }
  for (;;) {
    for (const output of client.outputs()) {
      if (output.kind === 'transmit') line.send(clientAddress, serverAddress, output.datagram, client.now);
      if (output.kind === 'timed-out') timedOut.add(transmissions.get(output.transmission) as number);
    }
    for (const output of server.outputs()) {
      if (output.kind === 'transmit') line.send(serverAddress, clientAddress, output.datagram, server.now);
    }
    later.sort((a, b) => a.at - b.at);
    const layers = earliest(client.layer.nextTimeout(), server.layer.nextTimeout());
    const next = earliest(earliest(layers, line.nextArrival()), later[0]?.at);
    if (next === undefined) break;
    const now = next > client.now ? next : client.now;
    client.clock.advanceTo(now);
    server.clock.advanceTo(now);
    line.deliverDue(now);
    for (let due = later[0]; due && due.at <= now; due = later[0]) {
      later.shift();
      due.run();
    }
    client.layer.handleTimeout(now);
    server.layer.handleTimeout(now);
  }
  for (const { layer } of [client, server]) {
    assert.equal(layer.transmissionState, 0);
    assert.equal(layer.counters.deduplicationBytes, 0);
    assert.equal(layer.counters.outstanding, 0);
    assert.equal(layer.counters.queued, 0);
  }
  return { executions, responded, timedOut };
}

const anyConditions = fc.record({
  seed: fc.nat(),
  lossRate: fc.double({ min: 0, max: 0.6, noNaN: true }),
  duplicateRate: fc.double({ min: 0, max: 0.5, noNaN: true }),
  reorderRate: fc.double({ min: 0, max: 0.3, noNaN: true }),
  jitterMs: fc.nat(5000),
  handlerMs: fc.constantFrom(0, 100, 4000, 30_000),
});

test('over a network that loses, doubles and reorders, a Confirmable POST is delivered exactly once or given up', () => {
  fc.assert(
    fc.property(anyConditions, (conditions) => {
      const { executions, responded, timedOut } = exchange(12, 'CON', conditions);
      for (let request = 0; request < 12; request++) {
        const times = executions.get(request) ?? 0;
        assert.ok(times <= 1, `request ${request} was delivered ${times} times`);
        if (responded.has(request)) assert.equal(times, 1);
        if (times === 0) assert.ok(timedOut.has(request), `request ${request} vanished`);
      }
    }),
    { numRuns: 250, seed: 7252 },
  );
});

test('a Non-confirmable POST is delivered once at most', () => {
  fc.assert(
    fc.property(anyConditions, (conditions) => {
      const { executions } = exchange(12, 'NON', conditions);
      for (const [request, times] of executions) assert.equal(times, 1, `request ${request}`);
    }),
    { numRuns: 100, seed: 7252 },
  );
});

test('without loss, but with every datagram doubled, each POST is delivered and answered exactly once', () => {
  const { executions, responded, timedOut } = exchange(100, 'CON', {
    seed: 1,
    lossRate: 0,
    duplicateRate: 1,
    reorderRate: 0,
    jitterMs: 0,
    handlerMs: 100,
  });
  assert.equal(executions.size, 100);
  assert.equal(responded.size, 100);
  assert.equal(timedOut.size, 0);
  for (const times of executions.values()) assert.equal(times, 1);
});
