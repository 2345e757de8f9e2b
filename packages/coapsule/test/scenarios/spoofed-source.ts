/**
 * A plain server, and somebody who sends it datagrams under the address of another: what comes to the other is counted.
 *
 * The victim never answers, unless a test lets it.
 *
 * @module
 */

import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import type { Message, MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import type { EndpointConfigInput } from '../../src/core/endpoint/endpoint-config.ts';
import type { IncomingRequest } from '../../src/core/endpoint/outputs.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { type DurationMs, type Instant, instant } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

/** Who has nothing to do with it. */
const victim: PeerAddress = ipAddress('203.0.113.66', 53);

/** An answer of the server's application; `undefined` leaves the request open. */
export interface StagedAnswer {
  readonly code?: Code;
  readonly payload?: Uint8Array;
  readonly options?: OptionSet;
  readonly observe?: boolean;
}

/** A request in few words, as bytes. */
export function request(
  path: string,
  fields: Partial<Omit<Message, 'options'>> & { readonly options?: OptionSet } = {},
): Uint8Array {
  const options = OptionSet.from(fields.options?.entries() ?? []);
  for (const segment of path.split('/').slice(1)) options.add(OptionNumber.UriPath, segment);
  return encodeMessage({
    type: 'CON',
    code: Code.Get,
    messageId: 1,
    token: noBytes,
    payload: noBytes,
    ...fields,
    options,
  });
}

/** See the module comment. */
export class SpoofedSource {
  readonly server: Endpoint;
  now: Instant = instant(1_000_000);
  bytesIn = 0;
  bytesOut = 0;
  /** What came to the victim, oldest first. */
  readonly received: MessageView[] = [];
  /** What the application was asked, oldest first. */
  readonly asked: { readonly exchange: number; readonly request: IncomingRequest }[] = [];
  /** Whether the victim answers Confirmable messages as one that is really there. */
  isThere = false;
  readonly #answer: (request: IncomingRequest) => StagedAnswer | undefined;

  constructor(
    answer: (request: IncomingRequest) => StagedAnswer | undefined,
    config: EndpointConfigInput = {},
    hasCryptography = true,
  ) {
    this.#answer = answer;
    this.server = new Endpoint({
      config: { role: 'server', ...config },
      random: new SeededRandom(3),
      ...(hasCryptography ? { crypto: nodeCrypto } : {}),
    });
  }

  /** Bytes to the victim for each byte in its name. */
  get ratio(): number {
    return this.bytesOut / this.bytesIn;
  }

  /** The server gets a datagram that seems to come from the victim, or from another address. */
  send(datagram: Uint8Array, from: PeerAddress = victim): void {
    if (from.key === victim.key) this.bytesIn += datagram.length;
    this.server.handle({ address: from, datagram: datagram.slice() }, this.now);
    this.#drain();
  }

  /** Answers a request that was left open. */
  respond(exchange: number, answer: StagedAnswer): void {
    const { code = Code.Content, payload = noBytes, options = new OptionSet(), observe = false } = answer;
    this.server.respond(exchange, { code, payload, options, observe, keepAnswer: false }, this.now);
    this.#drain();
  }

  notify(path: string): void {
    this.server.notify(path, this.now);
    this.#drain();
  }

  /** Lets time pass for the server. */
  pass(ms: DurationMs): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.server.nextTimeout();
      if (next === undefined || next > end) break;
      if (next > this.now) this.now = next;
      this.server.handleTimeout(this.now);
      this.#drain();
    }
    this.now = instant(end);
  }

  #drain(): void {
    for (;;) {
      const output = this.server.poll();
      if (output === undefined) return;
      if (output.kind === 'request') {
        this.asked.push({ exchange: output.exchange, request: output.request });
        const answer = this.#answer(output.request);
        if (answer === undefined) continue;
        const { code = Code.Content, payload = noBytes, options = new OptionSet(), observe = false } = answer;
        const keepAnswer = output.request.code !== Code.Get;
        this.server.respond(output.exchange, { code, payload, options, observe, keepAnswer }, this.now);
      }
      if (output.kind !== 'transmit' || output.address.key !== victim.key) continue;
      this.bytesOut += output.datagram.length;
      const message = decodeMessage(output.datagram.slice());
      if (isDecodeFault(message)) throw new Error(message.reason);
      this.received.push(message);
      if (!this.isThere || message.type !== 'CON') continue;
      const type = message.code === Code.Empty ? 0x70 : 0x60;
      this.send(Uint8Array.of(type, 0, message.messageId >> 8, message.messageId & 255));
    }
  }
}

/** A body with bytes that differ from place to place. */
export function body(length: number): Uint8Array {
  return new SeededRandom(11).fill(new Uint8Array(length));
}

/** `22.5` and the like. */
export function text(value: string): Uint8Array {
  return encodeUtf8(value);
}
