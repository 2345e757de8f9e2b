/**
 * What a check wants to be done, and what it is told of it: checks are generators that yield steps, so that they know no
 * socket and no clock.
 *
 * @module
 */

import type { OptionEntry, OptionReader } from 'coapsule/message';

/** One request on the way that the URI names, repeated once when nothing comes back. */
export interface AskStep {
  readonly kind: 'ask';
  /** 0.01 … 0.31. */
  readonly code: number;
  readonly options: readonly OptionEntry[];
  readonly payload: Uint8Array;
  /** 1 … 8 bytes; without it a random one. */
  readonly token?: Uint8Array;
}

/** What became of a request. */
export type Answer =
  | {
      readonly kind: 'response';
      readonly code: number;
      readonly options: OptionReader;
      readonly payload: Uint8Array;
      /** Whether it came by itself after an acknowledgement (RFC 7252 §5.2.2). */
      readonly isSeparate: boolean;
    }
  | { readonly kind: 'reset' }
  /** Acknowledged, and no response came. */
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'silence' }
  /** The peer's host said that nobody listens, or the connection ended. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** It was not sent, and why. */
  | { readonly kind: 'not-sent'; readonly reason: string };

/** Bytes as they are, in datagrams, and all that comes back. */
export interface DatagramStep {
  readonly kind: 'datagrams';
  /** `link`: the way that the URI names, inside of DTLS where that is one. Else a port of its own, from a socket of ours for this. */
  readonly to: 'link' | 'udp' | 'dtls';
  readonly datagrams: readonly Uint8Array[];
  /** False goes on from the socket of the step before, so that the peer knows us again. */
  readonly isFresh: boolean;
  /** When there is nothing more to wait for; without it the whole time of listening passes. */
  readonly isEnough?: (received: readonly Uint8Array[]) => boolean;
  /** Does not listen at all. */
  readonly isLast?: boolean;
  /** Listens as long as a handshake's first repetition takes, to count what comes. */
  readonly listensLong?: boolean;
}

/** What came back. */
export interface DatagramsSeen {
  readonly kind: 'datagrams';
  readonly received: readonly Uint8Array[];
  /** The host said that nobody listens there. */
  readonly unreachable?: string;
  readonly notSent?: string;
}

/** A connection, bytes into it, and what comes out. */
export interface StreamStep {
  readonly kind: 'stream';
  readonly to: 'tcp' | 'tls' | 'ws' | 'wss';
  /** Over TLS: names for ALPN (RFC 7301). */
  readonly protocols: readonly string[];
  readonly bytes: Uint8Array;
  readonly isEnough: (received: Uint8Array) => boolean;
}

/** What became of a connection. */
export type StreamSeen = {
  readonly kind: 'stream';
} & (
  | { readonly state: 'refused' | 'silence' | 'not-sent'; readonly reason: string }
  /** TLS answered with an alert, which needs somebody who speaks it. */
  | { readonly state: 'alert'; readonly reason: string }
  | {
      readonly state: 'open';
      readonly received: Uint8Array;
      /** Such as `TLSv1.3`, and the protocol that was agreed on. */
      readonly security?: { readonly version: string; readonly protocol: string | undefined };
    }
);

/** All steps. */
export type ProbeStep = AskStep | DatagramStep | StreamStep;

/** What a check is told of its step. */
export type Seen = { readonly kind: 'answer'; readonly answer: Answer } | DatagramsSeen | StreamSeen;

/** A check at work. */
export type ProbeSteps<Result> = Generator<ProbeStep, Result, Seen>;

/** Yields a request. */
export function* askStep(step: Omit<AskStep, 'kind'>): ProbeSteps<Answer> {
  const seen = yield { kind: 'ask', ...step };
  if (seen.kind !== 'answer') throw new Error(`a request was answered with ${seen.kind}`);
  return seen.answer;
}

/** Yields datagrams. */
export function* datagramStep(step: Omit<DatagramStep, 'kind'>): ProbeSteps<DatagramsSeen> {
  const seen = yield { kind: 'datagrams', ...step };
  if (seen.kind !== 'datagrams') throw new Error(`datagrams were answered with ${seen.kind}`);
  return seen;
}

/** Yields a connection. */
export function* streamStep(step: Omit<StreamStep, 'kind'>): ProbeSteps<StreamSeen> {
  const seen = yield { kind: 'stream', ...step };
  if (seen.kind !== 'stream') throw new Error(`a connection was answered with ${seen.kind}`);
  return seen;
}
