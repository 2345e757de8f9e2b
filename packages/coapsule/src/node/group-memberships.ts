/**
 * The multicast groups that a server has joined: a socket for each, so that it is known which datagrams came to a group.
 *
 * RFC 7252 §8 and §12.8. Node does not tell where a datagram was sent to (no IPV6_RECVPKTINFO), so each group has a
 * socket that is bound to the group's own address: what it receives came to the group, what another receives did not.
 * Nothing is sent by these sockets. Systems that bind no socket to a group (Windows) have no multicast here.
 *
 * Interfaces come and go: they are looked at again every 10 s, and joining is repeated. What fails is told once, by name,
 * and tried again.
 *
 * @module
 */

import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { isLinkScoped } from '../core/coap/multicast.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';

/** One group on one interface. */
export interface GroupMembership {
  /** IP literal, with a zone where it means another group on each link. */
  readonly group: string;
  readonly port: number;
  /** Name of the interface. */
  readonly interface: string;
  /** Why it is not joined now. */
  readonly error: NodeJS.ErrnoException | undefined;
}

/** What to join. */
export interface GroupMembershipsOptions {
  /** IP literals of multicast addresses, without zones. */
  readonly groups: readonly string[];
  readonly port: number;
  /** Names; by default all that are up, without loopback unless there is no other. */
  readonly interfaces?: readonly string[] | undefined;
  /** Only the interface that has this address. */
  readonly address?: string | undefined;
  /** `group` is the address it was sent to; `datagram` belongs to the callee. */
  readonly onDatagram: (datagram: Uint8Array, from: PeerAddress, group: PeerAddress) => void;
  /** The port is also that of sockets of several workers, which share it by SO_REUSEPORT. */
  readonly amongWorkers?: boolean;
  /** A group was joined: a socket on a wildcard address has to be kept out of it (`UdpSocket.keepOut`). */
  readonly onJoined: (group: string, interfaceAddress: string) => void;
  /** A group cannot be joined on an interface, or an interface is not there. */
  readonly onFailure: (membership: GroupMembership) => void;
  /** The interfaces of this machine; for tests. */
  readonly listInterfaces?: typeof networkInterfaces;
  readonly refreshMs?: number;
}

/** A pair of group and interface to be joined. */
interface Wanted {
  readonly key: string;
  readonly group: string;
  readonly interface: string;
  /** What the system calls the interface: its IPv4 address, or `::%name`. */
  readonly interfaceAddress: string;
}

interface GroupSocket {
  readonly socket: Socket;
  readonly joined: Map<string, Wanted>;
}

const defaultRefreshMs = 10_000;

/** See the module comment. */
export class GroupMemberships {
  readonly #options: GroupMembershipsOptions;
  readonly #sockets = new Map<string, GroupSocket>();
  readonly #states = new Map<string, GroupMembership>();
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> | undefined;
  #closed = false;

  /** Joins what can be joined; never rejects. */
  static async open(options: GroupMembershipsOptions): Promise<GroupMemberships> {
    const memberships = new GroupMemberships(options);
    await memberships.refresh();
    return memberships;
  }

  private constructor(options: GroupMembershipsOptions) {
    this.#options = options;
  }

