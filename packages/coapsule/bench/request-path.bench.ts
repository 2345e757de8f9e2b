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
const rounds = isShort ? 3 : 7;
/** As many clients take turns. */
const clients = 64;

/** A server without a socket, with the resources of `dispatch`. */
class MemoryListener {
  readonly closed = false;
  readonly layer: RequestResponseLayer;
  readonly #serving: RequestServing;
  readonly #peers = Array.from({ length: clients }, (_, i) => ipAddress('192.0.2.1', 1024 + i));
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

  receive(datagram: Uint8Array, client: number): void {
    const message = decodeMessage(datagram);
    if (isDecodeFault(message)) throw new Error(message.reason);
    const address = this.#peers[client]!;
    this.#now = (this.#now + 0.01) as Instant;
    this.layer.receiveRequest(address.key, message, message, this.#now);
    for (let output = this.layer.poll(); output !== undefined; output = this.layer.poll()) {
      switch (output.kind) {
        case 'request': {
          const { messageId } = message;
          const incoming = { ...output.request, messageId, confirmable: true };
          const peer = { address, transport: 'udp', security: noSecurity } as const;
          this.#serving.serve(output.exchange, incoming, peer, undefined);
          break;
        }
        case 'exchange-ended':
          this.#serving.running.ended(output.exchange);
          break;
        case 'send-response':
          this.answers += output.message.payload.length;
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

/** Microseconds of CPU for one request, the median of all rounds. */
function measure(datagrams: readonly Uint8Array[], listener: MemoryListener): number {
  const round = (count: number): number => {
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) listener.receive(datagrams[i % clients]!, i % clients);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  };
  round(warmUps);
  const figures = Array.from({ length: rounds }, () => round(requests)).sort((a, b) => a - b);
  return figures[rounds >> 1]!;
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
if (plain.answers === 0) throw new Error('nothing was answered');
