/**
 * Whether the ports of a gateway can be opened now, for `coapsule serve --check`.
 *
 * The sockets are bound and closed again at once; nothing is read from them or sent.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server } from 'node:net';
import type { EndpointAddress, EndpointScheme } from './serve-options.ts';
import { endpointFault } from './start-up-fault.ts';

/**
 * Open all endpoints together for a moment.
 *
 * @throws StartUpFault (rejects) for the first that cannot be opened.
 */
export async function tryEndpoints(
  endpoints: readonly { readonly scheme: EndpointScheme; readonly address: EndpointAddress }[],
): Promise<void> {
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
      const bind = scheme.includes('+') ? bindTcp : bindUdp;
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
