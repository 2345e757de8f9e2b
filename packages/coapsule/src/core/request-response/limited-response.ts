/**
 * Responses to peers whose addresses nothing proves: cut so that no more goes there than may.
 *
 * RFC 9175 §2.4 (item 3), RFC 7252 §11.3. A response that is too large goes out as the largest Block2 that fits, with an
 * Echo where that fits too; only where no block fits, and the request had no effect, 4.01 with Echo. Every client can
 * fetch block by block; one that knows Echo, or answers a ping, soon gets all that others get.
 *
 * How much may go is counted elsewhere (`address-limit.ts`); what does not fit in spite of all is not sent there.
 *
 * @module
 */

import { Code, isSuccessCode } from '../coap/code.ts';
import { encodedLength } from '../coap/message-codec.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import type { AddressLimit } from './address-limit.ts';
import type { EchoValues } from './echo.ts';
import type { Content, PeerKey } from './exchange.ts';
import { type BodyKeeper, etagLength } from './response-bodies.ts';

/** Makes the message of a response with blocks of size exponent `szx` at most; `bodies` keeps the rest. */
export type ResponseMaker = (szx: number, bodies: BodyKeeper) => Content;

/** A response as it may go to a peer. */
export interface LimitedResponse {
  /**
   * `whole`: as it would go to anybody; `cut`: less of it; `refused`: 4.01 instead, which is to be piggybacked or
   * Non-confirmable (RFC 9175 §2.4); `too-large`: the least there is of it, and that does not fit.
   */
  readonly kind: 'whole' | 'cut' | 'refused' | 'too-large';
  readonly content: Content;
}

/** What a response is for. */
export interface ResponsePlace {
  readonly peer: PeerKey;
  readonly token: Uint8Array;
  /** The largest size exponent we send to this peer. */
  readonly szx: number;
  /** Whether the request may be asked for once more: it is safe, or nothing was done about it. */
  readonly mayRefuse: boolean;
  /**
   * Whether it is no Confirmable message of its own. libcoap 4.3.1 puts the Echo of such a one into the Empty message
   * that acknowledges it, which makes that a malformed one.
   */
  readonly mayEcho: boolean;
  /** No message that the response can become has more bytes. Without it that is found out by making them. */
  readonly lengthAtMost?: number;
  /**
   * It begins an observation: a ping asks for the proof that notifications need, and has to have its bytes, since an observer
   * sends nothing more that would bring others.
   */
  readonly leavesPing: boolean;
}

/** What the last bytes that may go to a peer are for; see `ResponseLimit.gainsByProof`. */
export type LastBytes = 'for-a-response' | 'for-a-block-if-one-fits' | 'for-the-ping';

/** Fits responses to what may go to a peer. */
export class ResponseLimit {
  readonly #limit: AddressLimit;
  readonly #echo: EchoValues | undefined;
  readonly #bodies: BodyKeeper;

  constructor(limit: AddressLimit, echo: EchoValues | undefined, bodies: BodyKeeper) {
    this.#limit = limit;
    this.#echo = echo;
    this.#bodies = bodies;
  }

