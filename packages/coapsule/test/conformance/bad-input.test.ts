/**
 * docs/bad-input.md, row by row: each malformed form is sent to a real endpoint; what it answers, counts and traces is
 * what the table says, and a request of another peer that is under way meanwhile gets its answer.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Code, codeText } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import type { EndpointConfigInput } from '../../src/core/endpoint/endpoint-config.ts';
import type { EndpointOutput } from '../../src/core/endpoint/outputs.ts';
import { fromHex, noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { defaultGroupPolicy } from '../../src/core/request-response/response-suppression.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

const group = ipAddress('224.0.1.187', 5683);
const bad = ipAddress('192.0.2.66', 40_066);
const good = ipAddress('192.0.2.1', 40_001);
const now = instant(1000);

/** What is sent: hexadecimal digits, or what answers the request that our endpoint sent, given its Message ID and token. */
type Form =
  | string
  | { readonly answering: (messageId: string, token: string) => string; readonly type?: 'CON' | 'NON' }
  /** For an endpoint that is only a client. */
  | { readonly toClient: string }
  /** To a multicast group that the endpoint is a member of (RFC 7252 §8). */
  | { readonly toGroup: string };

/** Bytes of a CON GET with Message ID 0x1234 and without a token, and what follows. */
const get = (rest: string): string => `40011234${rest}`;
/** Uri-Path "a". */
const path = 'b161';
const repeat = (hex: string, times: number): string => hex.repeat(times);
const twice = (number: number): [number, string][] => [
  [number, '28'],
  [number, '2a'],
];

/** A request that has the format of a message; to "a" unless it has a Uri-Path. */
function request(
  type: 'CON' | 'NON',
  code: Code,
  options: readonly (readonly [number, string])[] = [],
  payload = '',
): string {
  const set = new OptionSet();
  for (const [number, value] of options) set.add(number, fromHex(value) as Uint8Array);
  if (!set.has(OptionNumber.UriPath)) set.add(OptionNumber.UriPath, 'a');
  const message = { type, code, messageId: 0x1234, token: noBytes, options: set };
  return toHex(encodeMessage({ ...message, payload: fromHex(payload) as Uint8Array }));
}

