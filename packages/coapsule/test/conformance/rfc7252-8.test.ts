/**
 * RFC 7252 §8, Multicast CoAP, with what draft-ietf-core-groupcomm-bis and RFC 7959 §2.8 add to it.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import type { Message, MessageView } from '../../src/core/coap/message-view.ts';
import { isLinkScoped, isMulticastAddress, leisureMs } from '../../src/core/coap/multicast.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { parseCoapUri, uriOptions } from '../../src/core/coap/uri.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ApiMisuseError, isDecodeFault } from '../../src/core/foundation/errors.ts';
import { type Instant, instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { Neighbourhood, type NeighbourOptions } from '../../src/testing/neighbourhood.ts';
import type { PairAnswer } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { SentDatagram } from '../../src/testing/simulated-network.ts';

const group = 'ff02::fd';
const source = ipAddress('fe80::1', 40_000);
const now = instant(0);
const { Block1, Block2, Echo, ETag, NoResponse, Observe, QBlock2, UriPath } = OptionNumber;

const found = (payload: string): PairAnswer => ({ code: Code.Content, payload });

/** An endpoint that serves, and the message that it gets by multicast. */
function served(
  fields: Partial<Message>,
  answer: (() => PairAnswer) | undefined = () => found('here'),
  config: ConstructorParameters<typeof Endpoint>[0]['config'] = {},
): { endpoint: Endpoint; sent: { message: MessageView; at: Instant }[]; requests: number } {
  const endpoint = new Endpoint({ config: { role: 'server', ...config }, random: new SeededRandom(4) });
  const outcome = { endpoint, sent: [] as { message: MessageView; at: Instant }[], requests: 0 };
  const drain = (at: Instant): void => {
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      if (output.kind === 'transmit') {
        outcome.sent.push({ message: decodeMessage(output.datagram) as MessageView, at });
      }
      if (output.kind !== 'request') continue;
      outcome.requests++;
      const { code, payload = '', options = new OptionSet() } = answer();
      const bytes = typeof payload === 'string' ? encodeUtf8(payload) : payload;
      endpoint.respond(output.exchange, { code, payload: bytes, options, keepAnswer: false }, at);
    }
  };
  const message: Message = {
    ...{ type: 'NON', code: Code.Get, messageId: 7, token: Uint8Array.of(1, 2) },
    ...{ options: new OptionSet().add(UriPath, 'x'), payload: noBytes },
    ...fields,
  };
  endpoint.handle({ address: source, datagram: encodeMessage(message), group: ipAddress(group, 5683) }, now);
  drain(now);
  for (
    let next = endpoint.nextTimeout();
    next !== undefined && next <= 60_000;
    next = endpoint.nextTimeout()
  ) {
    endpoint.handleTimeout(next);
    drain(next);
  }
  return outcome;
}

const optionSet = (...list: readonly (readonly [number, Uint8Array | string | number])[]): OptionSet =>
  OptionSet.from(list.map(([number, value]) => ({ number, value })));

