/**
 * Whether the UDP ports of a gateway can be opened now, for `coapsule serve --check`.
 *
 * The sockets are bound and closed again at once; nothing is read from them or sent.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { EndpointAddress } from './serve-options.ts';
import { endpointFault } from './start-up-fault.ts';

/**
 * Open all endpoints together for a moment.
 *
 * @throws StartUpFault (rejects) for the first that cannot be opened.
 */
export async function tryEndpoints(
  endpoints: readonly { readonly scheme: 'coap' | 'coaps'; readonly address: EndpointAddress }[],
): Promise<void> {
  const sockets: Socket[] = [];
  const bind = async (host: string, port: number): Promise<void> => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    sockets.push(socket);
    const listening = once(socket, 'listening');
    socket.bind(port, host);
    await listening;
  };
  try {
    for (const { scheme, address } of endpoints) {
      const { host, port, anyHost } = address;
      try {
        await bind(host, port).catch((error: NodeJS.ErrnoException) => {
          if (!(anyHost && error.code === 'EAFNOSUPPORT')) throw error;
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