const forms: Readonly<Record<string, Form>> = {
  'empty datagram': '',
  'shorter than the header': '400112',
  'version 0': '00011234',
  'version 2 or 3, CON': '80011234',
  'token length 9 to 15, CON': `49011234${repeat('aa', 15)}`,
  'token length 9 to 15, NON': `5f011234${repeat('aa', 15)}`,
  'token cut off, CON': '4801123401',
  'option delta 15, CON': get('f0'),
  'option length 15, CON': get('1f'),
  'option delta cut off, CON': get('d0'),
  'option length cut off, CON': get('1e01'),
  'option value cut off, CON': get('b56162'),
  'option number above 65535, CON': get('e0ffffe0ffff'),
  'option error, NON': '50011234f0',
  'payload marker without a payload, CON': get(`${path}ff`),
  'payload marker without a payload, NON': `50011234${path}ff`,
  'Empty CON with a token': '4100123401',
  'Empty CON with bytes behind the header': '4000123401',
  'Empty ACK with bytes behind the header': '6000123401',
  'Empty NON': '50001234',
  'Empty CON (ping)': '40001234',
  'code class 1, CON': '40201234',
  'code class 6, NON': '50c01234',
  'code class 7, CON': '40e11234',
  'request in an ACK': '60011234',
  'request in a Reset': '70011234',
  'response in a Reset': '70451234',
  'ACK for nothing': '60001234',
  'Reset for nothing': '70001234',
  'piggybacked response for nothing': '61451234aa',
  'CON response for nothing': '41451234aa',
  'NON response for nothing': '51451234aa',
  'NON notification for nothing': '51451234aa6101',
  'unknown method, CON': request('CON', 0x1f),
  'unknown method, NON': request('NON', 0x1f),
  'unknown critical option, CON': request('CON', Code.Get, [[2049, '78']]),
  'unknown critical option, NON': request('NON', Code.Get, [[2049, '78']]),
  'unknown elective option': request('CON', Code.Get, [[2048, '78']]),
  'critical option of a wrong length, CON': request('CON', Code.Get, [[OptionNumber.UriPort, '010203']]),
  'critical option of a wrong length, NON': request('NON', Code.Get, [[OptionNumber.UriPort, '010203']]),
  'elective option of a wrong length': request('CON', Code.Get, [[OptionNumber.ContentFormat, '010203']]),
  'critical option too often': request('CON', Code.Get, twice(OptionNumber.Accept)),
  'elective option too often': request('CON', Code.Get, twice(OptionNumber.ContentFormat)),
  'Uri-Path that is not UTF-8': request('CON', Code.Get, [[OptionNumber.UriPath, 'ff']]),
  'Uri-Query that is not UTF-8': request('CON', Code.Get, [[OptionNumber.UriQuery, 'ff']]),
  'Uri-Path above 255 bytes': request('CON', Code.Get, [[OptionNumber.UriPath, repeat('61', 256)]]),
  'If-None-Match with a value': request('CON', Code.Put, [[OptionNumber.IfNoneMatch, '01']]),
  'ETag of 9 bytes': request('CON', Code.Get, [[OptionNumber.ETag, repeat('01', 9)]]),
  'Block1 with SZX 7': request('CON', Code.Put, [[OptionNumber.Block1, '07']]),
  'Block2 with SZX 7': request('CON', Code.Get, [[OptionNumber.Block2, '07']]),
  'Block1 that begins in the middle': request('CON', Code.Put, [[OptionNumber.Block1, '10']], '61'),
  'Block2 behind the end': request('CON', Code.Get, [[OptionNumber.Block2, 'fff6']]),
  'Observe above 1': request('CON', Code.Get, [[OptionNumber.Observe, '05']]),
  'Observe of 4 bytes': request('CON', Code.Get, [[OptionNumber.Observe, '00000000']]),
  'Hop-Limit 0': request('CON', Code.Get, [[OptionNumber.HopLimit, '00']]),
  'Hop-Limit of 2 bytes': request('CON', Code.Get, [[OptionNumber.HopLimit, '0001']]),
  'GET with a payload': request('CON', Code.Get, [], '78'),
  'DELETE with a payload': request('CON', Code.Delete, [], '78'),
  'Proxy-Uri to a server': request('CON', Code.Get, [
    [OptionNumber.ProxyUri, toHex(encodeUtf8('coap://h/'))],
  ]),
  'Proxy-Scheme to a server': request('CON', Code.Get, [[OptionNumber.ProxyScheme, '636f6170']]),
  'body above the limit': request('CON', Code.Put, [], repeat('61', 33)),
  'ACK with a wrong token': { answering: (id) => `6145${id}99` },
  'ACK to a NON request': { answering: (id, token) => `6${token.length / 2}45${id}${token}`, type: 'NON' },
  'response with an unknown critical option, CON': {
    answering: (_, token) => answer('4', token, [2049, '78']),
  },
  'response with an unknown critical option, NON': {
    answering: (_, token) => answer('5', token, [2049, '78']),
  },
  'response with If-Match, CON': {
    answering: (_, token) => answer('4', token, [OptionNumber.IfMatch, '78']),
  },
  'response with an elective option of a wrong length': {
    answering: (_, token) => answer('5', token, [OptionNumber.ContentFormat, '010203']),
  },
  'response of class 1': { answering: (id, token) => `6${token.length / 2}21${id}${token}` },
  'response with SZX 7 in Block2': {
    answering: (_, token) => answer('5', token, [OptionNumber.Block2, '0f']),
  },
  'to a group: CON request': { toGroup: request('CON', Code.Get) },
  'to a group: Empty CON (ping)': { toGroup: '40001234' },
  'to a group: Reset': { toGroup: '70001234' },
  'to a group: NON response': { toGroup: '51451234aa' },
  'to a group: option error': { toGroup: '50011234f0' },
  'to a group: version 0': { toGroup: '10011234' },
  'to a group: unknown critical option': { toGroup: request('NON', Code.Get, [[2049, '78']]) },
  'to a group: unknown method': { toGroup: request('NON', 0x1f) },
  'to a group: Block1': {
    toGroup: request('NON', Code.Put, [[OptionNumber.Block1, '08']], repeat('61', 16)),
  },
  'to a group: Q-Block2': { toGroup: request('NON', Code.Get, [[OptionNumber.QBlock2, '0e']]) },
  'to a group: Block2 with SZX 7': { toGroup: request('NON', Code.Get, [[OptionNumber.Block2, '07']]) },
  'to a group: Hop-Limit 0': { toGroup: request('NON', Code.Get, [[OptionNumber.HopLimit, '00']]) },
  'to a group: Proxy-Scheme': { toGroup: request('NON', Code.Get, [[OptionNumber.ProxyScheme, '636f6170']]) },
  'to a group: resource that is not for groups': {
    toGroup: request('NON', Code.Get, [[OptionNumber.UriPath, toHex(encodeUtf8('private'))]]),
  },
  'to a group: elective option of a wrong length': {
    toGroup: request('NON', Code.Get, [[OptionNumber.ContentFormat, '010203']]),
  },
  'request to a client, CON': { toClient: get(path) },
  'request to a client, NON': { toClient: `50011234${path}` },
};

