/**
 * The connection to the Redis server that gateways share: there or away, and never more than so many commands that wait.
 *
 * npm's `redis` connects, and connects again. A command is asked for at once or fails at once: nothing is queued for a server that is
 * away, since who asks has a device that waits. Commands of Redis 7.0 only.
 *
 * @module
 */

import type { RedisClientType } from 'redis';
import { StartUpFault } from '../server/start-up-fault.ts';
import { StoreFault } from '../store/store-fault.ts';
import type { RedisOptions } from './redis-options.ts';

/** What a link tells. */
export interface RedisLinkEvents {
  /** The server is there, for the first time or again. */
  readonly onReady: () => void;
  /** The server is away. Told again with each attempt that fails. */
  readonly onAway: (cause: string) => void;
}

type Client = RedisClientType<Record<string, never>, Record<string, never>, Record<string, never>, 2>;

/** Commands that may wait for their answers. */
const mostWaiting = 2000;

/** A server that says nothing for so long is away. */
const longestSilenceMs = 10_000;

const connectMs = 5000;
const firstRetryMs = 50;
const longestRetryMs = 5000;

/** See the module comment. */
export class RedisLink {
  readonly #client: Client;
  readonly #waiter: Client;
  readonly #pingMs: number;
  #isThere = false;
  #isClosed = false;

  /** @throws StartUpFault (rejects) when npm's `redis` is not installed. Does not wait for the server. */
  static async open(
    options: RedisOptions,
    events: RedisLinkEvents,
    silenceMs: number = longestSilenceMs,
  ): Promise<RedisLink> {
    const { createClient } = await loadRedis();
    const pingMs = Math.ceil(silenceMs / 3);
    const make = (): Client =>
      createClient({
        ...addressOf(options, silenceMs),
        RESP: 2,
        disableOfflineQueue: true,
        commandsQueueMaxLength: mostWaiting,
        pingInterval: pingMs,
        ...(options.user === undefined ? {} : { username: options.user }),
        ...(options.password === undefined ? {} : { password: options.password }),
      }) as unknown as Client;
    return new RedisLink(make(), make(), events, pingMs);
  }

  private constructor(client: Client, waiter: Client, events: RedisLinkEvents, pingMs: number) {
    this.#client = client;
    this.#waiter = waiter;
    this.#pingMs = pingMs;
    client.on('ready', () => {
      this.#isThere = true;
      if (!this.#isClosed) events.onReady();
    });
    client.on('error', (error: Error) => {
      this.#isThere = client.isReady;
      if (!this.#isThere && !this.#isClosed) events.onAway(error.message || error.name);
    });
    // What it says, the other connection says too.
    waiter.on('error', () => {});
    for (const one of [client, waiter]) void one.connect().catch(() => {});
  }

  get isThere(): boolean {
    return this.#isThere;
  }

  /**
   * One command.
   *
   * @throws StoreFault (rejects) `away` when the server is away or answers too late, in which case it may have been carried out;
   *         `failed` when it refuses the command.
   */
  async ask(...command: readonly string[]): Promise<unknown> {
    if (!this.#isThere) throw away('it is not connected');
    try {
      return await this.#client.sendCommand(command);
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** Waits until a stream has something behind its mark, for some seconds at most. On a connection of its own. */
  async waitForStreams(streams: readonly { readonly key: string; readonly mark: string }[]): Promise<void> {
    if (!this.#waiter.isReady) return this.#waiterReady();
    const keys = streams.map(({ key }) => key);
    const marks = streams.map(({ mark }) => mark);
    const command = ['XREAD', 'COUNT', '1', 'BLOCK', String(this.#pingMs), 'STREAMS', ...keys, ...marks];
    try {
      await this.#waiter.sendCommand(command);
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** Fulfils when the other connection is there too, or did not become so in time. */
  #waiterReady(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiter.off('ready', done);
        resolve();
      };
      const timer = setTimeout(done, this.#pingMs).unref();
      this.#waiter.on('ready', done);
    });
  }

  /** No attempt to connect any more; what waits for an answer fails. */
  close(): void {
    this.#isClosed = true;
    this.#isThere = false;
    for (const client of [this.#client, this.#waiter]) if (client.isOpen) client.destroy();
  }
}

async function loadRedis(): Promise<typeof import('redis')> {
  try {
    return await import('redis');
  } catch (error) {
    throw new StartUpFault(
      `--redis needs the package redis, which cannot be loaded: ${(error as Error).message}`,
      'install it: npm install redis@6',
    );
  }
}

function addressOf({ url }: RedisOptions, silenceMs: number): object {
  const timing = {
    connectTimeout: connectMs,
    socketTimeout: silenceMs,
    reconnectStrategy: (retries: number): number =>
      Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(retries, 10)),
  };
  if (url.startsWith('unix:')) return { socket: { path: url.slice('unix:'.length), tls: false, ...timing } };
  const { protocol } = new URL(url);
  return { url, socket: { ...timing, tls: protocol === 'rediss:' } };
}

function away(cause: string): StoreFault {
  return new StoreFault(
    'away',
    `Redis is away: ${cause}`,
    'it is tried again; see that it runs and can be reached',
  );
}

/** Refusals of Redis that go away by themselves: it loads its data, is a replica for the moment, or has no memory left. */
const passing = /^(?:LOADING|READONLY|MASTERDOWN|OOM|BUSY|NOREPLICAS|MISCONF|CLUSTERDOWN|TRYAGAIN)\b/;

function faultOf(error: unknown): StoreFault {
  const { message, constructor: kind } = error as Error;
  if (!/ErrorReply$|SimpleError$|BlobError$/.test(kind.name)) return away(message || kind.name);
  if (passing.test(message)) return away(message);
  return new StoreFault(
    'failed',
    `Redis refuses: ${message}`,
    'see its configuration; docs/scale-out.md has what is needed',
  );
}
