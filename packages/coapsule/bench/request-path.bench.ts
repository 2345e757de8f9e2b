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
import { OptionNumber } from '../src/core/coap/option-registry.ts';
import { OptionSet } from '../src/core/coap/option-set.ts';
import { noBytes } from '../src/core/foundation/bytes.ts';
import type { Instant } from '../src/core/foundation/instant.ts';
import { ipAddress } from '../src/core/foundation/peer-address.ts';
import { RequestResponseLayer } from '../src/core/request-response/request-response-layer.ts';
import { systemRandom } from '../src/node/system-random.ts';

const isShort = process.argv.includes('--short');
const warmUps = isShort ? 20_000 : 100_000;
const requests = isShort ? 50_000 : 400_000;
const rounds = isShort ? 5 : 9;
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
    });
  }

  run(command: (layer: MemoryCommands, now: Instant) => void): void {
    command(this.layer as unknown as MemoryCommands, this.#now);
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
          const incoming = { ...output.request, messageId: 1, confirmable: true };
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

/** Microseconds of CPU for one request, of the round that was disturbed least. */
function measure(datagrams: readonly Uint8Array[], listener: MemoryListener): number {
  const round = (count: number): number => {
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) listener.receive(datagrams[i % clients]!, peers[i % clients]!);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  };
  round(warmUps);
  const figures = Array.from({ length: rounds }, () => round(requests)).sort((a, b) => a - b);
  return figures[0]!;
}

function report(name: string, value: number, goal: number): void {
  const rounded = Math.round(value * 100) / 100;
  console.log(`figure ${JSON.stringify({ name, value: rounded, unit: 'µs CPU', goal, better: 'lower' })}`);
}

const dispatch = new RequestDispatch((error) => {
  throw error;
});
dispatch.resources.add('/hello', { get: () => content('hello world, 20 byte') });
dispatch.resources.add('/slow', { get: async () => content('hello world, 20 byte') });
dispatch.resources.add('/observed', { get: () => content('22.5'), observable: true });
const constant = content('hello world, 20 byte', { maxAgeSeconds: 30 });
for (let i = 0; i < 200; i++) dispatch.resources.add(`/sensors/${i}/value`, { get: () => constant });

const plain = new MemoryListener(dispatch);
report('GET /hello', measure(get(['hello']), plain), 2);
const many = Array.from({ length: clients }, (_, i) => get(['sensors', `${i}`, 'value'])[i]!);
report('GET /sensors/N/value of 200', measure(many, plain), 3);

const observed = new MemoryListener(dispatch);
const [registration] = get(['observed'], new OptionSet().add(OptionNumber.Observe, 0));
for (const peer of peers.slice(0, observers)) observed.receive(registration!, peer);
observed.answers = 0;
const notified = Array.from({ length: 5 }, () => observed.notify('/observed')).sort((a, b) => a - b);
if (observed.answers < 5 * observers) throw new Error(`${observed.answers} notifications`);
report(`notification, of ${observers} observers`, notified[0]! / observers, 5);
