/**
 * WebSocket, by the npm package `ws`: connecting, and listening for connections. Each WebSocket message is one of CoAP.
 *
 * RFC 8323 §4, RFC 6455. `ws` is an optional peer dependency, loaded when it is first needed.
 *
 * @module
 */

import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { WebSocket, WebSocketServer } from 'ws';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { OpeningSockets } from './opening-sockets.ts';
import { SendQueue } from './send-queue.ts';
import {
  remoteOf,
  type StreamServer,
  type StreamTransport,
  type TransportEvents,
  TransportFailure,
} from './stream-transport.ts';
import { type ConnectOptions, listenOn, type StreamListenOptions } from './tcp-socket.ts';
import {
  clientTlsOptions,
  factsOf,
  type TlsClientOptions,
  type TlsFacts,
  type TlsListenOptions,
  tlsReason,
} from './tls-socket.ts';

/** RFC 8323 §11.8, §8.3. */
const subprotocol = 'coap';
const path = '/.well-known/coap';

const closingMs = 5000;

/** `ws`, or the error that says how to get it. */
async function loadWs(): Promise<typeof import('ws')> {
  try {
    return await import('ws');
  } catch (cause) {
    throw new TransportFailure(
      'not-opened',
      'coap+ws and coaps+ws need the package "ws", which is not installed: npm install ws',
      { cause },
    );
  }
}

/** How to connect. */
export interface WebSocketConnectOptions extends ConnectOptions {
  /** Host and port for the Host header (RFC 8323 §4.1), IPv6 in brackets. */
  readonly authority: string;
  readonly maxMessageSize: number;
  /** For `wss`. */
  readonly tls: TlsClientOptions | undefined;
}

/** Connects; rejects with `TransportFailure`. */
export async function connectWebSocket(options: WebSocketConnectOptions): Promise<StreamTransport> {
  const { remote, authority, timeoutMs, tls, bind, maxMessageSize } = options;
  const { WebSocket } = await loadWs();
  const host = remote.host.includes(':') ? `[${remote.host}]` : remote.host;
  let usedPsk = false;
  const secured = tls && clientTlsOptions(tls, () => (usedPsk = true));
  const socket = new WebSocket(`${tls ? 'wss' : 'ws'}://${host}:${remote.port}${path}`, subprotocol, {
    // The URL has the address that was looked up; the server is told the name.
    headers: { host: authority },
    handshakeTimeout: timeoutMs,
    maxPayload: maxMessageSize,
    perMessageDeflate: false,
    followRedirects: false,
    ...(bind?.host === undefined ? {} : { localAddress: bind.host }),
    ...(secured ?? {}),
    // HTTP over TLS has ALPN names of its own; that of CoAP is for coaps+tcp.
    ...(tls === undefined ? {} : { ALPNProtocols: ['http/1.1'] }),
  });
  const transport = webSocketTransport(socket, remote);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const refused =
        error.code === 'ECONNREFUSED' ? 'nobody listens there: connection refused' : tlsReason(error);
      const cause = tls !== undefined && error.code?.startsWith('ERR_SSL') ? 'not-secured' : 'not-opened';
      reject(new TransportFailure(cause, refused, { cause: error }));
    });
  });
  if (socket.protocol !== subprotocol) {
    transport.destroy();
    throw new TransportFailure('not-opened', 'the server does not speak the WebSocket subprotocol "coap"');
  }
  if (tls === undefined) return transport;
  try {
    const underlying = (socket as unknown as { readonly _socket: TLSSocket })._socket;
    const identity = usedPsk ? new TextEncoder().encode(tls.psk?.identity) : undefined;
    await tls.judge(factsOf(underlying, identity, tls.serverName), remote);
    return transport;
  } catch (error) {
    transport.destroy();
    throw error;
  }
}

/** How to listen. */
export interface WebSocketListenOptions extends Omit<StreamListenOptions, 'onTransport'> {
  readonly maxMessageSize: number;
  readonly handshakeTimeoutMs: number;
  /** For `wss`. */
  readonly tls:
    | Pick<TlsListenOptions, 'context' | 'requestCertificate' | 'judge' | 'onFailure' | 'keylog'>
    | undefined;
  readonly onTransport: (transport: StreamTransport, facts: TlsFacts | undefined) => void;
}

