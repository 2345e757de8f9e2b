/**
 * RFC 8613 §4: which fields of a message are encrypted, which stay outside, and the options with rules of their own.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber, optionDefinition } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { encodeUint } from '../../src/core/coap/option-value.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../src/core/foundation/errors.ts';
import { additionalData } from '../../src/core/oscore/additional-data.ts';
import { optionClass } from '../../src/core/oscore/option-classes.ts';
import { encodeOscoreOption } from '../../src/core/oscore/oscore-option.ts';
import { deriveNonce } from '../../src/core/oscore/partial-iv.ts';
import { type OscoreContent, Plaintext, sealPlaintext } from '../../src/core/oscore/plaintext.ts';
import { protectRequest } from '../../src/core/oscore/protect-request.ts';
import { protectResponse } from '../../src/core/oscore/protect-response.ts';
import { verifyResponse } from '../../src/core/oscore/verify-response.ts';
import { checkRequestOptions } from '../../src/core/request-response/option-check.ts';
import {
  content,
  contentResponse,
  ends,
  getRequest,
  plain,
  protectedRequest,
  protectedResponse,
  verdictOf,
  verifiedRequest,
} from '../unit/oscore/contexts.ts';

/** Figure 5, and the options that came after it: number, Class E, Class U. */
const figure5: readonly (readonly [number, boolean, boolean])[] = [
  [1, true, false],
  [3, false, true],
  [4, true, false],
  [5, true, false],
  [6, true, true],
  [7, false, true],
  [8, true, false],
  [9, false, true],
  [11, true, false],
  [12, true, false],
  [14, true, true],
  [15, true, false],
  [17, true, false],
  [20, true, false],
  [23, true, true],
  [27, true, true],
  [28, true, true],
  [35, false, true],
  [39, false, true],
  [60, true, true],
  [258, true, true],
  [16, true, false], // Hop-Limit: RFC 8768 defines nothing, so Class E (§4.1)
  [19, true, true], // Q-Block1: RFC 9177 §4.1
  [21, false, true], // EDHOC: RFC 9668 §3.1
  [31, true, true], // Q-Block2: RFC 9177 §4.1
  [252, true, true], // Echo: RFC 9175 §2.2
  [292, true, true], // Request-Tag: RFC 9175 §3.2
];

const numbers = Object.values(OptionNumber);

/** A legal value of any option that can be protected as it is. */
function legalValue(number: number): Uint8Array {
  if (number === OptionNumber.ProxyUri) return new TextEncoder().encode('coap://example.com');
  const definition = optionDefinition(number);
  return definition?.format === 'empty' ? noBytes : Uint8Array.of(1);
}

/** `message` with outer options besides, as a proxy or an attacker would add them. */
function withOuter(
  message: OscoreContent,
  ...entries: [number, Uint8Array | string | number][]
): OscoreContent {
  const options = OptionSet.from(message.options.entries());
  for (const [number, value] of entries) options.add(number, value);
  return { ...message, options };
}

function outerNumbers({ options }: OscoreContent): number[] {
  return [...options.entries()].map(({ number }) => number);
}

test('§4.1, Figure 5: every option of the registry has the class that its RFC gives it', () => {
  assert.deepEqual(
    figure5.map(([number]) => number).sort((a, b) => a - b),
    [...numbers].sort((a, b) => a - b),
  );
  for (const [number, inner, outer] of figure5) {
    assert.deepEqual(optionClass(number), { inner, outer }, `option ${number}`);
  }
});

test('§4.1: options that are unknown SHALL be processed as Class E', () => {
  for (const number of [2, 2049, 65_001]) {
    const { client, server } = ends();
    const { message } = protectedRequest(client, content(Code.Get, [[number, Uint8Array.of(7)]]));
    assert.deepEqual(outerNumbers(message), [OptionNumber.Oscore]);
    const { request } = verifiedRequest(server, withOuter(message, [number, Uint8Array.of(8)]));
    assert.deepEqual(request.options.all(number).map(toHex), ['07'], 'an outer one is discarded');
  }
});