test('§8: multicast addresses are known, and which of them mean another group on each link', () => {
  for (const host of [
    '224.0.1.187',
    '239.255.255.255',
    '::ffff:224.0.1.187',
    '::ffff:e000:1bb',
    'ff02::fd',
    'ff02::fd%eth0',
    'ff05::fd',
    'ff0e::1',
  ]) {
    assert.equal(isMulticastAddress(host), true, host);
  }
  for (const host of [
    '223.255.255.255',
    '240.0.0.1',
    '::ffff:192.0.2.1',
    '::e000:1bb',
    '::1',
    'fe80::1%eth0',
    'fd00::ff02',
    'ff02',
    'localhost',
  ]) {
    assert.equal(isMulticastAddress(host), false, host);
  }
  assert.deepEqual(['ff01::fd', 'ff02::fd%eth0', 'ff04::fd', 'ff05::fd', '224.0.1.187'].map(isLinkScoped), [
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('§8.1: a multicast request is Non-confirmable', () => {
  const place = new Neighbourhood();
  place.addDevice('fe80::1', { handler: () => found('1') });
  place.multicast(group, '/x');
  const [asked] = place.network.sent;
  assert.equal((decodeMessage((asked as { datagram: Uint8Array }).datagram) as MessageView).type, 'NON');
});

for (const [what, fields] of [
  ['a Confirmable request', { type: 'CON' }],
  ['a ping', { type: 'CON', code: Code.Empty, token: noBytes, options: new OptionSet() }],
  ['a Confirmable response', { type: 'CON', code: Code.Content }],
  ['a Non-confirmable response', { type: 'NON', code: Code.Content }],
  ['an acknowledgement', { type: 'ACK', code: Code.Content }],
] as [string, Partial<Message>][]) {
  test(`§8.1: ${what} to a group is ignored: no answer, no Reset, and no handler runs`, () => {
    const { endpoint, sent, requests } = served(fields);
    assert.deepEqual([sent.length, requests], [0, 0]);
    assert.equal(endpoint.counters.ignoredFromGroups, 1);
  });
}

for (const [what, datagram] of [
  ['that is no message', Uint8Array.of(0x4f, 0x01, 0x00, 0x01)],
  ['with a reserved code', Uint8Array.of(0x40, 0xe1, 0x00, 0x01)],
] as const) {
  test(`§8.1: a datagram to a group ${what} gets no Reset, though it looks Confirmable`, () => {
    const endpoint = new Endpoint({ config: { role: 'server' }, random: new SeededRandom(1) });
    endpoint.handle({ address: source, datagram, group: ipAddress(group, 5683) }, now);
    assert.equal(endpoint.poll(), undefined);
    assert.equal(endpoint.counters.ignoredFromGroups, 1);
  });
}

test('§8.1: a Message ID to a group is in use with no device at the same time', () => {
  const place = new Neighbourhood();
  const device = place.addDevice('fe80::1', { handler: () => found('1') });
  for (let i = 0; i < 5; i++) {
    place.multicast(group, '/x', { windowMs: 100 });
    place.request(device.address, '/x', { type: 'NON' });
    place.run(6000);
  }
  const ids = place.network.sent
    .filter(({ from }) => from === place.clientAddress)
    .map(({ datagram }) => (decodeMessage(datagram) as MessageView).messageId);
  assert.equal(ids.length, 10);
  assert.equal(new Set(ids).size, 10);
});

for (const [what, code] of [
  ['4.04', Code.NotFound],
  ['4.05', Code.MethodNotAllowed],
  ['5.00', Code.InternalServerError],
  ['an empty 2.05', Code.Content],
] as const) {
  test(`§8.2: ${what} is not told to a group`, () => {
    const { endpoint, sent, requests } = served({}, () => ({ code }));
    assert.deepEqual([sent.length, requests], [0, 1]);
    assert.equal(endpoint.layerCounters().exchanges['suppressedGroupResponses'], 1);
  });
}

test('§8.2: errors that the layer itself finds are not told to a group either', () => {
  const proxy = optionSet([OptionNumber.ProxyUri, 'coap://other/']);
  const unknown = optionSet([OptionNumber.Oscore, noBytes]);
  const illegal = optionSet([UriPath, 'x'], [Block2, Uint8Array.of(0x0f)]);
  const later = optionSet([UriPath, 'x'], [Block2, encodeBlock({ num: 9, more: false, szx: 6 })]);
  for (const options of [proxy, unknown, illegal, later]) assert.equal(served({ options }).sent.length, 0);
  assert.equal(served({ code: 0x1f as Code }).sent.length, 0);
});

test('§8.2: the response is NON, has the token of the request and a Message ID of its own', () => {
  const { sent } = served({});
  assert.equal(sent.length, 1);
  const { message } = sent[0] as { message: MessageView };
  assert.deepEqual([message.type, message.code, toHex(message.token)], ['NON', Code.Content, '0102']);
  assert.notEqual(message.messageId, 7);
});

test('§8.2: responses are spread over the Leisure: 200 devices answer all over 5 seconds, none at once', () => {
  const place = new Neighbourhood({ seed: 3 });
  for (let i = 1; i <= 200; i++) place.addDevice(`fe80::${i.toString(16)}`, { handler: () => found('x') });
  const start = place.now;
  const asked = place.multicast(group, '/x');
  place.runUntil(() => asked.ended);
  const times = asked.responses.map(({ at }) => at - start - 20); // the way there and back
  assert.equal(times.length, 200);
  assert.ok(Math.min(...times) >= 0 && Math.max(...times) <= 5000);
  for (let second = 0; second < 5; second++) {
    const inSecond = times.filter((t) => Math.floor(t / 1000) === second).length;
    assert.ok(inSecond >= 20 && inSecond <= 60, `${inSecond} in second ${second}`);
  }
});

test('§8.2: the lower bound of the Leisure is S · G / R: 10 s for the 100 nodes of the example', () => {
  assert.equal(leisureMs({ groupSize: 100, responseBytes: 100, bytesPerSecond: 1000 }), 10_000);
  // groupcomm-bis §3.6.1: what DEFAULT_LEISURE was computed from
  assert.equal(leisureMs({ groupSize: 50 }), 5000);
  assert.throws(() => leisureMs({ groupSize: 0 }), ApiMisuseError);
});

test('§8.2: a further response to the same group waits for the end of the period before', () => {
  const place = new Neighbourhood({ seed: 5 });
  place.addDevice('fe80::1', { handler: () => found('x') });
  const start = place.now;
  const asked = [1, 2, 3].map(() => place.multicast(group, '/x', { windowMs: 20_000 }));
  place.runUntil(() => asked.every(({ ended }) => ended));
  const periods = asked.map(({ responses }) => Math.floor(((responses[0]?.at ?? 0) - start - 20) / 5000));
  assert.deepEqual(periods, [0, 1, 2]);
});

test('§8.2: responses that wait for their moment are bounded; those beyond are suppressed', () => {
  const place = new Neighbourhood({ client: { transmission: { probingRateBytesPerSecond: 1e6 } } });
  const device = place.addDevice('fe80::1', { handler: () => found('x') });
  for (let i = 0; i < 50; i++) place.multicast(group, '/x');
  place.run(1000);
  assert.equal(device.served.length, 50);
  assert.equal(device.endpoint.layerCounters().exchanges['suppressedGroupResponses'], 50 - 16);
});

test('§8.2: only the token matches: a response from any address is taken, one with another token is not', () => {
  const place = new Neighbourhood();
  const asked = place.multicast(group, '/x');
  const [{ datagram } = { datagram: noBytes }] = sentBy(place);
  const { token } = decodeMessage(datagram) as MessageView;
  const answer = (from: string, withToken: Uint8Array): void => {
    const address = ipAddress(from, 1234);
    const options = new OptionSet();
    const payload = encodeUtf8(from);
    const message = {
      type: 'NON',
      code: Code.Content,
      messageId: 5,
      token: withToken,
      options,
      payload,
    } as const;
    place.network.send(address, place.clientAddress, encodeMessage(message), place.now);
  };
  answer('fe80::77', token);
  answer('192.0.2.9', token);
  answer(
    '192.0.2.10',
    token.map((byte) => byte ^ 1),
  );
  place.runUntil(() => asked.ended);
  assert.deepEqual(
    asked.responses.map(({ peer }) => peer.address.key),
    ['[fe80::77]:1234', '192.0.2.9:1234'],
  );
});

test('§8.2.1: an ETag in a request to a group is as unknown: the application does not see it', () => {
  const { sent, requests } = served({ options: optionSet([ETag, 'abcd'], [UriPath, 'x']) });
  assert.deepEqual([sent.length, requests], [1, 1]);
  const place = new Neighbourhood();
  const device = place.addDevice('fe80::1', { handler: () => found('x') });
  place.multicast(group, '/x', { options: optionSet([ETag, 'abcd']) });
  place.run(10_000);
  assert.equal(device.served[0]?.request.options.has(ETag), false);
});

test('§4.5: copies of a group request, also by other groups, are carried out once', () => {
  const place = new Neighbourhood();
  const device = place.addDevice('fe80::1', { handler: () => found('x') });
  const asked = place.multicast(group, '/x', { code: Code.Post });
  const [first] = sentBy(place);
  const { datagram } = first as { datagram: Uint8Array };
  for (const copy of [group, 'ff05::fd', '224.0.1.187']) {
    place.network.send(place.clientAddress, ipAddress(copy, 5683), datagram, place.now);
  }
  place.runUntil(() => asked.ended);
  assert.equal(device.served.length, 1);
  assert.equal(asked.responses.length, 1);
});

test('§6.4: the address of the group makes no Uri-Host and the default port no Uri-Port; a name does', () => {
  const options = (uri: string, host: string): readonly number[] => {
    const parsed = parseCoapUri(uri);
    assert.ok(!isDecodeFault(parsed));
    return [...uriOptions(parsed, { host, port: 5683 }).entries()].map(({ number }) => number);
  };
  assert.deepEqual(options('coap://[ff02::fd%25eth0]/x', 'ff02::fd%eth0'), [UriPath]);
  assert.deepEqual(options('coap://[FF05::FD]/x', 'ff05::fd'), [UriPath]);
  assert.deepEqual(options('coap://224.0.1.187/x', '224.0.1.187'), [UriPath]);
  assert.deepEqual(options('coap://all.example/x', 'ff05::fd'), [OptionNumber.UriHost, UriPath]);
});

test('groupcomm-bis §3.1.2: a policy tells which classes are answered, and all codes of a class alike', () => {
  const groupPolicy = () => ({ answered: [2, 4] as const, heedsInterest: false });
  const config = { requestResponse: { groupPolicy } };
  for (const code of [Code.NotFound, Code.MethodNotAllowed, Code.UnsupportedContentFormat]) {
    assert.equal(served({}, () => ({ code }), config).sent.length, 1);
  }
  assert.equal(served({}, () => ({ code: Code.InternalServerError }), config).sent.length, 0);
});

test('§11.3: a resource that is not for groups is passed over without its handler', () => {
  const config = { requestResponse: { groupPolicy: () => undefined } };
  const { endpoint, sent, requests } = served({}, undefined, config);
  assert.deepEqual([sent.length, requests], [0, 0]);
  assert.equal(endpoint.layerCounters().exchanges['ignoredGroupRequests'], 1);
});

test('groupcomm-bis §6.3.1: a demand to show where one is (4.01 with Echo) is not suppressed', () => {
  const answer = () => ({ code: Code.Unauthorized, options: optionSet([Echo, 'challenge']) });
  assert.equal(served({}, answer).sent.length, 1);
  assert.equal(served({}, () => ({ code: Code.Unauthorized })).sent.length, 0);
});

test('§11.3: what a forged request to a group draws from a member is at most three times its size', () => {
  const options = optionSet([UriPath, 'large']);
  const length = encodeMessage({
    ...{ type: 'NON', code: Code.Get, messageId: 7, token: Uint8Array.of(1, 2), options, payload: noBytes },
  } as const).length;
  for (const payload of ['x'.repeat(60), 'x'.repeat(5000)]) {
    const { sent } = served({ options }, () => found(payload));
    const bytes = sent.reduce((sum, { message }) => sum + message.datagram.length, 0);
    assert.ok(bytes <= 3 * length, `${bytes} bytes for ${length}`);
    // The rest is asked for by who is there; a ping that proves it goes with the answer, not before.
    assert.equal(sent[0]?.message.type, 'NON');
    assert.ok((sent[0]?.at ?? 0) > 0);
  }
});

test('§8.2: an error with a long text is not told to a group, nor a proof of address asked for it', () => {
  const refusals = [Code.NotFound, Code.InternalServerError].map((code) => () => ({
    code,
    payload: 'x'.repeat(900),
  }));
  for (const answer of refusals) assert.equal(served({}, answer).sent.length, 0);
  assert.equal(served({ code: 0x1f as Code, token: noBytes, options: new OptionSet() }).sent.length, 0);
});

test('groupcomm-bis §6.5: No-Response suppresses more, but shows interest only where a resource heeds that', () => {
  const options = (value: number) => optionSet([UriPath, 'x'], [NoResponse, value]);
  assert.equal(served({ options: options(2) }).sent.length, 0);
  const notFound = () => ({ code: Code.NotFound });
  assert.equal(served({ options: options(2) }, notFound).sent.length, 0);
  const groupPolicy = () => ({ answered: [2] as const, heedsInterest: true });
  const config = { requestResponse: { groupPolicy } };
  assert.equal(served({ options: options(2) }, notFound, config).sent.length, 1);
  assert.equal(served({ options: options(0) }, notFound, config).sent.length, 1);
  assert.equal(served({ options: options(8) }, notFound, config).sent.length, 0);
});

test('groupcomm-bis §3.8 and RFC 9177 §4.1: group requests with Block1 or Q-Block2 are passed over', () => {
  const block1 = optionSet([UriPath, 'x'], [Block1, encodeBlock({ num: 0, more: true, szx: 2 })]);
  assert.equal(served({ code: Code.Put, options: block1, payload: new Uint8Array(64) }).sent.length, 0);
  const qBlock2 = optionSet([UriPath, 'x'], [QBlock2, encodeBlock({ num: 0, more: false, szx: 2 })]);
  assert.equal(served({ options: qBlock2 }).sent.length, 0);
});

/** The blocks are as large as if each device knew the client. */
const unlimited = { dangerouslyUnlimitedAmplification: true };

test('RFC 7959 §2.8: each device sends its first block, and the rest is fetched from it by unicast', () => {
  const place = new Neighbourhood();
  const body = (letter: string) => letter.repeat(2500);
  for (const [i, letter] of ['a', 'b'].entries()) {
    place.addDevice(`fe80::${i + 1}`, { handler: () => found(body(letter)), config: unlimited });
  }
  const asked = place.multicast(group, '/x');
  place.runUntil(() => asked.ended);
  assert.deepEqual(
    asked.responses.map(({ peer, response }) => [peer.address.host, decodeUtf8(response.payload)]).sort(),
    [
      ['fe80::1', body('a')],
      ['fe80::2', body('b')],
    ],
  );
  const requests = sentBy(place).map(({ group: to, datagram }) => ({
    toGroup: to !== undefined,
    message: decodeMessage(datagram) as MessageView,
  }));
  for (const { toGroup, message } of requests) {
    if (message.code !== Code.Get) continue;
    assert.equal(message.type, toGroup ? 'NON' : 'CON');
    assert.equal(message.options.has(Block2), !toGroup);
  }
  assert.ok(requests.filter(({ toGroup, message }) => !toGroup && message.code === Code.Get).length >= 4);
});

test('RFC 7959 §2.8: a device that goes away between its blocks is left out, and the request ends', () => {
  const place = new Neighbourhood();
  const device = place.addDevice('fe80::1', { handler: () => found('a'.repeat(2500)), config: unlimited });
  place.addDevice('fe80::2', { handler: () => found('short') });
  place.network.hook = ({ from, to, group: toGroup }) =>
    from === place.clientAddress && to === device.address && toGroup === undefined
      ? { kind: 'drop' }
      : undefined;
  const asked = place.multicast(group, '/x');
  assert.ok(place.runUntil(() => asked.ended, 120_000));
  assert.deepEqual(
    asked.responses.map(({ peer }) => peer.address.host),
    ['fe80::2'],
  );
  assert.equal(place.client.layerCounters().exchanges['incompleteGroupResponses'], 1);
});

test('groupcomm-bis §3.1.6: of a device that answers twice one response is taken', () => {
  const place = new Neighbourhood();
  const asked = place.multicast(group, '/x');
  const { token } = decodeMessage(sentBy(place)[0]?.datagram ?? noBytes) as MessageView;
  for (const messageId of [1, 2]) {
    const fields = { type: 'NON', code: Code.Content, messageId, token, options: new OptionSet() } as const;
    const datagram = encodeMessage({ ...fields, payload: encodeUtf8(`${messageId}`) });
    place.network.send(source, place.clientAddress, datagram, place.now);
  }
  place.runUntil(() => asked.ended);
  assert.deepEqual(
    asked.responses.map(({ response }) => decodeUtf8(response.payload)),
    ['1'],
  );
  assert.equal(place.client.layerCounters().exchanges['surplusGroupResponses'], 1);
});

test('groupcomm-bis §3.1.1: a Confirmable response to a group request is taken and acknowledged', () => {
  const place = new Neighbourhood();
  const asked = place.multicast(group, '/x');
  const { token } = decodeMessage(sentBy(place)[0]?.datagram ?? noBytes) as MessageView;
  const fields = { type: 'CON', code: Code.Content, messageId: 99, token, options: new OptionSet() } as const;
  place.network.send(
    source,
    place.clientAddress,
    encodeMessage({ ...fields, payload: encodeUtf8('1') }),
    place.now,
  );
  place.runUntil(() => asked.ended);
  assert.equal(asked.responses.length, 1);
  const answers = sentBy(place).map(({ datagram }) => decodeMessage(datagram) as MessageView);
  assert.deepEqual([answers.at(-1)?.type, answers.at(-1)?.messageId], ['ACK', 99]);
});

test('groupcomm-bis §3.1.5: the token is kept for MIN_TOKEN_REUSE_TIME, and late responses belong to nothing', () => {
  const place = new Neighbourhood();
  const token = Uint8Array.of(9, 9);
  const start = place.now;
  const asked = place.multicast(group, '/x', { token });
  place.runUntil(() => asked.ended);
  assert.equal(place.now - start, 8000); // DEFAULT_LEISURE + ACK_TIMEOUT · ACK_RANDOM_FACTOR
  const fields = { type: 'NON', code: Code.Content, messageId: 3, token, options: new OptionSet() } as const;
  place.network.send(source, place.clientAddress, encodeMessage({ ...fields, payload: noBytes }), place.now);
  place.run(1000);
  assert.equal(asked.responses.length, 0);
  assert.equal(place.client.layerCounters().exchanges['lateGroupResponses'], 1);
  const again = place.multicast(group, '/x', { token });
  assert.equal(again.error?.kind === 'exchange' ? again.error.failure : undefined, 'token-in-use');
  const unicast = place.request(source, '/x', { token });
  assert.equal(unicast.error?.kind === 'exchange' ? unicast.error.failure : undefined, 'token-in-use');
  place.run(501_000);
  assert.equal(place.multicast(group, '/x', { token }).error, undefined);
});

test('groupcomm-bis §3.6: PROBING_RATE holds for a group that is silent, and an answer of any member lifts it', () => {
  const silent = new Neighbourhood();
  const start = silent.now;
  const asked = Array.from({ length: 30 }, () => silent.multicast(group, '/x'));
  silent.run(8100);
  const sent = sentBy(silent).length;
  assert.ok(sent > 0 && sent < 30, `${sent} of 30 requests went out`);
  const atOnce = sentBy(silent).filter(({ sentAt }) => sentAt === start).length;
  assert.equal(asked.filter(({ ended }) => ended).length, atOnce, 'a window begins when its request is sent');
  silent.run(400_000);
  assert.ok(asked.every(({ ended }) => ended));

  const answered = new Neighbourhood();
  answered.addDevice('fe80::1', {
    handler: () => found('x'),
    config: { transmission: { defaultLeisureMs: 0 } },
  });
  for (let i = 0; i < 15; i++) {
    const one = answered.multicast(group, '/x', { windowMs: 100 });
    answered.runUntil(() => one.ended, 200);
    assert.ok(one.ended && one.responses.length === 1);
  }
});

function observing(handler: NeighbourOptions['handler']): NeighbourOptions {
  return { handler: (request, peer) => ({ ...(handler(request, peer) as PairAnswer), observe: true }) };
}

test('groupcomm-bis §3.7: one request observes a resource of all members, and each notifies after a Leisure', () => {
  const place = new Neighbourhood({ seed: 8 });
  const states = new Map([
    ['fe80::1', '18.5'],
    ['fe80::2', '21.0'],
  ]);
  for (const host of states.keys())
    place.addDevice(
      host,
      observing(() => found(states.get(host) ?? '')),
    );
  const asked = place.multicast(group, '/temperature', { observe: true });
  place.run(10_000);
  assert.equal(asked.responses.length, 2);
  states.set('fe80::2', '22.5');
  const changedAt = place.now;
  place.devices[1]?.notify('/temperature');
  place.run(10_000);
  const last = asked.responses.at(-1);
  assert.deepEqual(
    [last?.peer.address.host, decodeUtf8(last?.response.payload ?? noBytes)],
    ['fe80::2', '22.5'],
  );
  assert.ok((last?.at ?? 0) > changedAt + 20, 'not at once');
  assert.deepEqual(
    place.client
      .activeObservations()
      .map(({ peer, resource }) => `${peer} ${resource}`)
      .sort(),
    ['[fe80::1]:5683 /temperature', '[fe80::2]:5683 /temperature'],
  );
  place.cancel(asked);
  place.run(10_000);
  for (const { endpoint } of place.devices) assert.deepEqual(endpoint.activeObservations(), []);
});

test('groupcomm-bis §3.7: a registration that is accepted is answered though the state is empty', () => {
  const place = new Neighbourhood();
  place.addDevice(
    'fe80::1',
    observing(() => ({ code: Code.Content })),
  );
  const asked = place.multicast(group, '/x', { observe: true });
  place.run(10_000);
  assert.equal(asked.responses.length, 1);
  assert.equal(asked.responses[0]?.response.options.has(Observe), true);
});

test('groupcomm-bis §3.7: an observer by multicast that is gone is found out by a Confirmable notification', () => {
  const place = new Neighbourhood();
  const device = place.addDevice(
    'fe80::1',
    observing(() => found('x')),
  );
  place.multicast(group, '/x', { observe: true });
  place.run(10_000);
  place.network.detach(place.clientAddress);
  const notifiedAt = place.now;
  device.notify('/x');
  assert.ok(place.runUntil(() => device.endpoint.activeObservations().length === 0, 200_000));
  assert.ok(place.now - notifiedAt <= 93_000 + 5000, `${place.now - notifiedAt} ms`);
});

test('a request with more payload than a block holds is refused: there is no Block1 to a group', () => {
  const place = new Neighbourhood();
  const asked = place.multicast(group, '/x', { code: Code.Put, payload: new Uint8Array(2000) });
  assert.equal(asked.error?.kind === 'exchange' ? asked.error.failure : undefined, 'body-too-large');
});

test('an endpoint that is not made for groups, or is secured, sends nothing to one', () => {
  const plain = new Endpoint({ config: { role: 'client' }, random: new SeededRandom(1) });
  const content = { code: Code.Get, options: new OptionSet(), payload: noBytes };
  assert.throws(() => plain.multicast(ipAddress(group, 5683), content, now), ApiMisuseError);
  const secured = { config: { security: 'dtls', groups: true }, random: new SeededRandom(1) } as const;
  assert.throws(() => new Endpoint(secured), ApiMisuseError);
});

test('after requests to groups, answered or cancelled, nothing is left once the tokens are free', () => {
  const place = new Neighbourhood();
  for (let i = 1; i < 4; i++)
    place.addDevice(
      `fe80::${i}`,
      observing(() => found('x'.repeat(i * 800))),
    );
  for (let i = 0; i < 20; i++) {
    const one = place.multicast(group, '/x', i % 2 === 0 ? {} : { observe: true });
    place.run(9000);
    if (i % 2 === 1) place.cancel(one);
  }
  place.run(1_000_000);
  assert.equal(place.client.nextTimeout(), undefined);
  assert.deepEqual(place.client.activeObservations(), []);
});

function sentBy(place: Neighbourhood): SentDatagram[] {
  return place.network.sent.filter(({ from }) => from === place.clientAddress);
}
