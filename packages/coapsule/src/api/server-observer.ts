/**
 * Who observes what, as a server tells it.
 *
 * @module
 */

import type { ActiveObservation } from '../core/request-response/request-response-layer.ts';

/** One observer of a resource. */
export interface ServerObserver {
  /** Address and port of the client, or the name of its association. */
  readonly peer: string;
  readonly token: Uint8Array;
  /** `/path` or `/path?query`. */
  readonly resource: string;
  /** Observe value of the latest state that was sent, or is about to be. */
  readonly sequence: number | undefined;
}

/** As an endpoint tells of it. */
export function serverObserver({ peer, token, resource, sequence }: ActiveObservation): ServerObserver {
  return { peer, token, resource, sequence };
}
