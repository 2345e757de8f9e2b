/**
 * Properties of protecting and verifying over random messages, contexts and damage.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { encodeCbor } from '../../../src/core/cbor/encode.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { additionalData } from '../../../src/core/oscore/additional-data.ts';
import { ContextTable } from '../../../src/core/oscore/context-lookup.ts';
import { oscoreAeads } from '../../../src/core/oscore/cose-algorithms.ts';
import { optionClass } from '../../../src/core/oscore/option-classes.ts';
import { decodeOscoreOption, encodeOscoreOption } from '../../../src/core/oscore/oscore-option.ts';
import { maxIdLength, maxPartialIvLength } from '../../../src/core/oscore/partial-iv.ts';
import { FixedContext } from '../../../src/core/oscore/peer-security.ts';
import type { OscoreContent } from '../../../src/core/oscore/plaintext.ts';
import { minReplayWindowSize, ReplayWindow } from '../../../src/core/oscore/replay-window.ts';
import { verifyResponse } from '../../../src/core/oscore/verify-response.ts';
import { hex } from '../crypto/vector-files.ts';
import { ends, plain, protectedRequest, protectedResponse, verdictOf, verifiedRequest } from './contexts.ts';

const seed = 8613;
const numRuns = process.env['COAPSULE_LONG'] === '1' ? 20_000 : 300;

/** Options that go through as they are: no Proxy-Uri, which is split, no Observe, which has values of its own. */
const optionNumber = fc
  .oneof(fc.constantFrom(...Object.values(OptionNumber)), fc.integer({ min: 0, max: 65_535 }))
  .filter(
    (number) => ![OptionNumber.Oscore, OptionNumber.ProxyUri, OptionNumber.Observe].includes(number as 9),
  );
const options = fc
  .array(fc.record({ number: optionNumber, value: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 10 })
  .map((entries) => OptionSet.from(entries));
const payload = fc.uint8Array({ maxLength: 200 });
const requests: fc.Arbitrary<OscoreContent> = fc.record({
  code: fc.integer({ min: 1, max: 31 }),
  options,
  payload,
});
const responses: fc.Arbitrary<OscoreContent> = fc.record({
  code: fc.integer({ min: 0x40, max: 0xbf }),
  options,
  payload,
});

/** Parameters with IDs that fit the algorithm and differ. */
const parameters = fc
  .record({
    aead: fc.constantFrom(...oscoreAeads),
    masterSecret: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    masterSalt: fc.uint8Array({ maxLength: 16 }),
    idContext: fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
    hkdf: fc.constantFrom('SHA-256' as const, 'SHA-512' as const),
    ids: fc.tuple(fc.uint8Array({ maxLength: 7 }), fc.uint8Array({ maxLength: 7 })),
  })
  .map(({ aead, ids, idContext, ...rest }) => ({
    ...rest,
    ...(idContext !== undefined && { idContext }),
    aead: aead.name,
    senderId: ids[0].subarray(0, aead.nonceLength - 6),
    recipientId: ids[1].subarray(0, aead.nonceLength - 6),
  }))
  .filter(({ senderId, recipientId }) => toHex(senderId) !== toHex(recipientId));

it('verify(protect(message)) is the message, and nothing of Class E is in the open', () => {
  fc.assert(
    fc.property(parameters, requests, responses, responses, (input, request, ...answers) => {
      const { client, server } = ends(input);
      const { message, binding } = protectedRequest(client, request, input.idContext);
      for (const { number } of message.options.entries()) {
        assert.ok(number === OptionNumber.Oscore || !optionClass(number).inner, `option ${number}`);
      }
      const asked = verifiedRequest(server, message);
      assert.deepEqual(plain(asked.request), plain(request));
      // Both forms of a response: with the nonce of the request, and with a Partial IV.
      for (const answer of answers) {
        const sent = protectedResponse(asked.binding, answer);
        const verdict = verifyResponse(binding, sent);
        assert.ok(verdict.kind === 'verified');
        assert.deepEqual(plain(verdict.response), plain(answer));
        binding.answered = false;
      }
    }),
    { seed, numRuns },
  );
});

it('a flipped bit of ciphertext, kid or Partial IV fails, of the kid context it finds no context', () => {
  fc.assert(
    fc.property(parameters, requests, fc.nat(), fc.boolean(), (input, request, at, inOption) => {
      const { client, server } = ends(input);
      const { message } = protectedRequest(client, request);
      const oscore = (message.options.first(OptionNumber.Oscore) as Uint8Array).slice();
      const body = message.payload.slice();
      const target = inOption ? oscore : body;
      const bit = at % (target.length * 8);
      target[bit >> 3] = (target[bit >> 3] as number) ^ (1 << (bit & 7));
      const changed = OptionSet.from(message.options.entries()).set(OptionNumber.Oscore, oscore);
      const verdict = verdictOf(server, { ...message, options: changed, payload: body });
      // The kid only names the context, which is given here: the ID itself is in the nonce and the keys (§12.6).
      const kidOnly = inOption && bit >> 3 >= 2;
      assert.equal(verdict.kind, kidOnly ? 'store-first' : 'refused');
      if (!kidOnly) assert.equal(server.window.edge, 0);
    }),
    { seed, numRuns },
  );
});

it('an OSCORE option reads as it was written, and only one value says the same', () => {
  const field = fc.option(fc.uint8Array({ maxLength: 100 }), { nil: undefined });
  const partialIv = fc.option(
    fc.uint8Array({ minLength: 1, maxLength: 5 }).filter((bytes) => bytes.length === 1 || bytes[0] !== 0),
    { nil: undefined },
  );
  fc.assert(
    fc.property(partialIv, field, field, (iv, kidContext, kid) => {
      const option = {
        ...(iv !== undefined && { partialIv: iv }),
        ...(kidContext !== undefined && { kidContext }),
        ...(kid !== undefined && { kid }),
      };
      const decoded = decodeOscoreOption(encodeOscoreOption(option));
      assert.ok(!isDecodeFault(decoded));
      const text = (value: object): unknown =>
        Object.fromEntries(
          Object.entries(value).flatMap(([name, bytes]) =>
            bytes === undefined ? [] : [[name, toHex(bytes)]],
          ),
        );
      assert.deepEqual(text(decoded), text(option));
    }),
    { seed, numRuns },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (value) => {
      const option = decodeOscoreOption(value);
      if (!isDecodeFault(option)) assert.equal(toHex(encodeOscoreOption(option)), toHex(value));
    }),
    { seed, numRuns: 10 * numRuns },
  );
});

