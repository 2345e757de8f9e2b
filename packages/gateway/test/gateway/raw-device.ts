/** A device that sends datagrams as a test wants them, over a socket of its own. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { decodeMessage, encodeMessage, isDecodeFault, OptionSet } from 'coapsule/message';

/** What it sends; Confirmable, with a Message ID and token of its own. */
export interface RawRequest {
  readonly code: number;
  readonly path: string;
  readonly options?: readonly (readonly [number: number, value: Uint8Array | number])[];
  readonly payload?: Uint8Array;
}

const uriPath = 11;

/** See the module comment. */
export class RawDevice {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #received: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #nextId = 1;

  /** One that ends with the test and sends to this port of 127.0.0.1. */
  static async open(t: TestContext, uri: string): Promise<RawDevice> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.after(() => socket.close());
    return new RawDevice(socket, Number(uri.split(':').at(-1)));
  }

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on('message', (datagram) => {
      this.#received.push(datagram);
      this.#wake?.();
    });
  }

  /** Datagrams that came and were not asked for yet. */
  get waiting(): number {
    return this.#received.length;
  }

  /** Sends a request; fulfils when the system has it. */
  send({ code, path, options = [], payload = new Uint8Array() }: RawRequest): Promise<void> {
    const id = this.#nextId++;
    const set = new OptionSet();
    for (const segment of path.split('/').slice(1)) set.add(uriPath, segment);
    for (const [number, value] of options) set.add(number, value);
    const datagram = encodeMessage({
      type: 'CON',
      code,
      messageId: id,
      token: Uint8Array.of(id),
      options: set,
      payload,
    });
    return new Promise((resolve, reject) => {
      this.#socket.send(datagram, this.#port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The next datagram that comes. */
  async receive(): Promise<Uint8Array> {
    for (;;) {
      const datagram = this.#received.shift();
      if (datagram !== undefined) return datagram;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends a request and takes its response, which may come after an Empty ACK. */
  async ask(request: RawRequest) {
    await this.send(request);
    for (;;) {
      const message = decodeMessage(await this.receive());
      if (isDecodeFault(message)) throw new Error(message.reason);
      if (message.code !== 0) return message;
    }
  }
}
