/**
 * TCP: connecting, and listening for connections.
 *
 * RFC 8323 §3. TLS is in `tls-socket.ts`, on top of what is here.
 *
 * @module
 */

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import type { CapturedDatagram } from './driver.ts';
import {
  remoteOf,
  type StreamServer,
  type StreamTransport,
  socketTransport,
  TransportFailure,
} from './stream-transport.ts';

/** How to connect. */
export interface ConnectOptions {
  readonly remote: PeerAddress;
  /** Local address and port; by default what the system chooses. */
  readonly bind?: { readonly host?: string; readonly port?: number };
  /** Gives up after so many milliseconds. */
  readonly timeoutMs: number;
  /** Gets the pieces of the stream; without TLS and WebSocket only. */
  readonly capture?: (piece: CapturedDatagram) => void;
}

/** Connects; rejects with `TransportFailure`. */
export function connectSocket({ remote, bind, timeoutMs }: ConnectOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({
      host: remote.host,
      port: remote.port,
      ...(bind?.host === undefined ? {} : { localAddress: bind.host }),
      ...(bind?.port === undefined ? {} : { localPort: bind.port }),
      allowHalfOpen: true,
    });
    const fail = (message: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new TransportFailure('not-opened', message, { cause }));
    };
    const timer = setTimeout(() => fail(`no TCP connection within ${timeoutMs / 1000} s`), timeoutMs);
    const onError = (error: NodeJS.ErrnoException): void => fail(refusal(error), error);
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

function refusal(error: NodeJS.ErrnoException): string {
  return error.code === 'ECONNREFUSED'
    ? 'nobody listens there: connection refused'
    : (error.code ?? error.message);
}

/** Connects by TCP; rejects with `TransportFailure`. */
export async function connectTcp(options: ConnectOptions): Promise<StreamTransport> {
  return socketTransport(await connectSocket(options), options.remote, options.capture);
}

/** How to listen. */
export interface StreamListenOptions {
  /** IP literal; `::` takes IPv4 as well, and where there is no IPv6 means `0.0.0.0`. */
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly onTransport: (transport: StreamTransport) => void;
  /** Gets the pieces of the streams; without TLS and WebSocket only. */
  readonly capture?: (piece: CapturedDatagram) => void;
  /** The port cannot take connections any more, or a connection could not be secured: for the log. */
  readonly onError: (error: Error) => void;
}

/** Takes connections by TCP; rejects with the system's error. */
export async function listenTcp(options: StreamListenOptions): Promise<StreamServer> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const remote = remoteOf(socket);
    if (remote === undefined) socket.destroy();
    else options.onTransport(socketTransport(socket, remote, options.capture));
  });
  return listenOn(server, options);
}

/** Binds a server of any kind that is one of TCP. */
export async function listenOn(
  server: Server,
  { host, port, onError }: Pick<StreamListenOptions, 'host' | 'port' | 'onError'>,
): Promise<StreamServer> {
  try {
    await bind(server, host, port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error;
    await bind(server, '0.0.0.0', port);
  }
  server.on('error', onError);
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a TCP server without an address');
  return {
    local: ipAddress(bound.address, bound.port),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
