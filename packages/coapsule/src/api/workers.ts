/**
 * All cores on one port: worker threads that each run the same module, with a `Server` of its own, on sockets that share
 * their port.
 *
 * Each worker has its own peers, associations and observers; what a handler remembers, it remembers in its worker. A record
 * that comes to the wrong worker, because the peer's address has changed or a worker was replaced, goes to the one that has
 * the association (`node/shared-port.ts`). `notify` tells the observers of all workers. What cannot be shared has one owner,
 * worker 0: streams, serial lines, groups, contexts of OSCORE (docs/workers.md).
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import { ownWorker } from '../node/own-worker.ts';
import type { MessagePort, WorkerLink } from '../node/worker-link.ts';
import { canSharePorts, coreCount, WorkerThreads } from '../node/worker-threads.ts';

/** The number of a worker is one byte of the connection ids that it gives. */
const mostWorkers = 255;

/** How to begin workers. */
export interface WorkersOptions {
  /** 1 … 255; one for each core by default. */
  readonly count?: number;
  /** What each worker finds as `data` of `portWorker()`: structured clone. */
  readonly data?: unknown;
  /** Something that whoever runs this should know: ports cannot be shared here, a worker ended and is replaced. */
  readonly onNotice?: (notice: string) => void;
  /**
   * Makes the calling thread worker 0: this runs in place of the module, and what has one owner is here. Listen in it. It ends
   * with its process, and is not replaced.
   */
  readonly first?: (worker: PortWorker) => Promise<void>;
  /** A worker thread begins, also in place of one that ended. `port` leads to the `port` of its `portWorker()`. */
  readonly onBegin?: (index: number, port: MessagePort) => void;
}

/** A port of workers, or what worker 0 has open for all. */
export interface WorkerListener {
  readonly uri: string;
  /** `coaps://[::]:5684`. */
  readonly openUri: string;
  /** Of a serial line 0. */
  readonly port: number;
}

/** Workers that run. */
export interface Workers extends AsyncDisposable {
  /** How many there are: 1 where the platform cannot share ports. */
  readonly count: number;
  /** What they listen on: the URI as it was asked for, and with the real port. */
  readonly listeners: readonly WorkerListener[];
  /** Closes the servers of all workers, and waits until the threads have ended. */
  close(): Promise<void>;
}

/** The worker that this thread is. Give it to `listen` as `worker`. */
export interface PortWorker {
  /** 0 … count - 1. Worker 0 owns what cannot be shared. */
  readonly index: number;
  readonly count: number;
  readonly data: unknown;
  /** To the thread that began it (`WorkersOptions.onBegin`); undefined in that thread itself. */
  readonly port: MessagePort | undefined;
}

const links = new WeakMap<PortWorker, WorkerLink>();
let own: PortWorker | undefined;

function workerWith(link: WorkerLink, data: unknown, port: MessagePort | undefined): PortWorker {
  const worker: PortWorker = { index: link.index, count: link.count, data, port };
  links.set(worker, link);
  return worker;
}

/**
 * Runs a module in worker threads.
 *
 * ```ts
 * // main.ts
 * const workers = await startWorkers(new URL('./app.ts', import.meta.url));
 * // app.ts
 * await server.listen('coaps://[::]:5684', { psk, worker: portWorker() });
 * ```
 *
 * A worker that ends is replaced, after 0.1 s at first and up to 30 s when it ends again and again.
 *
 * @param module It is ready when it has been evaluated: await `listen` at its top level.
 * @throws ApiMisuseError for a count that cannot be; what the module threw, when it fails in a worker at the start.
 */
export async function startWorkers(module: URL, options: WorkersOptions = {}): Promise<Workers> {
  const { count: wanted = coreCount(), data, onNotice = () => {}, first, onBegin = () => {} } = options;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > mostWorkers) {
    throw new ApiMisuseError(`count: got ${wanted}, expected 1 … ${mostWorkers}`);
  }
  let count = wanted;
  if (wanted > 1 && !(await canSharePorts())) {
    count = 1;
    onNotice(`this platform (${process.platform}) cannot share a port among sockets: one worker runs`);
  }
  const threads = await WorkerThreads.start({
    module,
    count,
    data,
    first: first && ((link) => first(workerWith(link, data, undefined))),
    onBegin,
    onEnded: (index, cause) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      onNotice(`worker ${index} ended and is replaced: ${why}`);
    },
  });
  const close = (): Promise<void> => threads.close();
  return { count, listeners: threads.bound, close, [Symbol.asyncDispose]: close };
}

/** The worker that this thread is; undefined where `startWorkers` did not begin it, and `listen` is as without workers. */
export function portWorker(): PortWorker | undefined {
  const found = ownWorker();
  if (found === undefined) return undefined;
  own ??= workerWith(found.link, found.data, found.port);
  return own;
}

/** Its link to the others. @throws ApiMisuseError for a worker that is not from `portWorker`, or given to `first`. */
export function linkOf(worker: PortWorker): WorkerLink {
  const link = links.get(worker);
  if (link === undefined) throw new ApiMisuseError('worker: expected what portWorker() returns');
  return link;
}