/** 2.05 in a message of its own, of type 4 (CON) or 5 (NON). */
function answer(type: '4' | '5', token: string, [number, value]: readonly [number, string]): string {
  const message = { type: type === '4' ? 'CON' : 'NON', code: Code.Content, messageId: 0x9999 } as const;
  const options = new OptionSet().add(number, fromHex(value) as Uint8Array);
  return toHex(
    encodeMessage({ ...message, token: fromHex(token) as Uint8Array, options, payload: encodeUtf8('x') }),
  );
}

interface Row {
  readonly form: string;
  readonly reaction: string;
  readonly counter: string;
  readonly trace: string;
}

const rows: readonly Row[] = readFileSync(new URL('../../../../docs/bad-input.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| form |'))
  .map((line) => {
    const [form = '', , reaction = '', counter = '', trace = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    return { form, reaction, counter: counter.replaceAll('`', ''), trace };
  });

/** An endpoint that a good peer has asked something, which is not answered yet. */
function scene(config: EndpointConfigInput) {
  const endpoint = new Endpoint({
    // The limit, with which a short request gets less, has tests of its own.
    config: {
      trace: true,
      dangerouslyUnlimitedAmplification: true,
      requestResponse: {
        maxBodyBytes: () => 32,
        groupPolicy: ({ options }) =>
          options.text(OptionNumber.UriPath) === 'private' ? undefined : defaultGroupPolicy,
      },
      ...config,
    },
    random: new SeededRandom(1),
  });
  const drain = (): EndpointOutput[] => {
    const outputs: EndpointOutput[] = [];
    for (let output = endpoint.poll(); output; output = endpoint.poll()) outputs.push(output);
    return outputs;
  };
  endpoint.handle({ address: good, datagram: fromHex('420177770102b161') as Uint8Array }, now);
  return { endpoint, drain, before: drain() };
}

function countersOf(endpoint: Endpoint): Record<string, number> {
  const { messages, exchanges } = endpoint.layerCounters();
  const { droppedByDtls: _, ...own } = endpoint.counters;
  return {
    ...own,
    ...Object.fromEntries(Object.entries(messages).map(([name, value]) => [`messages.${name}`, value])),
    ...Object.fromEntries(Object.entries(exchanges).map(([name, value]) => [`exchanges.${name}`, value])),
  };
}

/** What went to the bad peer, in the words of the table. */
function reactionOf(outputs: readonly EndpointOutput[]): string {
  const words: string[] = [];
  for (const output of outputs) {
    if (output.kind === 'request') words.push('served');
    if (output.kind === 'request-failed') words.push('the request fails');
    if (output.kind === 'response') words.push('taken');
    if (output.kind !== 'transmit' || output.address !== bad) continue;
    const message = decodeMessage(output.datagram);
    assert.ok(!isDecodeFault(message));
    words.push(message.code === 0 ? message.type : `${message.type} ${codeText(message.code)}`);
  }
  return words.join(', ') || 'silence';
}

test('the table and the forms that are sent are the same', () => {
  assert.ok(rows.length > 60, `${rows.length} rows`);
  assert.deepEqual(rows.map(({ form }) => form).sort(), Object.keys(forms).sort());
});

for (const { form, reaction, counter, trace } of rows) {
  const sent = forms[form];
  if (sent === undefined) continue;
  const toClient = typeof sent === 'object' && 'toClient' in sent;
  test(`${form}: ${reaction}, counted as ${counter}`, () => {
    const { endpoint, drain, before } = scene(toClient ? { role: 'client' } : {});
    let hex = typeof sent === 'string' ? sent : toClient ? sent.toClient : '';
    if (typeof sent === 'object' && 'answering' in sent) {
      const { type = 'CON' } = sent;
      endpoint.request(bad, { code: Code.Get, options: new OptionSet(), payload: noBytes, type }, now);
      const asked = drain().find((output) => output.kind === 'transmit');
      const datagram = asked?.kind === 'transmit' ? asked.datagram : noBytes;
      hex = sent.answering(
        toHex(datagram.subarray(2, 4)),
        toHex(datagram.subarray(4, 4 + ((datagram[0] ?? 0) & 15))),
      );
    }
    const toGroup = typeof sent === 'object' && 'toGroup' in sent;
    if (toGroup) hex = sent.toGroup;
    const counted = countersOf(endpoint);
    const datagram = fromHex(hex) as Uint8Array;
    endpoint.handle({ address: bad, datagram, ...(toGroup ? { group } : {}) }, now);
    const outputs = drain();
    // What the application answers to a request that was served all the same.
    for (const output of outputs) {
      if (output.kind !== 'request') continue;
      const response = {
        code: Code.Content,
        options: new OptionSet(),
        payload: encodeUtf8('x'),
        keepAnswer: false,
      };
      endpoint.respond(output.exchange, response, now);
    }
    outputs.push(...drain());
    if (toGroup) {
      // What there is to say to a group is said within the Leisure (RFC 7252 §8.2).
      for (let at = endpoint.nextTimeout(); at !== undefined && at <= 7000; at = endpoint.nextTimeout()) {
        endpoint.handleTimeout(at);
        outputs.push(...drain().filter((one) => one.kind !== 'transmit' || one.address === bad));
      }
    }
    assert.equal(reactionOf(outputs), reaction);
    const after = countersOf(endpoint);
    if (counter !== '–')
      assert.equal(after[counter], (counted[counter] ?? Number.NaN) + 1, `${counter} did not grow`);
    const traced = outputs.flatMap((output) =>
      output.kind === 'trace' && output.event.kind === 'discarded'
        ? [`${output.event.layer}: ${output.event.reason}`]
        : [],
    );
    if (trace === 'the message') {
      assert.deepEqual(traced, []);
      const isTraced = (output: EndpointOutput): boolean =>
        output.kind === 'trace' && output.event.kind === 'message';
      assert.ok(outputs.some(isTraced));
    } else {
      assert.deepEqual(traced, [trace]);
    }
    if (toClient) return;
    // The good peer's request was there before and is answered after.
    const waiting = before.find((output) => output.kind === 'request');
    assert.ok(waiting?.kind === 'request');
    const response = {
      code: Code.Content,
      options: new OptionSet(),
      payload: encodeUtf8('22.5'),
      keepAnswer: true,
    };
    endpoint.respond(waiting.exchange, response, now);
    const answer = drain().find((output) => output.kind === 'transmit');
    assert.ok(answer?.kind === 'transmit' && answer.address === good);
    const message = decodeMessage(answer.datagram);
    assert.ok(!isDecodeFault(message));
    assert.deepEqual([toHex(message.token), message.code], ['0102', Code.Content]);
    // The Leisure is longer than a request waits for its ACK: then the answer is a separate one.
    if (!toGroup) assert.deepEqual([message.type, message.messageId], ['ACK', 0x7777]);
  });
}

test('a stranger who sends every malformed form makes nobody else wait, and costs no request of theirs', () => {
  const { endpoint, drain, before } = scene({});
  for (const sent of Object.values(forms)) {
    if (typeof sent === 'string')
      endpoint.handle({ address: bad, datagram: fromHex(sent) as Uint8Array }, now);
  }
  drain();
  const waiting = before.find((output) => output.kind === 'request');
  assert.ok(waiting?.kind === 'request');
  endpoint.respond(
    waiting.exchange,
    {
      code: Code.Content,
      options: new OptionSet().add(OptionNumber.ContentFormat, 0),
      payload: noBytes,
      keepAnswer: true,
    },
    now,
  );
  assert.ok(drain().some((output) => output.kind === 'transmit' && output.address === good));
});
