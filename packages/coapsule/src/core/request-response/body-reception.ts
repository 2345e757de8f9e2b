/**
 * How the body of a request comes in: in one message, in blocks, in Q-Blocks, or block by block for the application.
 *
 * RFC 7959 §2.5 and §2.9, RFC 9177 §4.3. The bodies that wait for their blocks are in `request-bodies.ts`,
 * `q-block1-bodies.ts` and `streamed-exchanges.ts`; what becomes of a whole request is the matter of `server-role.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize, encodeBlock, szxOf } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import type { Arrival } from './arrival.ts';
import { maxUnfragmentedSize, type PeerKey } from './exchange.ts';
import { missingBlocks, type QBlockServer, qBlockContinue } from './q-block-server.ts';
import { refusal } from './refusal.ts';
import type { ReceivedBlock, RequestBodies } from './request-bodies.ts';
import { requestBodyKey } from './resource-key.ts';
import type { RoleContext } from './role-context.ts';
import type { ServerAnswers } from './server-answers.ts';
import type { PendingReply, ServerExchanges } from './server-exchanges.ts';
import type { StreamedExchanges } from './streamed-exchanges.ts';

/** See the module comment. */
export class BodyReception {
  readonly #context: RoleContext;
  readonly #answers: ServerAnswers;
  readonly #exchanges: ServerExchanges;
  /** Blocks for which there is room when their peers' addresses are proved; one for each peer. */
  readonly #unproved = new Map<PeerKey, UnprovedBlock>();
  readonly #requestBodies: RequestBodies;
  readonly #qBlocks: QBlockServer;
  readonly #streamed: StreamedExchanges;
  readonly #whole: (arrival: Arrival, body: Uint8Array, now: Instant) => void;

  /** `whole` is told of each request whose body is there. */
  constructor(
    context: RoleContext,
    answers: ServerAnswers,
    exchanges: ServerExchanges,
    bodies: {
      readonly requestBodies: RequestBodies;
      readonly qBlocks: QBlockServer;
      readonly streamed: StreamedExchanges;
    },
    whole: (arrival: Arrival, body: Uint8Array, now: Instant) => void,
  ) {
    this.#context = context;
    this.#answers = answers;
    this.#exchanges = exchanges;
    this.#requestBodies = bodies.requestBodies;
    this.#qBlocks = bodies.qBlocks;
    this.#streamed = bodies.streamed;
    this.#whole = whole;
  }

  /** Takes a request, or a block of one. */
  receive(arrival: Arrival, now: Instant): void {
    const { peer, message, options, block1 } = arrival;
    const { config } = this.#context;
    if (block1 === undefined && arrival.qBlock1 === undefined && message.payload.length === 0) {
      // There is no body, which no limit is below.
      this.#whole(arrival, message.payload, now);
      return;
    }
    const limitBytes = message.isCiphertext ? maxUnfragmentedSize : config.maxBodyBytes(arrival);
    if (arrival.qBlock1 !== undefined) {
      this.#receiveQBlock(arrival, arrival.qBlock1, limitBytes, now);
      return;
    }
    if (block1 === undefined) {
      this.#receiveUnblocked(arrival, limitBytes, now);
      return;
    }
    const isProved = this.#context.addressLimit.allowance(peer, now) === Infinity;
    const received: ReceivedBlock = {
      key: requestBodyKey(peer, message.code, options),
      peer,
      block: block1,
      payload: message.payload,
      contentFormat: options.first(OptionNumber.ContentFormat),
      size1: options.uint(OptionNumber.Size1),
      limitBytes,
      isProved,
    };
    const isOnlyBlock = block1.num === 0 && !block1.more;
    const mayStream = !isOnlyBlock && !message.isCiphertext;
    if (mayStream && config.streamRequestBody(arrival)) {
      this.#streamed.receive(arrival, block1, received, now);
      return;
    }
    const verdict = this.#requestBodies.receive(received, now);
    if (verdict.kind === 'complete') {
      this.#whole(arrival, verdict.body, now);
      return;
    }
    if (verdict.kind === 'refused') this.#answers.refuseBlock(arrival, verdict);
    else if (verdict.kind === 'unproved') this.#awaitProof(arrival, received.key, verdict.roomBytes, now);
    else {
      this.#answers.continue(arrival, block1, message.token);
      // Its end is far from here: with a quarter of what is taken before the proof, that is as good as asked for.
      const length = Math.max(received.size1 ?? 0, 4 * block1.num * blockSize(block1.szx));
      if (!isProved && length > config.unprovedRequestBodyBytes) this.#askForProof(peer, now);
    }
  }

  /** The address of a peer is proved, or will not be soon: its block that waited for that goes on, or is refused. */
  addressKnown(peer: PeerKey, now: Instant): void {
    const waiting = this.#unproved.get(peer);
    if (waiting === undefined) return;
    this.#unproved.delete(peer);
    this.#exchanges.replied(waiting.pending);
    const arrival = { ...waiting.arrival, now };
    if (this.#context.addressLimit.allowance(peer, now) === Infinity) this.receive(arrival, now);
    else {
      this.#requestBodies.forget(waiting.key);
      this.#refuseUnproved(arrival, waiting.roomBytes);
    }
  }

  /** Forgets what waits for a peer that is gone. */
  forgetPeer(peer: PeerKey): void {
    const waiting = this.#unproved.get(peer);
    if (waiting !== undefined) this.#exchanges.replied(waiting.pending);
    this.#unproved.delete(peer);
  }

  #askForProof(peer: PeerKey, now: Instant): void {
    const { addressLimit, outputs } = this.#context;
    if (addressLimit.mayAsk(peer, now)) outputs.push({ kind: 'ask-for-proof', peer, response: 'waits' });
  }

