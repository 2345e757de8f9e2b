/**
 * Messages of our own under any sequence of events: each ends once, NSTART holds, what waits is counted, and nothing is
 * left in the end.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Code } from '../../../src/core/coap/code.ts';
import { decoded, incoming, LayerUnderTest } from './layer-under-test.ts';

const peers = ['192.0.2.1:5683', '192.0.2.2:5683'] as const;
const runs = process.env['COAPSULE_LONG'] === '1' ? 5000 : 300;

const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      peer: fc.constantFrom(...peers),
      type: fc.constantFrom('CON', 'NON'),
      code: fc.constantFrom(Code.Get, Code.Post, Code.Content),
      priority: fc.constantFrom('urgent', 'high', 'normal', 'low', 'bulk'),
      replaces: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which: fc.nat(),
      type: fc.constantFrom('ACK', 'RST'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('heard' as const), peer: fc.constantFrom(...peers) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('ping' as const), peer: fc.constantFrom(...peers) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('forget' as const), peer: fc.constantFrom(...peers) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(120_000) }) },
);

test('each message ends once at most, NSTART holds, what waits is counted, and nothing is left in the end', () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 80 }),
      fc.constantFrom('rfc7252', 'cocoa'),
      fc.integer({ min: 1, max: 3 }),
      (events, congestionControl, nstart) => {
        const layer = new LayerUnderTest({
          congestionControl,
          parameters: { nstart },
          limits: { queuedMessages: 12, queuedReadingsPerPeer: 2 },
        });
        const sent: { peer: string; messageId: number }[] = [];
        const ours: number[] = [];
        const ended = new Set<number>();
        const end = (id: number): void => {
          assert.ok(ours.includes(id), `${id} is no message of the application`);
          assert.ok(!ended.has(id), `${id} ended twice`);
          ended.add(id);
        };
        const look = (output: ReturnType<LayerUnderTest['outputs']>[number]): void => {
          switch (output.kind) {
            case 'transmit':
              sent.push({ peer: output.peer, messageId: decoded(output.datagram).messageId });
              return;
            case 'acknowledged':
            case 'reset':
            case 'timed-out':
            case 'superseded':
            case 'refused':
              end(output.transmission);
              return;
            default:
              return;
          }
        };
        const check = (): void => {
          for (const output of layer.outputs()) look(output);
          let waiting = 0;
          for (const name of peers) {
            const traffic = layer.layer.traffic(name, layer.now);
            assert.ok(traffic.outstandingRequests <= nstart, `${traffic.outstandingRequests} outstanding`);
            assert.ok(traffic.timeoutMs > 0 && traffic.timeoutMs <= 32_000);
            assert.ok(traffic.lossRate === undefined || (traffic.lossRate >= 0 && traffic.lossRate <= 1));
            waiting += traffic.waitingRequests + traffic.waitingReplies;
          }
          assert.equal(layer.layer.counters.queued, waiting);
        };
        let messageId = 0;
        for (const step of events) {
          switch (step.kind) {
            case 'send': {
              const { peer, type, code, priority, replaces } = step;
              const queue = replaces === undefined ? { priority } : { priority, replaces };
              // Its outputs come after the name is known.
              ours.push(layer.send(type as 'CON' | 'NON', code, peer, queue));
              break;
            }
            case 'answer': {
              const target = sent[step.which % Math.max(1, sent.length)];
              if (target) layer.receive(incoming(step.type, Code.Empty, target.messageId), target.peer);
              break;
            }
            case 'stop': {
              const id = ours[step.which % Math.max(1, ours.length)];
              if (id === undefined) break;
              const isOpen = layer.layer.state(id) !== undefined;
              layer.layer.stop(id);
              if (isOpen) end(id);
              break;
            }
            case 'heard':
              layer.receive(incoming('NON', Code.Content, messageId++), step.peer);
              break;
            case 'ping':
              ours.push(layer.layer.ping(step.peer, layer.now));
              break;
            case 'forget':
              layer.layer.forgetPeer(step.peer, layer.now);
              break;
            case 'wait':
              for (const { output } of layer.run(step.ms)) look(output);
              break;
          }
          check();
        }
        // PROBING_RATE may let one Non-confirmable message go in a while.
        for (const { output } of layer.run(3_000_000)) look(output);
        assert.equal(layer.layer.counters.queued, 0);
        assert.equal(layer.layer.counters.outstanding, 0);
        assert.equal(layer.layer.transmissionState, 0);
      },
    ),
    { numRuns: runs },
  );
});