for (const number of numbers.filter((one) => one !== OptionNumber.Oscore && one !== OptionNumber.Observe)) {
  const name = optionDefinition(number)?.name;
  const { inner } = optionClass(number);
  test(`§4.1.1, §4.1.2: ${name} of the original message SHALL be ${inner ? 'in the ciphertext only' : 'an Outer option'}`, () => {
    const { client, server } = ends();
    const original = content(Code.Fetch, [[number, legalValue(number)]], 'payload');
    const { message } = protectedRequest(client, original);
    assert.equal(message.options.has(number), !inner);
    const { request, binding } = verifiedRequest(server, message);
    assert.deepEqual(plain(request), plain(original));

    if (number === OptionNumber.ProxyUri) return;
    const answer = content(Code.Content, [[number, legalValue(number)]], 'payload');
    assert.equal(protectedResponse(binding, answer).options.has(number), !inner);
  });
}

for (const number of numbers.filter((one) => optionClass(one).inner)) {
  test(`§8.2, §8.4 step 1: an Outer ${optionDefinition(number)?.name} that somebody added is discarded`, () => {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client);
    const verified = verifiedRequest(server, withOuter(message, [number, legalValue(number)]));
    assert.deepEqual(plain(verified.request), plain(getRequest));
    const response = withOuter(protectedResponse(verified.binding), [number, legalValue(number)]);
    const verdict = verifyResponse(binding, response);
    assert.equal(verdict.kind, 'verified');
    assert.deepEqual(plain(verdict.response), plain(contentResponse));
  });
}

test('§4.1.3.1: an Inner Max-Age reaches the client and an Outer one does not', () => {
  const { client, server } = ends();
  const { message, binding } = protectedRequest(client);
  const { binding: asked } = verifiedRequest(server, message);
  const answer = protectedResponse(asked, content(Code.Content, [[OptionNumber.MaxAge, 30]]));
  assert.equal(answer.options.has(OptionNumber.MaxAge), false);
  const verdict = verifyResponse(binding, withOuter(answer, [OptionNumber.MaxAge, 0]));
  assert.equal(verdict.kind, 'verified');
  assert.equal(verdict.response.options.uint(OptionNumber.MaxAge), 30);
});

test('§4.1.3.2: Uri-Host, Uri-Port and Proxy-Scheme are Outer and may be changed without a trace', () => {
  const { client, server } = ends();
  const original = content(Code.Get, [
    [OptionNumber.UriHost, 'example.com'],
    [OptionNumber.UriPort, 5683],
    [OptionNumber.UriPath, 'a'],
    [OptionNumber.ProxyScheme, 'coap'],
  ]);
  const { message } = protectedRequest(client, original);
  assert.deepEqual(outerNumbers(message), [3, 7, 9, 39]);
  const options = OptionSet.from(message.options.entries()).delete(OptionNumber.ProxyScheme);
  const { request } = verifiedRequest(server, { ...message, options: options.set(OptionNumber.UriPort, 1) });
  assert.equal(request.options.uint(OptionNumber.UriPort), 1);
  assert.equal(request.options.text(OptionNumber.UriPath), 'a');
});

test('§4.1: a Uri-Host inside, which nobody may send, is refused beside the one outside, as a critical option given twice', () => {
  const { client, server } = ends();
  const { message } = protectedRequest(client, content(Code.Get, [[OptionNumber.UriHost, 'outside']]));
  // As somebody would make it who has the keys and not the rules.
  const partialIv = Uint8Array.of(1);
  const inside = new OptionSet().add(OptionNumber.UriHost, 'inside');
  const payload = sealPlaintext(
    {
      aead: client.aead,
      key: client.senderKey,
      nonce: deriveNonce(client.commonIv, client.senderId, partialIv),
      additionalData: additionalData(client.aead.number, client.senderId, partialIv),
    },
    new Plaintext(client.aead, Code.Get, inside, noBytes),
  );
  const options = OptionSet.from(message.options.entries());
  options.set(OptionNumber.Oscore, encodeOscoreOption({ partialIv, kid: client.senderId }));
  const { request } = verifiedRequest(server, { ...message, options, payload });
  assert.equal(request.options.all(OptionNumber.UriHost).length, 2);
  const verdict = checkRequestOptions(request.options);
  assert.ok(verdict.kind === 'bad-option', JSON.stringify(verdict));
});

