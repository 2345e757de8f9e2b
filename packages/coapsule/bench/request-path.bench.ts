/**
 * The road of a plain GET inside the request/response layer and the API, in memory: from a decoded message to the handler and
 * from its response to the message that is to be sent. No socket, no message layer, no DTLS.
 *
 * Run by `npm run bench -- request-path`.
 *
 * @module
 */

import type { Listener } from '../src/api/open-listener.ts';
import { noSecurity } from '../src/api/peer-info.ts';
import { RequestDispatch } from '../src/api/request-dispatch.ts';
import { RequestServing } from '../src/api/request-serving.ts';
import { content } from '../src/api/server-response.ts';
import { Code } from '../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../src/core/coap/message-codec.ts';
import type { Message } from '../src/core/coap/message-view.ts';
import { OptionNumber } from '../src/core/coap/option-registry.ts';
import { OptionSet } from '../src/core/coap/option-set.ts';
import { incomingRequest } from '../src/core/endpoint/incoming-request.ts';
import { noBytes } from '../src/core/foundation/bytes.ts';
import type { Instant } from '../src/core/foundation/instant.ts';
import { ipAddress } from '../src/core/foundation/peer-address.ts';
import { RequestResponseLayer } from '../src/core/request-response/request-response-layer.ts';
import { systemRandom } from '../src/node/system-random.ts';
import { report } from './figure.ts';

const isShort = process.argv.includes('--short');
const warmUps = isShort ? 20_000 : 100_000;
const requests = isShort ? 50_000 : 200_000;
const rounds = isShort ? 5 : 7;
/** As many clients take turns. */
const clients = 64;
const observers = isShort ? 1000 : 10_000;

const anybody = ipAddress('192.0.2.1', 5683);
const peers = Array.from({ length: Math.max(clients, observers) }, (_, i) => `192.0.2.1:${1024 + i}`);

