/**
 * Answers that the server role gives by itself: refusals, 2.31 for a block, later blocks; and how much of any response may go
 * to a peer.
 *
 * RFC 7252 §5.5.2, RFC 7959 §2.3, RFC 9175 §2.3 and §2.4. When they are sent is the matter of `response-sender.ts`.
 *
 * @module
 */

import { type BlockOption, bertSzx, blockSize, szxOfBlock } from '../coap/block-option.ts';
import { Code, codeName, codeText, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import type { Arrival } from './arrival.ts';
import type { OutgoingMessage, PeerKey, ServerExchange } from './exchange.ts';
import {
  type LastBytes,
  type LimitedResponse,
  type ResponseLimit,
  type ResponseMaker,
  type ResponsePlace,
  unauthorized,
} from './limited-response.ts';
import { refusal } from './refusal.ts';
import type { BlockRefusal } from './request-bodies.ts';
import { largestBlock } from './request-response-config.ts';
import { acknowledgedBlock } from './response-message.ts';
import type { ResponseSender } from './response-sender.ts';
import type { RoleContext } from './role-context.ts';

/** See the module comment. */
export class ServerAnswers {
  readonly #context: RoleContext;
  readonly #responses: ResponseSender;
  readonly #limit: ResponseLimit;

  constructor(context: RoleContext, responses: ResponseSender, limit: ResponseLimit) {
    this.#context = context;
    this.#responses = responses;
    this.#limit = limit;
  }

  /** The largest size exponent that we send to a peer, and ask it to use. */
  szxFor(peer: PeerKey): number {
    return szxOfBlock(largestBlock(this.#context.config, peer));
  }

  /** Bytes in a block of size exponent `szx` to a peer; of a BERT one as many as it takes (RFC 8323 §6). */
  bytesOf(szx: number, peer: PeerKey): number {
    return szx === bertSzx ? largestBlock(this.#context.config, peer) : blockSize(szx);
  }

  /** Answers without asking the application: the request had no effect, and its record may go when room is short. */
  answer(arrival: Arrival, make: ResponseMaker): void {
    const { peer, message, group, now } = arrival;
    const { token } = message;
    const place = {
      ...{ peer, token, szx: this.szxFor(peer), mayRefuse: true, mayEcho: true },
      leavesPing: false,
    };
    const { kind, content } = this.fit(place, make, now);
    this.#sendAnswer(arrival, { ...content, token }, kind === 'refused' ? 'NON' : undefined);
    // Who asked a group shows it by going on with one device.
    if (kind !== 'whole' && group === undefined)
      this.#context.outputs.push({ kind: 'ask-for-proof', peer, response: 'cut' });
  }

  /** Answers with an error, and tells of the fault. */
  refuse(arrival: Arrival, code: Code, diagnostic = '', options: OptionReader = new OptionSet()): void {
    if (code !== Code.ServiceUnavailable) this.#context.counters.refusedRequests++;
    this.fault(arrival.peer, `${codeText(code)} ${diagnostic || codeName(code)}`);
    if (arrival.group !== undefined) {
      // Most are not sent; a policy that lets them be sent gets the code alone, which is smaller than any request.
      const { token } = arrival.message;
      this.#sendAnswer(arrival, { code, options: new OptionSet(), payload: noBytes, token }, undefined);
      return;
    }
    this.answer(arrival, () => refusal(arrival.options, code, { diagnostic, options }));
  }

  /** No answer: a Confirmable request gets its Empty ACK. */
  stayQuiet({ reply }: Pick<Arrival, 'reply'>): void {
    this.#context.outputs.push({ kind: 'suppress-response', reply, keepAnswer: false });
  }

  /** Refuses a block of a body. */
  refuseBlock(arrival: Arrival, { code, reason, size1 }: BlockRefusal): void {
    const options = new OptionSet();
    if (size1 !== undefined) options.set(OptionNumber.Size1, size1);
    this.refuse(arrival, code, reason, options);
  }

  /** 2.31 for a block; with the size we prefer. */
  continue(
    to: {
      readonly peer: PeerKey;
      readonly reply: unknown;
      readonly options: OptionReader;
      readonly now: Instant;
    },
    block1: BlockOption,
    token: Uint8Array,
  ): void {
    const block = acknowledgedBlock(block1, true, this.szxFor(to.peer));
    const options = new OptionSet().set(OptionNumber.Block1, block);
    const message = { code: Code.Continue, options, payload: noBytes, token };
    this.#sendAnswer({ ...to, group: undefined }, message);
  }

  /** 4.01 with an Echo to come back with (RFC 9175 §2.3). */
  askForEcho(arrival: Arrival, now: Instant): void {
    const { counters, echo } = this.#context;
    counters.echoesAsked++;
    // Without cryptography nothing can be asked for, and nothing is fresh.
    const { code, options } = unauthorized(echo?.issue(arrival.peer, now));
    this.refuse(arrival, code, '', options);
  }

  /** A request asked for a block that there is not, and its answer says so. */
  notePastEnd(peer: PeerKey): void {
    this.#context.counters.refusedRequests++;
    this.fault(peer, `${codeText(Code.BadRequest)} block is beyond the end`);
  }

  /** Tells that a peer broke a rule. */
  fault(peer: PeerKey, reason: string): void {
    this.#context.outputs.push({ kind: 'peer-fault', peer, reason });
  }

  /** The response, or what may go of it to this peer. */
  fit(place: ResponsePlace, make: ResponseMaker, now: Instant): LimitedResponse {
    const limited = this.#limit.fit(place, make, now);
    if (limited.kind === 'whole') return limited;
    this.#context.counters.limitedResponses++;
    if (limited.kind === 'refused') this.#context.counters.echoesAsked++;
    return limited;
  }

  /** Whether the address of a peer is not proved, and a ping that asks for it is on its way, or can go. */
  mayBeProved(peer: PeerKey, now: Instant): boolean {
    return this.#limit.mayBeProved(peer, now);
  }

  /** Whether a response would be cut that need not be, once the peer has answered a ping. */
  gainsByProof(
    { peer, token, observe }: Pick<ServerExchange, 'peer' | 'token' | 'observe'>,
    make: ResponseMaker,
    lastBytes: LastBytes,
    now: Instant,
  ): boolean {
    const place = { peer, token, szx: this.szxFor(peer), leavesPing: observe === 'register' };
    return this.#limit.gainsByProof(place, make, lastBytes, now);
  }

  #sendAnswer(
    to: Pick<Arrival, 'peer' | 'reply' | 'options' | 'group' | 'now'>,
    message: OutgoingMessage,
    type?: 'NON',
  ): void {
    const { peer, reply, options, group, now } = to;
    const exchange = this.#context.newId();
    const kind = 'send-response';
    // A copy of a registration that was refused must not be answered as a mere GET: that would end the observation.
    const keepAnswer = options.uint(OptionNumber.Observe) === 0 && !isSuccessCode(message.code);
    this.#responses.send(
      { kind, peer, exchange, reply, ...(type && { type }), message, keepAnswer },
      { options, group, observing: false, isLast: true, asksForProof: false },
      now,
    );
  }
}
