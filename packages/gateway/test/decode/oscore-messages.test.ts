/** OSCORE inside of DTLS, in block-wise bodies of its own, and cut into Outer blocks by a proxy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, encodeBlock, OptionNumber, OptionSet } from 'coapsule/message';
import { nodeCrypto, systemRandom } from 'coapsule/node';
import {
  type ContextParameters,
  ContextTable,
  deriveSecurityContext,
  FixedContext,
  protectRequest,
  protectResponse,
  readRequestHeader,
  type SecurityContext,
  verifyRequest,
} from 'coapsule/oscore';
import { Pair, pairPsk } from 'coapsule/testing';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { CaptureDecoder, type DecodedPacket } from '../../src/decode/capture-decoder.ts';
import { OscoreMessages } from '../../src/decode/oscore-messages.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { CaptureFixture, device, gateway } from '../diagnosis/capture-fixture.ts';

const parameters: ContextParameters = {
  masterSecret: Uint8Array.from({ length: 16 }, (_, index) => index),
  senderId: Uint8Array.of(1),
  recipientId: Uint8Array.of(2),
};
const mirrored = { ...parameters, senderId: parameters.recipientId, recipientId: parameters.senderId };

function context(of: ContextParameters): SecurityContext {
  const unused = { senderEdge: 0, recipientEdge: 0 };
  return deriveSecurityContext({ crypto: nodeCrypto, random: systemRandom }, of, unused, {
    dangerouslyVolatile: true,
  });
}

function decode(fixture: CaptureFixture): readonly DecodedPacket[] {
  const secrets = new KnownSecrets([{ key: pairPsk.key }]);
  const oscore = new OscoreMessages([{ name: 'client.conf', parameters }]);
  const decoder = new CaptureDecoder(secrets, [], oscore);
  return readCapture(fixture.file).packets.map((packet) => decoder.decode(packet));
}

const inside = (packets: readonly DecodedPacket[]): readonly string[] =>
  packets.flatMap(({ parts }) => parts.flatMap(({ oscore }) => oscore?.summary ?? []));

for (const security of ['none', 'dtls'] as const) {
  test(`a body in Inner blocks is read block by block${security === 'dtls' ? ', inside of DTLS' : ''}`, () => {
    const pair = new Pair({
      security,
      handler: () => ({ code: Code.Content, payload: 'x'.repeat(2500) }),
      oscore: () => {
        const table = new ContextTable();
        table.add(new FixedContext(context(mirrored)));
        return table;
      },
    });
    const asked = pair.request('/large', { oscore: new FixedContext(context(parameters)) });
    pair.runUntil(() => asked.final);
    const packets = decode(new CaptureFixture().pair(pair));
    const blocks = [0, 1, 2, 3, 4].flatMap((num) => [
      `OSCORE: GET /large Block2 ${num}/last/512`,
      `OSCORE: 2.05 Content Block2 ${num}/${num < 4 ? 'more/512 512' : 'last/512 452'} bytes`,
    ]);
    assert.deepEqual(inside(packets), blocks);
    assert.deepEqual(
      packets.flatMap(({ parts }) => parts.flatMap(({ problems }) => problems)),
      [],
    );
  });
}

test('a message that a proxy cut into Outer blocks is opened with the last of them, in whatever order they come', () => {
  const client = context(parameters);
  const server = context(mirrored);
  const payload = new TextEncoder().encode('y'.repeat(40));
  const options = new OptionSet().add(OptionNumber.UriPath, 'large');
  const request = protectRequest(client, { code: Code.Put, options, payload });
  assert.ok(request.kind === 'protected');
  const header = readRequestHeader(request.message);
  assert.ok(header.kind === 'header');
  const verdict = verifyRequest(request.message, header, [server]);
  assert.ok(verdict.kind === 'verified');
  const answer = { code: Code.Changed, options: new OptionSet(), payload };
  const response = protectResponse(verdict.binding, answer);
  assert.ok(response.kind === 'protected');

  const fixture = new CaptureFixture();
  let atMs = 0;
  const inBlocks = (
    from: typeof device,
    to: typeof device,
    message: typeof request.message,
    number: 27 | 23,
    order: readonly number[],
  ): void => {
    for (const num of order) {
      const more = (num + 1) * 16 < message.payload.length;
      fixture.message(from, to, atMs++, {
        ...{ type: 'NON', code: message.code, token: Uint8Array.of(7, num) },
        options: [
          [OptionNumber.Oscore, message.options.first(OptionNumber.Oscore)!],
          [number, encodeBlock({ num, more, szx: 0 })],
        ],
        payload: message.payload.subarray(num * 16, (num + 1) * 16),
      });
    }
  };
  const blocks = Math.ceil(request.message.payload.length / 16);
  const last = blocks - 1;
  const inOrder = Array.from({ length: blocks }, (_, index) => index);
  inBlocks(device, gateway, request.message, OptionNumber.Block1, inOrder);
  // Its first block answers the last one of the request.
  const answers = Array.from(
    { length: Math.ceil(response.message.payload.length / 16) },
    (_, index) => index,
  );
  for (const num of answers.toSpliced(1, 2, 2, 1)) {
    const more = num < answers.length - 1;
    fixture.message(gateway, device, atMs++, {
      ...{ type: 'NON', code: response.message.code, token: Uint8Array.of(7, num === 0 ? last : 100 + num) },
      options: [
        [OptionNumber.Oscore, response.message.options.first(OptionNumber.Oscore)!],
        [OptionNumber.Block2, encodeBlock({ num, more, szx: 0 })],
      ],
      payload: response.message.payload.subarray(num * 16, (num + 1) * 16),
    });
  }
  assert.deepEqual(inside(decode(fixture)), ['OSCORE: PUT /large 40 bytes', 'OSCORE: 2.04 Changed 40 bytes']);
});
