/**
 * RFC 8613 §2, §3.2, §3.3, §5 and §6: contexts, nonces, Partial IVs and the OSCORE option.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { isCritical, isUnsafe, OptionNumber, optionDefinition } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ApiMisuseError, InvariantError, isDecodeFault } from '../../src/core/foundation/errors.ts';
import { type OscoreAead, oscoreAeads } from '../../src/core/oscore/cose-algorithms.ts';
import { deriveSecurityContext } from '../../src/core/oscore/derive-context.ts';
import {
  decodeOscoreOption,
  encodeOscoreOption,
  type OscoreOption,
} from '../../src/core/oscore/oscore-option.ts';
import { decodePartialIv, deriveNonce, encodePartialIv } from '../../src/core/oscore/partial-iv.ts';
import { protectRequest } from '../../src/core/oscore/protect-request.ts';
import { unusedContext } from '../../src/core/oscore/security-context.ts';
import { verifyResponse } from '../../src/core/oscore/verify-response.ts';
import { hex } from '../unit/crypto/vector-files.ts';
import {
  clientParameters,
  content,
  contentResponse,
  ends,
  getRequest,
  plain,
  protectedRequest,
  protectedResponse,
  sources,
  verdictOf,
  verifiedRequest,
} from '../unit/oscore/contexts.ts';

test('§2: OSCORE is option 9, critical, safe to forward, not repeatable, of 0 to 255 bytes', () => {
  const definition = optionDefinition(OptionNumber.Oscore);
  assert.deepEqual(
    [definition?.number, definition?.minLength, definition?.maxLength, definition?.repeatable],
    [9, 0, 255, false],
  );
  assert.equal(isCritical(9), true);
  assert.equal(isUnsafe(9), false);
});

test('§2: an OSCORE message without payload SHALL be treated as malformed', () => {
  const { client, server } = ends();
  const { message, binding } = protectedRequest(client);
  const verdict = verdictOf(server, { ...message, payload: noBytes });
  assert.ok(verdict.kind === 'refused' && verdict.fault === 'malformed');
  const { binding: asked } = verifiedRequest(server, message);
  const response = verifyResponse(binding, { ...protectedResponse(asked), payload: noBytes });
  assert.ok(response.kind === 'discarded' && response.fault === 'malformed');
});

describe('§3.2, §5: algorithms', () => {
  for (const { name, number, keyLength, nonceLength } of oscoreAeads) {
    for (const hkdf of ['SHA-256', 'SHA-512'] as const) {
      test(`${name} (${number}) with HKDF ${hkdf}: request, response and notification, and no bit may be flipped`, () => {
        const id = nonceLength === 7 ? Uint8Array.of(5) : Uint8Array.of(1, 2, 3, 4, 5, 6);
        const { client, server } = ends({ aead: name, hkdf, senderId: id });
        const request = content(Code.Get, [
          [OptionNumber.Observe, 0],
          [OptionNumber.UriPath, 'temperature'],
        ]);
        const { message, binding } = protectedRequest(client, request);
        const damaged = message.payload.slice();
        damaged[0] = (damaged[0] as number) ^ 1;
        const refused = verdictOf(server, { ...message, payload: damaged });
        assert.ok(refused.kind === 'refused' && refused.fault === 'decryption-failed');
        const asked = verifiedRequest(server, message);
        assert.deepEqual(plain(asked.request), plain(request));
        for (const observe of [1, 2]) {
          const answer = content(Code.Content, [[OptionNumber.Observe, observe]], '21');
          const verdict = verifyResponse(binding, protectedResponse(asked.binding, answer));
          assert.ok(verdict.kind === 'verified' && !verdict.final);
          assert.equal(new TextDecoder().decode(verdict.response.payload), '21');
        }
        const tag = name.split('-')[3] === '64' ? 8 : 16;
        assert.equal(client.senderKey.tagLength, tag);
        assert.equal(client.commonIv.length, nonceLength);
        assert.ok(keyLength === 16 || keyLength === 32);
      });
    }
  }

  test('two ends with different algorithms do not understand each other', () => {
    const { client } = ends({ aead: 'AES-CCM-16-64-128' });
    const { server } = ends({ aead: 'AES-CCM-16-128-128' });
    const verdict = verdictOf(server, protectedRequest(client).message);
    assert.ok(verdict.kind === 'refused' && verdict.fault === 'decryption-failed');
  });
});

test('§3.2.1: an absent Master Salt is an empty one, but an absent ID Context is not an empty one', () => {
  const { masterSalt: _, ...unsalted } = clientParameters;
  const derived = (extra: { masterSalt?: Uint8Array; idContext?: Uint8Array }): string =>
    toHex(deriveSecurityContext(sources(), { ...unsalted, ...extra }, unusedContext).commonIv);
  assert.equal(derived({}), derived({ masterSalt: noBytes }));
  assert.notEqual(derived({}), derived({ idContext: noBytes }));
});

test('§3.3: a Sender ID is at most as long as the nonce less 6, and not the Recipient ID', () => {
  const make = (aead: OscoreAead, length: number): void => {
    deriveSecurityContext(
      sources(),
      { ...clientParameters, aead, senderId: new Uint8Array(length) },
      unusedContext,
    );
  };
  make('AES-CCM-16-64-128', 7);
  assert.throws(() => make('AES-CCM-16-64-128', 8), /senderId has 8 bytes; expected at most 7/);
  make('A128GCM', 6);
  assert.throws(() => make('A128GCM', 7), ApiMisuseError);
  make('AES-CCM-64-64-128', 1);
  assert.throws(() => make('AES-CCM-64-64-128', 2), ApiMisuseError);
  assert.throws(
    () =>
      deriveSecurityContext(sources(), { ...clientParameters, senderId: Uint8Array.of(1) }, unusedContext),
    /are the same/,
  );
});

test('§5: a request has kid and Partial IV, a response typically neither', () => {
  const { client, server } = ends({ senderId: Uint8Array.of(0x25) });
  const { message } = protectedRequest(client);
  assert.equal(toHex(message.options.first(OptionNumber.Oscore) as Uint8Array), '090025');
  const { binding } = verifiedRequest(server, message);
  assert.equal(protectedResponse(binding).options.first(OptionNumber.Oscore)?.length, 0);
});

test('§5: leading zeros of a Partial IV SHALL be removed, except for the value 0, which is one byte', () => {
  const values: [number, string][] = [
    [0, '00'],
    [1, '01'],
    [255, 'ff'],
    [256, '0100'],
    [65_535, 'ffff'],
    [65_536, '010000'],
    [2 ** 32 - 1, 'ffffffff'],
    [2 ** 32, '0100000000'],
    [2 ** 40 - 1, 'ffffffffff'],
  ];
  for (const [number, text] of values) {
    assert.equal(toHex(encodePartialIv(number)), text);
    assert.equal(decodePartialIv(hex(text)), number);
  }
  for (const text of ['', '0000', '0001', '00ffffffff', 'ffffffffffff']) {
    assert.equal(decodePartialIv(hex(text)), undefined, text);
  }
  for (const number of [-1, 0.5, 2 ** 40]) assert.throws(() => encodePartialIv(number), InvariantError);
});

test('§5.2: different IDs and Partial IVs make different nonces', () => {
  const commonIv = new Uint8Array(13);
  const nonces = new Set<string>();
  let count = 0;
  for (const id of ['', '00', '01', '0000', '0001', '01000000000000', '00000000000001']) {
    for (const partialIv of [0, 1, 255, 256, 2 ** 40 - 1]) {
      nonces.add(toHex(deriveNonce(commonIv, hex(id), encodePartialIv(partialIv))));
      count += 1;
    }
  }
  assert.equal(nonces.size, count);
});

describe('§6.1: the OSCORE option', () => {
  // §6.3, and requests and responses with every combination of fields.
  const legal: [value: string, fields: { partialIv?: string; kidContext?: string; kid?: string }][] = [
    ['', {}],
    ['090525', { partialIv: '05', kid: '25' }],
    ['0900', { partialIv: '00', kid: '' }],
    ['19050544616c656b', { partialIv: '05', kidContext: '44616c656b', kid: '' }],
    ['0107', { partialIv: '07' }],
    ['08', { kid: '' }],
    ['1000', { kidContext: '' }],
    ['1800ff', { kidContext: '', kid: 'ff' }],
    ['0dffffffffff01', { partialIv: 'ffffffffff', kid: '01' }],
    ['1003aabbcc', { kidContext: 'aabbcc' }],
  ];
  for (const [value, fields] of legal) {
    test(`0x${value} reads as ${JSON.stringify(fields)}, and is written the same`, () => {
      const option = decodeOscoreOption(hex(value));
      assert.ok(!isDecodeFault(option));
      assert.deepEqual(fieldsOf(option), fields);
      assert.equal(toHex(encodeOscoreOption(option)), value);
    });
  }

  const malformed: [value: string, why: RegExp][] = [
    ['00', /flags of zero/],
    ['0000', /flags of zero/],
    ['2900', /reserved flag bits/],
    ['490525', /reserved flag bits/],
    ['890525', /reserved flag bits/],
    ['0e010203040506', /length 6 is reserved/],
    ['0f01020304050607', /length 7 is reserved/],
    ['05aabbccdd', /cut off/],
    ['0a01', /cut off/],
    ['10', /cut off/],
    ['1903', /cut off/],
    ['180301ff', /cut off/],
    ['010525', /no flag/],
    ['1001aabb', /no flag/],
    ['0a000125', /leading zeros/],
    ['0d0000000000', /leading zeros/],
  ];
  for (const [value, why] of malformed) {
    test(`0x${value} is malformed, and a request with it is answered 4.02`, () => {
      const fault = decodeOscoreOption(hex(value));
      assert.ok(isDecodeFault(fault));
      assert.match(fault.reason, why);
      const { client, server } = ends();
      const { message } = protectedRequest(client);
      const options = OptionSet.from(message.options.entries()).set(OptionNumber.Oscore, hex(value));
      const verdict = verdictOf(server, { ...message, options });
      assert.ok(verdict.kind === 'refused' && verdict.fault === 'malformed');
    });
  }

  for (const [name, value] of [
    ['kid', '0105'],
    ['Partial IV', '0825'],
    ['kid and Partial IV', ''],
  ] as const) {
    test(`a request without ${name} is malformed`, () => {
      const { client, server } = ends();
      const { message } = protectedRequest(client);
      const options = OptionSet.from(message.options.entries()).set(OptionNumber.Oscore, hex(value));
      const verdict = verdictOf(server, { ...message, options });
      assert.ok(verdict.kind === 'refused' && verdict.fault === 'malformed');
    });
  }

  test('two OSCORE options in one message are malformed', () => {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client);
    const twice = (options: OptionSet): OptionSet => options.add(OptionNumber.Oscore, hex('0900'));
    const verdict = verdictOf(server, {
      ...message,
      options: twice(OptionSet.from(message.options.entries())),
    });
    assert.ok(verdict.kind === 'refused' && verdict.fault === 'malformed');
    const { binding: asked } = verifiedRequest(server, message);
    const response = protectedResponse(asked);
    const taken = verifyResponse(binding, {
      ...response,
      options: twice(OptionSet.from(response.options.entries())),
    });
    assert.ok(taken.kind === 'discarded' && taken.fault === 'malformed');
  });

  test('an ID Context that no option can hold is refused before a number is taken', () => {
    const { client } = ends();
    assert.throws(() => protectRequest(client, getRequest, new Uint8Array(255)), ApiMisuseError);
    assert.equal(client.nextSequenceNumber, 0);
    assert.throws(() => encodeOscoreOption({ partialIv: noBytes }), ApiMisuseError);
    assert.equal(encodeOscoreOption({ kidContext: new Uint8Array(253) }).length, 255);
  });
});

test('§6.2: the payload SHALL encode the ciphertext: plaintext and tag, nothing else', () => {
  const { client, server } = ends();
  const { message } = protectedRequest(client, content(Code.Put, [], '12345'));
  assert.equal(message.payload.length, 1 + 1 + 5 + 8);
  const { binding } = verifiedRequest(server, message);
  assert.equal(protectedResponse(binding, contentResponse).payload.length, 1 + 1 + 12 + 8);
});

test('a message that the algorithm cannot encrypt is refused before a number is taken', () => {
  const { client } = ends();
  const large = { ...content(Code.Put), payload: new Uint8Array(65_534) };
  assert.throws(() => protectRequest(client, large), /takes at most 65535: send it in blocks/);
  assert.equal(client.nextSequenceNumber, 0);
  const { client: gcm } = ends({ aead: 'A128GCM' });
  assert.equal(protectedRequest(gcm, large).message.payload.length, 2 + 65_534 + 16);
  assert.equal(
    protectedRequest(client, { ...large, payload: new Uint8Array(65_533) }).message.payload.length,
    65_543,
  );
});

/** The fields that are there, as hex. */
function fieldsOf(option: OscoreOption): Record<string, string> {
  const all = Object.entries(option) as [string, Uint8Array | undefined][];
  return Object.fromEntries(
    all.flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, toHex(bytes)]])),
  );
}
