/**
 * What no peer can do to the message layer, whatever it sends and in whatever state.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { decodeMessage, isDecodeFault } from '../../../src/core/coap/message-codec.ts';
import type { ReplyHandle } from '../../../src/core/message-layer/message-layer.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { decoded, LayerUnderTest, outgoing, token } from './layer-under-test.ts';

const limits = {
  deduplicationBytes: 64 * 1024,
  deduplicationBytesPerPeer: 16 * 1024,
  deduplicationPeers: 10,
  messageIdPeers: 5,
  queuedMessages: 50,
  queuedReplies: 30,
  queuedRepliesPerPeer: 3,
  trackedNonConfirmable: 50,
};

/** A short datagram, perhaps with the Message ID of `answered`; most of the time with a header that makes sense, and with few different Message IDs. */
function anyDatagram(random: SeededRandom, answered: Uint8Array | undefined): Uint8Array {
  const bytes = random.fill(new Uint8Array(random.integer(24)));
  if (answered && random.integer(4) === 0) {
    return Uint8Array.of(0x60, Code.Empty, ...answered.subarray(2, 4));
  }
  if (random.integer(8) === 0 || bytes.length < 4) return bytes;
  const type = random.integer(4);
  bytes[0] = 0x40 | (type << 4) | (random.integer(4) === 0 ? random.integer(16) : 2);
  bytes[1] = random.pick([Code.Empty, Code.Get, Code.Post, Code.Content, Code.Content, random.integer(256)]);
  bytes[2] = 0;
  bytes[3] = random.integer(6);
  if (answered) bytes.set(answered.subarray(2, 4), 2);
  bytes.set(token.subarray(0, Math.max(0, bytes.length - 4)), 4);
  if (random.integer(2) === 0) return bytes.slice(0, bytes[1] === Code.Empty ? 4 : 6);
  return bytes;
}

test('50,000 datagrams of any kind in any state: nothing throws, ACK and RST are never answered, all stays in bounds', () => {
  const random = new SeededRandom(20_260_101);
  const layer = new LayerUnderTest({ limits, random });
  const handles: ReplyHandle[] = [];
  let lastSent: { peer: string; datagram: Uint8Array } | undefined;
  let previous: { from: string; datagram: Uint8Array } | undefined;
  const kinds = new Map<string, number>();
  for (let i = 0; i < 50_000; i++) {
    const answersUs = lastSent !== undefined && random.integer(3) === 0;
    let from = answersUs && lastSent ? lastSent.peer : `peer ${random.integer(40)}`;
    let datagram = anyDatagram(random, answersUs ? lastSent?.datagram : undefined);
    if (previous !== undefined && random.integer(8) === 0) ({ from, datagram } = previous);
    previous = { from, datagram };
    const message = decodeMessage(datagram);
    if (isDecodeFault(message)) {
      layer.layer.receiveFault(from, message, layer.now);
    } else {
      const received = layer.layer.receive(from, message, layer.now);
      const kind = received.kind === 'absorbed' ? received.reason : received.kind;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (received.kind === 'request' || received.kind === 'overloaded') handles.push(received.reply);
      if (received.kind === 'response') {
        if (random.integer(2) === 0) layer.layer.acknowledgeResponse(from, message, layer.now);
        else layer.layer.resetResponse(from, message, layer.now);
      }
    }
    const answers = layer.transmitted();
    if (!isDecodeFault(message) && (message.type === 'ACK' || message.type === 'RST')) {
      // A queued request of ours may go when one is settled, but no ACK and no RST.
      for (const answer of answers) assert.ok(['CON', 'NON'].includes(decoded(answer).type));
    }
    const handle = handles.splice(random.integer(handles.length + 1), 1)[0];
    if (handle && random.integer(2) === 0) layer.layer.acknowledge(handle, layer.now);
    if (handle) layer.reply(handle, Code.Content, random.integer(8) !== 0);
    if (random.integer(4) === 0) {
      const transmission = layer.layer.send(
        from,
        random.integer(2) === 0 ? 'CON' : 'NON',
        outgoing(random.pick([Code.Get, Code.Content])),
        layer.now,
      );
      if (random.integer(8) === 0) layer.layer.stop(transmission);
    }
    if (random.integer(50) === 0) layer.layer.forgetPeer(from, layer.now);
    for (const output of layer.outputs()) {
      if (output.kind === 'transmit' && decoded(output.datagram).type !== 'ACK') lastSent = output;
    }
    layer.clock.advanceBy(random.integer(200));
    layer.layer.handleTimeout(layer.now);
    const { counters } = layer.layer;
    assert.ok(counters.deduplicationBytes >= 0 && counters.deduplicationBytes <= limits.deduplicationBytes);
    assert.ok(counters.deduplicationPeers <= limits.deduplicationPeers);
    assert.ok(counters.queued >= 0 && counters.queued <= limits.queuedMessages + limits.queuedReplies);
    assert.ok(counters.outstanding >= 0 && counters.outstanding <= 80);
  }
  for (const kind of [
    'request',
    'response',
    'overloaded',
    'acknowledgement',
    'reset',
    'ping',
    'duplicate-answered',
    'duplicate-in-progress',
    'duplicate-acknowledged',
    'duplicate-reset',
    'duplicate-non-confirmable',
    'unmatched-acknowledgement',
    'unmatched-reset',
    'unexpected-piggybacked-response',
    'request-in-acknowledgement',
    'non-empty-reset',
    'empty-non-confirmable',
  ]) {
    assert.ok((kinds.get(kind) ?? 0) > 0, `the run never saw: ${kind}`);
  }
  layer.run(2_000_000);
  assert.equal(layer.layer.transmissionState, 0);
  assert.equal(layer.layer.counters.deduplicationBytes, 0);
  assert.equal(layer.layer.counters.queued, 0);
  assert.equal(layer.layer.counters.outstanding, 0);
  assert.equal(layer.layer.nextTimeout(), undefined);
});
