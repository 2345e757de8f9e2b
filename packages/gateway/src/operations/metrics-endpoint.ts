/**
 * An HTTP endpoint for metrics, health and readiness alone: for who watches the gateway from a network in which nothing else of
 * it is to be reached. Whoever reaches it sees them.
 */
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { closeHttpSocket, httpSocketAddress, openHttpSocket } from '../server/http-socket.ts';
import type { EndpointAddress } from '../server/serve-options.ts';
import { addHealthPages, type OperationsPagesParts } from './operations-pages.ts';

/** See the module comment. */
export class MetricsEndpoint {
  readonly #server: Server;

  /** @throws StartUpFault (rejects) when the port cannot be had. */
  static async open(
    address: EndpointAddress,
    operations: OperationsPagesParts['operations'],
    onError: (error: Error) => void,
  ): Promise<MetricsEndpoint> {
    const endpoint = new MetricsEndpoint(operations, onError);
    await openHttpSocket(endpoint.#server, address, 'metrics');
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
    return httpSocketAddress(this.#server);
  }

  close(): Promise<void> {
    return closeHttpSocket(this.#server);
  }
}
