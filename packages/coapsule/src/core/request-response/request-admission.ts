/**
 * Which requests are carried out, and which are refused before anybody is asked: method, hops, options, block sizes, and
 * freshness.
 *
 * RFC 7252 §5.4, §5.5, §5.8, §8.2.1 and §11.3, RFC 7959 §2.2, RFC 8768 §3, RFC 9175 §2.3. Bodies are put together in
 * `server-role.ts`.
 *
 * @module
 */

import { type BlockOption, decodeBlock } from '../coap/block-option.ts';
import { Code, hasRequestPayload, isSafeRequest, methodOf } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import { elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { Arrival } from './arrival.ts';
import type { GroupOrigin, PeerKey, ReceivedMessage } from './exchange.ts';
import { checkProxiedRequestOptions, checkRequestOptions, type OptionVerdict } from './option-check.ts';
import { hasIllegalHopLimit } from './proxying.ts';
import { qBlockRequest } from './q-block-request.ts';
import { refusal } from './refusal.ts';
import type { RequestRoute } from './request-response-config.ts';
import { isNotForGroups } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';
import type { ServerAnswers } from './server-answers.ts';

/** See the module comment. */
export class RequestAdmission {
  readonly #context: RoleContext;
  readonly #answers: ServerAnswers;
  /** Critical options of requests for this server, beyond those that every server knows. */
  readonly #criticalOptions: readonly number[];

  constructor(context: RoleContext, answers: ServerAnswers) {
    this.#context = context;
    this.#answers = answers;
    const { reliableTransport, criticalOptions } = context.config;
    this.#criticalOptions = reliableTransport
      ? criticalOptions
      : [...criticalOptions, OptionNumber.QBlock1, OptionNumber.QBlock2];
  }

  /** The request, checked; `undefined` when it was refused, or is to be ignored. See `ServerRole.receiveRequest`. */
  admit(
    peer: PeerKey,
    received: ReceivedMessage,
    reply: unknown,
    repeat: boolean,
    now: Instant,
    address?: PeerAddress,
  ): Arrival | undefined {
    const { config, counters } = this.#context;
    const answers = this.#answers;
    counters.requestsReceived++;
    const message = this.#withDefinedPayload(peer, received);
    const { options: all } = message;
    const group = address && this.#groupOrigin(peer, message, address);
    if (group === 'ignored') {
      counters.ignoredGroupRequests++;
      answers.fault(peer, 'not for a group');
      return undefined;
    }
    const { code } = message;
    const arrival: Arrival = {
      peer,
      code,
      message,
      reply,
      repeat,
      options: all,
      block1: undefined,
      block2: undefined,
      qBlock1: undefined,
      wish: undefined,
      group,
      now,
    };
    // RFC 7252 §5.8: an unrecognized or unsupported method is answered 4.05.
    if (methodOf(code) === undefined) {
      answers.refuse(arrival, Code.MethodNotAllowed);
      return undefined;
    }
    // RFC 8768 §3, whoever the request is for.
    if (hasIllegalHopLimit(all)) {
      answers.refuse(arrival, Code.BadRequest, 'Hop-Limit is not 1 to 255');
      return undefined;
    }
    const route: RequestRoute = message.isCiphertext ? { kind: 'origin' } : config.route(arrival);
    const verdict =
      route.kind === 'proxy'
        ? checkProxiedRequestOptions(all)
        : checkRequestOptions(route.options ?? all, this.#criticalOptionsOf(message));
    if (verdict.kind === 'proxy') {
      answers.refuse(arrival, Code.ProxyingNotSupported);
      return undefined;
    }
    if (verdict.kind === 'bad-option') {
      counters.badOptions++;
      answers.fault(peer, verdict.reason);
      // §5.4.1: in a NON message rejected, which §4.3 lets us do in silence.
      if (message.type === 'NON') return undefined;
      const details = { diagnostic: verdict.reason, unprocessed: verdict.number };
      answers.answer(arrival, () => refusal(message.options, Code.BadOption, details));
      return undefined;
    }
    if (verdict.hasUnknown) counters.unknownOptions++;
    this.#noteIgnored(peer, verdict);
    const qBlock = qBlockRequest(verdict.options, config.qBlock.maxPayloads);
    if (qBlock !== undefined && 'reason' in qBlock) {
      answers.refuse(arrival, qBlock.code, qBlock.reason);
      return undefined;
    }
    const understood = qBlock?.options ?? verdict.options;
    const options =
      group === undefined
        ? understood
        : // RFC 7252 §8.2.1: as if an ETag in a request to a group were not known.
          OptionSet.from(understood.entries()).delete(OptionNumber.ETag);
    const block1 = decodeBlockOf(options, OptionNumber.Block1, config.reliableTransport);
    const block2 = decodeBlockOf(options, OptionNumber.Block2, config.reliableTransport);
    // RFC 7959 §2.2: SZX 7 is reserved over UDP.
    if (block1 === 'illegal' || block2 === 'illegal') {
      answers.refuse(arrival, Code.BadRequest, 'Illegal block size');
      return undefined;
    }
    const isPlain = options === all && block1 === undefined && block2 === undefined && qBlock === undefined;
    const parsed: Arrival = isPlain
      ? arrival
      : { ...arrival, options, block1, block2, qBlock1: qBlock?.block1, wish: qBlock?.wish };
    if (this.#isFresh(parsed, now)) return route.kind === 'proxy' ? this.#withoutOwnEcho(parsed) : parsed;
    answers.askForEcho(parsed, now);
    return undefined;
  }

  #criticalOptionsOf({ isCiphertext, oneResponse }: ReceivedMessage): readonly number[] {
    if (isCiphertext) return [OptionNumber.Oscore];
    return oneResponse ? this.#context.config.criticalOptions : this.#criticalOptions;
  }

  /** RFC 9175 §2.3: whether the request may be carried out, as far as its age goes. */
  #isFresh(arrival: Arrival, now: Instant): boolean {
    const { peer, code, message, options, block1 } = arrival;
    if (isSafeRequest(code) || message.isCiphertext) return true;
    // Told early, with the first block of a body; it counts when the request is whole.
    if (block1 !== undefined && block1.num > 0 && block1.more) return true;
    const { config, echo } = this.#context;
    const withinMs = config.freshWithinMs(arrival);
    if (withinMs === undefined) return true;
    const value = options.first(OptionNumber.Echo);
    const issuedAt = value && echo?.issuedAt(peer, value);
    return issuedAt !== undefined && elapsedMs(issuedAt, now) < withinMs;
  }

  /** RFC 7252 §5.5: the recipient MUST ignore a payload that the method is not defined to have. */
  #withDefinedPayload(peer: PeerKey, message: ReceivedMessage): ReceivedMessage {
    const { code, token, options, type, payload } = message;
    if (payload.length === 0 || hasRequestPayload(code)) return message;
    this.#context.counters.ignoredPayloads++;
    this.#answers.fault(peer, `a ${methodOf(code)} with a payload, which is ignored`);
    return { code, token, options, payload: noBytes, ...(type === undefined ? {} : { type }) };
  }

  /** RFC 9175 §2.3: what we gave out ourselves does not go on to another server. */
  #withoutOwnEcho(arrival: Arrival): Arrival {
    const { peer, options } = arrival;
    const value = options.first(OptionNumber.Echo);
    if (value === undefined || this.#context.echo?.issuedAt(peer, value) === undefined) return arrival;
    return { ...arrival, options: OptionSet.from(options.entries()).delete(OptionNumber.Echo) };
  }

  /** Elective options that are not as their definition says, and values of Observe that mean nothing (RFC 7641 §2). */
  #noteIgnored(peer: PeerKey, { options, ignored }: Extract<OptionVerdict, { kind: 'accepted' }>): void {
    const observe = options.uint(OptionNumber.Observe) ?? 0;
    const reason = ignored ?? (observe > 1 ? `Observe ${observe} means nothing in a request` : undefined);
    if (reason === undefined) return;
    this.#context.counters.ignoredOptions++;
    this.#answers.fault(peer, reason);
  }

  /** Whether a request to a group is served here at all (RFC 7252 §11.3: only where it is wanted). */
  #groupOrigin(
    peer: PeerKey,
    { code, options }: ReceivedMessage,
    address: PeerAddress,
  ): GroupOrigin | 'ignored' {
    if (isNotForGroups(options)) return 'ignored';
    const policy = this.#context.config.groupPolicy({ peer, code, options });
    return policy === undefined ? 'ignored' : { address, policy };
  }
}

/** Over a reliable transport SZX 7 is one of BERT (RFC 8323 §6), also where we did not announce it. */
function decodeBlockOf(
  options: OptionReader,
  number: number,
  isReliable: boolean,
): BlockOption | 'illegal' | undefined {
  const value = options.first(number);
  return value === undefined ? undefined : (decodeBlock(value, isReliable) ?? 'illegal');
}
