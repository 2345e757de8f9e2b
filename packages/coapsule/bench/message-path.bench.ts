/**
 * The road of a plain GET below the request/response layer, in memory: bytes to message, message to bytes, and a datagram
 * through an endpoint and its answer back, with an application that answers at once. No socket, no DTLS.
 *
 * Figures are CPU time as a multiple of what a small object takes to JSON and back in the same run: neither the machine nor
 * what else it does changes that much.
 *
 * Run by `npm run bench -- message-path`.
 *
 * @module
 */

import { Code } from '../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../src/core/coap/message-codec.ts';
import type { MessageView } from '../src/core/coap/message-view.ts';
import { OptionNumber } from '../src/core/coap/option-registry.ts';
import { OptionSet } from '../src/core/coap/option-set.ts';
import { Endpoint } from '../src/core/endpoint/endpoint.ts';
import { noBytes } from '../src/core/foundation/bytes.ts';
import { instant } from '../src/core/foundation/instant.ts';
import { ipAddress } from '../src/core/foundation/peer-address.ts';
import { systemRandom } from '../src/node/system-random.ts';
import { report } from './figure.ts';

const isShort = process.argv.includes('--short');
const rounds = isShort ? 9 : 25;
const perRound = isShort ? 4000 : 10_000;
/** As many clients take turns. */
const clients = 64;

const get = encodeMessage({
  ...{ type: 'CON', code: Code.Get, messageId: 0, token: Uint8Array.of(1, 2, 3, 4), payload: noBytes },
  options: new OptionSet().add(OptionNumber.UriPath, 'hello'),
});
const text = new TextEncoder().encode('hello world, 20 byte');
const textOptions = new OptionSet().add(OptionNumber.ContentFormat, 0);
const request = expectMessage(decodeMessage(get));

function expectMessage(message: ReturnType<typeof decodeMessage>): MessageView {
  if (isDecodeFault(message)) throw new Error(message.reason);
  return message;
}

function jsonRoundTrip(i: number): void {
  const { messageId } = JSON.parse(
    JSON.stringify({ type: 'CON', code: 1, messageId: i, token: [1, 2, 3, 4], path: ['hello'] }),
  ) as { messageId: number };
  if (messageId !== i) throw new Error('JSON');
}

/** What a server reads of a request. */
function decode(): void {
  const { token, options } = expectMessage(decodeMessage(get));
  if (token.length !== 4 || options.texts(OptionNumber.UriPath)[0] !== 'hello') throw new Error('decode');
}

function encode(i: number): void {
  const { token } = request;
  const parts = { type: 'ACK', code: Code.Content, messageId: i & 0xffff } as const;
  const answer = encodeMessage({ ...parts, token, options: textOptions, payload: text });
  if (answer.length !== 30) throw new Error('encode');
}

/** An endpoint whose application answers at once, asked by many clients in turn. */
function server(): (i: number) => void {
  const endpoint = new Endpoint({ config: { role: 'server' }, random: systemRandom });
  const addresses = Array.from({ length: clients }, (_, i) => ipAddress('192.0.2.1', 20_000 + i));
  let datagrams = 0;
  return (i) => {
    const now = instant(i / 50);
    const messageId = Math.floor(i / clients);
    const datagram = get.slice();
    datagram[2] = messageId >> 8;
    datagram[3] = messageId;
    endpoint.handle({ address: addresses[i % clients]!, datagram }, now);
    const before = datagrams;
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      if (output.kind === 'transmit') datagrams++;
      if (output.kind !== 'request') continue;
      const answer = { code: Code.Content, options: textOptions, payload: text, keepAnswer: false };
      endpoint.respond(output.exchange, answer, now);
    }
    endpoint.nextTimeout();
    if (datagrams !== before + 1) throw new Error('no answer');
  };
}

/** In turns, so that they share what else the machine does; the least of each, in µs of CPU. */
function measure<Name extends string>(
  works: Readonly<Record<Name, (i: number) => void>>,
): Record<Name, number> {
  const names = Object.keys(works) as Name[];
  const least = Object.fromEntries(names.map((name) => [name, Infinity])) as Record<Name, number>;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const work = works[name];
      const before = process.cpuUsage();
      for (let i = round * perRound; i < (round + 1) * perRound; i++) work(i);
      const { user, system } = process.cpuUsage(before);
      least[name] = Math.min(least[name], (user + system) / perRound);
    }
  }
  return least;
}

const { json, ...parts } = measure({ json: jsonRoundTrip, decode, encode, endpoint: server() });
console.log(`JSON ${json.toFixed(2)} µs, ${JSON.stringify(parts)}`);
const unit = '× JSON round trip';
report({ name: 'decode a GET', value: parts.decode / json, unit, goal: 0.3, better: 'lower' });
report({ name: 'encode a 2.05', value: parts.encode / json, unit, goal: 0.3, better: 'lower' });
report({ name: 'GET through an endpoint', value: parts.endpoint / json, unit, goal: 6, better: 'lower' });
