/**
 * Who observes what, as a server tells it.
 *
 * @module
 */

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
