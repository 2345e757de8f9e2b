/**
 * RFC 7252 §5.7 and §5.10.2: what a proxy understands, forwards and refuses, as far as options decide it. What is sent
 * and received is in test/api/proxy.test.ts.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Code } from '../../src/core/coap/code.ts';
import { isUnsafe, OptionNumber, optionDefinition } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { type CoapUri, parseCoapUri } from '../../src/core/coap/uri.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import {
  type ForwardTarget,
  forwardedRequestOptions,
  forwardedResponse,
  forwardTarget,
  proxyRequestOptions,
} from '../../src/core/request-response/proxying.ts';
import type {
  RequestResponseLayer,
  RequestRoute,
} from '../../src/core/request-response/request-response-layer.ts';
import { Pair } from '../../src/testing/pair.ts';
import {
  clientRequest,
  drain,
  message,
  newLayer,
  type OptionList,
  only,
} from '../unit/request-response/harness.ts';

const now = instant(0);
const own = { host: '192.0.2.1', port: 61616 };
const proxyRoute = { route: (): RequestRoute => ({ kind: 'proxy' }) };

function optionsOf(list: OptionList): OptionSet {
  return OptionSet.from(list.map(([number, value]) => ({ number, value })));
}

function targetOf(list: OptionList): string {
  const target = forwardTarget(optionsOf(list), own);
  return target.kind === 'target' ? textOf(target.uri) : textOfOther(target);
}

function textOf({ scheme, host, port, path, query }: CoapUri): string {
  return `${scheme} ${host} ${port} /${path.join('/')} ${query.join('&')}`.trimEnd();
}

function textOfOther(target: Exclude<ForwardTarget, { kind: 'target' }>): string {
  return target.kind === 'foreign' ? `foreign ${target.scheme}` : target.kind;
}

/** The code of the only answer; `request` when the application was asked. */
function fate(layer: RequestResponseLayer, options: OptionList): string {
  layer.receiveRequest('peer', message(Code.Get, { options }), 'reply', now);
  const [output] = drain(layer).filter(({ kind }) => kind === 'send-response' || kind === 'request');
  if (output?.kind !== 'send-response') return output?.kind ?? 'nothing';
  const { code, payload } = output.message;
  return `${code >> 5}.0${code & 31} ${decodeUtf8(payload)}`.trimEnd();
}

