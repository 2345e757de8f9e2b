/**
 * Requests for a later block of a response, answered without the application where the response is still kept.
 *
 * RFC 7959 §2.4, RFC 9177 §4.4. The first block is in `first-block.ts`; what is kept, and for how long, in
 * `response-bodies.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import type { Instant } from '../foundation/instant.ts';
import type { Arrival } from './arrival.ts';
import type { BodyWaiter } from './body-supply.ts';
import type { Representation } from './exchange.ts';
import { bodyUnavailable } from './first-block.ts';
import type { QBlock2Wish } from './q-block-request.ts';
import { type QBlockServer, qBlockBodyName } from './q-block-server.ts';
import { largestBlock } from './request-response-config.ts';
import type { ResponseBodies } from './response-bodies.ts';
import { blockMessage, bodyName, sizeOfBlock } from './response-message.ts';
import type { RoleContext } from './role-context.ts';
import type { ServerAnswers } from './server-answers.ts';
import type { ServerExchanges } from './server-exchanges.ts';

/** Whether a request asks for blocks of a response that was begun, and brings no block itself. */
export function wantsLaterBlock(arrival: Arrival): boolean {
  const { block1, block2, qBlock1, wish } = arrival;
  return (
    (block1 === undefined && block2 !== undefined && block2.num > 0) ||
    (qBlock1 === undefined && wish !== undefined && (wish.first > 0 || isForMissing(arrival, wish)))
  );
}

/**
 * Whether a request for block 0 is one for blocks that are missing (RFC 9177 §4.4), and not a new one: several are named, or
 * it lacks the body that all but GET are made with. Else an operation would be carried out twice where block 0 was lost.
 */
function isForMissing({ message }: Arrival, { kind, numbers }: QBlock2Wish): boolean {
  if (kind !== 'blocks') return false;
  return numbers.length > 1 || (message.code !== Code.Get && message.payload.length === 0);
}

/** See the module comment. */
export class LaterBlocks {
  readonly #context: RoleContext;
  readonly #answers: ServerAnswers;
  readonly #exchanges: ServerExchanges;
  readonly #responseBodies: ResponseBodies;
  readonly #qBlocks: QBlockServer;

  constructor(
    context: RoleContext,
    answers: ServerAnswers,
    exchanges: ServerExchanges,
    responseBodies: ResponseBodies,
    qBlocks: QBlockServer,
  ) {
    this.#context = context;
    this.#answers = answers;
    this.#exchanges = exchanges;
    this.#responseBodies = responseBodies;
    this.#qBlocks = qBlocks;
  }

  /**
   * Answers a request that `wantsLaterBlock`, or refuses it.
   *
   * @param body Of the request, whole.
   * @returns false when only the application can answer it, and may be asked again.
   */
  answer(arrival: Arrival, body: Uint8Array, now: Instant): boolean {
    const { code } = arrival.message;
    const { block2, wish } = arrival;
    if (wish !== undefined) {
      if (this.#answerQBlocks(arrival, body, wish, now)) return true;
    } else if (block2 !== undefined && this.#answerBlock2(arrival, body, block2, now)) return true;
    // Asking the application again is harmless for a GET only: the others are sent without their body
    // (RFC 7959 §3.3), and most of them must not be carried out twice.
    if (code === Code.Get || (code === Code.Fetch && body.length > 0)) return false;
    // One that wants block 0 and nothing else may be a new one after all.
    if (wish?.first === 0 && wish.numbers.length === 1 && code !== Code.Fetch) return false;
    this.#answers.refuse(arrival, Code.RequestEntityIncomplete, 'the response is no longer kept');
    return true;
  }

  #answerBlock2(arrival: Arrival, body: Uint8Array, block2: BlockOption, now: Instant): boolean {
    const { peer, message, options } = arrival;
    const size = sizeOfBlock(largestBlock(this.#context.config, peer), block2);
    const name = bodyName(peer, message.code, { options, payload: body });
    const kept = this.#responseBodies.find(name, block2, size, now);
    if (kept !== undefined) this.#answerSlice(arrival, kept, block2, now);
    return kept !== undefined;
  }

  /** Later blocks of a response in Q-Blocks. Whether they can be had without the application. */
  #answerQBlocks(arrival: Arrival, body: Uint8Array, wish: QBlock2Wish, now: Instant): boolean {
    const { peer, message, options } = arrival;
    const { code, token } = message;
    const name = qBlockBodyName({ peer, code, options, payload: body });
    const kept = this.#responseBodies.find(
      name,
      { num: wish.first, more: false, szx: wish.szx },
      blockSize(wish.szx),
      now,
    );
    if (kept === undefined || kept.body !== undefined) return false;
    const blocks = this.#qBlocks.later({ peer, wish }, kept, now);
    if (blocks === 'going') this.#answers.stayQuiet(arrival);
    else if (blocks === undefined || wish.szx > this.#answers.szxFor(peer)) {
      this.#answers.refuse(arrival, Code.BadRequest, 'no such block');
    } else {
      this.#answers.answer(arrival, () => blocks.content);
      if (this.#context.addressLimit.allowance(peer, now) === Infinity) {
        const type = message.type === 'CON' ? 'CON' : 'NON';
        this.#qBlocks.begin({ peer, token, type }, blocks, now);
      }
    }
    return true;
  }

  /** Answers with a later block of a response, as soon as that is there. */
  #answerSlice(arrival: Arrival, response: Representation, wish: BlockOption, now: Instant): void {
    const { peer } = arrival;
    const { body } = response;
    const offset = wish.num * blockSize(wish.szx);
    const answer = (): void =>
      this.#answers.answer(arrival, (szx) => blockMessage(response, wish, this.#answers.bytesOf(szx, peer)));
    if (body === undefined || body.endsBefore(offset)) {
      if (body !== undefined || offset >= response.payload.length) this.#answers.notePastEnd(peer);
      answer();
      return;
    }
    const confirmable = arrival.message.type === 'CON';
    const pending = { reply: arrival.reply, confirmable, acknowledged: false };
    const isGone = !body.reaches(offset);
    const waiter: BodyWaiter = {
      ready: () => {
        this.#exchanges.replied(pending);
        answer();
      },
      failed: (detail) => {
        this.#exchanges.replied(pending);
        if (isGone) this.#answers.refuse(arrival, Code.RequestEntityIncomplete, detail);
        else this.#answers.answer(arrival, () => bodyUnavailable);
      },
    };
    this.#exchanges.awaitReply(pending, now);
    const size = sizeOfBlock(largestBlock(this.#context.config, peer), wish);
    this.#context.supply.want(body, offset, size, waiter, now);
  }
}
