/**
 * RFC 7252 §4.1 to §4.8: each MUST and SHOULD of the message layer that shows on the wire.
 *
 * The timing of retransmissions is in `unit/message-layer/retransmission.test.ts`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import type { MessageType } from '../../src/core/coap/message-view.ts';
import { ApiMisuseError } from '../../src/core/foundation/errors.ts';
import { contentOf, messageUsage } from '../../src/core/message-layer/message-types.ts';
import {
  decoded,
  incoming,
  LayerUnderTest,
  outgoing,
  peer,
  summary,
  token,
} from '../unit/message-layer/layer-under-test.ts';

const types: readonly MessageType[] = ['CON', 'NON', 'ACK', 'RST'];

/** Hands raw bytes to the layer as the receive path does. */
function receiveBytes(layer: LayerUnderTest, datagram: Uint8Array): string {
  const message = decodeMessage(datagram);
  if (isDecodeFault(message)) {
    layer.layer.receiveFault(peer, message, layer.now);
    return 'fault';
  }
  return layer.receive(message).kind;
}

test('§4.3 Table 1, all types with all 256 codes: what is used is handed up, the rest is rejected as its type says', () => {
  for (const type of types) {
    for (let code = 0; code < 256; code++) {
      const layer = new LayerUnderTest();
      const datagram = Uint8Array.of(0x40 | (types.indexOf(type) << 4), code, 0x12, 0x34);
      const kind = receiveBytes(layer, datagram);
      const content = contentOf(code);
      const usage = messageUsage[type][content];
      const sent = layer.transmitted().map(summary);
      const at = `${type} with code ${code}`;
      if (type === 'CON' && usage !== 'used') assert.deepEqual(sent, ['RST 0 #4660'], at);
      else assert.deepEqual(sent, [], at);
      const handedUp = (type === 'CON' || type === 'NON') && usage === 'used';
      assert.equal(kind === 'request' || kind === 'response', handedUp, at);
      if (handedUp) assert.equal(kind, content, at);
    }
  }
});

test('§4.3 Table 1, all types with all 256 codes: a message that the table does not allow is not sent', () => {
  for (const type of ['CON', 'NON'] as const) {
    for (let code = 0; code < 256; code++) {
      const layer = new LayerUnderTest();
      const send = (): number => layer.layer.send(peer, type, outgoing(code), layer.now);
      if (messageUsage[type][contentOf(code)] === 'used') {
        send();
        assert.equal(layer.transmitted()[0]?.[1], code);
      } else {
        assert.throws(send, ApiMisuseError);
        assert.deepEqual(layer.outputs(), []);
      }
    }
  }
  for (let code = 0; code < 256; code++) {
    const layer = new LayerUnderTest();
    const handle = layer.accept(incoming('CON', Code.Get, 1));
    if (contentOf(code) === 'response') layer.reply(handle, code);
    else assert.throws(() => layer.reply(handle, code), ApiMisuseError);
  }
});

test('§4.1: an Empty message with a token or with bytes behind the Message ID is a format error', () => {
  for (const rest of [
    [0x41, 0, 1, 2, 9],
    [0x40, 0, 1, 2, 0xff, 1],
    [0x41, 0, 1, 2],
  ]) {
    const layer = new LayerUnderTest();
    assert.equal(receiveBytes(layer, Uint8Array.from(rest)), 'fault');
    assert.deepEqual(layer.summaries(), ['RST 0 #258']);
    assert.equal(layer.layer.counters.malformed, 1);
  }
});

test('§4.2: a Confirmable message with a format error is rejected with a matching, Empty Reset', () => {
  const layer = new LayerUnderTest();
  receiveBytes(layer, Uint8Array.of(0x49, 1, 0xab, 0xcd));
  assert.deepEqual(layer.transmitted(), [Uint8Array.of(0x70, 0, 0xab, 0xcd)]);
});

test('§4.3, §4.2: a Non-confirmable, Acknowledgement or Reset message with a format error is silently ignored', () => {
  for (const type of [1, 2, 3]) {
    const layer = new LayerUnderTest();
    receiveBytes(layer, Uint8Array.of(0x49 | (type << 4), 1, 0xab, 0xcd));
    assert.deepEqual(layer.transmitted(), []);
  }
});

