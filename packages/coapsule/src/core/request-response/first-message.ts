/**
 * The first message of a response or notification: the whole of it, its first block, or the first of its Q-Blocks; as
 * much as may go to the peer.
 *
 * RFC 7959 §2.4, RFC 9175 §2.4, RFC 9177 §4.4. Whether and when it is sent is the matter of `response-sender.ts`.
 *
 * @module
 */

import { Code, isSafeRequest, isSuccessCode } from '../coap/code.ts';
import type { Instant } from '../foundation/instant.ts';
import type { Representation, ServerExchange } from './exchange.ts';
import type { LastBytes, LimitedResponse, ResponseMaker } from './limited-response.ts';
import type { QBlockResponse, QBlockServer } from './q-block-server.ts';
import { responseMessage } from './response-message.ts';
import type { RoleContext } from './role-context.ts';
import type { ServerAnswers } from './server-answers.ts';

/** A response as its first message, and what follows it. */
export interface FirstMessage extends LimitedResponse {
  /** What is to be sent by itself when the message has gone. */
  readonly blocks?: QBlockResponse;
}

/** See the module comment. */
export class FirstMessages {
  readonly #context: RoleContext;
  readonly #answers: ServerAnswers;
  readonly #qBlocks: QBlockServer;

  constructor(context: RoleContext, answers: ServerAnswers, qBlocks: QBlockServer) {
    this.#context = context;
    this.#answers = answers;
    this.#qBlocks = qBlocks;
  }

  /**
   * The first message of a response. Where nothing of it may go, its body is released.
   *
   * @param sequence The Observe value, of a response that has one.
   */
  of(
    exchange: ServerExchange,
    response: Representation,
    sequence: number | undefined,
    isNotification: boolean,
    now: Instant,
  ): FirstMessage {
    const { peer, token, code } = exchange;
    const szx = this.#answers.szxFor(peer);
    const blocks = this.#qBlocks.represent(exchange, response, sequence, szx, now);
    if (blocks !== undefined) return { kind: 'whole', content: blocks.content, blocks };
    const make = this.#maker(exchange, response, sequence, now);
    const mayRefuse = !isNotification && isSafeRequest(code);
    const mayEcho = !isNotification && !exchange.acknowledged;
    const leavesPing = !isNotification && exchange.observe === 'register';
    const place = {
      ...{ peer, token, szx, mayRefuse, mayEcho, leavesPing },
      lengthAtMost: lengthAtMost(response, token),
    };
    const limited = this.#answers.fit(place, make, now);
    if (limited.kind === 'refused') this.#context.supply.release(response.body);
    if (isSuccessCode(response.code) && limited.content.code === Code.BadRequest) {
      this.#answers.notePastEnd(peer);
    }
    return limited;
  }

  /** Whether a response would be cut that need not be, once the peer has answered a ping. */
  gainsByProof(exchange: ServerExchange, response: Representation, now: Instant): boolean {
    const { peer, token, code, observe, wish, acknowledged } = exchange;
    const allowance = this.#context.addressLimit.allowance(peer, now);
    // What is added to the bound is more than a ping.
    if (allowance === Infinity || (wish === undefined && lengthAtMost(response, token) <= allowance))
      return false;
    // RFC 9177: a set of blocks goes to an address that is proved; else each of them costs a round trip.
    const isSet = this.#qBlocks.isWanted(exchange, response, this.#answers.szxFor(peer));
    if (isSet && this.#answers.mayBeProved(peer, now)) return true;
    // A registration is answered with an Observe option; which number it has is not known yet (RFC 7641 §3.4: 3 bytes at most).
    const sequence = observe === 'register' ? 0xff_ffff : undefined;
    const make = this.#maker(exchange, response, sequence, now);
    return this.#answers.gainsByProof(exchange, make, lastBytesFor(code, acknowledged), now);
  }

  #maker(
    exchange: ServerExchange,
    response: Representation,
    sequence: number | undefined,
    now: Instant,
  ): ResponseMaker {
    const { peer } = exchange;
    return (szx, bodies) =>
      responseMessage(exchange, response, sequence, this.#answers.bytesOf(szx, peer), bodies, now);
  }
}

/** Bytes of all that a response can become as one message: with each of the options that this layer adds. */
function lengthAtMost({ options, payload, body }: Representation, token: Uint8Array): number {
  if (body !== undefined) return Infinity;
  let bytes = framingAtMost + token.length + payload.length;
  for (const { value } of options.entries()) bytes += optionHeaderAtMost + value.length;
  return bytes;
}

/** Header, length of the token and payload marker (RFC 7252 §3, RFC 8974 §2.1); Observe, Block1, Block2, Size2, ETag and Echo. */
const framingAtMost = 4 + 2 + 1 + 5 * 6 + 3 + 3 + 3 + 4 + 8 + 40;
/** RFC 7252 §3.1. */
const optionHeaderAtMost = 5;

function lastBytesFor(code: Code, acknowledged: boolean): LastBytes {
  // Whoever has the Empty ACK sends no copies, and gets no 4.01.
  if (acknowledged) return 'for-a-block-if-one-fits';
  // What was carried out is not refused: where nothing is left for a block, copies of the request bring it.
  return isSafeRequest(code) ? 'for-a-response' : 'for-the-ping';
}
