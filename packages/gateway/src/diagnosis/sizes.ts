/**
 * Rules about sizes: datagrams over the MTU, IP fragments, block-wise transfers (RFC 7252 §4.6, RFC 7959).
 *
 * @module
 */

import {
  decodeBlock,
  isRequestCode,
  type LinkProfile,
  OptionNumber,
  optionDefinition,
} from 'coapsule/message';
import { pathText } from '../cli/message-text.ts';
import { BoundedMap } from '../memory/bounded-map.ts';
import { hexText } from '../text/hex.ts';
import { type Finding, findingOf } from './finding.ts';
import { FoundFaults } from './found-faults.ts';
import type { Rule } from './rule.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

/** Szx of no size over UDP (RFC 7959 §2.2). */
const reservedSzx = 7;

/** A body on its way: block by block, one way. */
interface Transfer {
  readonly first: SeenMessage;
  last: SeenMessage;
  highest: number;
  isComplete: boolean;
}

/** How long a transfer may pause before it counts as given up: EXCHANGE_LIFETIME. */
const pauseMs = 247_000;

/** Sizes of datagrams and bodies. */
export class SizeRule implements Rule {
  readonly #link: Pick<LinkProfile, 'mtu'>;
  readonly #found = new FoundFaults();
  readonly #transfers: BoundedMap<string, Transfer>;
  /** What was asked for, by client and token: each block may be asked for with a token of its own (RFC 7959 §2.4). */
  readonly #asked: BoundedMap<string, string>;
  #lastMs = 0;

  constructor(link: Pick<LinkProfile, 'mtu'>, most?: number) {
    this.#link = link;
    this.#transfers = new BoundedMap(most);
    this.#asked = new BoundedMap(most);
  }

  see({ packet, frame, atMs, messages }: SeenPacket): void {
    this.#lastMs = atMs;
    const { source, destination, ipFragments, payloadLength, protocol } = packet;
    const where = `${source} → ${destination}`;
    if (protocol === 'udp' && ipFragments > 1) {
      this.#found.note(
        'ip-fragments',
        where,
        [frame],
        `a datagram of ${payloadLength} bytes came in ${ipFragments} fragments`,
      );
    } else if (protocol === 'udp' && payloadLength > this.#link.mtu && packet.parts.length > 0) {
      const inner = messages[0]?.bytes.length;
      const isOnlyByDtls = messages[0]?.isSecured === true && inner !== undefined && inner <= this.#link.mtu;
      this.#found.note(
        isOnlyByDtls ? 'block-missing-under-dtls' : 'datagram-over-mtu',
        where,
        [frame],
        isOnlyByDtls
          ? `a message of ${inner} bytes becomes a datagram of ${payloadLength}, where ${this.#link.mtu} are carried`
          : `a datagram of ${payloadLength} bytes, where ${this.#link.mtu} are carried`,
      );
    }
    for (const seen of messages) this.#blocks(seen);
  }

  findings(): readonly Finding[] {
    const unfinished = [...this.#transfers.values()].filter(
      ({ isComplete, last }) => !isComplete && this.#lastMs - last.atMs > pauseMs,
    );
    return [
      ...this.#found.findings(),
      ...unfinished.map(({ first, last, highest }) =>
        findingOf('block-transfer-incomplete', {
          where: first.where,
          frames: [first.frame, last.frame],
          count: 1,
          evidence: `block ${highest} was followed by no other, and is not the last`,
        }),
      ),
    ];
  }

  #blocks(seen: SeenMessage): void {
    const { message, conversation, sender, receiver } = seen;
    if (isRequestCode(message.code))
      this.#asked.set(`${conversation} ${sender} ${hexText(message.token)}`, pathText(message.options));
    for (const number of [OptionNumber.Block1, OptionNumber.Block2] as const) {
      const value = message.options.first(number);
      if (value === undefined) continue;
      // Decoded as over TCP, where 7 means something: over UDP it means nothing.
      const block = decodeBlock(value, true);
      if (block === undefined) continue;
      if (block.szx === reservedSzx) {
        const name = optionDefinition(number)!.name;
        this.#found.note('block-size-reserved', seen.where, [seen.frame], `${name} with the size exponent 7`);
        continue;
      }
      // Block1 in a request and Block2 in a response carry a piece; the others ask for one or acknowledge it.
      const isRequest = isRequestCode(message.code);
      if (isRequest !== (number === OptionNumber.Block1)) continue;
      const token = hexText(message.token);
      const body = isRequest
        ? pathText(message.options)
        : (this.#asked.get(`${conversation} ${receiver} ${token}`) ?? `token ${token}`);
      const key = `${conversation} ${sender} ${number} ${body}`;
      const transfer = this.#transfers.get(key);
      if (transfer === undefined || block.num === 0) {
        if (!block.more) continue;
        this.#transfers.set(key, { first: seen, last: seen, highest: block.num, isComplete: false });
        continue;
      }
      transfer.last = seen;
      transfer.highest = Math.max(transfer.highest, block.num);
      if (!block.more) transfer.isComplete = true;
    }
  }
}
