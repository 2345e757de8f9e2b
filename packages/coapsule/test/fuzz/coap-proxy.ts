/**
 * Fuzz target: what a proxy makes of the options of any message. A URI that it finds is one that reads the same when it
 * is written and asked for; nothing unsafe goes on; the hops that are left are 1 to 255.
 *
 * @module
 */

import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import { isUnsafe, OptionNumber } from '../../src/core/coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../../src/core/coap/option-set.ts';
import { type CoapUri, formatCoapUri, parseCoapUri } from '../../src/core/coap/uri.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import {
  forwardedRequestOptions,
  forwardedResponse,
  forwardTarget,
  hasIllegalHopLimit,
  localRequestOptions,
  nextHopLimit,
  proxyRequestOptions,
  relayedHopLimitReached,
} from '../../src/core/request-response/proxying.ts';
import { cacheKey } from '../../src/core/request-response/response-cache.ts';

const corpus: readonly Uint8Array[] = [
  request([OptionNumber.ProxyUri, 'coap://a.example:61616/b%20c?d=e&f']),
  request([OptionNumber.ProxyUri, 'coaps://[2001:db8::1]:5683/%2F/x']),
  request([OptionNumber.ProxyUri, 'http://a.example/index.html']),
  request(
    [OptionNumber.UriHost, 'a.example'],
    [OptionNumber.UriPort, 61616],
    [OptionNumber.UriPath, 'b/c'],
    [OptionNumber.UriQuery, 'd=e&f'],
    [OptionNumber.HopLimit, 7],
    [OptionNumber.ProxyScheme, 'coaps'],
  ),
  request(
    [OptionNumber.Observe, 0],
    [OptionNumber.ETag, Uint8Array.of(1)],
    [OptionNumber.HopLimit, 1],
    [OptionNumber.Accept, 50],
    [OptionNumber.Block2, 6],
    [OptionNumber.Size1, 1000],
    [OptionNumber.Echo, 'echo'],
    [OptionNumber.NoResponse, 26],
    [2050, 'unsafe'],
    [2052, 'safe'],
    [2076, 'no cache key'],
  ),
  encodeMessage({
    ...{ type: 'ACK', code: Code.HopLimitReached, messageId: 1, token: new Uint8Array(0) },
    ...{ options: new OptionSet(), payload: encodeUtf8('p1 p2.example') },
  }),
];

function request(...options: (readonly [number, Uint8Array | string | number])[]): Uint8Array {
  return encodeMessage({
    ...{ type: 'CON', code: Code.Get, messageId: 1, token: Uint8Array.of(1), payload: new Uint8Array(0) },
    options: OptionSet.from(options.map(([number, value]) => ({ number, value }))),
  });
}

const own = { host: '192.0.2.1', port: 5683 };

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'coap-proxy',
  corpus: corpus.map((message) => message.slice()),
  run(input) {
    const message = decodeMessage(input);
    if (isDecodeFault(message)) return;
    const { options, payload, code } = message;
    const found = forwardTarget(options, own);
    if (found.kind === 'target') checkTarget(found.uri, options);
    if (!hasIllegalHopLimit(options)) {
      const hops = nextHopLimit(options, 16);
      if (hops.kind === 'forward' && !(hops.value >= 1 && hops.value <= 255)) {
        throw new Error(`a Hop-Limit of ${hops.value}`);
      }
    }
    const forwarded = forwardedRequestOptions(options, 7);
    for (const { number } of forwarded.entries()) {
      if (isUnsafe(number)) throw new Error(`the unsafe option ${number} goes on`);
    }
    const response = forwardedResponse({ code, options, payload });
    if (response.kind === 'response') {
      const relayed = relayedHopLimitReached(response.response, 'p0');
      if (relayed !== undefined && relayed.payload.length > Math.max(1024, payload.length)) {
        throw new Error('a 5.08 that outgrows a datagram');
      }
    }
    cacheKey({ origin: 'coap://a', identity: '', code: Code.Get, options, payload });
  },
};

function checkTarget(uri: CoapUri, options: OptionReader): void {
  const written = formatCoapUri(uri);
  expectSame(parseCoapUri(written), uri, written);
  for (const form of ['Proxy-Uri', 'Proxy-Scheme'] as const) {
    const again = forwardTarget(proxyRequestOptions(uri, 7000, form), own);
    // A zone is not sent, and some hosts have no place in an option.
    const isPlain = !uri.host.includes('%') && /^[\w.:-]+$/.test(uri.host);
    if (isPlain) expectSame(again.kind === 'target' ? again.uri : undefined, uri, `${form} ${written}`);
  }
  const local = localRequestOptions(options, uri);
  if (local.has(OptionNumber.ProxyUri) || local.has(OptionNumber.ProxyScheme)) {
    throw new Error('a local request that is one for a proxy');
  }
}

function expectSame(found: unknown, expected: CoapUri, what: string): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
  }
}
