/**
 * Clients that outlive the command that made them, so that the next one goes on with their sockets and DTLS associations.
 *
 * Commands make a client each, and close it. Here one that asks for the same as one before it gets the same client, and
 * closing it gives it back. What a command hears of its client (trace, secrets, captured datagrams) goes to the command that
 * took it last and still has it.
 *
 * @module
 */

import type { ClientOptions } from 'coapsule';
import { CaptureFile } from './capture-file.ts';
import type { CommandClient } from './command-environment.ts';

/** Clients that are kept though nobody has them. */
const mostIdle = 4;

type Listeners = ReadonlyMap<string, (...args: readonly unknown[]) => unknown>;

interface KeptClient {
  readonly client: CommandClient;
  /** Of the commands that have it, the last one last. */
  readonly holders: Listeners[];
}

/** See the module comment. */
export class KeptClients {
  readonly #create: (options: ClientOptions) => Promise<CommandClient>;
  readonly #capture: CaptureFile | undefined;
  /** By what was asked for; the one used last is last. */
  readonly #kept = new Map<string, KeptClient>();

  /** @param capturePath of a file that gets what all of them send and receive, with the secrets. */
  constructor(create: (options: ClientOptions) => Promise<CommandClient>, capturePath?: string) {
    const capture = capturePath === undefined ? undefined : new CaptureFile(capturePath);
    this.#capture = capture;
    this.#create =
      capture === undefined
        ? create
        : (options) =>
            create({
              ...options,
              capture(datagram) {
                capture.datagram(datagram);
                options.capture?.(datagram);
              },
              keylog(line) {
                capture.secrets(line);
                options.keylog?.(line);
              },
            });
  }

  /** A client as a command asks for it. Its `close` gives it back. */
  async take(options: ClientOptions): Promise<CommandClient> {
    const wish = wishOf(options);
    // Such as an OSCORE context, which its command closes.
    if (wish === undefined) return this.#create(options);
    const kept = this.#kept.get(wish.name) ?? (await this.#open(options, wish.name));
    kept.holders.push(wish.listeners);
    let isHeld = true;
    return new Proxy(kept.client, {
      get: (client, member) => {
        if (member === 'close') {
          return async () => {
            if (!isHeld) return;
            isHeld = false;
            kept.holders.splice(kept.holders.indexOf(wish.listeners), 1);
            await this.#tidy();
          };
        }
        const value: unknown = Reflect.get(client, member);
        return typeof value === 'function' ? value.bind(client) : value;
      },
    });
  }

  /** Closes all: associations get their close_notify. */
  async close(): Promise<void> {
    const clients = [...this.#kept.values()];
    this.#kept.clear();
    for (const { client } of clients) await client.close();
    this.#capture?.close();
  }

  async #open(options: ClientOptions, name: string): Promise<KeptClient> {
    const holders: Listeners[] = [];
    const passedOn = withFunctions(
      options,
      (path) =>
        (...args: readonly unknown[]) =>
          holders.at(-1)?.get(path)?.(...args),
    ) as ClientOptions;
    const kept = { client: await this.#create(passedOn), holders };
    this.#kept.set(name, kept);
    return kept;
  }

  async #tidy(): Promise<void> {
    const idle = [...this.#kept].filter(([, { holders }]) => holders.length === 0);
    for (const [name, { client }] of idle.slice(0, Math.max(0, idle.length - mostIdle))) {
      this.#kept.delete(name);
      await client.close();
    }
  }
}

/** What is asked for, as text, and the functions in it; nothing where something in it is not for two. */
function wishOf(
  options: ClientOptions,
): { readonly name: string; readonly listeners: Listeners } | undefined {
  const listeners = new Map<string, (...args: readonly unknown[]) => unknown>();
  let isShared = true;
  const text = (value: unknown, path: string): unknown => {
    if (typeof value === 'function') {
      listeners.set(path, value as (...args: readonly unknown[]) => unknown);
      return 'function';
    }
    if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
    if (Array.isArray(value)) return value.map((item, index) => text(item, `${path}.${index}`));
    if (typeof value !== 'object' || value === null) return value ?? null;
    if (!isPlain(value)) {
      isShared = false;
      return null;
    }
    return Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, item]) => [key, text(item, `${path}.${key}`)]);
  };
  const name = JSON.stringify(text(options, ''));
  return isShared ? { name, listeners } : undefined;
}

/** The same with other functions, by their path. */
function withFunctions(value: unknown, replace: (path: string) => unknown, path = ''): unknown {
  if (typeof value === 'function') return replace(path);
  if (Array.isArray(value))
    return value.map((item, index) => withFunctions(item, replace, `${path}.${index}`));
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withFunctions(item, replace, `${path}.${key}`)]),
  );
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
