import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, decodeMessage, encodeMessage, isDecodeFault, type Message, OptionSet } from 'coapsule/message';
import { RequestTemplate } from '../../src/load/request-template.ts';

const nothing = new Uint8Array(0);

function template(start: number): RequestTemplate {
  return new RequestTemplate(
    { code: Code.Get, options: new OptionSet().add(11, 'hello'), payload: nothing, confirmable: true },
    start,
  );
}

function sent({ message }: RequestTemplate): Message {
  const decoded = decodeMessage(message);
  assert.ok(!isDecodeFault(decoded));
  return decoded;
}

test('each request has the next Message ID and the next token, over the end of either as well', () => {
  const requests = template(0xffff_ffff);
  assert.deepEqual([sent(requests).messageId, [...sent(requests).token]], [0xffff, [255, 255, 255, 255]]);
  requests.next();
  assert.deepEqual([sent(requests).messageId, [...sent(requests).token]], [0, [0, 0, 0, 0]]);
  for (let round = 0; round < 256; round++) requests.next();
  assert.deepEqual([sent(requests).messageId, [...sent(requests).token]], [256, [0, 0, 1, 0]]);
  assert.deepEqual(sent(requests).options.texts(11), ['hello']);
});

test('an answer is told from what answers nothing', () => {
  const requests = template(0x01020304);
  const { messageId, token } = sent(requests);
  const response = (given: Partial<Message>): Uint8Array =>
    encodeMessage({
      type: 'ACK',
      code: Code.Content,
      messageId,
      token,
      options: new OptionSet(),
      payload: nothing,
      ...given,
    });
  const empty = { code: Code.Empty, token: nothing };
  assert.equal(requests.judge(response({})), 'response');
  assert.equal(requests.code, Code.Content);
  assert.equal(requests.judge(response({ type: 'NON', messageId: 7 })), 'response');
  assert.equal(
    requests.judge(response({ type: 'CON', messageId: 7, code: Code.NotFound })),
    'separate-response',
  );
  assert.equal(requests.code, Code.NotFound);
  assert.deepEqual(
    [...requests.acknowledgementOf(response({ type: 'CON', messageId: 0x0708 }))],
    [0x60, 0, 7, 8],
  );
  assert.equal(requests.judge(response(empty)), 'acknowledged');
  assert.equal(requests.judge(response({ ...empty, type: 'RST' })), 'reset');
  // Late ones, requests, pings, and no CoAP at all.
  assert.equal(requests.judge(response({ token: Uint8Array.of(1, 2, 3, 5) })), 'stray');
  assert.equal(requests.judge(response({ token: Uint8Array.of(1, 2, 3) })), 'stray');
  assert.equal(requests.judge(response({ ...empty, messageId: messageId + 1 })), 'stray');
  assert.equal(requests.judge(response({ ...empty, type: 'CON' })), 'stray');
  assert.equal(requests.judge(response({ type: 'CON', code: Code.Get })), 'stray');
  for (let length = 0; length < 8; length++) {
    assert.equal(requests.judge(response({}).subarray(0, length)), 'stray');
  }
});
