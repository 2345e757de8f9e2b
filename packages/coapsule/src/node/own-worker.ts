/**
 * The worker that this thread is, if it was begun as one.
 *
 * @module
 */

import type { MessagePort } from 'node:worker_threads';
import { WorkerLink, type WorkerPlace } from './worker-link.ts';

/** What a worker thread was begun with. */
interface OwnWorker {
  readonly link: WorkerLink;
  readonly data: unknown;
  /** To the thread that began it. */
  readonly port: MessagePort;
}

let own: OwnWorker | undefined;

/** This thread is a worker from now on. */
export function joinWorkers(place: WorkerPlace, data: unknown, port: MessagePort): WorkerLink {
  const link = new WorkerLink(place);
  own = { link, data, port };
  return link;
}

/** See the module comment. */
export function ownWorker(): OwnWorker | undefined {
  return own;
}