describe('§5.7.2 forward-proxies', () => {
  test('a server that is no proxy answers 5.05, also when other options are bad', () => {
    for (const options of [
      [[OptionNumber.ProxyUri, 'coap://a/']],
      [[OptionNumber.ProxyScheme, 'coap']],
      [
        [OptionNumber.ProxyUri, 'coap://a/'],
        [2049, 'x'],
      ],
    ] as const) {
      assert.equal(fate(newLayer(), options), '5.05');
    }
  });

  test('a proxy gets the request with all of its options', () => {
    const layer = newLayer(proxyRoute);
    const options: OptionList = [
      [OptionNumber.IfMatch, 'x'],
      [OptionNumber.ProxyUri, 'coap://a/b'],
      [2053, 'safe, critical'],
      [2052, 'safe, elective'],
    ];
    layer.receiveRequest('peer', message(Code.Get, { options }), 'reply', now);
    const { request } = only(layer, 'request');
    for (const [number] of options) assert.ok(request.options.has(number), `option ${number}`);
  });

  test('a request for the proxy itself is a local one, with the options it would have had', () => {
    const local = optionsOf([[OptionNumber.UriPath, 'light']]);
    const layer = newLayer({ route: () => ({ kind: 'origin', options: local }) });
    const options: OptionList = [[OptionNumber.ProxyUri, 'coap://this/light']];
    layer.receiveRequest('peer', message(Code.Get, { options }), 'reply', now);
    const { request } = only(layer, 'request');
    assert.deepEqual([...request.options.entries()], [...local.entries()]);
  });

  test('the rules of an origin server hold for such a request: 4.02 for an unknown critical option', () => {
    const local = optionsOf([[2053, 'x']]);
    const layer = newLayer({ route: () => ({ kind: 'origin', options: local }) });
    assert.equal(
      fate(layer, [
        [OptionNumber.ProxyUri, 'coap://this/light'],
        [2053, 'x'],
      ]),
      '4.02 Unrecognized critical option 2053',
    );
  });

  test('§5.4.2, §5.7.1: an unsafe option that is not recognized is answered 4.02, critical or elective', () => {
    const proxyUri = [OptionNumber.ProxyUri, 'coap://a/'] as const;
    assert.equal(
      fate(newLayer(proxyRoute), [proxyUri, [2051, 'x']]),
      '4.02 Unrecognized critical option 2051',
    );
    assert.equal(fate(newLayer(proxyRoute), [proxyUri, [2050, 'x']]), '4.02 Unrecognized unsafe option 2050');
    assert.equal(
      fate(newLayer(proxyRoute), [proxyUri, [OptionNumber.QBlock1, 0]]),
      '4.02 Unrecognized critical option 19 (Q-Block1)',
    );
  });

  test('two bodies of one client for two targets are not mixed up', () => {
    const layer = newLayer(proxyRoute);
    for (const target of ['coap://a/x', 'coap://b/x']) {
      const first = message(Code.Put, {
        options: [
          [OptionNumber.Block1, 0x08], // 0/1/16
          [OptionNumber.ProxyUri, target],
        ],
        payload: target.padEnd(16, '.'),
      });
      layer.receiveRequest('peer', first, 'reply', now);
    }
    drain(layer);
    const last = message(Code.Put, {
      options: [
        [OptionNumber.Block1, 0x10], // 1/0/16
        [OptionNumber.ProxyUri, 'coap://a/x'],
      ],
      payload: '!',
    });
    layer.receiveRequest('peer', last, 'reply', now);
    assert.equal(decodeUtf8(only(layer, 'request').request.payload), 'coap://a/x......!');
  });
});

