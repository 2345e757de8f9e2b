/**
 * The worker that this thread is, if it was begun as one.
 *
 * @module
 */

import { WorkerLink, type WorkerPlace } from './worker-link.ts';

let own: { readonly link: WorkerLink; readonly data: unknown } | undefined;

/** This thread is a worker from now on. */
export function joinWorkers(place: WorkerPlace, data: unknown): WorkerLink {
  const link = new WorkerLink(place);
  own = { link, data };
  return link;
}

/** See the module comment. */
export function ownWorker(): { readonly link: WorkerLink; readonly data: unknown } | undefined {
  return own;
}
