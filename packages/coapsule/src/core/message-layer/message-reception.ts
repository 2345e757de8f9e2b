/**
 * What a message of a peer is, and how those are answered that are not handed up: pings, copies, what has no place.
 *
 * RFC 7252 §4.2, §4.3, §4.5. The table of types is in `message-types.ts`; which messages were there before is known in
 * `deduplication.ts`, which of ours one is about in `transmission-table.ts`. What a request means is not looked at.
 *
 * @module
 */

import type { MessageDecodeFault } from '../coap/message-codec.ts';
import type { MessageType, MessageView } from '../coap/message-view.ts';
import { tokenBytes, tokenLengthField, writeToken } from '../coap/token-length.ts';
import type { Instant } from '../foundation/instant.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import type { Deduplication } from './deduplication.ts';
import { emptyDatagram } from './empty-message.ts';
import type { MessageLayerCounters } from './message-layer-limits.ts';
import type {
  AbsorbedReason,
  MessageLayerOutput,
  PeerKey,
  Received,
  RejectedReason,
  UnmatchedReason,
} from './message-layer-output.ts';
import { contentOf, type MessageContent, messageUsage, rejection } from './message-types.ts';
import type { ReceivedRecord } from './received-record.ts';
import type { TransmissionTable } from './transmission-table.ts';
import type { UnkeptMessages } from './unkept-messages.ts';

/** What `MessageReception` works on. */
export interface MessageReceptionParts {
  readonly deduplication: Deduplication;
  readonly transmissions: TransmissionTable;
  readonly unkept: UnkeptMessages;
  readonly counters: MessageLayerCounters;
  readonly outputs: OutputQueue<MessageLayerOutput>;
}

/** See the module comment. */
export class MessageReception {
  readonly #deduplication: Deduplication;
  readonly #transmissions: TransmissionTable;
  readonly #unkept: UnkeptMessages;
  readonly #counters: MessageLayerCounters;
  readonly #outputs: OutputQueue<MessageLayerOutput>;

  constructor(parts: MessageReceptionParts) {
    this.#deduplication = parts.deduplication;
    this.#transmissions = parts.transmissions;
    this.#unkept = parts.unkept;
    this.#counters = parts.counters;
    this.#outputs = parts.outputs;
  }

