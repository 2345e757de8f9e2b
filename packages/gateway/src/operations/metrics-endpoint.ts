/**
 * An HTTP endpoint for metrics, health and readiness alone: for who watches the gateway from a network in which nothing else of
 * it is to be reached. Whoever reaches it sees them.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { EndpointAddress } from '../server/serve-options.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import { addHealthPages, type OperationsPagesParts } from './operations-pages.ts';

/** See the module comment. */
export class MetricsEndpoint {
  readonly #server: Server;

  /** @throws StartUpFault (rejects) when the port cannot be had. */
  static async open(
    { host, port }: EndpointAddress,
    operations: OperationsPagesParts['operations'],
    onError: (error: Error) => void,
  ): Promise<MetricsEndpoint> {
    const endpoint = new MetricsEndpoint(operations, onError);
    try {
      endpoint.#server.listen(port, host);
      await once(endpoint.#server, 'listening');
    } catch (error) {
      throw new StartUpFault(
        `the metrics endpoint cannot be opened: ${(error as Error).message}`,
        'give another port with --metrics [HOST:]PORT, or --metrics off',
      );
    }
    endpoint.#server.on('error', onError);
    return endpoint;
  }

  private constructor(operations: OperationsPagesParts['operations'], onError: (error: Error) => void) {
    const app = new Hono();
    addHealthPages(app, { operations, areMetricsOpen: true, rulesOf: () => [] });
    app.notFound((c) => c.text('there are /metrics, /health and /ready\n', 404));
    app.onError((error, c) => {
      onError(error);
      return c.text('the gateway failed\n', 500);
    });
    this.#server = createServer(getRequestListener(app.fetch));
    this.#server.requestTimeout = 30_000;
    this.#server.maxConnections = 100;
  }

  /** `host:port` with the real port. */
  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