test('§3: a datagram of another version, or too short for a header, is silently ignored', () => {
  for (const bytes of [[0x80, 1, 0, 1], [0x00, 1, 0, 1], [0x40, 1, 0], []]) {
    const layer = new LayerUnderTest();
    receiveBytes(layer, Uint8Array.from(bytes));
    assert.deepEqual(layer.transmitted(), []);
  }
});

test('§4.3: an Empty Confirmable message elicits a Reset, each time', () => {
  const layer = new LayerUnderTest();
  assert.deepEqual(layer.receive(incoming('CON', Code.Empty, 7)), { kind: 'absorbed', reason: 'ping' });
  layer.receive(incoming('CON', Code.Empty, 7));
  assert.deepEqual(layer.summaries(), ['RST 0 #7', 'RST 0 #7']);
  assert.equal(layer.layer.counters.pingsAnswered, 2);
});

test('§4.2: the Acknowledgement echoes the Message ID and carries the response, or is Empty', () => {
  const layer = new LayerUnderTest();
  layer.reply(layer.accept(incoming('CON', Code.Get, 0xfffe)), Code.Content);
  layer.layer.acknowledge(layer.accept(incoming('CON', Code.Get, 0xffff)), layer.now);
  const [piggybacked, empty] = layer.transmitted();
  assert.equal(summary(piggybacked as Uint8Array), 'ACK 69 #65534');
  assert.deepEqual(decoded(piggybacked as Uint8Array).token, token);
  assert.deepEqual(empty, Uint8Array.of(0x60, 0, 0xff, 0xff));
});

test('§4.2: a recipient of an Acknowledgement or Reset never answers it, whatever it carries', () => {
  for (const type of ['ACK', 'RST'] as const) {
    for (const code of [Code.Empty, Code.Get, Code.Content]) {
      const layer = new LayerUnderTest();
      layer.send('CON', Code.Get);
      const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
      for (const id of [messageId, messageId ^ 1]) {
        const message = incoming(type, code, id);
        layer.receive(message);
        layer.layer.acknowledgeResponse(peer, message, layer.now);
        layer.layer.resetResponse(peer, message, layer.now);
      }
      assert.deepEqual(layer.transmitted(), []);
    }
  }
});

test('§4.2: an Acknowledgement with a request and a Reset that is not Empty are ignored and counted', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Get);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  for (const [type, code, reason] of [
    ['ACK', Code.Get, 'request-in-acknowledgement'],
    ['RST', Code.Get, 'non-empty-reset'],
    ['RST', Code.Content, 'non-empty-reset'],
  ] as const) {
    assert.deepEqual(layer.receive(incoming(type, code, messageId)), { kind: 'absorbed', reason });
    assert.deepEqual(layer.outputs(), [{ kind: 'discarded', peer, reason }]);
  }
  assert.equal(layer.layer.counters.rejected, 3);
  assert.equal(layer.run(100_000).filter(({ output }) => output.kind === 'transmit').length, 4);
});

test('§4.2: on a Reset the transmission is cancelled and the application informed', () => {
  const layer = new LayerUnderTest();
  const transmission = layer.send('CON', Code.Get);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  layer.receive(incoming('RST', Code.Empty, messageId));
  assert.deepEqual(layer.outputs(), [{ kind: 'reset', transmission }]);
  assert.deepEqual(layer.run(300_000), []);
});

test('§4.3: a Non-confirmable message is not acknowledged', () => {
  const layer = new LayerUnderTest();
  const handle = layer.accept(incoming('NON', Code.Get, 1));
  layer.layer.acknowledge(handle, layer.now);
  assert.deepEqual(layer.transmitted(), []);
  layer.reply(handle, Code.Content);
  assert.equal(decoded(layer.transmitted()[0] as Uint8Array).type, 'NON');
});