/** A server without a socket, with the resources of `dispatch`. */
class MemoryListener {
  readonly closed = false;
  readonly layer: RequestResponseLayer;
  readonly #serving: RequestServing;
  readonly #commands: MemoryCommands = {
    respond: (exchange, response, now) => this.layer.respond(exchange, response, now),
    continueRequestBody: (exchange, now) => this.layer.continueBody(exchange, now),
    notifyObserver: (exchange, now) => this.layer.notifyObserver(exchange, now),
  };
  #now = 0 as Instant;
  answers = 0;

  constructor(dispatch: RequestDispatch) {
    const listener = { host: '192.0.2.9', port: 5683 } as Listener;
    this.layer = new RequestResponseLayer({
      random: systemRandom,
      config: {
        maxBodyBytes: (request) => dispatch.maxBodyBytes(request),
        route: (request) => dispatch.route(request, listener),
        resourceName: (options) => dispatch.resourceName(options),
        freshWithinMs: (request) => dispatch.freshWithinMs(request),
        maxPayloadBytes: (request) => dispatch.maxPayloadBytes(request),
        streamRequestBody: (request) => dispatch.streamRequestBody(request),
        acknowledgeWithAnswer: (request) => dispatch.acknowledgeWithAnswer(request),
        confirmableNotifications: (request) => dispatch.confirmableNotifications(request),
        groupPolicy: (request) => dispatch.groupPolicy(request),
      },
    });
    this.#serving = new RequestServing(this, {
      handler: dispatch,
      keeper: undefined,
      link: undefined,
      hasDuplicates: true,
      askBack: () => Promise.reject(new Error('nobody asks back here')),
    });
  }

  run(command: (commands: MemoryCommands, now: Instant) => void): void {
    command(this.#commands, this.#now);
  }

  receive(datagram: Uint8Array, peer: string): void {
    const message = decodeMessage(datagram);
    if (isDecodeFault(message)) throw new Error(message.reason);
    this.#now = (this.#now + 0.01) as Instant;
    this.layer.receiveRequest(peer, message, message, this.#now);
    this.#drain();
  }

  /** The resource changes: microseconds of CPU until each observer has its notification. */
  notify(path: string): number {
    this.#now = (this.#now + 60_000) as Instant;
    this.layer.handleTimeout(this.#now);
    this.#drain();
    const before = process.cpuUsage();
    this.layer.notify(path, this.#now);
    this.#drain();
    const { user, system } = process.cpuUsage(before);
    return user + system;
  }

  #drain(): void {
    for (let output = this.layer.poll(); output !== undefined; output = this.layer.poll()) {
      switch (output.kind) {
        case 'request': {
          const incoming = incomingRequest(output, 1, true);
          const peer = { address: anybody, transport: 'udp', security: noSecurity } as const;
          this.#serving.serve(output.exchange, incoming, peer, undefined);
          break;
        }
        case 'exchange-ended':
          this.#serving.running.ended(output.exchange);
          break;
        case 'send-response':
          this.answers++;
          if (output.type === 'CON') this.layer.responseAcknowledged(output.exchange, this.#now);
          break;
      }
    }
    this.layer.nextTimeout();
  }
}

type MemoryCommands = Parameters<Parameters<ConstructorParameters<typeof RequestServing>[0]['run']>[0]>[0];

function get(path: readonly string[], options: OptionSet = new OptionSet()): Uint8Array[] {
  for (const segment of path) options.add(OptionNumber.UriPath, segment);
  return Array.from({ length: clients }, (_, i) =>
    encodeMessage({
      ...{ type: 'CON', code: Code.Get, messageId: i, payload: noBytes, options },
      token: Uint8Array.of(i, 1, 2, 3),
    }),
  );
}

/** Microseconds of CPU for one call, of the round that was disturbed least. */
function measure(call: (i: number) => void): number {
  const round = (count: number): number => {
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) call(i % clients);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  };
  round(warmUps);
  return Math.min(...Array.from({ length: rounds }, () => round(requests)));
}

const dispatch = new RequestDispatch((error) => {
  throw error;
});
dispatch.resources.add('/hello', { get: () => content('hello world, 20 byte') });
dispatch.resources.add('/observed', { get: () => content('22.5'), observable: true });
const constant = content('hello world, 20 byte', { maxAgeSeconds: 30 });
for (let i = 0; i < 200; i++) dispatch.resources.add(`/sensors/${i}/value`, { get: () => constant });

const one = get(['hello']);
const many = Array.from({ length: clients }, (_, i) => get(['sensors', `${i}`, 'value'])[i]!);

/** What the codec alone costs: the request read, and an answer written. All figures are multiples of it. */
const answer: Message = {
  type: 'ACK',
  code: Code.Content,
  messageId: 1,
  token: Uint8Array.of(1, 2, 3, 4),
  options: new OptionSet().add(OptionNumber.ContentFormat, 0),
  payload: new Uint8Array(20),
};
let written = 0;
const codec = measure((i) => {
  const message = decodeMessage(one[i]!);
  if (!isDecodeFault(message)) written += message.options.texts(OptionNumber.UriPath).length;
  written += encodeMessage(answer).length;
});
console.log(`a request read and an answer written: ${codec.toFixed(2)} µs CPU, ${written} bytes in all`);

/** The goals are two to three times what was measured when they were set. */
function told(name: string, microseconds: number, goal: number): void {
  console.log(`${name}: ${microseconds.toFixed(2)} µs CPU`);
  report({ name, value: microseconds / codec, unit: 'times the codec', goal, better: 'lower' });
}

const plain = new MemoryListener(dispatch);
told(
  'GET, one resource',
  measure((i) => plain.receive(one[i]!, peers[i]!)),
  15,
);
told(
  'GET, 200 resources',
  measure((i) => plain.receive(many[i]!, peers[i]!)),
  25,
);
if (plain.answers < 2 * requests) throw new Error(`${plain.answers} answers`);

const observed = new MemoryListener(dispatch);
const [registration] = get(['observed'], new OptionSet().add(OptionNumber.Observe, 0));
for (const peer of peers.slice(0, observers)) observed.receive(registration!, peer);
observed.answers = 0;
const notified = Array.from({ length: rounds }, () => observed.notify('/observed'));
if (observed.answers < rounds * observers) throw new Error(`${observed.answers} notifications`);
told(`a notification, of ${observers} observers`, Math.min(...notified) / observers, 80);
