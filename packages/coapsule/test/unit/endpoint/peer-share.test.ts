/** Which messages are for the endpoint that has what is under OSCORE (RFC 8613 §2, RFC 7252 §4.4). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../../src/core/coap/message-codec.ts';
import type { MessageType } from '../../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { isElsewhere, messageIdsOf } from '../../../src/core/endpoint/peer-share.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';

function isHandedOver(type: MessageType, messageId: number, hasOscore: boolean): boolean {
  const isEmpty = (type === 'ACK' || type === 'RST') && !hasOscore;
  const options = OptionSet.from(hasOscore ? [{ number: OptionNumber.Oscore, value: noBytes }] : []);
  const code = isEmpty ? Code.Empty : Code.Post;
  const message = decodeMessage(
    encodeMessage({ type, code, messageId, token: noBytes, options, payload: noBytes }),
  );
  assert.ok(!isDecodeFault(message));
  assert.ok(!isElsewhere('all', message));
  assert.ok(!isElsewhere('oscore', message));
  return isElsewhere('all-but-oscore', message);
}

test('a message with the OSCORE option is handed over, and what answers a Message ID of the other endpoint', () => {
  const { first } = messageIdsOf.oscore;
  for (const id of [0, first - 1, first, 65_535]) {
    for (const type of ['CON', 'NON'] as const) {
      assert.equal(isHandedOver(type, id, true), true);
      // Message IDs of the peer say nothing.
      assert.equal(isHandedOver(type, id, false), false);
    }
    for (const type of ['ACK', 'RST'] as const) assert.equal(isHandedOver(type, id, false), id >= first);
  }
});

test('the two endpoints have all Message IDs between them, and none in common', () => {
  const { oscore, 'all-but-oscore': rest, all } = messageIdsOf;
  assert.equal(rest.first + rest.count, oscore.first);
  assert.equal(oscore.count + rest.count, all.count);
});
