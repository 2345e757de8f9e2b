/**
 * Whether the ports of a gateway fit together, and can be opened now, for `coapsule serve --check`.
 *
 * The sockets are bound and closed again at once; nothing is read from them or sent.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server } from 'node:net';
import type { EndpointAddress } from './serve-options.ts';
import {
  endpointFault,
  endpointOption,
  type SocketKind,
  StartUpFault,
  socketTransport,
} from './start-up-fault.ts';

/** An endpoint that is on. */
export interface PlannedEndpoint {
  readonly scheme: SocketKind;
  readonly address: EndpointAddress;
}

/**
 * Refuse two endpoints at one place; opens nothing.
 *
 * @throws StartUpFault that names both.
 */
export function expectDistinctPorts(endpoints: readonly PlannedEndpoint[]): void {
  for (const [index, { scheme, address }] of endpoints.entries()) {
    const other = endpoints
      .slice(0, index)
      .find(
        (before) =>
          socketTransport(before.scheme) === socketTransport(scheme) && overlap(before.address, address),
      );
    if (other === undefined) continue;
    throw new StartUpFault(
      `${endpointOption(other.scheme)} and ${endpointOption(scheme)} are both on ${socketTransport(scheme)} port ${address.port}`,
      'give each endpoint its own port',
    );
  }
}

/** `::` is every address, IPv4 too; `0.0.0.0` every IPv4 address. */
function overlap(one: EndpointAddress, other: EndpointAddress): boolean {
  if (one.port !== other.port || one.port === 0) return false;
  const hosts = [one.host, other.host];
  const [ipv4] = hosts.filter((host) => host === '0.0.0.0');
  return (
    one.host === other.host ||
    hosts.includes('::') ||
    (ipv4 !== undefined && hosts.every((host) => !host.includes(':')))
  );
}

/**
 * Open all endpoints together for a moment.
 *
 * @throws StartUpFault (rejects) for the first that cannot be opened.
 */
export async function tryEndpoints(endpoints: readonly PlannedEndpoint[]): Promise<void> {
  const sockets: (Socket | Server)[] = [];
  const bindTcp = async (host: string, port: number): Promise<void> => {
    const server = createServer();
    sockets.push(server);
    const listening = once(server, 'listening');
    server.listen(port, host);
    await listening;
  };
  const bindUdp = async (host: string, port: number): Promise<void> => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    sockets.push(socket);
    const listening = once(socket, 'listening');
    socket.bind(port, host);
    await listening;
  };
  try {
    for (const { scheme, address } of endpoints) {
      const { host, port } = address;
      const bind = socketTransport(scheme) === 'TCP' ? bindTcp : bindUdp;
      try {
        await bind(host, port).catch((error: NodeJS.ErrnoException) => {
          // As the library does where there is no IPv6.
          if (host !== '::' || !isNoIpv6(error)) throw error;
          return bind('0.0.0.0', port);
        });
      } catch (error) {
        throw endpointFault(scheme, host, port, error);
      }
    }
  } finally {
    for (const socket of sockets) socket.close();
  }
}

function isNoIpv6({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL';
}
