/**
 * The bounds of the message layer, and what it counts.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';

/**
 * Bounds on what peers, and the application, can make the layer remember.
 *
 * | name                        | unit     | default | what happens at the bound |
 * |-----------------------------|----------|---------|---------------------------|
 * | `deduplicationBytes`        | bytes    | 64 MiB  | see `deduplication.ts`    |
 * | `deduplicationBytesPerPeer` | bytes    | 1 MiB, 16 MiB for authenticated peers | the same |
 * | `deduplicationPeers`        | peers    | 65,536  | the same                  |
 * | `messageIdPeers`            | peers    | 8,192   | further peers share 64 Message ID spaces |
 * | `queuedMessages`            | requests | 65,536  | a request that would wait is refused |
 * | `queuedReplies`             | replies  | 32,768  | a reply that would wait is refused   |
 * | `queuedRepliesPerPeer`      | replies  | 256     | the same                  |
 * | `queuedReadingsPerPeer` | messages | 64 | the one with a name (`replaces`) that waits longest is dropped |
 * | `estimatedPaths`        | peers    | 8,192   | what was learnt of the one used longest ago is forgotten |
 * | `trackedNonConfirmable`     | messages | 16,384  | a Reset for older ones is not matched |
 *
 * Requests of ours wait because the application wants it so; replies, notifications among them, because peers
 * do. So they are bounded apart, and replies for each peer: no peer can take the room of another's.
 */
export interface MessageLayerLimits {
  readonly deduplicationBytes: number;
  readonly deduplicationBytesPerPeer: number;
  readonly deduplicationPeers: number;
  readonly messageIdPeers: number;
  readonly queuedMessages: number;
  readonly queuedReplies: number;
  readonly queuedRepliesPerPeer: number;
  readonly queuedReadingsPerPeer: number;
  readonly estimatedPaths: number;
  readonly trackedNonConfirmable: number;
}

const mebibyte = 1024 * 1024;

/**
 * The limits with defaults filled in, frozen. Per peer they allow about 17 unsafe requests a second on plain
 * CoAP, and as many as the Message IDs themselves (265 a second) from a peer that has proved who it is.
 *
 * @param authenticatedPeers Whether every peer is a security association, which cannot be had by spoofing.
 * @throws ApiMisuseError for a limit that is not a positive integer.
 */
export function messageLayerLimits(
  limits: Partial<MessageLayerLimits>,
  authenticatedPeers: boolean,
): MessageLayerLimits {
  const complete: MessageLayerLimits = {
    deduplicationBytes: 64 * mebibyte,
    deduplicationBytesPerPeer: (authenticatedPeers ? 16 : 1) * mebibyte,
    deduplicationPeers: 65_536,
    messageIdPeers: 8_192,
    queuedMessages: 65_536,
    queuedReplies: 32_768,
    queuedRepliesPerPeer: 256,
    queuedReadingsPerPeer: 64,
    estimatedPaths: 8_192,
    trackedNonConfirmable: 16_384,
    ...limits,
  };
  for (const [name, value] of Object.entries(complete)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ApiMisuseError(`limits.${name} is ${value}; expected a positive integer`);
    }
  }
  return Object.freeze(complete);
}

/** Totals since the start, except those marked "now". */
export interface MessageLayerCounters {
  /** Datagrams handed out, retransmissions included. */
  transmitted: number;
  retransmitted: number;
  /** Confirmable messages given up (RFC 7252 §4.2). */
  timedOut: number;
  /** Resets received for messages of ours. */
  resetsReceived: number;
  resetsSent: number;
  pingsAnswered: number;
  /** Copies of messages that were there before; those answered with the same bytes, or absorbed. */
  duplicates: number;
  /** Copies of safe requests that were handed up again. */
  repeats: number;
  /** Messages with a format error, as far as they had a header. */
  malformed: number;
  /** Well-formed messages rejected by type and code (RFC 7252 §4.2, §4.3). */
  rejected: number;
  /** Acknowledgements and Resets that belong to nothing we sent or still wait for. */
  unmatched: number;
  /** Requests refused because the deduplication store is full of answers that must stay. */
  overloaded: number;
  /** Messages processed without a record for their duplicates, because the store was full. */
  untracked: number;
  /** Records dropped before their lifetime ended, to make room. */
  evicted: number;
  /** Messages refused because too many were waiting, or because there was no Message ID for them. */
  refused: number;
  /** Messages that were not sent because a later one took their place (`replaces`). */
  superseded: number;
  /** Messages that went in the place of one that was out of date (RFC 7641 §4.5.2). */
  renewed: number;
  /** Times that messages had to wait because all 65,536 Message IDs to their peer were in use (§4.4). */
  messageIdsExhausted: number;
  /** Times that requests had to wait because their peer never answers (PROBING_RATE, §4.7). */
  probingDelays: number;
  /** Now: messages waiting for NSTART, PROBING_RATE or a Message ID. */
  queued: number;
  /** Now: those of them that are replies or notifications. */
  queuedReplies: number;
  /** Now: Confirmable messages sent and not acknowledged. */
  outstanding: number;
  /** Now: bytes accounted to the deduplication store. */
  deduplicationBytes: number;
  /** Now: records in the deduplication store. */
  deduplicationEntries: number;
  /** Now: peers in the deduplication store. */
  deduplicationPeers: number;
}

/** All counters at zero. */
export function zeroCounters(): MessageLayerCounters {
  return {
    transmitted: 0,
    retransmitted: 0,
    timedOut: 0,
    resetsReceived: 0,
    resetsSent: 0,
    pingsAnswered: 0,
    duplicates: 0,
    repeats: 0,
    malformed: 0,
    rejected: 0,
    unmatched: 0,
    overloaded: 0,
    untracked: 0,
    evicted: 0,
    refused: 0,
    superseded: 0,
    renewed: 0,
    messageIdsExhausted: 0,
    probingDelays: 0,
    queued: 0,
    queuedReplies: 0,
    outstanding: 0,
    deduplicationBytes: 0,
    deduplicationEntries: 0,
    deduplicationPeers: 0,
  };
}
