/**
 * One UDP socket: datagrams with addresses, and nothing else.
 *
 * A socket bound to `::` also takes IPv4 (dual stack); IPv4 peers appear with their IPv4 address. Sending never
 * fails for the caller: the network may lose any datagram, so a refused one is reported and counts as lost.
 * What answers what has just come leaves when all that had come is handled (`send-batch.ts`).
 *
 * @module
 */

import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import { SendBatch } from './send-batch.ts';
import { SendPressure } from './send-pressure.ts';
import { SourceAddresses } from './source-addresses.ts';

/** How to open a socket. */
export interface UdpSocketOptions {
  /** IP literal to bind; `::` by default. Where there is no IPv6, `::` means `0.0.0.0`. */
  readonly host?: string;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** Talks to this address alone; then an ICMP "port unreachable" becomes known as `ECONNREFUSED`. */
  readonly remote?: PeerAddress;
  /** Called for each datagram; `datagram` belongs to the callee. */
  readonly onDatagram: (datagram: Uint8Array, from: PeerAddress) => void;
  /** The socket is of no more use, or (with `remote`) the peer's host refused a datagram. */
  readonly onError: (error: NodeJS.ErrnoException) => void;
  /**
   * Lets sockets of multicast groups share the port, which a wildcard address takes for itself otherwise. The port must
   * be free, as without this. While it is open, other programs of this machine can bind it too.
   */
  readonly sharesPort?: boolean;
  /**
   * Shares the port with the sockets of other workers, among whom the system spreads the datagrams by their source
   * (SO_REUSEPORT). `begin`: the port must be free until now; `join`: the others may have it already.
   */
  readonly amongWorkers?: 'begin' | 'join';
  /** How datagrams to groups are sent. */
  readonly multicast?: MulticastSending;
  /** A datagram was not sent; without it that is counted alone. */
  readonly onSendError?: (error: NodeJS.ErrnoException, to: PeerAddress) => void;
  /** Bytes of receive buffer asked of the system, for bursts; the system may give less. */
  readonly receiveBufferBytes?: number;
}

/** How datagrams to multicast groups leave. */
export interface MulticastSending {
  /** IPv4: the address of the interface; IPv6: `::%name`. Absent: the system's choice. */
  readonly interfaceAddress?: string | undefined;
  /** Hop limit or TTL, 1 … 255. */
  readonly hopLimit: number;
}

/** An open socket. */
export interface UdpSocket {
  /** Where it is bound; real port. */
  readonly local: PeerAddress;
  send(datagram: Uint8Array, to: PeerAddress): void;
  /** Sends at once what waits for the end of the turn (`send-batch.ts`). */
  flush(): void;
  /**
   * Keeps datagrams to a group out of this socket, which is bound to a wildcard address. Linux gives those of every
   * group that anybody on the machine has joined to each such socket (IP_MULTICAST_ALL, which Node cannot turn off); a
   * membership for a source that does not exist makes it refuse all others.
   */
  keepOut(group: string, interfaceAddress: string): void;
  close(): Promise<void>;
  /**
   * Datagrams the system refused to send, or did not take fast enough, and received ones without a usable source. Where
   * nobody asked to be told of each that was refused, one stands for all of the same turn of the event loop.
   */
  readonly counters: { sendErrors: number; sendQueueFull: number; noSourcePort: number };
}

/** Opens, binds and (with `remote`) connects a socket; rejects with the system's error. */
export async function openUdpSocket(options: UdpSocketOptions): Promise<UdpSocket> {
  const host = options.host ?? (options.remote && !isIPv6(options.remote.host) ? '0.0.0.0' : '::');
  try {
    return await open(options, host);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (host === '::' && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')) {
      return open(options, '0.0.0.0');
    }
    throw error;
  }
}

