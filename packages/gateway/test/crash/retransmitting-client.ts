/**
 * A device that keeps at it: Confirmable PUTs over a raw socket, each sent again with the same Message ID and token
 * until its answer comes, also from another process on the same port (RFC 7252 §4.2).
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

/** Shorter than RFC 7252 §4.8 has it: what is tested is the Message ID, not the pace. */
const resendMs = 40;

/** What became of one PUT. */
export interface PutAnswer {
  /** Response code as a number, such as 0x44 for 2.04. */
  readonly code: number;
  /** How often the message was sent. */
  readonly sent: number;
}

interface Waiting {
  readonly token: number;
  readonly datagram: Uint8Array;
  readonly resolve: (answer: PutAnswer) => void;
  sent: number;
}

export class RetransmittingClient {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #next = 0;
  #last: Waiting | undefined;

  /** Open a socket that ends with the test; all PUTs go to this port of 127.0.0.1. */
  static async open(t: TestContext, port: number): Promise<RetransmittingClient> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const client = new RetransmittingClient(socket, port);
    t.after(() => client.#close());
    return client;
  }

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on('message', (datagram) => this.#receive(datagram));
    // While the gateway is down the system may report that nobody listens.
    socket.on('error', () => {});
    this.#timer = setInterval(() => this.#resend(), resendMs);
  }

  /** Number of PUTs without an answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** PUT a text to `/sensors/SEGMENT`; fulfils with the answer, however long that takes. */
  put(segment: string, text: string): Promise<PutAnswer> {
    const messageId = this.#next++ & 0xffff;
    const token = (0xc0a00000 + messageId) >>> 0;
    const { promise, resolve } = Promise.withResolvers<PutAnswer>();
    const waiting = { token, datagram: encodePut(messageId, token, segment, text), resolve, sent: 0 };
    this.#waiting.set(messageId, waiting);
    this.#last = waiting;
    this.#send(waiting);
    return promise;
  }

  /** Send the last PUT once more, as when its answer was lost. */
  putAgain(): Promise<PutAnswer> {
    const last = this.#last;
    if (last === undefined) throw new Error('there was no PUT');
    const { promise, resolve } = Promise.withResolvers<PutAnswer>();
    this.#waiting.set(this.#next - 1, { ...last, resolve });
    this.#resend();
    return promise;
  }

  #resend(): void {
    for (const waiting of this.#waiting.values()) this.#send(waiting);
  }

  #send(waiting: Waiting): void {
    waiting.sent += 1;
    this.#socket.send(waiting.datagram, this.#port, '127.0.0.1', () => {});
  }

  #receive(datagram: Buffer): void {
    const messageId = datagram.readUInt16BE(2);
    const waiting = this.#waiting.get(messageId);
    const isPiggybacked = datagram.readUInt8(0) === 0x64; // ACK with a token of 4 bytes
    const code = datagram.readUInt8(1);
    if (waiting === undefined || !isPiggybacked || datagram.readUInt32BE(4) !== waiting.token) {
      if (waiting === undefined || code === 0) return;
      throw new Error(`unexpected answer ${datagram.toString('hex')}`);
    }
    this.#waiting.delete(messageId);
    waiting.resolve({ code, sent: waiting.sent });
  }

  #close(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}

function encodePut(messageId: number, token: number, segment: string, text: string): Uint8Array {
  // The last one is Content-Format 0: text/plain.
  const options = Buffer.concat([uriPath(11, 'sensors'), uriPath(0, segment), Buffer.from([0x10])]);
  const header = Buffer.from([0x44, 0x03, messageId >> 8, messageId & 0xff, 0, 0, 0, 0]);
  header.writeUInt32BE(token, 4);
  return Buffer.concat([header, options, Buffer.from([0xff]), Buffer.from(text)]);
}

/** Option with a delta and a value of up to 12 bytes (RFC 7252 §3.1). */
function uriPath(delta: number, value: string): Uint8Array {
  return Buffer.concat([Buffer.from([(delta << 4) | value.length]), Buffer.from(value)]);
}
