/**
 * TLS on top of TCP, by `node:tls`: version 1.2 and later, ALPN, server names, certificates and pre-shared keys.
 *
 * RFC 8323 §8.2 and §9.1. Whom to trust is not decided here: a peer with a certificate is handed to `judge`, which may take
 * its time, and nothing is read from it before.
 *
 * There is no session resumption: a peer that is judged again would have to show its whole chain again.
 *
 * @module
 */

import { createServer, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { HandshakeTap } from './handshake-tap.ts';
import { OpeningSockets } from './opening-sockets.ts';
import {
  remoteOf,
  type StreamServer,
  type StreamTransport,
  socketTransport,
  TransportFailure,
} from './stream-transport.ts';
import { type ConnectOptions, connectSocket, listenOn } from './tcp-socket.ts';

export type { SecureContextOptions } from 'node:tls';

/** What a handshake has shown. */
export interface TlsFacts {
  readonly version: string;
  /** By its IANA name. */
  readonly suite: string;
  /** What was agreed on by ALPN. */
  readonly protocol: string | undefined;
  /** The name that the client asked for. */
  readonly serverName: string | undefined;
  /** DER of the certificates the peer showed, its own first; empty for none. */
  readonly chain: readonly Uint8Array[];
  /** The identity of a pre-shared key that was used. */
  readonly pskIdentity: Uint8Array | undefined;
}

/** What both sides are told. */
interface TlsOptions {
  /** Judges the peer by what it has shown; rejects with `TransportFailure` to refuse it. */
  readonly judge: (facts: TlsFacts, remote: PeerAddress) => Promise<void>;
  /** Gets each line of the TLS key log. */
  readonly keylog?: ((line: string) => void) | undefined;
}

/** How a client makes a handshake. */
export interface TlsClientOptions extends ConnectOptions, TlsOptions {
  readonly context: SecureContextOptions;
  /** The name to ask for (RFC 6066 §3). */
  readonly serverName: string | undefined;
  readonly protocols: readonly string[];
  readonly psk: { readonly identity: string; readonly key: Uint8Array } | undefined;
}

/** The application protocol of CoAP (RFC 8323 §11.7). */
const coapProtocol = 'coap';
/** The only port on which a server without ALPN may be one of CoAP (RFC 8323 §8.2). */
const portWithoutAlpn = 5684;

/** Connects and makes a handshake; rejects with `TransportFailure`. */
export async function connectTls(options: TlsClientOptions): Promise<StreamTransport> {
  const { remote, serverName, psk, timeoutMs, judge } = options;
  const raw = await connectSocket(options);
  const { socket, usedPsk } = await new Promise<{ socket: TLSSocket; usedPsk: boolean }>(
    (resolve, reject) => {
      let usedPsk = false;
      const secured = tlsConnect({ ...clientTlsOptions(options, () => (usedPsk = true)), socket: raw });
      const fail = (message: string, cause?: unknown): void => {
        clearTimeout(timer);
        secured.destroy();
        reject(new TransportFailure('not-secured', message, { cause }));
      };
      const timer = setTimeout(() => fail(`no TLS handshake within ${timeoutMs / 1000} s`), timeoutMs);
      const onError = (error: NodeJS.ErrnoException): void => fail(tlsReason(error), error);
      const onClose = (): void => fail('the server closed the connection during the TLS handshake');
      secured.once('error', onError).once('close', onClose);
      if (options.keylog) secured.on('keylog', keylogger(options.keylog));
      secured.once('secureConnect', () => {
        clearTimeout(timer);
        secured.off('error', onError).off('close', onClose);
        secured.pause();
        resolve({ socket: secured, usedPsk });
      });
    },
  );
  const transport = socketTransport(socket, remote);
  try {
    const facts = factsOf(socket, usedPsk ? new TextEncoder().encode(psk?.identity) : undefined, serverName);
    if (facts.protocol !== coapProtocol && remote.port !== portWithoutAlpn) {
      // RFC 8323 §8.2: MUST close.
      throw new TransportFailure('not-secured', 'the server does not agree on the protocol "coap" (ALPN)');
    }
    await judge(facts, remote);
    return transport;
  } catch (error) {
    transport.destroy();
    throw error;
  }
}

/** What `node:tls` is told of a client's handshake. @param onPsk Called when the pre-shared key is used. */
export function clientTlsOptions(
  { context, serverName, protocols, psk }: TlsClientOptions,
  onPsk: () => void,
): ConnectionOptions {
  return {
    ...context,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ALPNProtocols: [...protocols],
    // Judged by `judge`, with the trust anchors and rules that hold for DTLS as well.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(psk === undefined
      ? {}
      : {
          pskCallback: () => {
            onPsk();
            return { psk: Buffer.from(psk.key), identity: psk.identity };
          },
        }),
  };
}

/** How a server makes handshakes. */
export interface TlsListenOptions extends TlsOptions {
  readonly host: string;
  readonly port: number;
  readonly context: SecureContextOptions;
  /** What is shown to clients that ask for one of these names. */
  readonly names: ReadonlyMap<string, SecureContextOptions>;
  /** Refuses clients that ask for no name in `names`. */
  readonly requireName: boolean;
  /** Whether clients are asked for a certificate. */
  readonly requestCertificate: boolean;
  readonly protocols: readonly string[];
  readonly psk:
    | {
        readonly hint: string | undefined;
        /** The key of an identity; one that nobody can guess for an unknown one. */
        readonly lookUp: (identity: Uint8Array, remote: PeerAddress) => Promise<Uint8Array>;
      }
    | undefined;
  readonly handshakeTimeoutMs: number;
  readonly onTransport: (transport: StreamTransport, facts: TlsFacts) => void;
  readonly onFailure: (remote: PeerAddress, message: string, identity: Uint8Array | undefined) => void;
  readonly onError: (error: Error) => void;
}

