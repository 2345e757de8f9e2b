/**
 * Begins worker threads that share UDP ports, introduces them to each other, and replaces those that end.
 *
 * What they tell each other is in `worker-link.ts`.
 *
 * @module
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import {
  type BoundPort,
  type FromWorker,
  type ToWorker,
  WorkerLink,
  type WorkerPlace,
} from './worker-link.ts';

/** How to begin them. */
export interface WorkerThreadsOptions {
  /** The module that each of them runs. */
  readonly module: URL;
  /** 1 … 255. */
  readonly count: number;
  /** What the module finds as `data` of its worker; structured clone. */
  readonly data?: unknown;
  /** Makes this thread worker 0, which runs this in place of the module and begins no thread. */
  readonly first?: ((link: WorkerLink) => Promise<void>) | undefined;
  /** A thread begins, also in place of one that ended; its module has the other end of `port`. */
  readonly onBegin: (index: number, port: MessagePort) => void;
  /** One has ended that was not told to: another takes its place. */
  readonly onEnded: (index: number, cause: unknown) => void;
  /** How long workers have to end of themselves, and after them worker 0; 15 s by default. */
  readonly longestCloseMs?: number;
}

/** What the bootstrap module of a worker finds. */
export interface WorkerBegin {
  readonly module: string;
  readonly place: WorkerPlace;
  readonly data: unknown;
  /** To the thread that began it. */
  readonly port: MessagePort;
}

const firstReplacementMs = 100;
const longestReplacementMs = 30_000;
/** Who lived so long did not die of what it was begun with. */
const longLifeMs = 60_000;
/** See `WorkerThreadsOptions.longestCloseMs`. */
const longestCloseMs = 15_000;

interface Running {
  /** Undefined for the thread that began the others. */
  readonly worker: Worker | undefined;
  readonly control: MessagePort;
  readonly begunAt: number;
}

/** How many threads can run at the same time. */
export function coreCount(): number {
  return availableParallelism();
}

