/**
 * What one thread asks the store's worker, each question with its answer as a promise, until one of the two ends.
 *
 * The same for the thread that started the worker and for those that ask over a port of their own. What can be asked is
 * store-protocol.ts.
 */
import { type MessagePort, Worker } from 'node:worker_threads';
import type { EndedOverlap } from './previous-table.ts';
import { StoreFault } from './store-fault.ts';
import type { FaultValue, FromWorker, StoreQuestions, ToWorker } from './store-protocol.ts';
import type { StoreWorkerData } from './store-worker.ts';

/** What a link tells, unasked. */
export interface StoreLinkEvents {
  readonly onDevicesChanged: () => void;
  readonly onOverlapEnded: (ended: EndedOverlap) => void;
  /** Once, when it ended by itself. */
  readonly onEnded: (fault: StoreFault) => void;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (fault: StoreFault) => void;
}

/** See the module comment. */
export class StoreLink {
  readonly #worker: Worker | MessagePort;
  readonly #events: StoreLinkEvents;
  readonly #questions = new Map<number, Waiting>();
  #nextQuestion = 1;
  #ended: StoreFault | undefined;

  constructor(worker: Worker | MessagePort, events: StoreLinkEvents) {
    this.#worker = worker;
    this.#events = events;
    worker.on('message', (message: FromWorker) => this.#handle(message));
    if (!(worker instanceof Worker)) {
      worker.on('close', () => this.#end(storeClosed()));
      return;
    }
    worker.on('error', (error) =>
      this.#end(new StoreFault('failed', `the store failed: ${error.message}`, 'restart')),
    );
    worker.on('exit', () => this.#end(new StoreFault('failed', 'the store ended unexpectedly', 'restart')));
  }

  /** Why nothing can be asked any more; undefined while it can. */
  get ended(): StoreFault | undefined {
    return this.#ended;
  }

  /** Questions that wait for an answer. */
  get waiting(): number {
    return this.#questions.size;
  }

  ask<K extends keyof StoreQuestions>(
    kind: K,
    ask: StoreQuestions[K]['ask'],
    transfer: readonly MessagePort[] = [],
  ): Promise<StoreQuestions[K]['answer']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const question = this.#nextQuestion++;
    return new Promise<StoreQuestions[K]['answer']>((resolve, reject) => {
      this.#questions.set(question, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ question, kind, ask } as ToWorker, transfer);
    });
  }

  /**
   * Ends the part of this thread; from where the worker was started the worker too, for all, and fulfils when that has ended.
   *
   * @param fault What every later question fails with.
   */
  async close(fault: StoreFault): Promise<void> {
    const worker = this.#worker;
    if (!(worker instanceof Worker)) {
      this.#ended = fault;
      worker.close();
      return;
    }
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const answered = this.ask('close', undefined);
    this.#ended = fault;
    await answered;
    await exited;
  }

  #handle(message: FromWorker): void {
    switch (message.kind) {
      case 'answer':
        this.#take(message.question)?.resolve(message.answer);
        return;
      case 'fault':
        this.#take(message.question)?.reject(faultOf(message.fault));
        return;
      case 'devices-changed':
        this.#events.onDevicesChanged();
        return;
      case 'overlap-ended':
        this.#events.onOverlapEnded(message.ended);
        return;
      case 'opened':
      case 'refused':
        return; // handled in startWorker()
    }
  }

  #take(question: number): Waiting | undefined {
    const waiting = this.#questions.get(question);
    this.#questions.delete(question);
    return waiting;
  }

  #end(fault: StoreFault): void {
    if (this.#ended !== undefined) return;
    this.#ended = fault;
    for (const waiting of this.#questions.values()) waiting.reject(fault);
    this.#questions.clear();
    this.#events.onEnded(fault);
  }
}

/**
 * Starts the worker; fulfils when it has opened the store, with what the operator should know.
 *
 * @throws StoreFault (rejects) with the cause and the next step; nothing is then changed.
 */
export async function startWorker(
  workerData: StoreWorkerData,
): Promise<{ readonly worker: Worker; readonly warnings: readonly string[] }> {
  // A URL string is not rewritten by the compiler: from source the worker is .ts, built it is .js.
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const worker = new Worker(new URL(`./store-worker${extension}`, import.meta.url), { workerData });
  const opening = Promise.withResolvers<readonly string[]>();
  const handleFirst = (message: FromWorker): void => {
    if (message.kind === 'opened') opening.resolve(message.warnings);
    else if (message.kind === 'refused') opening.reject(faultOf(message.fault));
  };
  const handleExit = (): void => {
    opening.reject(new StoreFault('failed', 'the store ended while it opened', 'start again'));
  };
  worker.once('message', handleFirst);
  worker.once('error', opening.reject);
  worker.once('exit', handleExit);
  const warnings = await opening.promise;
  worker.off('error', opening.reject);
  worker.off('exit', handleExit);
  return { worker, warnings };
}

/** Why nobody can ask a store that was closed. */
export function storeClosed(): StoreFault {
  return new StoreFault('closed', 'the store is closed', 'open it again');
}

function faultOf({ code, message, nextStep }: FaultValue): StoreFault {
  return new StoreFault(code, message, nextStep);
}
