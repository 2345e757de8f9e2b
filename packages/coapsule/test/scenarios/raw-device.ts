/**
 * A device whose CoAP messages are written by hand and whose datagrams may carry any source address, and a server that
 * may keep its associations: for peers that guess, spoof and replay.
 *
 * @module
 */

import { Code } from '../../src/core/coap/code.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { DtlsLayer } from '../../src/core/dtls/dtls-layer.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import type { EndpointOutput } from '../../src/core/endpoint/outputs.ts';
import { type DurationMs, type Instant, instant } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

/** Where the device is first, where it may be next, and somebody who has nothing to do with it. */
export const home: PeerAddress = ipAddress('192.0.2.1', 40_001);
export const elsewhere: PeerAddress = ipAddress('198.51.100.7', 1111);
export const victim: PeerAddress = ipAddress('203.0.113.66', 53);

const server: PeerAddress = ipAddress('192.0.2.2', 5684);
const psk = { identity: encodeUtf8('device'), key: encodeUtf8('MySecret16ByteK!') };

type Keep = Extract<EndpointOutput, { kind: 'keep-association' }>;

/** An Empty message with this Message ID. */
export function reset(messageId: number): Uint8Array {
  return Uint8Array.of(0x70, 0, messageId >> 8, messageId & 255);
}

/** A request without options and payload. */
export function request(type: 'CON' | 'NON', code: 1 | 2, messageId: number): Uint8Array {
  return Uint8Array.of(type === 'CON' ? 0x40 : 0x50, code, messageId >> 8, messageId & 255);
}

/** The Message ID of a ping; `undefined` for other messages. */
export function pingId(message: Uint8Array): number | undefined {
  const [first, code, high = 0, low = 0] = message;
  return message.length === 4 && first === 0x40 && code === 0 ? high * 256 + low : undefined;
}

/** See the module comment. */
export class RawDevice {
  readonly random = new SeededRandom(7);
  readonly #dtls: { readonly server: Partial<DtlsConfig>; readonly client: Partial<DtlsConfig> };
  #layer: DtlsLayer;
  endpoint: Endpoint;
  now: Instant = instant(1000);
  /** Where the device is: what is sent elsewhere does not reach it. */
  address: PeerAddress = home;
  /** Every datagram to the server. */
  readonly sent: Uint8Array[] = [];
  /** Messages that reached the device. */
  received: Uint8Array[] = [];
  served = 0;
  /** Of each answer. */
  payload: Uint8Array = new Uint8Array(0);
  /** Whether pings are answered, as they should be. */
  answersPings = false;
  readonly outputs: EndpointOutput[] = [];
  readonly #bytes = new Map<string, { in: number; out: number }>();
  #association = 0;
  /** What is on the disk. */
  #stored: { kept: Keep; state: Uint8Array; reserved: number; edge: number; exact: boolean } | undefined;

  constructor(dtls: { readonly server?: Partial<DtlsConfig>; readonly client?: Partial<DtlsConfig> } = {}) {
    this.#dtls = { server: { keepAssociations: true, ...dtls.server }, client: { ...dtls.client } };
    this.#layer = this.#newLayer();
    this.endpoint = this.#newEndpoint();
    this.#connect();
  }

  /** The device loses its memory, and makes a new session from where it is. */
  reboot(): void {
    this.#layer = this.#newLayer();
    this.#connect();
  }

  /** Sends a message; its datagram, for later use. */
  send(message: Uint8Array, from: PeerAddress = this.address): Uint8Array {
    this.#layer.send(this.#association, message, this.now);
    const before = this.sent.length;
    this.#drainDevice(from);
    return this.sent[before] as Uint8Array;
  }

  /** Gives the server a datagram, from wherever. */
  give(datagram: Uint8Array, from: PeerAddress = this.address): void {
    this.#count(from).in += datagram.length;
    this.endpoint.handle({ address: from, datagram: datagram.slice() }, this.now);
    this.#drainServer();
  }

  /** The server's application pings whoever has an address; Message IDs of such pings follow each other. */
  ping(address: PeerAddress): void {
    this.endpoint.ping(address, this.now);
    this.#drainServer();
  }

