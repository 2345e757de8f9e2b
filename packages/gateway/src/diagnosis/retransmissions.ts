/**
 * Rules about copies of Confirmable messages: when they come, and after what (RFC 7252 §4.2); and about Message IDs (§4.4).
 *
 * @module
 */

import { BoundedMap } from '../memory/bounded-map.ts';
import { type Finding, findingOf } from './finding.ts';
import type { Rule } from './rule.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

/** RFC 7252 §4.8.2. */
const exchangeLifetimeMs = 247_000;

/** A little before ACK_TIMEOUT: clocks and captures are not exact. */
const soonestRetransmissionMs = 1900;

/** A factor of 2 is right; with loss in the capture one interval may seem twice as long, never half. */
const leastFactor = 1.5;

/** First timeouts that lie closer together than chance puts them in 2 to 3 s. */
const jitterSpreadMs = 20;
const leastForJitter = 6;

/** An acknowledgement may get lost behind the point of capture. If half of them and more do, something is wrong. */
const lateShare = 0.5;
const leastLateCopies = 2;

/** Repeated messages of one sender that are kept. */
const mostRepeated = 10_000;

/** Copies of one message that are looked at; RFC 7252 §4.8 has five transmissions. */
const mostCopies = 1000;

interface Transmissions {
  readonly first: SeenMessage;
  readonly atMs: number[];
  readonly frames: number[];
  acknowledged: SeenMessage | undefined;
  readonly afterAcknowledgement: number[];
}

/** Copies by conversation, sender and Message ID. */
export class RetransmissionRule implements Rule {
  readonly #sent: BoundedMap<string, Transmissions>;
  readonly #repeated: BoundedMap<string, { readonly where: string; readonly list: Transmissions[] }>;
  /** Messages that were acknowledged, by who sent them to whom. */
  readonly #acknowledged: BoundedMap<string, number>;
  readonly #reused: Finding[] = [];
  readonly #mostReused: number;
  #repeatedLeft: number;

  constructor(most?: number) {
    this.#sent = new BoundedMap(most);
    this.#repeated = new BoundedMap(most);
    this.#acknowledged = new BoundedMap(most);
    this.#mostReused = Math.min(most ?? mostRepeated, mostRepeated);
    this.#repeatedLeft = most ?? Infinity;
  }

  see({ messages }: SeenPacket): void {
    for (const seen of messages) {
      const { type } = seen.message;
      if (type === 'CON' || type === 'NON') this.#message(seen);
      else this.#acknowledgement(seen);
    }
  }

  #message(seen: SeenMessage): void {
    const key = `${seen.conversation} ${seen.sender} ${seen.message.messageId}`;
    const before = this.#sent.get(key);
    if (before === undefined || seen.atMs - before.first.atMs > exchangeLifetimeMs) {
      this.#sent.set(key, {
        first: seen,
        atMs: [seen.atMs],
        frames: [seen.frame],
        acknowledged: undefined,
        afterAcknowledgement: [],
      });
      return;
    }
    if (Buffer.compare(before.first.bytes, seen.bytes) !== 0) {
      if (this.#reused.length < this.#mostReused) this.#reused.push(reusedMessageId(before.first, seen));
      return;
    }
    if (before.atMs.length >= mostCopies) return;
    before.atMs.push(seen.atMs);
    before.frames.push(seen.frame);
    if (before.acknowledged !== undefined) before.afterAcknowledgement.push(seen.frame);
    if (before.atMs.length === 2) {
      const { where } = before.first;
      const { list } = this.#repeated.ensure(where, () => ({ where, list: [] }));
      // Of more of them nothing new can be learned.
      if (list.length < mostRepeated && this.#repeatedLeft > 0) {
        list.push(before);
        this.#repeatedLeft -= 1;
      }
    }
  }

  #acknowledgement(seen: SeenMessage): void {
    const sent = this.#sent.get(`${seen.conversation} ${seen.receiver} ${seen.message.messageId}`);
    if (sent === undefined || sent.acknowledged !== undefined) return;
    sent.acknowledged = seen;
    const { where } = sent.first;
    this.#acknowledged.set(where, (this.#acknowledged.get(where) ?? 0) + 1);
  }

  findings(): readonly Finding[] {
    const findings: Finding[] = [...this.#reused];
    for (const { where, list: all } of this.#repeated.values()) {
      const confirmable = all.filter(({ first }) => first.message.type === 'CON');
      const add = (
        kind: Parameters<typeof findingOf>[0],
        list: readonly Transmissions[],
        evidence: string,
      ): void => {
        if (list.length === 0) return;
        findings.push(
          findingOf(kind, { where, frames: list[0]!.frames, count: list.length, evidence: evidence }),
        );
      };
      const fixed = confirmable.filter(isFixed);
      add('retransmission-fixed-interval', fixed, `intervals of ${intervalsText(fixed[0])}`);
      const fast = confirmable.filter(
        (one) =>
          !isFixed(one) && intervals(one)[0]! < soonestRetransmissionMs && one.acknowledged === undefined,
      );
      add('retransmission-too-fast', fast, `the first retransmission comes after ${intervalsText(fast[0])}`);
      const firsts = confirmable.map((one) => intervals(one)[0]!);
      const spread = Math.max(...firsts) - Math.min(...firsts);
      if (firsts.length >= leastForJitter && spread < jitterSpreadMs && fixed.length === 0) {
        add(
          'retransmission-without-jitter',
          confirmable,
          `${firsts.length} messages waited for ${seconds(Math.min(...firsts))} to ${seconds(Math.max(...firsts))} s before their first retransmission`,
        );
      }
      const late = confirmable.filter(({ afterAcknowledgement }) => afterAcknowledgement.length > 0);
      const copies = late.reduce((sum, { afterAcknowledgement }) => sum + afterAcknowledgement.length, 0);
      const isUsual =
        copies < leastLateCopies || late.length < lateShare * (this.#acknowledged.get(where) ?? 0);
      add(
        'retransmission-after-acknowledgement',
        isUsual ? [] : late,
        `frame ${late[0]?.afterAcknowledgement[0]} repeats what frame ${late[0]?.acknowledged?.frame} acknowledged`,
      );
    }
    return findings;
  }
}

function reusedMessageId(first: SeenMessage, second: SeenMessage): Finding {
  return findingOf('message-id-reused', {
    where: second.where,
    frames: [first.frame, second.frame],
    count: 1,
    evidence: `Message ID ${second.message.messageId.toString(16).padStart(4, '0')} of frame ${first.frame} is in frame ${second.frame} again, ${seconds(second.atMs - first.atMs)} s later, with another message`,
  });
}

/** Three transmissions or more, with intervals that hardly grow. */
function isFixed(transmissions: Transmissions): boolean {
  const all = intervals(transmissions);
  if (all.length < 2) return false;
  return all.slice(1).every((interval, index) => interval < all[index]! * leastFactor);
}

function intervals({ atMs }: Transmissions): readonly number[] {
  return atMs.slice(1).map((at, index) => at - atMs[index]!);
}

function intervalsText(transmissions: Transmissions | undefined): string {
  return transmissions === undefined ? '' : `${intervals(transmissions).map(seconds).join(', ')} s`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
