/**
 * Rules about response codes: those that say something else than their server means, and those that nobody listens to
 * (RFC 7252 §5.9).
 *
 * @module
 */

import { Code, codeText, isRequestCode, isResponseCode, methodOf, OptionNumber } from 'coapsule/message';
import { BoundedMap } from '../memory/bounded-map.ts';
import { hexText } from '../text/hex.ts';
import type { Finding } from './finding.ts';
import { FoundFaults } from './found-faults.ts';
import type { Rule } from './rule.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

/** RFC 7252 §5.10.5. */
const defaultMaxAgeSeconds = 60;

interface Held {
  readonly response: SeenMessage;
  readonly untilMs: number;
  readonly seconds: number;
}

/** Responses beside the requests that they answer. */
export class ResponseRule implements Rule {
  readonly #requests: BoundedMap<string, SeenMessage>;
  /** Servers that asked for time, by who was told. */
  readonly #held: BoundedMap<string, Held>;
  readonly #found = new FoundFaults();

  constructor(most?: number) {
    this.#requests = new BoundedMap(most);
    this.#held = new BoundedMap(most);
  }

  see({ messages }: SeenPacket): void {
    for (const seen of messages) {
      if (isRequestCode(seen.message.code)) this.#request(seen);
      else if (isResponseCode(seen.message.code)) this.#response(seen);
    }
  }

  findings(): readonly Finding[] {
    return this.#found.findings();
  }

  #request(seen: SeenMessage): void {
    const { message, conversation, sender } = seen;
    const key = `${conversation} ${sender} ${hexText(message.token)}`;
    const before = this.#requests.get(key);
    this.#requests.set(key, seen);
    // A copy of a request is no new one.
    if (before !== undefined && before.message.messageId === message.messageId) return;
    const held = this.#held.get(`${conversation} ${sender}`);
    if (held === undefined || seen.atMs >= held.untilMs) return;
    const left = ((held.untilMs - seen.atMs) / 1000).toFixed(1);
    this.#found.note(
      'max-age-ignored',
      seen.where,
      [held.response.frame, seen.frame],
      `frame ${held.response.frame} said ${codeText(held.response.message.code)} with ${held.seconds} s, and frame ${seen.frame} comes ${left} s too early`,
    );
  }

  #response(seen: SeenMessage): void {
    const { message, conversation, receiver, isSecured } = seen;
    const { code, options } = message;
    const request = this.#requests.get(`${conversation} ${receiver} ${hexText(message.token)}`);
    if (code === Code.ServiceUnavailable || code === Code.TooManyRequests) {
      const seconds = options.uint(OptionNumber.MaxAge) ?? defaultMaxAgeSeconds;
      const untilMs = seen.atMs + seconds * 1000;
      this.#held.set(`${conversation} ${receiver}`, { response: seen, untilMs, seconds });
    }
    if (request === undefined) return;
    const frames = [request.frame, seen.frame];
    const isOscore = request.message.options.has(OptionNumber.Oscore);
    if (code === Code.NotImplemented) {
      const method = methodOf(request.message.code) ?? codeText(request.message.code);
      this.#found.note('method-answered-not-implemented', seen.where, frames, `${method} was answered 5.01`);
    }
    if (code === Code.Unauthorized && !isSecured && !isOscore && !options.has(OptionNumber.Echo)) {
      const path = request.message.options.texts(OptionNumber.UriPath).join('/');
      this.#found.note(
        'unauthorized-without-security',
        seen.where,
        frames,
        `/${path} was asked for over plain CoAP and answered 4.01`,
      );
    }
    // A notification may be valid by an ETag of the registration (RFC 7641 §4.3.2).
    if (code === Code.Valid && !request.message.options.has(OptionNumber.ETag)) {
      const what = request.message.options.has(OptionNumber.IfMatch)
        ? 'a request with If-Match'
        : 'a request without ETag';
      this.#found.note('valid-without-etag', seen.where, frames, `${what} was answered 2.03`);
    }
  }
}