test('§4.3: a Non-confirmable message is sent once, and a Reset for it is told for NON_LIFETIME', () => {
  const layer = new LayerUnderTest();
  const first = layer.send('NON', Code.Content);
  layer.send('NON', Code.Content);
  const [one, two, ...more] = layer.transmitted().map((datagram) => decoded(datagram).messageId);
  assert.deepEqual(more, []);
  assert.deepEqual(layer.run(144_000), []);
  layer.receive(incoming('RST', Code.Empty, one as number));
  assert.deepEqual(layer.outputs(), [{ kind: 'reset', transmission: first }]);
  layer.run(1000);
  assert.deepEqual(layer.receive(incoming('RST', Code.Empty, two as number)), {
    kind: 'absorbed',
    reason: 'unmatched-reset',
  });
});

test('§4.3: an Acknowledgement of a Non-confirmable message is ignored', () => {
  const layer = new LayerUnderTest();
  layer.send('NON', Code.Get);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  for (const code of [Code.Empty, Code.Content]) {
    const received = layer.receive(incoming('ACK', code, messageId));
    assert.deepEqual(received, { kind: 'absorbed', reason: 'unmatched-acknowledgement' });
  }
});

test('§4.3: Confirmable and Non-confirmable messages draw on one number space', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Get);
  layer.send('NON', Code.Get);
  const [con, non] = layer.transmitted().map((datagram) => decoded(datagram).messageId);
  assert.equal(non, ((con as number) + 1) % 65_536);
});

test('§4.4: an Acknowledgement or Reset matches only with the Message ID and the endpoint of the message', () => {
  for (const type of ['ACK', 'RST'] as const) {
    const layer = new LayerUnderTest();
    layer.send('CON', Code.Get);
    const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
    for (const [id, from] of [
      [messageId, '192.0.2.1:5684'],
      [messageId ^ 1, peer],
    ] as const) {
      assert.equal(layer.receive(incoming(type, Code.Empty, id), from).kind, 'absorbed');
    }
    assert.equal(layer.layer.counters.unmatched, 2);
    assert.equal(layer.layer.counters.outstanding, 1);
  }
});

test('§5.3.2: a piggybacked response with another token is ignored, and the request stays on its way', () => {
  const layer = new LayerUnderTest();
  const transmission = layer.send('CON', Code.Get);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  const wrong = incoming('ACK', Code.Content, messageId, { token: Uint8Array.of(1) });
  assert.deepEqual(layer.receive(wrong), { kind: 'absorbed', reason: 'unexpected-piggybacked-response' });
  const right = layer.receive(incoming('ACK', Code.Content, messageId));
  assert.ok(right.kind === 'response' && right.transmission === transmission);
});

test('a piggybacked response to a notification or a ping of ours is ignored', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Content);
  layer.layer.ping(peer, layer.now);
  for (const datagram of layer.transmitted()) {
    const { messageId } = decoded(datagram);
    assert.deepEqual(layer.receive(incoming('ACK', Code.Content, messageId)), {
      kind: 'absorbed',
      reason: 'unexpected-piggybacked-response',
    });
  }
});

test('§4.3: the Reset that answers our ping is told as the end of its transmission', () => {
  const layer = new LayerUnderTest();
  const ping = layer.layer.ping(peer, layer.now);
  const [datagram] = layer.transmitted();
  const { type, code, messageId } = decoded(datagram as Uint8Array);
  assert.deepEqual([type, code, datagram?.length], ['CON', Code.Empty, 4]);
  layer.receive(incoming('RST', Code.Empty, messageId));
  assert.deepEqual(layer.outputs(), [{ kind: 'reset', transmission: ping }]);
});

test('§4.8.2: a Message ID stays in use for MAX_TRANSMIT_WAIT where that is longer than EXCHANGE_LIFETIME', () => {
  const layer = new LayerUnderTest({ parameters: { maxRetransmit: 8, maxLatencyMs: 0 } });
  layer.send('CON', Code.Get);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  // EXCHANGE_LIFETIME would be 767 s; the message waits for its acknowledgement longer.
  layer.run(900_000);
  for (let i = 0; i < 65_536; i++) layer.send('NON', Code.Content);
  const used = new Set(layer.transmitted().map((datagram) => decoded(datagram).messageId));
  assert.equal(used.size, 65_535);
  assert.ok(!used.has(messageId));
});
