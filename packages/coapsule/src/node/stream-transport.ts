/**
 * A reliable transport as the stream driver sees it, and how a socket of Node becomes one.
 *
 * RFC 8323 §3.1. Bytes in order, and back-pressure: `send` says when the transport holds enough, `drained` when it holds
 * nothing any more. What the bytes mean is not known here.
 *
 * @module
 */

import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { ConnectionEndCause } from '../core/connection/connection-output.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import type { CapturedDatagram } from './driver.ts';
import { wallTimeMs } from './monotonic-clock.ts';
import { SendQueue } from './send-queue.ts';

/** What a transport tells. `closed` comes once, and nothing after it. */
export interface TransportEvents {
  /** Bytes that belong to the callee; over WebSocket one whole message. */
  received(bytes: Uint8Array): void;
  /** It holds more than it wants to, and got rid of some of it. */
  progress(): void;
  drained(): void;
  closed(cause: ConnectionEndCause, detail: string): void;
}

/** An open transport. */
export interface StreamTransport {
  readonly remote: PeerAddress;
  /** Bytes since it was opened, of TLS those inside; undefined where nobody counts them. */
  traffic?(): { readonly bytesReceived: number; readonly bytesSent: number };
  /** Says whom to tell. What was received before waits. */
  attach(events: TransportEvents): void;
  /** Sends in order. False: it holds more than it wants to, and `drained` will come. */
  send(bytes: Uint8Array): boolean;
  /** Reads nothing until `resume`. */
  pause(): void;
  resume(): void;
  /** Sends what it holds and closes; breaks off when that takes too long. */
  close(): void;
  /** Breaks off. */
  destroy(): void;
}

/** An open port that takes transports. */
export interface StreamServer {
  readonly local: PeerAddress;
  /** Of TLS: what handshakes show from now on. */
  readonly renew?: (context: SecureContextOptions) => void;
  /** Takes no more transports; those there are go on. */
  close(): Promise<void>;
}

/** A transport that could not be opened, and by which fault. */
export class TransportFailure extends Error {
  override readonly name = 'TransportFailure';
  readonly endCause: ConnectionEndCause;

  constructor(endCause: ConnectionEndCause, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.endCause = endCause;
  }
}

/** How long a transport may take to send its last bytes, and the peer to close. */
const closingMs = 5000;

/** A connected TCP or TLS socket as a transport. @param capture Gets the pieces of the stream as they go and come. */
export function socketTransport(
  socket: Socket,
  remote: PeerAddress,
  capture?: (piece: CapturedDatagram) => void,
): StreamTransport {
  let events: TransportEvents | undefined;
  let closing: NodeJS.Timeout | undefined;
  let failure: NodeJS.ErrnoException | undefined;
  // Messages are small and wait for answers: delaying them by Nagle's algorithm gains nothing (RFC 8323 has no other say).
  socket.setNoDelay(true);
  // Finds out about a peer that vanished without a word, also when no one sends.
  socket.setKeepAlive(true, 60_000);
  socket.pause();
  const local = capture && ipAddress(socket.localAddress ?? '::', socket.localPort ?? 0);
  const tap =
    local &&
    ((direction: 'sent' | 'received', bytes: Uint8Array): void =>
      capture({
        direction,
        transport: 'tcp',
        local,
        remote,
        datagram: bytes.slice(),
        wallTimeMs: wallTimeMs(),
      }));
  const queue = new SendQueue({
    write: (bytes, done) => {
      tap?.('sent', bytes);
      socket.write(bytes, done);
    },
    buffered: () => socket.writableLength,
    progress: () => events?.progress(),
    drained: () => events?.drained(),
  });
  socket.on('data', (chunk: Buffer) => {
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    tap?.('received', bytes);
    events?.received(bytes);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = error;
  });
  // Half-closed is closed: CoAP has nothing more to say to a peer that has nothing more to say.
  socket.on('end', () => socket.end());
  socket.on('close', () => {
    clearTimeout(closing);
    if (failure === undefined) events?.closed('closed', 'the peer closed the connection');
    else events?.closed('transport-failed', failure.code ?? failure.message);
    events = undefined;
  });
  return {
    remote,
    traffic: () => ({ bytesReceived: socket.bytesRead, bytesSent: socket.bytesWritten }),
    attach(next) {
      events = next;
      if (socket.destroyed) queueMicrotask(() => next.closed('closed', 'the peer closed the connection'));
      else socket.resume();
    },
    send: (bytes) => socket.destroyed || queue.send(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close() {
      events = undefined;
      queue.flush();
      socket.end();
      socket.resume(); // what still comes has to be read for the end to be seen
      closing ??= setTimeout(() => socket.destroy(), closingMs).unref();
      socket.unref();
    },
    destroy() {
      events = undefined;
      socket.destroy();
    },
  };
}

/** The remote address of a socket. A socket that is closed already has none. */
export function remoteOf(socket: Socket): PeerAddress | undefined {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : ipAddress(remoteAddress, remotePort);
}