test('§4.1.3.3: Proxy-Uri is split: path and query are encrypted, scheme and authority stay outside', () => {
  const examples: [uri: string, outer: string, path: string[], query: string[]][] = [
    ['coap://example.com/resource?q=1', 'coap://example.com', ['resource'], ['q=1']],
    ['coap://EXAMPLE.com:5683/', 'coap://example.com', [], []],
    ['coap://[2001:db8::1]:61616/a/b', 'coap://[2001:db8::1]:61616', ['a', 'b'], []],
    ['coaps://example.com:5685', 'coaps://example.com:5685', [], []],
    ['http://server.url/orders%20open?a&b', 'http://server.url', ['orders open'], ['a', 'b']],
  ];
  for (const [uri, outer, path, query] of examples) {
    const { client, server } = ends();
    const { message } = protectedRequest(client, content(Code.Get, [[OptionNumber.ProxyUri, uri]]));
    assert.equal(message.options.text(OptionNumber.ProxyUri), outer);
    const { request } = verifiedRequest(server, message);
    assert.deepEqual(request.options.texts(OptionNumber.UriPath), path);
    assert.deepEqual(request.options.texts(OptionNumber.UriQuery), query);
  }
  const { client } = ends();
  for (const uri of ['', 'example.com', 'coap://', 'coap://a/#f', 'coap://a:99999/', 'http://a/%zz']) {
    assert.throws(
      () => protectRequest(client, content(Code.Get, [[OptionNumber.ProxyUri, uri]])),
      ApiMisuseError,
      uri,
    );
  }
});

test('§4.1.3.4.1: Block options of the sender are Inner options', () => {
  const { client, server } = ends();
  const block = [OptionNumber.Block1, 0x0e] as const;
  const { message } = protectedRequest(
    client,
    content(Code.Put, [block, [OptionNumber.Size1, 2048]], 'part'),
  );
  assert.deepEqual(outerNumbers(message), [OptionNumber.Oscore]);
  const { request } = verifiedRequest(server, message);
  assert.equal(request.options.uint(OptionNumber.Block1), 0x0e);
  assert.equal(request.options.uint(OptionNumber.Size1), 2048);
});

for (const [name, value] of [
  ['registration', 0],
  ['cancellation', 1],
] as const) {
  test(`§4.1.3.5.1: Inner and Outer Observe of a ${name} MUST contain the original value, the Outer Code MUST be FETCH`, () => {
    const { client, server } = ends();
    const { message } = protectedRequest(client, content(Code.Get, [[OptionNumber.Observe, value]]));
    assert.equal(message.code, Code.Fetch);
    assert.equal(message.options.uint(OptionNumber.Observe), value);
    // Whatever a proxy makes of the Outer one.
    for (const outer of [0, 1, 5]) {
      const { server: fresh } = ends();
      const options = OptionSet.from(message.options.entries()).set(OptionNumber.Observe, outer);
      const { request, binding } = verifiedRequest(fresh, { ...message, options });
      assert.equal(request.options.uint(OptionNumber.Observe), value);
      assert.equal(request.code, Code.Get);
      assert.equal(binding.observe, value === 0 ? 'register' : 'deregister');
    }
    const options = OptionSet.from(message.options.entries()).delete(OptionNumber.Observe);
    const { request } = verifiedRequest(server, { ...message, options });
    assert.equal(request.options.uint(OptionNumber.Observe), value, 'removing the Outer one changes nothing');
  });
}

test('§4.1.3.5: an Outer Observe that a proxy adds makes no registration', () => {
  const { client, server } = ends();
  const { message } = protectedRequest(client);
  const { request, binding } = verifiedRequest(server, withOuter(message, [OptionNumber.Observe, 0]));
  assert.equal(request.options.has(OptionNumber.Observe), false);
  assert.equal(binding.observe, undefined);
});

test('§4.1.3.5.2: a notification has an empty Inner Observe, the original Outer one, and Outer Code 2.05', () => {
  const { client, server } = ends();
  const { message } = protectedRequest(client, content(Code.Get, [[OptionNumber.Observe, 0]]));
  const { binding } = verifiedRequest(server, message);
  const lengths = [5, 77_000].map((value) => {
    const notification = content(Code.NotFound, [[OptionNumber.Observe, value]]);
    const sent = protectedResponse(binding, notification);
    assert.equal(sent.code, Code.Content);
    assert.deepEqual(sent.options.first(OptionNumber.Observe), encodeUint(value));
    return sent.payload.length;
  });
  assert.deepEqual(lengths, [10, 10], 'code, one byte of an empty option, tag of 8 bytes');
});

