/**
 * A client that is as fast as a socket of Node: requests made beforehand, records sealed and opened by the DTLS layer, and
 * none of what an endpoint keeps of each exchange.
 *
 * RFC 7252 §4.2 to the degree that a load needs it: separate responses are acknowledged; when to repeat is the business of
 * `load-run.ts`. A handshake is made by the library's client, with all its checks; its association is taken over together
 * with its port.
 *
 * @module
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { PeerAddress } from 'coapsule/core';
import { type DtlsConfig, DtlsLayer } from 'coapsule/dtls';
import { fastCrypto, monotonicClock, systemRandom } from 'coapsule/node';
import type { LoadClient, LoadEvents, LoadTraffic } from './load-client.ts';
import { type LoadRequest, RequestTemplate } from './request-template.ts';

/**
 * Requests from one endpoint: a Message ID must not be used again before EXCHANGE_LIFETIME, which is 247 s (RFC 7252 §4.4),
 * is over, and there are 65,536.
 */
const requestsOfEndpoint = 65_000;

/** What a client is made of. */
export interface DatagramClientOptions {
  readonly server: PeerAddress;
  readonly request: LoadRequest;
  readonly events: LoadEvents;
  readonly traffic: LoadTraffic;
  /** 0: any free one. */
  readonly port?: number;
  /** What was exported by a client of the library from this port. */
  readonly association?: {
    readonly state: Uint8Array;
    readonly config: Partial<DtlsConfig>;
    readonly handshakeMs: number | undefined;
  };
}

/** See the module comment. Made by `open`. */
export class DatagramClient implements LoadClient {
  readonly handshakeMs: number | undefined;
  readonly #options: DatagramClientOptions;
  readonly #template: RequestTemplate;
  readonly #socket: Socket;
  readonly #records: { readonly layer: DtlsLayer; readonly association: number } | undefined;
  #left = requestsOfEndpoint;
  #isClosed = false;

  static async open(options: DatagramClientOptions): Promise<DatagramClient> {
    const { server, port = 0 } = options;
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    try {
      socket.bind(port);
      await once(socket, 'listening');
      socket.connect(server.port, server.host);
      await once(socket, 'connect');
      return new DatagramClient(options, socket);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  private constructor(options: DatagramClientOptions, socket: Socket) {
    const { server, request, events, association: kept } = options;
    this.#options = options;
    this.#socket = socket;
    const [start = 0] = new Uint32Array(systemRandom.fill(new Uint8Array(4)).buffer);
    this.#template = new RequestTemplate(request, start);
    this.handshakeMs = kept?.handshakeMs;
    if (kept !== undefined) {
      const layer = new DtlsLayer({
        role: 'client',
        crypto: fastCrypto(),
        random: systemRandom,
        config: kept.config,
      });
      const association = layer.importAssociation(kept.state, server, {}, monotonicClock.now());
      if (typeof association === 'string')
        throw new Error(`the association cannot be taken over: ${association}`);
      this.#records = { layer, association };
      this.#pump();
    }
    socket.on('message', (datagram) => this.#receive(datagram));
    // ICMP: nobody listens there (any more).
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#isClosed) events.failed(error.code ?? error.message);
    });
  }

  get isUsedUp(): boolean {
    return this.#left <= 0 || this.#isClosed;
  }

  request(): void {
    this.#left--;
    this.#template.next();
    this.#send(this.#template.message);
  }

  repeat(): void {
    this.#send(this.#template.message);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#records?.layer.close(this.#records.association, monotonicClock.now());
    this.#pump();
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #send(message: Uint8Array): void {
    if (this.#records === undefined) {
      this.#transmit(message);
      return;
    }
    this.#records.layer.send(this.#records.association, message, monotonicClock.now());
    this.#pump();
  }

  #transmit(datagram: Uint8Array): void {
    this.#options.traffic.sentBytes += datagram.length;
    this.#socket.send(datagram);
  }

  #receive(datagram: Uint8Array): void {
    this.#options.traffic.receivedBytes += datagram.length;
    if (this.#records === undefined) {
      this.#take(datagram);
      return;
    }
    this.#records.layer.handle({ address: this.#options.server, datagram }, monotonicClock.now());
    this.#pump();
  }

  /** What the DTLS layer has to say. */
  #pump(): void {
    if (this.#records === undefined) return;
    const { layer } = this.#records;
    for (let output = layer.poll(); output !== undefined; output = layer.poll()) {
      if (output.kind === 'application-data') this.#take(output.data);
      else if (output.kind === 'transmit') this.#transmit(output.datagram);
      else if (output.kind === 'closed' && !this.#isClosed) {
        this.#left = 0;
        this.#options.events.failed(`association closed: ${output.reason}`);
      }
    }
  }

  #take(message: Uint8Array): void {
    const { events, traffic } = this.#options;
    const template = this.#template;
    switch (template.judge(message)) {
      case 'response':
        events.answered(template.code);
        break;
      case 'separate-response':
        this.#send(template.acknowledgementOf(message));
        events.answered(template.code);
        break;
      case 'acknowledged':
        events.acknowledged();
        break;
      case 'reset':
        events.failed('reset');
        break;
      case 'stray':
        traffic.strays++;
        // RFC 7252 §4.2: a Confirmable one comes again until it is acknowledged.
        if (isConfirmable(message)) this.#send(template.acknowledgementOf(message));
        break;
    }
  }
}

function isConfirmable(message: Uint8Array): boolean {
  return message.length >= 4 && ((message[0] as number) & 0xf0) === 0x40;
}

/** A UDP port that is free at this moment. */
export async function freePort(server: PeerAddress): Promise<number> {
  const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
  try {
    socket.bind(0);
    await once(socket, 'listening');
    return socket.address().port;
  } finally {
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  }
}