  /** See `MessageLayer.receive`. */
  receive(peer: PeerKey, message: MessageView, now: Instant): Received {
    this.#transmissions.heardFrom(peer, now);
    const content = contentOf(message.code);
    const usage = messageUsage[message.type][content];
    if (usage === 'unused') return this.#reject(peer, message, content);
    if (usage === 'ping') {
      this.#counters.pingsAnswered++;
      this.#unkept.sendEmpty(peer, 'RST', message.messageId);
      return absorbed('ping');
    }
    switch (message.type) {
      case 'CON':
      case 'NON':
        return content === 'request'
          ? this.#receiveRequest(peer, message, message.type, now)
          : this.#receiveResponse(peer, message, message.type, now);
      case 'ACK':
        return content === 'empty'
          ? this.#settled(
              peer,
              'acknowledgement',
              this.#transmissions.acknowledged(peer, message.messageId, now),
            )
          : this.#receivePiggybacked(peer, message, now);
      case 'RST':
        return this.#settled(peer, 'reset', this.#transmissions.reset(peer, message.messageId, now));
    }
  }

  /** See `MessageLayer.receiveFault`. */
  receiveFault(peer: PeerKey, fault: MessageDecodeFault, now: Instant): void {
    this.#transmissions.heardFrom(peer, now);
    this.#counters.malformed++;
    this.#outputs.push({ kind: 'discarded', peer, reason: 'malformed' });
    if (fault.type === undefined || fault.messageId === undefined) return;
    if (rejection[fault.type] === 'reset') this.#unkept.sendEmpty(peer, 'RST', fault.messageId);
  }

  #receiveRequest(peer: PeerKey, message: MessageView, type: 'CON' | 'NON', now: Instant): Received {
    const known = this.#deduplication.find(peer, message, now);
    if (known) {
      if (known.state === 'repeatable') {
        this.#counters.repeats++;
        this.#deduplication.begunAgain(known);
        return { kind: 'request', message, reply: known, repeat: true };
      }
      return this.#absorbCopy(known, message);
    }
    const record = this.#deduplication.admit(peer, message, type, now);
    if (record.unsafe && !this.#deduplication.isStored(record)) {
      this.#counters.overloaded++;
      return { kind: 'overloaded', message, reply: record };
    }
    return { kind: 'request', message, reply: record, repeat: false };
  }

  #receiveResponse(peer: PeerKey, message: MessageView, type: 'CON' | 'NON', now: Instant): Received {
    const known = this.#deduplication.find(peer, message, now);
    if (known) return this.#absorbCopy(known, message);
    this.#deduplication.admit(peer, message, type, now);
    return { kind: 'response', message };
  }

  #receivePiggybacked(peer: PeerKey, message: MessageView, now: Instant): Received {
    const match = this.#transmissions.respondedTo(peer, message.messageId, message.token, now);
    if (typeof match === 'number') return { kind: 'response', message, transmission: match };
    return this.#settled(peer, 'acknowledgement', match);
  }

  /** RFC 7252 §4.5: each copy of a CON is answered as the first was; a copy of a NON with nothing. */
  #absorbCopy(known: ReceivedRecord, copy: MessageView): Received {
    this.#counters.duplicates++;
    if (known.type === 'NON') return absorbed('duplicate-non-confirmable');
    const { peer, messageId } = known;
    switch (known.state) {
      case 'in-progress':
      case 'repeatable':
        return absorbed('duplicate-in-progress');
      case 'acknowledged':
        this.#unkept.sendEmpty(peer, 'ACK', messageId);
        return absorbed('duplicate-acknowledged');
      case 'reset':
        this.#unkept.sendEmpty(peer, 'RST', messageId);
        return absorbed('duplicate-reset');
      case 'answered':
        this.#unkept.send(peer, this.#storedAnswer(known, copy.token));
        return absorbed('duplicate-answered');
    }
  }

  /** The ACK as it was sent: a copy of a request has the Message ID and token of the first (§5.3.1). */
  #storedAnswer(record: ReceivedRecord, token: Uint8Array): Uint8Array {
    const { code, tail } = this.#deduplication.answerOf(record);
    const start = 4 + tokenBytes(token.length);
    const datagram = new Uint8Array(start + tail.length);
    datagram.set(emptyDatagram('ACK', record.messageId));
    datagram[0] = (datagram[0] as number) | tokenLengthField(token.length);
    datagram[1] = code;
    writeToken(token, datagram, 4);
    datagram.set(tail, start);
    return datagram;
  }

  #reject(peer: PeerKey, message: MessageView, content: MessageContent): Received {
    const reason = rejectedReason(message.type, content);
    this.#counters.rejected++;
    this.#outputs.push({ kind: 'discarded', peer, reason });
    if (rejection[message.type] === 'reset') this.#unkept.sendEmpty(peer, 'RST', message.messageId);
    return absorbed(reason);
  }

  #settled(
    peer: PeerKey,
    kind: 'acknowledgement' | 'reset',
    unmatched: UnmatchedReason | undefined,
  ): Received {
    if (unmatched === undefined) return absorbed(kind);
    this.#counters.unmatched++;
    this.#outputs.push({ kind: 'discarded', peer, reason: unmatched });
    return absorbed(unmatched);
  }
}

function absorbed(reason: AbsorbedReason): Received {
  return { kind: 'absorbed', reason };
}

function rejectedReason(type: MessageType, content: MessageContent): RejectedReason {
  if (content === 'reserved') return 'reserved-code';
  if (type === 'NON') return 'empty-non-confirmable';
  return type === 'ACK' ? 'request-in-acknowledgement' : 'non-empty-reset';
}
