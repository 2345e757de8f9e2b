/**
 * The socket of an HTTP server: opened, or the reason why the gateway cannot start; its address; closed with all connections.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EndpointAddress } from './serve-options.ts';
import { endpointFault } from './start-up-fault.ts';

/**
 * Fulfils when the server listens.
 *
 * @throws StartUpFault (rejects) when the port cannot be had.
 */
export async function openHttpSocket(
  server: Server,
  { host, port }: EndpointAddress,
  name: 'http' | 'metrics',
): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw endpointFault(name, host, port, error);
  }
}

/** `host:port` of a server that listens, with the real port. */
export function httpSocketAddress(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Ends the connections too; fulfils when all are closed. */
export async function closeHttpSocket(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
