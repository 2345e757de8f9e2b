/**
 * Rules about tokens: responses that nobody asked for, and tokens that mean two things (RFC 7252 §5.3, RFC 7641 §3).
 *
 * @module
 */

import { isRequestCode, isResponseCode, OptionNumber } from 'coapsule/message';
import { pathText } from '../cli/message-text.ts';
import { BoundedMap } from '../memory/bounded-map.ts';
import { hexText } from '../text/hex.ts';
import { type Finding, findingOf } from './finding.ts';
import type { Rule } from './rule.ts';
import { SeenFrames } from './seen-frames.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

interface Open {
  readonly request: SeenMessage;
  readonly path: string;
  isAnswered: boolean;
  /** Registered; its token stays in use. */
  readonly isObservation: boolean;
}

/** Responses with tokens that nobody knows. */
interface Unknown {
  readonly where: string;
  /** The first one. */
  readonly token: string;
  readonly frames: SeenFrames;
}

/** How long a token may be open without an answer: nobody waits longer (RFC 7252 §4.8.2, MAX_TRANSMIT_WAIT and more). */
const openMs = 247_000;

/** Of one kind: captures may be endless. */
const mostKept = 10_000;

/** Tokens of requests, by conversation, client and token. */
export class TokenRule implements Rule {
  readonly #open: BoundedMap<string, Open>;
  /** A conversation is judged from its first request on: what began before the capture has tokens that nobody knows. */
  readonly #begun: BoundedMap<string, number>;
  readonly #unknown: BoundedMap<string, Unknown>;
  readonly #reused: Finding[] = [];
  readonly #shared: Finding[] = [];

  constructor(most?: number) {
    this.#open = new BoundedMap(most);
    this.#begun = new BoundedMap(most);
    this.#unknown = new BoundedMap(most);
  }

  see({ messages }: SeenPacket): void {
    for (const seen of messages) {
      const { code } = seen.message;
      if (isRequestCode(code)) this.#request(seen);
      else if (isResponseCode(code)) this.#response(seen);
    }
  }

  findings(): readonly Finding[] {
    return [
      ...[...this.#unknown.values()].map(({ where, token, frames: { first, count } }) =>
        findingOf('token-unknown', {
          ...{ where, frames: first, count },
          evidence: `${count} responses with a token of no request, the first is ${token}`,
        }),
      ),
      ...this.#reused,
      ...this.#shared,
    ];
  }

  #request(seen: SeenMessage): void {
    const { message, conversation, sender } = seen;
    this.#begun.ensure(conversation, () => seen.frame);
    const key = keyOf(conversation, sender, message.token);
    const path = pathText(message.options);
    const isObservation = message.options.uint(OptionNumber.Observe) === 0;
    const before = this.#open.get(key);
    if (before !== undefined && seen.atMs - before.request.atMs < openMs && !isSame(before.request, seen)) {
      if (before.isObservation && isObservation && before.path !== path) {
        if (this.#shared.length < mostKept) this.#shared.push(sharedToken(before, seen, path));
      } else if (!before.isAnswered && before.path !== path && this.#reused.length < mostKept) {
        this.#reused.push(reusedToken(before.request, seen));
      }
    }
    this.#open.set(key, { request: seen, path, isAnswered: false, isObservation });
  }

  #response(seen: SeenMessage): void {
    const { message, conversation, receiver, where } = seen;
    const open = this.#open.get(keyOf(conversation, receiver, message.token));
    if (open !== undefined) {
      open.isAnswered = true;
      return;
    }
    // Before the first request nobody can tell.
    if (this.#begun.get(conversation) === undefined) return;
    const unknown = this.#unknown.ensure(where, () => ({
      ...{ where, token: hexText(message.token), frames: new SeenFrames() },
    }));
    unknown.frames.add(seen.frame);
  }
}

function reusedToken(first: SeenMessage, second: SeenMessage): Finding {
  return findingOf('token-reused', {
    where: second.where,
    frames: [first.frame, second.frame],
    count: 1,
    evidence: `token ${hexText(second.message.token)} of frame ${first.frame} comes again in frame ${second.frame}, before the first is answered`,
  });
}

function sharedToken({ request: first, path: one }: Open, second: SeenMessage, other: string): Finding {
  return findingOf('token-shared-by-observations', {
    where: second.where,
    frames: [first.frame, second.frame],
    count: 1,
    evidence: `token ${hexText(second.message.token)} is that of the observation of ${one}, and of ${other}`,
  });
}

function keyOf(conversation: string, client: string, token: Uint8Array): string {
  return `${conversation} ${client} ${hexText(token)}`;
}

/** A retransmission, or the next block of the same transfer. */
function isSame(one: SeenMessage, other: SeenMessage): boolean {
  return (
    one.message.messageId === other.message.messageId ||
    [OptionNumber.Block1, OptionNumber.Block2].some((number) => other.message.options.has(number))
  );
}