/** Whether sockets can share a port here with the system spreading the datagrams (SO_REUSEPORT). */
export async function canSharePorts(): Promise<boolean> {
  const socket = createSocket({ type: 'udp4', reusePort: true });
  try {
    const bound = once(socket, 'listening');
    socket.bind({ address: '127.0.0.1', port: 0 });
    await bound;
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

/** See the module comment. */
export class WorkerThreads {
  readonly #options: WorkerThreadsOptions;
  readonly #running = new Map<number, Running>();
  readonly #bound = new Map<string, BoundPort>();
  readonly #ended = new Map<number, Promise<void>>();
  #delay = firstReplacementMs;
  readonly #closing = new AbortController();

  /** Resolves when the module has been evaluated in each worker; rejects, with none left, when it fails in one. */
  static async start(options: WorkerThreadsOptions): Promise<WorkerThreads> {
    const threads = new WorkerThreads(options);
    try {
      // At once: the others wait for the ports that the first one binds.
      const { count, first } = options;
      const all = Array.from({ length: count }, (_, index) =>
        index === 0 && first !== undefined ? threads.#beginHere(first) : threads.#begin(index, false),
      );
      await Promise.all(all);
    } catch (error) {
      await threads.close();
      throw error;
    }
    return threads;
  }

  private constructor(options: WorkerThreadsOptions) {
    this.#options = options;
  }

  /** What worker 0 has opened. */
  get bound(): readonly BoundPort[] {
    return [...this.#bound.values()];
  }

  /**
   * Lets the workers close what they have open, and waits until they have ended: worker 0 last, for it answers what others have
   * handed to it.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#end((index) => index > 0);
    await this.#end((index) => index === 0);
  }

  /** Tells some of them to close, and resolves when they have; those that have not in their time are ended. */
  async #end(isMeant: (index: number) => boolean): Promise<void> {
    const meant = [...this.#running].filter(([index]) => isMeant(index)).map(([, running]) => running);
    for (const { control } of meant) tell(control, { kind: 'close' });
    const ended = [...this.#ended].filter(([index]) => isMeant(index)).map(([, one]) => one);
    const stop = new AbortController();
    const tooLong = sleep(this.#options.longestCloseMs ?? longestCloseMs, undefined, {
      signal: stop.signal,
    }).then(
      () => Promise.all(meant.map(({ worker }) => worker?.terminate())),
      () => undefined,
    );
    await Promise.race([Promise.all(ended), tooLong]);
    stop.abort();
  }

  /** Resolves when it is ready, rejects when it ends before. */
  #begin(index: number, isReplacement: boolean): Promise<void> {
    const { module, count, data, onBegin } = this.#options;
    const { port1: control, port2 } = new MessageChannel();
    const { port1: own, port2: port } = new MessageChannel();
    const bound = [...this.#bound.values()];
    const place: WorkerPlace = { index, count, isReplacement, bound, control: port2 };
    const begin: WorkerBegin = { module: module.href, place, data, port };
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const worker = new Worker(new URL(`./worker-bootstrap${extension}`, import.meta.url), {
      workerData: begin,
      transferList: [port2, port],
    });
    onBegin(index, own);
    const running = { worker, control, begunAt: performance.now() };
    this.#introduce(index, control);
    this.#running.set(index, running);
    return new Promise((resolve, reject) => {
      let isReady = false;
      let cause: unknown;
      control.on('message', (message: FromWorker) => {
        if (message.kind === 'bound') this.#portBound(index, message);
        if (message.kind === 'ready') {
          isReady = true;
          resolve();
        }
      });
      worker.on('error', (error) => {
        cause = error;
      });
      const exited = new Promise<number>((resolveExit) => {
        worker.once('exit', resolveExit);
      });
      const ended = exited.then((code) => {
        control.close();
        this.#running.delete(index);
        this.#ended.delete(index);
        const why = cause ?? new Error(`worker ${index} ended with exit code ${code}`);
        reject(why);
        if (isReady || isReplacement) this.#replace(index, running, why);
      });
      this.#ended.set(index, ended);
    });
  }

  /** This thread is worker 0; resolves when it is ready. */
  #beginHere(first: (link: WorkerLink) => Promise<void>): Promise<void> {
    const { port1: control, port2 } = new MessageChannel();
    const link = new WorkerLink({
      index: 0,
      count: this.#options.count,
      isReplacement: false,
      bound: [],
      control: port2,
    });
    this.#running.set(0, { worker: undefined, control, begunAt: performance.now() });
    control.on('message', (message: FromWorker) => {
      if (message.kind === 'bound') this.#portBound(0, message);
    });
    const ended = new Promise<void>((resolve) => {
      // When it has closed what it had open.
      control.once('close', () => {
        this.#running.delete(0);
        resolve();
      });
    });
    this.#ended.set(0, ended);
    return first(link);
  }

  /** Gives each two of them a channel. */
  #introduce(index: number, control: MessagePort): void {
    for (const [other, running] of this.#running) {
      const { port1, port2 } = new MessageChannel();
      const waiting = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
      tell(control, { kind: 'introduce', index: other, port: port1, waiting }, port1);
      tell(running.control, { kind: 'introduce', index, port: port2, waiting }, port2);
    }
  }

  #portBound(index: number, message: Extract<FromWorker, { kind: 'bound' }>): void {
    this.#bound.set(message.uri, message);
    for (const [other, { control }] of this.#running) {
      if (other !== index) tell(control, message);
    }
  }

  #replace(index: number, { begunAt }: Running, cause: unknown): void {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#options.onEnded(index, cause);
    if (performance.now() - begunAt > longLifeMs) this.#delay = firstReplacementMs;
    const delay = this.#delay;
    this.#delay = Math.min(longestReplacementMs, delay * 2);
    void sleep(delay, undefined, { signal }).then(
      // Why it did not become ready is told as it ends.
      () => this.#begin(index, true).catch(() => undefined),
      () => undefined,
    );
  }
}

function tell(control: MessagePort, message: ToWorker, ...transfer: readonly MessagePort[]): void {
  control.postMessage(message, transfer);
}