  /** Lets time pass for the server. */
  pass(ms: DurationMs): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.endpoint.nextTimeout();
      if (next === undefined || next > end) break;
      if (next > this.now) this.now = next;
      this.endpoint.handleTimeout(this.now);
      this.#drainServer();
    }
    this.now = instant(end);
  }

  /** Bytes from an address to the server, and from it to there, since the last call. */
  takeBytes(address: PeerAddress): { readonly in: number; readonly out: number } {
    const bytes = this.#count(address);
    this.#bytes.delete(address.key);
    return bytes;
  }

  /** Outputs of the server of one kind. */
  all<Kind extends EndpointOutput['kind']>(kind: Kind): Extract<EndpointOutput, { kind: Kind }>[] {
    return this.outputs.filter((one): one is Extract<EndpointOutput, { kind: Kind }> => one.kind === kind);
  }

  /** The server loses its memory and goes on with what is on the disk. */
  crash(): void {
    this.endpoint = this.#newEndpoint();
    this.#resume();
  }

  /** The server ends cleanly, and another one begins. */
  restart(): void {
    for (const { state, next, edge } of this.endpoint.suspendAssociations(this.now)) {
      if (this.#stored) Object.assign(this.#stored, { state, reserved: next, edge, exact: true });
    }
    this.crash();
  }

  #resume(): void {
    const stored = this.#stored;
    if (stored === undefined) throw new Error('nothing is stored');
    const { state, edge, exact, reserved: writeFrom } = stored;
    const { identity, authentication, address } = stored.kept;
    Object.assign(stored, { reserved: writeFrom + 64, exact: false });
    const imported = this.endpoint.importAssociation(
      state,
      address,
      {
        identity,
        authentication,
        writeFrom,
        reserved: writeFrom + 64,
        ...(exact ? {} : { crashedAt: edge }),
      },
      this.now,
    );
    if (typeof imported === 'string') throw new Error(imported);
    this.#drainServer();
  }

  #newLayer(): DtlsLayer {
    const { client: config } = this.#dtls;
    return new DtlsLayer({ role: 'client', crypto: nodeCrypto, random: this.random, config });
  }

  #connect(): void {
    this.#layer.connect(server, {}, this.now);
    this.#drainDevice(this.address);
  }

  #newEndpoint(): Endpoint {
    return new Endpoint({
      config: { security: 'dtls', role: 'server', dtls: this.#dtls.server },
      random: this.random,
      crypto: nodeCrypto,
    });
  }

  #drainServer(): void {
    for (;;) {
      const output = this.endpoint.poll();
      if (output === undefined) return;
      this.outputs.push(output);
      this.#carryOut(output);
    }
  }

  #carryOut(output: EndpointOutput): void {
    const { endpoint, now } = this;
    switch (output.kind) {
      case 'psk-lookup':
        endpoint.answerPskLookup(output.lookup, { key: psk.key }, now);
        return;
      case 'request': {
        this.served++;
        const response = { code: Code.Content, options: new OptionSet(), payload: this.payload };
        endpoint.respond(output.exchange, { ...response, keepAnswer: true }, now);
        return;
      }
      case 'keep-association': {
        const { state, reserved, edge } = output;
        this.#stored = { kept: output, state, reserved, edge, exact: false };
        return;
      }
      case 'reserve-sequence':
        if (this.#stored) this.#stored.reserved = Math.max(this.#stored.reserved, output.upTo);
        endpoint.reservationStored(output.association, output.upTo, now);
        return;
      case 'advance-edge':
        if (this.#stored) this.#stored.edge = output.edge;
        endpoint.edgeStored(output.association, output.edge);
        return;
      case 'transmit':
        this.#count(output.address).out += output.datagram.length;
        if (output.address.key !== this.address.key) return;
        this.#layer.handle({ address: server, datagram: output.datagram.slice() }, now);
        this.#drainDevice(this.address);
        return;
    }
  }

  #drainDevice(from: PeerAddress): void {
    for (;;) {
      const output = this.#layer.poll();
      if (output === undefined) return;
      if (output.kind === 'psk-lookup') this.#layer.answerPskLookup(output.lookup, psk, this.now);
      if (output.kind === 'connected') this.#association = output.association;
      if (output.kind === 'transmit') {
        this.sent.push(output.datagram.slice());
        this.give(output.datagram, from);
      }
      if (output.kind !== 'application-data') continue;
      const message = output.data.slice();
      this.received.push(message);
      const ping = pingId(message);
      if (this.answersPings && ping !== undefined) this.send(reset(ping));
    }
  }

  #count({ key }: PeerAddress): { in: number; out: number } {
    let bytes = this.#bytes.get(key);
    if (bytes === undefined) {
      bytes = { in: 0, out: 0 };
      this.#bytes.set(key, bytes);
    }
    return bytes;
  }
}
