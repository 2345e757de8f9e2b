/** A gateway in this process on free ports of the loopback address, and clients for it. */
import type { TestContext } from 'node:test';
import { Client, type ClientOptions } from 'coapsule';
import { Gateway } from '../../src/gateway/gateway.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const anyPort = { host: '127.0.0.1', port: 0 } as const;

/** Lines of a log, and a way to wait for one. */
class LogLines {
  readonly lines: string[] = [];
  #wake: (() => void)[] = [];

  add(line: string): void {
    this.lines.push(line);
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** The first line, past or to come, that matches. */
  async waitFor(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = this.lines.find((text) => pattern.test(text));
      if (line !== undefined) return line;
      await this.next();
    }
  }

  /** Fulfils when there is one more line. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}

/** What a test holds of its gateway. */
export interface TestGateway {
  readonly gateway: Gateway;
  readonly log: LogLines;
  readonly folder: string;
  /** `coap://host:port` and `coaps://host:port`. */
  readonly coap: string;
  readonly coaps: string;
  /** A client that ends with the test, with a PSK when one is given. */
  client(identity?: string, key?: string, options?: ClientOptions): Client;
}

/** Start a gateway that ends with the test. */
export async function startTestGateway(
  t: TestContext,
  options: Partial<GatewayOptions> = {},
): Promise<TestGateway> {
  const log = new LogLines();
  const folder = options.dataFolder ?? temporaryFolder(t);
  const add = (line: string): void => log.add(line);
  const gateway = await Gateway.start({
    dataFolder: folder,
    coap: anyPort,
    coaps: anyPort,
    watchIntervalMs: 5,
    log: {
      verbosity: 1,
      error: add,
      warning: add,
      detail: (atLeast, text) => {
        if (atLeast <= 1) add(text);
      },
    },
    ...options,
  });
  const clients: Client[] = [];
  // Clients first: their goodbye needs the gateway.
  t.after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await gateway.close();
  });
  return {
    gateway,
    log,
    folder,
    coap: `coap://${gateway.endpoints.coap}`,
    coaps: `coaps://${gateway.endpoints.coaps}`,
    client(identity, key, clientOptions = {}) {
      const psk =
        identity === undefined || key === undefined
          ? {}
          : { psk: { identity, key: new TextEncoder().encode(key) } };
      const client = new Client({ ...psk, ...clientOptions });
      clients.push(client);
      return client;
    },
  };
}