describe('§5.10.2 Proxy-Uri and Proxy-Scheme', () => {
  test('Proxy-Uri is the target, whatever the Uri-* options say', () => {
    assert.equal(
      targetOf([
        [OptionNumber.UriHost, 'other'],
        [OptionNumber.UriPort, 1],
        [OptionNumber.UriPath, 'no'],
        [OptionNumber.ProxyUri, 'coaps://Plant.example:61616/a%20b?c=d&e'],
      ]),
      'coaps plant.example 61616 /a b c=d&e',
    );
  });

  test('with Proxy-Scheme the target is made of the Uri-* options and that scheme', () => {
    assert.equal(
      targetOf([
        [OptionNumber.UriHost, 'plant.example'],
        [OptionNumber.UriPath, 'a'],
        [OptionNumber.UriPath, 'b/c'],
        [OptionNumber.UriQuery, 'd=e&f'],
        [OptionNumber.ProxyScheme, 'coaps'],
      ]),
      'coaps plant.example 5684 /a/b/c d=e&f',
    );
    assert.equal(
      targetOf([
        [OptionNumber.UriHost, '[2001:db8::1]'],
        [OptionNumber.UriPort, 61616],
        [OptionNumber.ProxyScheme, 'coap'],
      ]),
      'coap 2001:db8::1 61616 /',
    );
    // §5.10.1: without Uri-Host, where the request was sent to: the proxy itself.
    assert.equal(targetOf([[OptionNumber.ProxyScheme, 'coap']]), 'coap 192.0.2.1 61616 /');
  });

  test('the scheme of a cross-proxy is told from a URI that is none', () => {
    assert.equal(targetOf([[OptionNumber.ProxyUri, 'http://www.example/']]), 'foreign http');
    assert.equal(targetOf([[OptionNumber.ProxyScheme, 'https']]), 'foreign https');
    for (const text of [
      'plant.example/a',
      'coap:/a',
      'coap://user@a/',
      'coap://a/#x',
      'coap://a:0/',
      '://a',
    ]) {
      assert.equal(targetOf([[OptionNumber.ProxyUri, text]]), 'malformed', text);
    }
    assert.equal(
      targetOf([
        [OptionNumber.UriHost, 'a'],
        [OptionNumber.UriPath, '..'],
        [OptionNumber.ProxyScheme, 'coap'],
      ]),
      'malformed',
    );
  });

  test('what a client asks a proxy for is what the proxy understands, in both forms', () => {
    const text = fc
      .record({
        scheme: fc.constantFrom('coap', 'coaps'),
        host: fc.constantFrom('a.example', '192.0.2.7', '[2001:db8::7]'),
        port: fc.constantFrom('', ':5683', ':5684', ':61616'),
        path: fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), { maxLength: 4 }),
        query: fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 3 }),
      })
      .map(({ scheme, host, port, path, query }) => {
        const queryText = query.length > 0 ? `?${query.map(encodeURIComponent).join('&')}` : '';
        return `${scheme}://${host}${port}/${path.map(encodeURIComponent).join('/')}${queryText}`;
      });
    let understood = 0;
    fc.assert(
      fc.property(text, fc.constantFrom(5683, 5684, 7000), (uriText, proxyPort) => {
        const uri = parseCoapUri(uriText);
        if (isDecodeFault(uri)) return; // "." as a segment
        understood++;
        for (const form of ['Proxy-Uri', 'Proxy-Scheme'] as const) {
          const target = forwardTarget(proxyRequestOptions(uri, proxyPort, form), own);
          assert.ok(target.kind === 'target', uriText);
          assert.equal(textOf(target.uri), textOf(uri));
        }
      }),
      { numRuns: 500, seed: 7252 },
    );
    assert.ok(understood > 250, `only ${understood} URIs`);
  });

  test('a URI that is too long for Proxy-Uri is asked for by Proxy-Scheme', () => {
    const uri = parseCoapUri(`coap://a/${Array(8).fill('x'.repeat(200)).join('/')}`) as CoapUri;
    const options = proxyRequestOptions(uri, 5683);
    assert.equal(options.has(OptionNumber.ProxyUri), false);
    assert.equal(options.text(OptionNumber.ProxyScheme), 'coap');
    assert.equal(options.all(OptionNumber.UriPath).length, 8);
  });

  test('Uri-Port is left out only where every reading of its default is the same', () => {
    const port = (text: string, proxyPort: number): number | undefined =>
      proxyRequestOptions(parseCoapUri(text) as CoapUri, proxyPort, 'Proxy-Scheme').uint(
        OptionNumber.UriPort,
      );
    assert.equal(port('coap://a/', 5683), undefined);
    assert.equal(port('coaps://a/', 5684), undefined);
    assert.equal(port('coap://a/', 7000), 5683);
    assert.equal(port('coap://a:7000/', 7000), 7000);
  });
});

/** Any option, known or not, with a value of a legal length. */
const anyOption = fc
  .oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 2048, max: 65_535 }))
  .chain((number) => {
    const definition = optionDefinition(number);
    return fc.record({
      number: fc.constant(number),
      value: fc.uint8Array({
        minLength: definition?.minLength ?? 0,
        maxLength: Math.min(definition?.maxLength ?? 9, 9),
      }),
    });
  });
const anyOptions = fc.array(anyOption, { maxLength: 12 }).map((list) => OptionSet.from(list));

/** Safe to forward, but about one hop (RFC 7959, RFC 8768, RFC 9175). */
const ofOneHop: readonly number[] = [
  OptionNumber.HopLimit,
  OptionNumber.Size1,
  OptionNumber.Size2,
  OptionNumber.RequestTag,
];