  /** There is no room for a block before the peer's address is proved. */
  #awaitProof(arrival: Arrival, key: string, roomBytes: number, now: Instant): void {
    const { peer, message, reply } = arrival;
    if (this.#unproved.has(peer)) {
      this.#requestBodies.forget(key);
      this.#refuseUnproved(arrival, roomBytes);
      return;
    }
    const pending = { reply, confirmable: message.type === 'CON', acknowledged: false };
    this.#exchanges.awaitReply(pending, now);
    this.#unproved.set(peer, { arrival, pending, key, roomBytes });
    this.#context.outputs.push({ kind: 'ask-for-proof', peer, response: 'waits' });
  }

  #refuseUnproved(arrival: Arrival, roomBytes: number): void {
    this.#context.counters.refusedRequestBodies++;
    this.#answers.refuseBlock(arrival, {
      kind: 'refused',
      code: Code.RequestEntityTooLarge,
      reason: `at most ${roomBytes} bytes before the address is proved`,
      size1: roomBytes,
    });
  }

  /** A block of a body in Q-Blocks (RFC 9177 §4.3). */
  #receiveQBlock(arrival: Arrival, block: BlockOption, limitBytes: number, now: Instant): void {
    const { peer, message, options, reply } = arrival;
    const { code, token, payload } = message;
    // Such blocks come in any order: a body that is taken as it comes goes in the blocks of RFC 7959.
    if (this.#context.config.streamRequestBody(arrival)) {
      const details = { diagnostic: 'no Q-Block1 here', unprocessed: OptionNumber.QBlock1 };
      this.#answers.answer(arrival, () => refusal(options, Code.BadOption, details));
      return;
    }
    const { addressLimit, config } = this.#context;
    const isLarge = (options.uint(OptionNumber.Size1) ?? 0) > config.unprovedRequestBodyBytes;
    if (isLarge && addressLimit.allowance(peer, now) !== Infinity) this.#askForProof(peer, now);
    const confirmable = message.type === 'CON';
    const part = { peer, code, token, confirmable, options, payload };
    const verdict = this.#qBlocks.receive(part, block, limitBytes, now);
    if (verdict.kind === 'complete') this.#whole(arrival, verdict.body, now);
    else if (verdict.kind === 'unproved') {
      // A block that is not taken is asked for again (§7.2), but for one of a Confirmable message (§5).
      this.#askForProof(peer, now);
      if (confirmable) {
        this.#qBlocks.requestBodies.forget(requestBodyKey(peer, code, options));
        this.#refuseUnproved(arrival, verdict.roomBytes);
      } else this.#answers.stayQuiet(arrival);
    } else if (verdict.kind === 'refused') this.#answers.refuseBlock(arrival, verdict);
    else if (verdict.kind === 'continue') this.#answers.answer(arrival, () => qBlockContinue(block));
    else if (verdict.kind === 'answered') {
      const { answer } = verdict;
      this.#answers.answer(arrival, () => answer);
    } else if (verdict.kind === 'missing') {
      const { exchange, numbers } = verdict;
      const sent = { ...missingBlocks(numbers), token };
      const output = {
        kind: 'send-response',
        peer,
        exchange,
        reply,
        message: sent,
        keepAnswer: false,
      } as const;
      this.#context.outputs.push(output);
    } else this.#answers.stayQuiet(arrival);
  }

  /** A body in one message. */
  #receiveUnblocked(arrival: Arrival, limitBytes: number, now: Instant): void {
    const { peer, message } = arrival;
    const { config, counters } = this.#context;
    const { length } = message.payload;
    const inOneMessage = message.isCiphertext ? maxUnfragmentedSize : config.maxPayloadBytes(arrival);
    if (length <= Math.min(limitBytes, inOneMessage)) {
      this.#whole(arrival, message.payload, now);
      return;
    }
    counters.refusedRequestBodies++;
    const answer = new OptionSet().set(OptionNumber.Size1, Math.min(limitBytes, maxSize));
    // RFC 7959 §2.9.3: the size in Block1 is a hint to try blocks of it; not where they would not help.
    if (length <= limitBytes) {
      const szx = Math.min(this.#answers.szxFor(peer), szxOf(Math.max(inOneMessage, blockSize(0))));
      answer.set(OptionNumber.Block1, encodeBlock({ num: 0, more: false, szx }));
    }
    const most = Math.min(limitBytes, inOneMessage);
    this.#answers.refuse(arrival, Code.RequestEntityTooLarge, `at most ${most} bytes`, answer);
  }
}

/** The largest value of Size1 (RFC 7959 §4). */
const maxSize = 2 ** 32 - 1;

/** A block that waits for the proof of its peer's address. */
interface UnprovedBlock {
  readonly arrival: Arrival;
  readonly pending: PendingReply;
  readonly key: string;
  /** Of the largest body that there is room for without the proof. */
  readonly roomBytes: number;
}