it('the window says what a list of all numbers says', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: minReplayWindowSize, max: 100 }),
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 }),
      (size, numbers) => {
        const window = new ReplayWindow(0, size);
        const seen = new Set<number>();
        for (const number of numbers) {
          const highest = Math.max(-1, ...seen);
          const isFresh = number > highest || (number > highest - size && !seen.has(number));
          assert.equal(window.verdict(number), isFresh ? 'fresh' : 'replay', `${number} after ${highest}`);
          if (!isFresh) continue;
          window.markReceived(number);
          seen.add(number);
        }
      },
    ),
    { seed, numRuns },
  );
});

it('the AAD is what a CBOR encoder writes, for every algorithm and all lengths', () => {
  for (const { number, nonceLength } of oscoreAeads) {
    for (let kidLength = 0; kidLength <= maxIdLength(nonceLength); kidLength++) {
      for (let partialIvLength = 1; partialIvLength <= maxPartialIvLength; partialIvLength++) {
        const [kid, partialIv] = [new Uint8Array(kidLength).fill(7), new Uint8Array(partialIvLength).fill(9)];
        const external = encodeCbor([1, [number], kid, partialIv, noBytes]);
        assert.deepEqual(additionalData(number, kid, partialIv), encodeCbor(['Encrypt0', noBytes, external]));
      }
    }
  }
});

it('a client is found by its kid alone, whatever zeros others have before or behind it', () => {
  const kids = ['', '00', '01', '0000', '0001', '0100', '0000000001', '000000000001', '00000000000001'];
  const clients = kids.map(
    (kid) => new FixedContext(ends({ senderId: hex(kid), recipientId: hex('7f') }).server),
  );
  const table = new ContextTable();
  for (const client of clients) table.add(client);
  for (const [index, kid] of kids.entries()) {
    assert.deepEqual(table.candidates(hex(kid), undefined), [clients[index]]);
    assert.equal(table.candidates(hex(`${kid}ff`), undefined).length, 0);
  }
});
