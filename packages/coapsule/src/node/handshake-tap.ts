/**
 * A TLS 1.2 server's view of a handshake under way: the pre-shared key identity of the client, before the TLS engine sees
 * it. The engine asks for the key at once and cannot wait; so the message that names the identity is held back until the
 * key was looked up.
 *
 * RFC 4279 §2, RFC 5489 §2, RFC 5246 §6.2.1 and §7.4.7. The ClientKeyExchange is not encrypted. What does not look like
 * it goes through unread; it is for the engine to refuse.
 *
 * @module
 */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

const handshakeType = 22;
const alertType = 21;
const clientKeyExchange = 16;
/** Largest record (RFC 5246 §6.2.1), and the most that is kept of handshake messages. */
const maxRecordLength = 16_384 + 2048;
const maxHandshakeLength = 65_536;

/** Carries a socket's bytes; see the module comment. */
export class HandshakeTap extends Duplex {
  readonly #socket: Socket;
  readonly #lookUp: (identity: Uint8Array) => Promise<void>;
  #isThrough = false;
  #records: Buffer = Buffer.alloc(0);
  #handshake: Buffer = Buffer.alloc(0);
  #isWaiting = false;

  /** @param lookUp Called once, with the identity; the handshake goes on when it has ended. Never rejects. */
  constructor(socket: Socket, lookUp: (identity: Uint8Array) => Promise<void>) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#lookUp = lookUp;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
    socket.pause();
  }

  override _read(): void {
    if (!this.#isWaiting) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#socket.write(chunk)) done();
    else this.#socket.once('drain', () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    if (this.#isThrough) this.#pass(chunk);
    else {
      this.#records = Buffer.concat([this.#records, chunk]);
      this.#scan();
    }
  }

  #pass(bytes: Buffer): void {
    if (!this.push(bytes)) this.#socket.pause();
  }

  /** Passes whole records on, until the one that names the identity. */
  #scan(): void {
    while (!this.#isWaiting && this.#records.length >= 5) {
      const [type, length] = [this.#records[0], this.#records.readUInt16BE(3)];
      const isPlain = type === handshakeType && length <= maxRecordLength;
      if (!isPlain && type !== alertType) {
        // ChangeCipherSpec, or nothing that is known here: what follows is encrypted, or not TLS.
        this.#goThrough();
        return;
      }
      if (this.#records.length < 5 + length) return;
      const record = this.#records.subarray(0, 5 + length);
      const identity = type === handshakeType ? this.#identityIn(record.subarray(5)) : undefined;
      if (identity !== undefined) {
        this.#isWaiting = true;
        this.#socket.pause();
        void this.#lookUp(identity).then(() => {
          this.#isWaiting = false;
          this.#goThrough();
        });
        return;
      }
      this.#records = this.#records.subarray(5 + length);
      this.#pass(record);
    }
  }

  #goThrough(): void {
    this.#isThrough = true;
    const rest = this.#records;
    this.#records = Buffer.alloc(0);
    this.#handshake = Buffer.alloc(0);
    if (this.destroyed) return;
    if (rest.length > 0) this.#pass(rest);
    this.#socket.resume();
  }

  #identityIn(bytes: Buffer): Uint8Array | undefined {
    this.#handshake = Buffer.concat([this.#handshake, bytes]);
    while (this.#handshake.length >= 4) {
      const length = this.#handshake.readUIntBE(1, 3);
      if (length > maxHandshakeLength || this.#handshake.length < 4 + length) return undefined;
      const type = this.#handshake[0];
      const body = this.#handshake.subarray(4, 4 + length);
      this.#handshake = this.#handshake.subarray(4 + length);
      if (type === clientKeyExchange) return pskIdentity(body);
    }
    return undefined;
  }
}

/** The identity of a ClientKeyExchange: alone (PSK), or before the public key of an exchange (ECDHE_PSK). */
function pskIdentity(body: Buffer): Uint8Array | undefined {
  if (body.length < 2) return undefined;
  const end = 2 + body.readUInt16BE(0);
  const isAlone = end === body.length;
  const hasPoint = end < body.length && end + 1 + (body[end] as number) === body.length;
  if (!isAlone && !hasPoint) return undefined;
  return new Uint8Array(body.subarray(2, end));
}