  /** What is joined, and what is not. */
  list(): readonly GroupMembership[] {
    return [...this.#states.values()];
  }

  /** Looks at the interfaces now. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#refreshing;
    await Promise.all([...this.#sockets.keys()].map((key) => this.#closeSocket(key)));
  }

  async #refresh(): Promise<void> {
    const { listInterfaces = networkInterfaces, interfaces = [] } = this.#options;
    const present = new Map(Object.entries(listInterfaces()).map(([name, list]) => [name, list ?? []]));
    const absent = interfaces.filter((name) => !present.has(name)).map(absentInterface);
    const wanted = this.#wanted(present);
    const keys = new Set([...wanted, ...absent].map(({ key }) => key));
    for (const one of absent) {
      const error = Object.assign(new Error(`there is no interface ${one.interface}`), { code: 'ENODEV' });
      this.#failed(one, error);
    }
    for (const key of this.#states.keys()) if (!keys.has(key)) this.#states.delete(key);
    for (const [name, { socket, joined }] of this.#sockets) {
      for (const [key, { group, interfaceAddress }] of joined) {
        if (keys.has(key)) continue;
        joined.delete(key);
        try {
          socket.dropMembership(group, interfaceAddress);
        } catch {
          // The interface is gone, and the membership with it.
        }
      }
      if (joined.size === 0) await this.#closeSocket(name);
    }
    for (const one of wanted) {
      if (this.#closed) return;
      await this.#join(one);
    }
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), this.#options.refreshMs ?? defaultRefreshMs);
    // What keeps the process alive is the listener.
    this.#timer.unref();
  }

  async #join(wanted: Wanted): Promise<void> {
    const { key, group, interfaceAddress } = wanted;
    try {
      const one = await this.#socketFor(wanted);
      try {
        one.socket.addMembership(group, interfaceAddress);
      } catch (error) {
        // Joined already; asked again, as the interface may have been made anew under its old name.
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      }
      one.joined.set(key, wanted);
      this.#options.onJoined(group, interfaceAddress);
      this.#states.set(key, this.#state(wanted, undefined));
    } catch (error) {
      this.#failed(wanted, error as NodeJS.ErrnoException);
    }
  }

  /** A socket of its own for each group; of a link-scoped one for each link, as its address is bound with the zone. */
  async #socketFor(wanted: Wanted): Promise<GroupSocket> {
    const address = boundAddress(wanted);
    const known = this.#sockets.get(address);
    if (known) return known;
    const { port, onDatagram, amongWorkers = false } = this.#options;
    const six = isIPv6(wanted.group);
    const socket = createSocket({
      type: six ? 'udp6' : 'udp4',
      // Other servers of this machine may be members too: each gets every datagram.
      reuseAddr: true,
      ...(amongWorkers ? { reusePort: true } : {}),
      lookup: (name, _options, callback) => callback(null, name, six ? 6 : 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address, port, exclusive: true }, resolve);
    });
    socket.removeAllListeners('error');
    socket.on('error', (error) => {
      // The next look at the interfaces opens it again.
      for (const one of this.#sockets.get(address)?.joined.values() ?? []) this.#failed(one, error);
      void this.#closeSocket(address);
    });
    const to = ipAddress(address, port);
    socket.on('message', (message, from) => {
      if (from.port === 0) return; // it cannot be answered
      const datagram = new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
      onDatagram(datagram, ipAddress(from.address, from.port), to);
    });
    const opened = { socket, joined: new Map() };
    this.#sockets.set(address, opened);
    return opened;
  }

  async #closeSocket(address: string): Promise<void> {
    const one = this.#sockets.get(address);
    if (one === undefined) return;
    this.#sockets.delete(address);
    await new Promise<void>((resolve) => one.socket.close(() => resolve()));
  }

  #state(wanted: Wanted, error: NodeJS.ErrnoException | undefined): GroupMembership {
    return { group: boundAddress(wanted), port: this.#options.port, interface: wanted.interface, error };
  }

  #failed(wanted: Wanted, error: NodeJS.ErrnoException): void {
    const before = this.#states.get(wanted.key)?.error;
    const state = this.#state(wanted, error);
    this.#states.set(wanted.key, state);
    if (before?.code !== error.code) this.#options.onFailure(state);
  }

  #wanted(present: ReadonlyMap<string, readonly NetworkInterfaceInfo[]>): Wanted[] {
    const { groups, interfaces, address } = this.#options;
    const chosen = [...present].filter(
      ([name, list]) =>
        (interfaces === undefined || interfaces.includes(name)) &&
        (address === undefined || list.some((one) => one.address === address.replace(/%.*$/, ''))),
    );
    const outside = chosen.filter(([, list]) => !list.every(({ internal }) => internal));
    const isChosen = interfaces !== undefined || address !== undefined || outside.length === 0;
    return (isChosen ? chosen : outside).flatMap(([name, list]) =>
      groups.flatMap((group) => {
        const six = isIPv6(group);
        const own = list.find(({ family }) => family === (six ? 'IPv6' : 'IPv4'));
        if (own === undefined) return [];
        const interfaceAddress = six ? `::%${name}` : own.address;
        // The index tells an interface from a later one of the same name.
        const index = list.find((one) => one.family === 'IPv6' && one.scopeid > 0) as
          | { readonly scopeid: number }
          | undefined;
        const key = `${name} ${index?.scopeid ?? 0} ${interfaceAddress} ${group}`;
        return [{ key, group, interface: name, interfaceAddress }];
      }),
    );
  }
}

function absentInterface(name: string): Wanted {
  return { key: `${name} *`, group: '*', interface: name, interfaceAddress: '' };
}

function boundAddress({ group, interface: name }: Wanted): string {
  return isLinkScoped(group) ? `${group}%${name}` : group;
}
