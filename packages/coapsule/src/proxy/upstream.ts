/**
 * The next hop of a proxy: how it is asked, and as whom.
 *
 * @module
 */

import { Client } from '../api/client.ts';
import { type ClientOptions, clientOptionNames } from '../api/client-options.ts';
import { expectKnownOptions } from '../api/known-options.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';

/** Servers that are asked with the same credentials. Its client is made with the first request. */
export class Upstream {
  /** Names the credentials: what is stored for one name answers no request with others. */
  readonly identity: string;
  /** Whether requests get an OSCORE context of the proxy's own. */
  readonly protects: boolean;
  readonly #options: ClientOptions;
  /** Whether the client is somebody else's, who closes it. */
  readonly #isLent: boolean;
  #client: Client | undefined;
  #closed = false;

  /** @param options How to make the client, or the client itself. */
  constructor(identity: string, options: ClientOptions | Client) {
    this.identity = identity;
    this.protects = !(options instanceof Client) && options.oscore !== undefined;
    this.#isLent = options instanceof Client;
    if (options instanceof Client) {
      this.#client = options;
      this.#options = {};
      return;
    }
    // Clients of the proxy choose the servers: sockets must not run out.
    this.#options = { maxServers: 256, ...options };
  }

  /** The client for it; after `close` one that is closed. */
  get client(): Client {
    if (this.#client === undefined) {
      this.#client = new Client(this.#options);
      if (this.#closed) void this.#client.close();
    }
    return this.#client;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#isLent) await this.#client?.close();
  }
}

/** Refuses a client in the place of its options, and options that there are not. @throws ApiMisuseError */
export function expectClientOptions(where: string, options: ClientOptions): void {
  if (options instanceof Client)
    throw new ApiMisuseError(`${where} is a Client; expected the options of one`);
  expectKnownOptions(where, options, clientOptionNames);
}
