/**
 * One connection over TCP or TLS: bytes in, bytes out, closed.
 *
 * Over TLS nobody is verified, since nothing is entrusted to the peer: what is asked is whether it speaks.
 *
 * @module
 */

import { connect, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { StreamSeen, StreamStep } from './probe-step.ts';

/** More is not read. */
const maxBytes = 65_536;

/** Opens, writes, reads until it is enough, closes. Never rejects. */
export function connectStream(
  { to, protocols, bytes, isEnough }: StreamStep,
  peer: {
    readonly host: string;
    readonly port: number;
    readonly serverName: string | undefined;
    readonly waitMs: number;
  },
): Promise<StreamSeen> {
  const { host, port, serverName, waitMs } = peer;
  const isSecured = to === 'tls' || to === 'wss';
  const { promise, resolve } = Promise.withResolvers<StreamSeen>();
  const socket: Socket = isSecured
    ? connectTls({
        host,
        port,
        ALPNProtocols: [...protocols],
        rejectUnauthorized: false,
        ...(serverName !== undefined && { servername: serverName }),
      })
    : connect({ host, port });
  let received = new Uint8Array(0);
  let isOpen = false;
  let isConnected = false;
  const done = (seen: StreamSeen): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve(seen);
  };
  const open = (): void => {
    const security = socket instanceof TLSSocket ? securityOf(socket) : undefined;
    done({ kind: 'stream', state: 'open', received, ...(security !== undefined && { security }) });
  };
  const timer = setTimeout(() => {
    if (isOpen) open();
    else {
      const reason = isConnected
        ? 'the port is open, and TLS does not come about'
        : 'no answer to a connection';
      done({ kind: 'stream', state: 'silence', reason });
    }
  }, waitMs);
  socket.on('connect', () => {
    isConnected = true;
  });
  socket.on(isSecured ? 'secureConnect' : 'connect', () => {
    isOpen = true;
    socket.write(bytes);
  });
  socket.on('data', (chunk: Uint8Array) => {
    received = Uint8Array.from([...received, ...chunk]);
    if (isEnough(received) || received.length > maxBytes) open();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (isOpen) open();
    else done(failureOf(error));
  });
  socket.on('close', () => {
    if (isOpen) open();
    else done({ kind: 'stream', state: 'refused', reason: 'the peer closed the connection' });
  });
  return promise;
}

function failureOf(error: NodeJS.ErrnoException): StreamSeen {
  const { code = '' } = error;
  if (code === 'ECONNREFUSED') return { kind: 'stream', state: 'refused', reason: 'nobody listens there' };
  const alert = /^ERR_SSL_.*ALERT_(\w+)$/.exec(code)?.[1];
  if (alert !== undefined) {
    return { kind: 'stream', state: 'alert', reason: `alert ${alert.toLowerCase()}` };
  }
  return {
    kind: 'stream',
    state: 'refused',
    reason: code === '' ? error.message : `the connection ended: ${code}`,
  };
}

function securityOf(socket: TLSSocket): { readonly version: string; readonly protocol: string | undefined } {
  const { alpnProtocol } = socket;
  return {
    version: socket.getProtocol() ?? 'TLS',
    protocol: typeof alpnProtocol === 'string' ? alpnProtocol : undefined,
  };
}