test('§4.1.3.5.2: a Partial IV MUST be included in all notifications except for the first one', () => {
  const { client, server } = ends();
  const { message } = protectedRequest(client, content(Code.Get, [[OptionNumber.Observe, 0]]));
  const { binding } = verifiedRequest(server, message);
  const values = [1, 2, 3].map((observe) =>
    toHex(
      protectedResponse(binding, content(Code.Content, [[OptionNumber.Observe, observe]])).options.first(
        OptionNumber.Oscore,
      ) as Uint8Array,
    ),
  );
  assert.deepEqual(values, ['', '0100', '0101']);
  const error = protectedResponse(binding, content(Code.NotFound));
  assert.equal(
    toHex(error.options.first(OptionNumber.Oscore) as Uint8Array),
    '0102',
    'and in an error after them',
  );
  assert.equal(error.code, Code.Changed);
});

test('§4.1.3.6: No-Response MUST be Inner, and the server SHALL ignore an Outer one', () => {
  const { client, server } = ends();
  const original = content(Code.Put, [[OptionNumber.NoResponse, 2]], '1');
  const { message } = protectedRequest(client, original);
  assert.equal(message.options.has(OptionNumber.NoResponse), false);
  const { request } = verifiedRequest(server, withOuter(message, [OptionNumber.NoResponse, 26]));
  assert.deepEqual(request.options.all(OptionNumber.NoResponse), [Uint8Array.of(2)]);
});

test('§4.1.3.7: if an OSCORE option is in the original message, processing SHALL be stopped', () => {
  const { client, server } = ends();
  const protectedAlready = content(Code.Post, [[OptionNumber.Oscore, noBytes]], 'x');
  assert.throws(() => protectRequest(client, protectedAlready), ApiMisuseError);
  const { binding } = verifiedRequest(server, protectedRequest(client).message);
  assert.throws(
    () => protectResponse(binding, content(Code.Changed, [[OptionNumber.Oscore, noBytes]], 'x')),
    ApiMisuseError,
  );
});

test('§4.2: the Outer Code SHALL be POST for requests and 2.04 for responses, whatever the code inside is', () => {
  for (const code of [Code.Get, Code.Post, Code.Put, Code.Delete, Code.Fetch, Code.Patch, Code.IPatch, 31]) {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client, content(code));
    assert.equal(message.code, Code.Post);
    // The receiving endpoint SHALL discard the Outer Code.
    const verified = verifiedRequest(server, { ...message, code: Code.Delete });
    assert.equal(verified.request.code, code);
    const answer = protectedResponse(verified.binding, content(Code.ServiceUnavailable, [], 'no'));
    assert.equal(answer.code, Code.Changed);
    const verdict = verifyResponse(binding, { ...answer, code: Code.Content });
    assert.equal(verdict.kind, 'verified');
    assert.equal(verdict.response.code, Code.ServiceUnavailable);
  }
});

test('§4.2: a payload is encrypted, and a message without one has still a payload outside', () => {
  const { client, server } = ends();
  const { message } = protectedRequest(client, content(Code.Put, [], 'secret'));
  assert.equal(new TextDecoder().decode(message.payload).includes('secret'), false);
  assert.equal(new TextDecoder().decode(verifiedRequest(server, message).request.payload), 'secret');
  assert.equal(protectedRequest(client, content(Code.Get)).message.payload.length, 1 + 8);
});

test('§4.2: what is no request is not protected as one, and no response as one', () => {
  const { client, server } = ends();
  for (const code of [Code.Empty, Code.Content, 0xe1]) {
    assert.throws(() => protectRequest(client, content(code)), ApiMisuseError);
  }
  const { binding } = verifiedRequest(server, protectedRequest(client).message);
  for (const code of [Code.Empty, Code.Get, 0xe1]) {
    assert.throws(() => protectResponse(binding, content(code)), ApiMisuseError);
  }
  assert.equal(verdictOf(server, protectedRequest(client).message).kind, 'verified');
});