/** Takes connections; rejects with the system's error, or `TransportFailure` when `ws` is not there. */
export async function listenWebSocket(options: WebSocketListenOptions): Promise<StreamServer> {
  const { WebSocketServer } = await loadWs();
  const { tls, handshakeTimeoutMs, maxMessageSize } = options;
  const http: HttpServer =
    tls === undefined
      ? createHttpServer()
      : createHttpsServer({
          ...tls.context,
          requestCert: tls.requestCertificate,
          rejectUnauthorized: false,
          handshakeTimeout: handshakeTimeoutMs,
        });
  // Who sends a request slowly is not waited for.
  http.headersTimeout = handshakeTimeoutMs;
  http.requestTimeout = handshakeTimeoutMs;
  const opening = new OpeningSockets();
  // With TLS this comes before its handshake.
  http.on('connection', (raw: Socket) => {
    const remote = remoteOf(raw);
    if (remote === undefined) raw.destroy();
    else opening.add(raw, remote);
  });
  http.on('request', (_request, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end('CoAP over WebSocket\n');
  });
  const server: WebSocketServer = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: maxMessageSize,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has(subprotocol) ? subprotocol : false),
  });
  http.on('upgrade', (request, socket, head) => {
    const raw = socket as Socket;
    const remote = remoteOf(raw);
    socket.on('error', () => {});
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
    if (remote === undefined || request.url !== path || !offered.includes(subprotocol)) {
      // RFC 8323 §4.1: the client MUST offer "coap".
      const status = request.url === path ? '400 Bad Request' : '404 Not Found';
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    opening.delete(remote);
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const transport = webSocketTransport(webSocket, remote);
      if (tls === undefined) {
        options.onTransport(transport, undefined);
        return;
      }
      const facts = factsOf(raw as TLSSocket, undefined, nameOf(raw));
      tls.judge(facts, remote).then(
        () => options.onTransport(transport, facts),
        (error: unknown) => {
          transport.destroy();
          tls.onFailure(remote, error instanceof Error ? error.message : String(error), undefined);
        },
      );
    });
  });
  http.on('clientError', (_error, socket) => void socket.destroy());
  const open = await listenOn(http, options);
  return {
    local: open.local,
    ...(http instanceof HttpsServer && { renew: (context) => http.setSecureContext(context) }),
    close: () => {
      http.closeIdleConnections();
      return open.close();
    },
  };
}

function nameOf(socket: Socket): string | undefined {
  const { servername } = socket as { readonly servername?: unknown };
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}

function webSocketTransport(socket: WebSocket, remote: PeerAddress): StreamTransport {
  let events: TransportEvents | undefined;
  let failure: string | undefined;
  const early: Uint8Array[] = [];
  const queue = new SendQueue({
    write: (bytes, done) => socket.send(bytes, { binary: true }, done),
    buffered: () => socket.bufferedAmount,
    progress: () => events?.progress(),
    drained: () => events?.drained(),
  });
  socket.binaryType = 'nodebuffer';
  socket.on('message', (data, isBinary) => {
    const bytes = new Uint8Array(
      (data as Buffer).buffer,
      (data as Buffer).byteOffset,
      (data as Buffer).byteLength,
    );
    // RFC 8323 §4.2: binary frames. A text has a first byte that the decoder refuses, or is empty.
    const message = isBinary ? bytes : Uint8Array.of(0xff);
    if (events === undefined) early.push(message.slice());
    else events.received(message);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code ?? error.message;
  });
  socket.on('close', () => {
    if (failure === undefined) events?.closed('closed', 'the peer closed the connection');
    else events?.closed('transport-failed', failure);
    events = undefined;
  });
  return {
    remote,
    attach(next) {
      events = next;
      for (const message of early.splice(0)) next.received(message);
      if (socket.readyState === socket.CLOSED)
        queueMicrotask(() => next.closed('closed', 'the peer closed the connection'));
    },
    send(bytes) {
      if (socket.readyState !== socket.OPEN) return true;
      return queue.send(bytes);
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close() {
      events = undefined;
      queue.flush();
      socket.close(1000);
      setTimeout(() => socket.terminate(), closingMs).unref();
    },
    destroy() {
      events = undefined;
      socket.terminate();
    },
  };
}