  /** The response that `make` makes, or what may go of it now. */
  fit(place: ResponsePlace, make: ResponseMaker, now: Instant): LimitedResponse {
    const { peer, token, szx, mayRefuse, mayEcho, leavesPing, lengthAtMost = Infinity } = place;
    const allowance = this.#limit.allowance(peer, now);
    if (allowance === Infinity) {
      const content = make(szx, this.#bodies);
      const echo = mayEcho && this.#limit.takesEcho(peer, now) ? this.#issue(peer, now) : undefined;
      return { kind: 'whole', content: this.#with(() => true, content, OptionNumber.Echo, echo) };
    }
    const reserved = leavesPing && this.#limit.mayAsk(peer, now) ? pingLength : 0;
    if (lengthAtMost + reserved <= allowance) return { kind: 'whole', content: make(szx, this.#bodies) };
    const fitsInto =
      (bytes: number) =>
      ({ options, payload }: Content): boolean =>
        encodedLength({ token, options, payload }) <= bytes;
    const fits = fitsInto(allowance);
    const full = make(szx, weighing);
    // An error begins no observation.
    const isRoomy = isSuccessCode(full.code) ? fitsInto(allowance - reserved) : fits;
    if (isRoomy(full)) return { kind: 'whole', content: make(szx, this.#bodies) };
    // A diagnostic payload is for people (RFC 7252 §5.5.2), and no body to be fetched in blocks.
    if (!isSuccessCode(full.code)) return { kind: 'cut', content: withoutPayload(full) };
    // A ping for a proof follows what is cut, where there is room for it: else it waits for the next request.
    const block =
      this.#cut(place, make, fitsInto(allowance - pingLength), now) ??
      (reserved > 0
        ? this.#cut(place, withShortEtag(make), fitsInto(allowance - reserved), now)
        : undefined) ??
      this.#cut(place, make, fits, now) ??
      this.#cut(place, withShortEtag(make), fits, now);
    if (block !== undefined) return { kind: 'cut', content: block };
    const echo = this.#issue(peer, now);
    if (!mayRefuse || echo === undefined) {
      return { kind: 'too-large', content: withoutSize(make(0, this.#bodies)) };
    }
    return { kind: 'refused', content: unauthorized(echo) };
  }

  /** Whether the address of a peer is not proved, and a ping that asks for it is on its way, or can go. */
  mayBeProved(peer: PeerKey, now: Instant): boolean {
    const allowance = this.#limit.allowance(peer, now);
    if (allowance === Infinity) return false;
    return this.#limit.isAsking(peer) || (allowance >= pingLength && this.#limit.mayAsk(peer, now));
  }

  /**
   * Whether the response would be cut, and a ping can go and still leave bytes for a block of it.
   *
   * @param lastBytes Whether the ping may take them, so that no block can go: where copies of the request bring others, or
   *        where they are too few for a block anyway and nothing else can go instead.
   */
  gainsByProof(
    { peer, token, szx, leavesPing }: Omit<ResponsePlace, 'mayRefuse' | 'mayEcho'>,
    make: ResponseMaker,
    lastBytes: LastBytes,
    now: Instant,
  ): boolean {
    const allowance = this.#limit.allowance(peer, now);
    if (allowance === Infinity || !this.#limit.mayAsk(peer, now)) return false;
    const lengthOf = ({ options, payload }: Content): number => encodedLength({ token, options, payload });
    const full = make(szx, weighing);
    const reserved = leavesPing ? pingLength : 0;
    if (!isSuccessCode(full.code) || lengthOf(full) + reserved <= allowance) return false;
    if (allowance < pingLength) return false;
    const least = lengthOf(withoutSize(make(0, weighing)));
    if (least <= allowance - pingLength || lastBytes === 'for-the-ping') return true;
    // Nothing else of an observer brings bytes for the ping.
    if (leavesPing && least <= allowance) return true;
    return least > allowance && lastBytes === 'for-a-block-if-one-fits';
  }

  /** The largest block that fits, with an Echo and the size of the whole where those fit too. */
  #cut(
    { peer, szx, mayEcho }: ResponsePlace,
    make: ResponseMaker,
    fits: (content: Content) => boolean,
    now: Instant,
  ): Content | undefined {
    for (let smaller = szx; smaller >= 0; smaller--) {
      if (!fits(withoutSize(make(smaller, weighing)))) continue;
      const made = make(smaller, this.#bodies);
      const size2 = made.options.first(OptionNumber.Size2);
      const echo = mayEcho ? this.#issue(peer, now) : undefined;
      const block = this.#with(fits, withoutSize(made), OptionNumber.Echo, echo);
      return this.#with(fits, block, OptionNumber.Size2, size2);
    }
    return undefined;
  }

  #issue(peer: PeerKey, now: Instant): Uint8Array | undefined {
    return this.#echo?.issue(peer, now);
  }

  /** The message with one more option, where that fits. */
  #with(
    fits: (content: Content) => boolean,
    content: Content,
    number: number,
    value: Uint8Array | undefined,
  ): Content {
    if (value === undefined || content.options.has(number)) return content;
    const options = OptionSet.from(content.options.entries()).set(number, value);
    const larger = { ...content, options };
    return fits(larger) ? larger : content;
  }
}

/** An Empty Confirmable message (RFC 7252 §4.3). */
const pingLength = 4;

/** 4.01, with an Echo where there is one: the same request is welcome with it (RFC 9175 §2.3). */
export function unauthorized(echo: Uint8Array | undefined): Content {
  const options = new OptionSet();
  if (echo !== undefined) options.set(OptionNumber.Echo, echo);
  return { code: Code.Unauthorized, options, payload: noBytes };
}

/** For messages that are made to be weighed, and not sent: an ETag is as heavy as the right one. */
const weighing: BodyKeeper = {
  keep: (_name, _peer, response, _sent, _now, bytes = etagLength) => {
    if (!isSuccessCode(response.code) || response.options.has(OptionNumber.ETag)) return response;
    const options = OptionSet.from(response.options.entries());
    return { ...response, options: options.set(OptionNumber.ETag, new Uint8Array(bytes)) };
  },
};

/** An ETag that is made here has one byte only: the three that it lacks let a block fit where else none would. */
function withShortEtag(make: ResponseMaker): ResponseMaker {
  return (szx, bodies) =>
    make(szx, {
      keep: (name, peer, response, sent, now) => bodies.keep(name, peer, response, sent, now, 1),
    });
}

function withoutPayload({ code, options }: Content): Content {
  const kept = OptionSet.from(options.entries());
  for (const number of bodyOptions) kept.delete(number);
  return { code, options: kept, payload: noBytes };
}

const bodyOptions: readonly number[] = [OptionNumber.ContentFormat, OptionNumber.Block2, OptionNumber.Size2];

/** Without the size of the whole, which is only of interest (RFC 7959 §4). */
function withoutSize(content: Content): Content {
  if (!content.options.has(OptionNumber.Size2)) return content;
  return { ...content, options: OptionSet.from(content.options.entries()).delete(OptionNumber.Size2) };
}