/** Takes connections and makes handshakes; rejects with the system's error. */
export async function listenTls(options: TlsListenOptions): Promise<StreamServer> {
  let context = createSecureContext(options.context);
  const names = new Map(
    [...options.names].map(([name, one]): [string, SecureContext] => [name, createSecureContext(one)]),
  );
  const opening = new OpeningSockets();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (raw) => {
    const remote = remoteOf(raw);
    if (remote === undefined) {
      raw.destroy();
      return;
    }
    opening.add(raw, remote);
    void secure(raw, remote, context, names, options).finally(() => opening.delete(remote));
  });
  const open = await listenOn(server, options);
  return {
    ...open,
    renew: (renewed) => {
      context = createSecureContext(renewed);
    },
  };
}

async function secure(
  raw: Socket,
  remote: PeerAddress,
  secureContext: SecureContext,
  names: ReadonlyMap<string, SecureContext>,
  options: TlsListenOptions,
): Promise<void> {
  const { psk } = options;
  let key: { readonly identity: Uint8Array; readonly bytes: Uint8Array } | undefined;
  let usedPsk = false;
  raw.setNoDelay(true);
  raw.on('error', () => {}); // told by the socket of TLS
  const underlying =
    psk === undefined
      ? raw
      : new HandshakeTap(raw, async (identity) => {
          key = { identity, bytes: await psk.lookUp(identity, remote) };
        });
  const socketOptions = {
    isServer: true,
    secureContext,
    requestCert: options.requestCertificate,
    rejectUnauthorized: false,
    ALPNProtocols: alpnList(options.protocols),
    SNICallback: (name: string, done: (error: Error | null, found?: SecureContext) => void) => {
      const found = names.get(name.toLowerCase());
      if (found === undefined && options.requireName) done(new Error(`no server is called ${name}`));
      else done(null, found ?? secureContext);
    },
    ...(psk === undefined
      ? {}
      : {
          pskCallback: (_socket: unknown, _identity: string) => {
            usedPsk = true;
            return key && { psk: Buffer.from(key.bytes) };
          },
          ...(psk.hint === undefined ? {} : { pskIdentityHint: psk.hint }),
        }),
  };
  const socket = new TLSSocket(underlying as Socket, socketOptions as object);
  try {
    await new Promise<void>((resolve, reject) => {
      const { handshakeTimeoutMs } = options;
      const fail = (message: string, cause?: unknown): void => {
        clearTimeout(timer);
        reject(new TransportFailure('not-secured', message, { cause }));
      };
      const timer = setTimeout(
        () => fail(`no TLS handshake within ${handshakeTimeoutMs / 1000} s`),
        handshakeTimeoutMs,
      );
      const onError = (error: NodeJS.ErrnoException): void => fail(tlsReason(error), error);
      socket.once('_tlsError', onError).once('error', onError);
      // That of TLS does not always hear of it.
      raw.once('close', () => fail('the client closed the connection during the TLS handshake'));
      if (options.keylog) socket.on('keylog', keylogger(options.keylog));
      socket.once('secure', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    socket.pause();
    const facts = factsOf(socket, usedPsk ? key?.identity : undefined, askedName(socket));
    if (options.requireName && !names.has((facts.serverName ?? '').toLowerCase())) {
      throw new TransportFailure('not-secured', 'the client asks for no name of this server');
    }
    const transport = socketTransport(socket, remote);
    await options.judge(facts, remote);
    options.onTransport(transport, facts);
  } catch (error) {
    socket.destroy();
    raw.destroy();
    options.onFailure(remote, error instanceof Error ? error.message : String(error), key?.identity);
  }
}

/** ALPN as the wire has it: the constructor of a socket takes no list (RFC 7301 §3.1). */
function alpnList(protocols: readonly string[]): Buffer {
  return Buffer.concat(
    protocols.map((name) => Buffer.concat([Buffer.of(Buffer.byteLength(name)), Buffer.from(name)])),
  );
}

function keylogger(keylog: (line: string) => void): (line: Buffer) => void {
  return (line) => keylog(line.toString('latin1').trimEnd());
}

function askedName(socket: TLSSocket): string | undefined {
  const { servername } = socket as { readonly servername?: unknown };
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}

/** What a socket shows after its handshake. */
export function factsOf(
  socket: TLSSocket,
  pskIdentity: Uint8Array | undefined,
  serverName: string | undefined,
): TlsFacts {
  const chain: Uint8Array[] = [];
  // A certificate that is its own issuer ends the chain; Node.js links it to itself.
  for (
    let at = socket.getPeerX509Certificate();
    at !== undefined && chain.length < 10;
    at = at.issuerCertificate
  ) {
    const der = new Uint8Array(at.raw);
    if (chain.some((one) => Buffer.compare(one, der) === 0)) break;
    chain.push(der);
  }
  const protocol = socket.alpnProtocol;
  return {
    version: socket.getProtocol() ?? 'TLSv1.2',
    suite: socket.getCipher().standardName,
    protocol: typeof protocol === 'string' ? protocol : undefined,
    serverName,
    chain,
    pskIdentity: chain.length === 0 ? pskIdentity : undefined,
  };
}

/** What OpenSSL says, without its numbers. */
export function tlsReason(error: NodeJS.ErrnoException): string {
  const { reason } = error as { readonly reason?: unknown };
  const text = typeof reason === 'string' ? reason : error.message;
  return `${text}${error.code === undefined ? '' : ` (${error.code})`}`;
}
