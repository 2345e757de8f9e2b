/** A Redis server on a Unix socket, which keeps nothing on disk unless told to, and can go away and come back. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { RedisLink } from '../../src/shared/redis-link.ts';
import { type BackgroundProcess, start, temporaryFolder } from './process.ts';

/** See the file comment. */
export class RedisServer {
  readonly folder: string;
  readonly #t: TestContext;
  readonly #isDurable: boolean;
  #process: BackgroundProcess | undefined;

  private constructor(t: TestContext, isDurable: boolean) {
    this.#t = t;
    this.#isDurable = isDurable;
    this.folder = temporaryFolder(t);
  }

  /** @param isDurable Each command is on disk before its answer. */
  static async start(t: TestContext, isDurable = false): Promise<RedisServer> {
    const server = new RedisServer(t, isDurable);
    await server.up();
    return server;
  }

  get url(): string {
    return `unix:${this.#socket}`;
  }

  get #socket(): string {
    return join(this.folder, 'redis.sock');
  }

  async up(): Promise<void> {
    const durable = this.#isDurable
      ? ['--appendonly', 'yes', '--appendfsync', 'always']
      : ['--appendonly', 'no'];
    const place = ['--port', '0', '--unixsocket', this.#socket, '--dir', this.folder];
    this.#process = start(this.#t, 'redis-server', [...place, '--save', '', ...durable]);
    await this.#process.waitFor(/The server is now ready to accept connections/);
  }

  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#process?.stop(signal);
  }

  /** It is there and says nothing, until `SIGCONT`. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** A link to it that is ready, and ends with the test. */
  async link(silenceMs?: number): Promise<LinkAndEvents> {
    const events: string[] = [];
    const wakes: (() => void)[] = [];
    const tell = (event: string): void => {
      events.push(event);
      for (const wake of wakes.splice(0)) wake();
    };
    const until = async (event: string, count: number): Promise<void> => {
      while (events.filter((one) => one === event).length < count) {
        await new Promise<void>((resolve) => wakes.push(resolve));
      }
    };
    const link = await RedisLink.open(
      { url: this.url, key: sharedKey, graceMs: 0 },
      { onReady: () => tell('ready'), onAway: () => tell('away') },
      silenceMs,
    );
    this.#t.after(() => link.close());
    await until('ready', 1);
    return { link, until };
  }
}

/** A link, and what it has told. */
interface LinkAndEvents {
  readonly link: RedisLink;
  /** Fulfils when it has told this as often. */
  readonly until: (event: 'ready' | 'away', count: number) => Promise<void>;
}

/** What all gateways of a test have. */
export const sharedKey: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => i);