async function open(options: UdpSocketOptions, host: string): Promise<UdpSocket> {
  const six = isIPv6(host);
  const begins = options.amongWorkers === undefined ? options.sharesPort : options.amongWorkers === 'begin';
  const wanted = options.port ?? 0;
  const socketOptions: SocketOptions = {
    type: six ? 'udp6' : 'udp4',
    ...(options.sharesPort ? { reuseAddr: true } : {}),
    ...(options.amongWorkers === undefined ? {} : { reusePort: true }),
    // Addresses are always literals: answering at once spares each send a trip through the resolver.
    lookup: (name, _options, callback) => callback(null, name, six ? 6 : 4),
  };
  const socket = begins ? await bindFreePort(socketOptions, host, wanted) : createSocket(socketOptions);
  const counters = { sendErrors: 0, sendQueueFull: 0, noSourcePort: 0 };
  let failed: (error: NodeJS.ErrnoException) => void = () => {};
  socket.on('error', (error) => failed(error));
  if (!begins) await bind(socket, host, wanted);
  if (options.receiveBufferBytes !== undefined) {
    try {
      socket.setRecvBufferSize(options.receiveBufferBytes);
    } catch {
      // The system's limit is smaller; the default buffer works as well, with less room for bursts.
    }
  }
  if (options.multicast) {
    const { interfaceAddress, hopLimit } = options.multicast;
    try {
      socket.setMulticastTTL(hopLimit);
      if (interfaceAddress !== undefined) socket.setMulticastInterface(interfaceAddress);
    } catch (error) {
      socket.close();
      throw error;
    }
  }
  if (options.remote) await connect(socket, options.remote, six);

  const sources = new SourceAddresses();
  socket.on('message', (message, from) => {
    // Port 0 cannot be answered: sending to it fails. Nobody sends from it by right (RFC 768).
    if (from.port === 0) {
      counters.noSourcePort++;
      return;
    }
    // A plain Uint8Array: Buffer's own `slice` would share memory where the core expects a copy.
    const datagram = new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
    batch.received();
    // A connected socket receives from its remote alone, however the system writes that address.
    options.onDatagram(datagram, options.remote ?? sources.of(from.address, from.port));
    batch.handled();
  });
  failed = options.onError;

  const bound = socket.address();
  const { remote, onError, onSendError } = options;
  const keptOut = new Set<string>();
  let closed = false;
  const notSent = (error: NodeJS.ErrnoException, to: PeerAddress): void => {
    counters.sendErrors++;
    onSendError?.(error, to);
    if (remote && isUnreachable(error)) onError(error);
  };
  // Where nobody asks which datagram it was, one function for all, and for one of each turn: to be told of one costs a tick.
  const counted = (error: Error | null): void => {
    if (error) counters.sendErrors++;
  };
  let isTold = false;
  const toldOncePerTurn = (): typeof counted | undefined => {
    if (isTold) return undefined;
    isTold = true;
    setImmediate(() => {
      isTold = false;
    });
    return counted;
  };
  const batch = new SendBatch((datagram, to) => {
    const sent =
      remote === undefined && onSendError === undefined
        ? toldOncePerTurn()
        : (error: Error | null): void => {
            if (error) notSent(error, to);
          };
    try {
      if (remote) socket.send(datagram, sent);
      else socket.send(datagram, to.port, six ? mapped(to.host) : to.host, sent);
    } catch (error) {
      counters.sendErrors++;
      onSendError?.(error as NodeJS.ErrnoException, to);
    }
  });
  const pressure = new SendPressure(() => socket.getSendQueueSize());
  return {
    local: ipAddress(bound.address, bound.port),
    counters,
    send(bytes, to) {
      if (closed) return;
      if (!pressure.mayGo()) {
        counters.sendQueueFull++;
        return;
      }
      // Small ones share the memory of a pool; each array of its own would get some from the system when it is sent.
      const datagram = Buffer.allocUnsafe(bytes.length);
      datagram.set(bytes);
      batch.add(datagram, to);
    },
    flush() {
      batch.flush();
    },
    keepOut(group, interfaceAddress) {
      // Other systems deliver a group to its members alone.
      if (closed || process.platform !== 'linux' || isIPv6(group) !== six) return;
      try {
        socket.addSourceSpecificMembership(six ? '100::1' : '192.0.2.1', group, interfaceAddress);
      } catch (error) {
        // Said of a membership that is there already; asked again, as the interface may be a new one of its name.
        const isThere = (error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL';
        if (!isThere || !keptOut.has(`${group} ${interfaceAddress}`)) throw error;
      }
      keptOut.add(`${group} ${interfaceAddress}`);
    },
    close() {
      if (closed) return Promise.resolve();
      batch.flush();
      closed = true;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

/**
 * A socket that will share its port, bound to one that nobody has yet; fails like one that shares nothing, as two servers
 * on one port would take each other's datagrams. For port 0 the system would give one that others share as well.
 */
async function bindFreePort(options: SocketOptions, host: string, port: number): Promise<Socket> {
  for (let left = 10; ; left--) {
    const free = await freePort(options, host, port);
    const socket = createSocket(options);
    try {
      await bind(socket, host, free);
      return socket;
    } catch (error) {
      // Somebody took it in between; of free ports there are others.
      if (port !== 0 || left === 0 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

/** A port that nobody has, shared or not: `port` itself unless that is 0; else rejects. */
async function freePort({ type }: SocketOptions, host: string, port: number): Promise<number> {
  const probe = createSocket({ type });
  await bind(probe, host, port);
  const free = probe.address().port;
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return free;
}

function bind(socket: Socket, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', onError);
    socket.bind({ address: host, port }, () => {
      socket.off('error', onError);
      resolve();
    });
  });
}

function connect(socket: Socket, remote: PeerAddress, six: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.connect(remote.port, six ? mapped(remote.host) : remote.host, (error?: Error) => {
      if (!error) return resolve();
      socket.close();
      reject(error);
    });
  });
}

function mapped(host: string): string {
  return host.includes(':') ? host : `::ffff:${host}`;
}

/** Whether the system says that datagrams do not get through to the remote of a connected socket. */
export function isUnreachable(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNREFUSED' || error.code === 'EHOSTUNREACH' || error.code === 'ENETUNREACH';
}
