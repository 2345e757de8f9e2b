/**
 * Which node or worker owns a session, by its Connection ID (RFC 9146), as a front that passes datagrams on has to know it. Types only.
 *
 * A session has keys, sequence numbers and a replay window in one place; two places that write with the same sequence number would give
 * its keys away. So there is one owner at most at any moment, and what an owner that was cut off still does afterwards is recognised by
 * its number: each claim has a greater one than all before it. The guarantees are held by test/keeping/session-owners.ts, for
 * every engine the same.
 */

/** Who owns a session. */
export interface SessionOwner {
  /** The node, or the worker of a node. */
  readonly owner: string;
  /** Greater than that of every claim of this session before (a fencing token). */
  readonly fence: number;
}

/** What became of a claim. */
export type ClaimOutcome =
  | { readonly kind: 'owned'; readonly fence: number }
  /** Somebody else has it, and its time is not over. */
  | { readonly kind: 'held'; readonly by: SessionOwner };

/** Owners of sessions. A session is named by its Connection ID, 1 to 255 bytes. */
export interface SessionOwners {
  /**
   * Claims a session that nobody owns, for a time. Who owns it already has it with the same number, for that time from now on.
   *
   * @param forMs 1 or more.
   */
  claim(connectionId: Uint8Array, owner: string, forMs: number): Promise<ClaimOutcome>;
  /** Owns it for that time from now on. @returns false for who does not own it any more: nothing may be done with it then. */
  renew(connectionId: Uint8Array, owned: SessionOwner, forMs: number): Promise<boolean>;
  /** Gives it free at once. @returns false for who does not own it; it stays as it is. */
  release(connectionId: Uint8Array, owned: SessionOwner): Promise<boolean>;
  /** Who owns it now. */
  ownerOf(connectionId: Uint8Array): Promise<SessionOwner | undefined>;
}