describe('§5.7.1 proxy operation', () => {
  test('every option that is safe to forward goes on as it came, none that is unsafe does', () => {
    fc.assert(
      fc.property(anyOptions, fc.integer({ min: 1, max: 255 }), (options, hopLimit) => {
        const forwarded = forwardedRequestOptions(options, hopLimit);
        const expected = options
          .entries()
          .filter(({ number }) => !isUnsafe(number) && !ofOneHop.includes(number));
        assert.deepEqual(
          forwarded.entries().filter(({ number }) => number !== OptionNumber.HopLimit),
          expected,
        );
        assert.equal(forwarded.uint(OptionNumber.HopLimit), hopLimit);
      }),
      { numRuns: 1000, seed: 7252 },
    );
  });

  test('a response goes on with what is safe to forward and Max-Age, or is unusable for an unsafe option', () => {
    const recognized: readonly number[] = [
      OptionNumber.MaxAge,
      OptionNumber.Observe,
      OptionNumber.Block1,
      OptionNumber.Block2,
    ];
    fc.assert(
      fc.property(anyOptions, (options) => {
        const result = forwardedResponse({ code: Code.Content, options, payload: noBytes });
        const unknown = options
          .entries()
          .some(({ number }) => isUnsafe(number) && !recognized.includes(number));
        assert.equal(result.kind, unknown ? 'unusable' : 'response');
        if (result.kind === 'unusable') return;
        assert.deepEqual(
          [...result.response.options.entries()],
          options
            .entries()
            .filter(
              ({ number }) =>
                number === OptionNumber.MaxAge || (!isUnsafe(number) && number !== OptionNumber.Size2),
            ),
        );
      }),
      { numRuns: 1000, seed: 7252 },
    );
  });

  test('2.31 to a whole request is unusable', () => {
    const response = { code: Code.Continue, options: new OptionSet(), payload: noBytes };
    assert.equal(forwardedResponse(response).kind, 'unusable');
  });

  test('a response with an unknown critical option that is safe to forward is taken by a proxy, and by nobody else', () => {
    for (const forwarded of [true, false]) {
      const layer = newLayer();
      const token = Uint8Array.of(1);
      layer.request('peer', clientRequest(Code.Get, { token, forwarded }), now);
      drain(layer);
      const response = message(Code.Content, { type: 'NON', token, options: [[2053, 'x']] });
      assert.equal(layer.receiveResponse('peer', response, now), forwarded ? 'matched' : 'rejected');
      if (forwarded) assert.ok(only(layer, 'response').response.options.has(2053));
      else assert.equal(only(layer, 'failed').error, 'bad-option');
    }
  });

  test('a response with an unknown critical option that is unsafe ends the request, which a proxy answers 5.02', () => {
    const layer = newLayer();
    const token = Uint8Array.of(1);
    layer.request('peer', clientRequest(Code.Get, { token, forwarded: true }), now);
    drain(layer);
    const response = message(Code.Content, { type: 'NON', token, options: [[2051, 'x']] });
    assert.equal(layer.receiveResponse('peer', response, now), 'rejected');
    assert.equal(only(layer, 'failed').error, 'bad-option');
  });
});

describe('RFC 9175 §2.3: Echo at a proxy', () => {
  const echo = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  test('one from the next hop is for the client: the proxy does not answer it, and sends it to nobody', () => {
    const layer = newLayer();
    const token = Uint8Array.of(1);
    layer.request('peer', clientRequest(Code.Put, { token, forwarded: true }), now);
    drain(layer);
    const options = [[OptionNumber.Echo, echo]] as const;
    layer.receiveResponse('peer', message(Code.Unauthorized, { type: 'ACK', token, options }), now);
    const outputs = drain(layer);
    assert.deepEqual(
      outputs.filter(({ kind }) => kind === 'send-request'),
      [],
    );
    const [delivered] = outputs.filter((output) => output.kind === 'response');
    assert.deepEqual(delivered?.response.options.all(OptionNumber.Echo), [echo]);
    layer.request('peer', clientRequest(Code.Put, { forwarded: true }), now);
    assert.equal(only(layer, 'send-request').message.options.has(OptionNumber.Echo), false);
  });

  for (const proxied of [true, false]) {
    test(`one of its own ${proxied ? 'does not go on' : 'stays in a request that is not passed on'}`, () => {
      const pair = new Pair({
        handler: () => ({ code: Code.Changed }),
        server: {
          requestResponse: {
            freshWithinMs: () => 10_000,
            route: () => ({ kind: proxied ? 'proxy' : 'origin' }),
          },
        },
      });
      const put = pair.request('/lock', { code: Code.Put });
      pair.runUntil(() => put.final);
      assert.equal(put.responses[0]?.code, Code.Changed);
      assert.equal(pair.served.at(-1)?.request.options.has(OptionNumber.Echo), !proxied);
    });
  }
});
