/** `oscoreOverhead` counts without keys what protection really adds. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Code } from '../../../src/core/coap/code.ts';
import { encodedLength } from '../../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { oscoreAeads } from '../../../src/core/oscore/cose-algorithms.ts';
import { deriveSecurityContext } from '../../../src/core/oscore/derive-context.ts';
import { oscoreOverhead } from '../../../src/core/oscore/overhead.ts';
import type { OscoreContent } from '../../../src/core/oscore/plaintext.ts';
import { protectRequest } from '../../../src/core/oscore/protect-request.ts';
import { protectResponse } from '../../../src/core/oscore/protect-response.ts';
import {
  clientParameters,
  content,
  ends,
  mirrored,
  protectedRequest,
  protectedResponse,
  sources,
  verifiedRequest,
} from './contexts.ts';

const length = ({ options, payload }: OscoreContent): number =>
  encodedLength({ token: noBytes, options, payload });

const runs = process.env['COAPSULE_LONG'] === '1' ? 2000 : 200;
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });

/** Options inside, outside and both, of all lengths that change the bytes of their heads. */
const optionSets = fc
  .record({
    path: fc.array(bytes(0, 20), { maxLength: 3 }),
    query: fc.array(bytes(0, 255), { maxLength: 2 }),
    host: fc.option(bytes(1, 30)),
    observe: fc.option(fc.nat(0xffffff)),
    format: fc.option(fc.nat(0xffff)),
    private: fc.option(bytes(0, 400)),
    block2: fc.boolean(),
  })
  .map((parts) => {
    const options = new OptionSet();
    if (parts.host !== null) options.add(OptionNumber.UriHost, parts.host);
    if (parts.observe !== null) options.add(OptionNumber.Observe, parts.observe);
    for (const segment of parts.path) options.add(OptionNumber.UriPath, segment);
    if (parts.format !== null) options.add(OptionNumber.ContentFormat, parts.format);
    for (const argument of parts.query) options.add(OptionNumber.UriQuery, argument);
    if (parts.block2) options.add(OptionNumber.Block2, 5);
    if (parts.private !== null) options.add(65_000, parts.private);
    return options;
  });

test('requests and responses get as many bytes more as the count without keys says, whatever is in them', () => {
  fc.assert(
    fc.property(
      ...([optionSets, bytes(0, 300), fc.constantFrom(...oscoreAeads)] as const),
      ...([bytes(0, 7), fc.option(bytes(0, 20))] as const),
      fc.constantFrom(0, 1, 255, 256, 65_535, 65_536, 2 ** 24, 2 ** 32, 2 ** 40 - 2),
      (options, payload, { name: aead, nonceLength }, id, kidContext, sequenceNumber) => {
        const senderId = id.subarray(0, nonceLength - 6);
        // The two IDs differ whatever the other one is.
        const recipientId = senderId.length === 0 ? Uint8Array.of(1) : noBytes;
        const parameters = { ...clientParameters, aead, senderId, recipientId };
        const record = { senderEdge: sequenceNumber, recipientEdge: 0 };
        const client = deriveSecurityContext(sources(1), parameters, record, { dangerouslyVolatile: true });
        const server = deriveSecurityContext(
          sources(2),
          mirrored(parameters),
          { senderEdge: sequenceNumber, recipientEdge: 0 },
          { dangerouslyVolatile: true },
        );
        const request = { code: Code.Post, options, payload };
        const sealed = protectRequest(client, request, kidContext ?? undefined);
        assert.ok(sealed.kind === 'protected', sealed.kind);
        const sending = { aead, sequenceNumber };
        assert.equal(
          length(sealed.message) - length(request),
          oscoreOverhead(request, {
            ...{ ...sending, senderIdLength: senderId.length },
            ...(kidContext !== null && { kidContextLength: kidContext.length }),
          }),
        );
        const { binding } = verifiedRequest(server, sealed.message);
        const response = { code: Code.Content, options, payload };
        const expected = [oscoreOverhead(response, { aead }), oscoreOverhead(response, sending)];
        for (const bytesMore of expected) {
          const answer = protectResponse(binding, response);
          assert.ok(answer.kind === 'protected', answer.kind);
          assert.equal(length(answer.message) - length(response), bytesMore);
        }
      },
    ),
    { numRuns: runs },
  );
});

test('without being told anything it counts the first request under an empty Sender ID, and its response', () => {
  const request = content(Code.Get, [[OptionNumber.UriPath, 'temp']]);
  const response = content(Code.Content, [], '21.9');
  assert.deepEqual([oscoreOverhead(request), oscoreOverhead(response)], [13, 11]);
  const { client, server } = ends();
  const { message } = protectedRequest(client, request);
  const { binding } = verifiedRequest(server, message);
  assert.deepEqual(
    [length(message) - length(request), length(protectedResponse(binding, response)) - length(response)],
    [13, 11],
  );
});

test('what cannot be protected cannot be counted', () => {
  const request = content(Code.Get);
  for (const sequenceNumber of [-1, 0.5, 2 ** 40, Number.NaN]) {
    assert.throws(() => oscoreOverhead(request, { sequenceNumber }), ApiMisuseError);
  }
  assert.throws(() => oscoreOverhead(request, { senderIdLength: 256 }), ApiMisuseError);
  assert.throws(() => oscoreOverhead(content(Code.Get, [[OptionNumber.Oscore, noBytes]])), ApiMisuseError);
  assert.throws(
    () => oscoreOverhead({ ...request, payload: new Uint8Array(0xffff) }),
    /AES-CCM-16-64-128 takes at most 65535/,
  );
});
