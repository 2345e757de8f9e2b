/**
 * The newest messages that passed, for `list`, `show`, `copy` and `replay`; and which request a response answers.
 *
 * Bounded: a ring of `most` messages, and as many open requests.
 *
 * @module
 */

import { isRequestCode, isResponseCode, type MessageContent, OptionNumber } from 'coapsule/message';
import { BoundedMap } from '../memory/bounded-map.ts';
import type { PassingMessage, TapLink } from './passing-message.ts';

/** A request, as far as its responses are concerned. */
interface Asked {
  readonly number: number;
  readonly path: string;
  readonly query: string;
}

/** See the module comment. */
export class History {
  readonly #messages: BoundedMap<number, PassingMessage>;
  readonly #asked: BoundedMap<string, Asked>;

  constructor(most: number) {
    this.#messages = new BoundedMap(most);
    this.#asked = new BoundedMap(most);
  }

  add(message: PassingMessage): void {
    this.#messages.set(message.number, message);
  }

  /** One of those that are kept. */
  get(number: number): PassingMessage | undefined {
    return this.#messages.get(number);
  }

  /** All that are kept, the oldest first. */
  all(): readonly PassingMessage[] {
    return [...this.#messages.values()];
  }

  /** Path and query of a request, or of the one that a response answers; a request is remembered by that. */
  exchange(
    link: TapLink,
    direction: PassingMessage['direction'],
    message: MessageContent,
    number: number,
  ): Partial<Asked> {
    const { code, token, options } = message;
    // Tokens belong to who asks: both sides may (RFC 7252 §5.3.1).
    const asker = isRequestCode(code) ? direction : direction === 'to-server' ? 'to-device' : 'to-server';
    const key = `${link.id} ${asker} ${Array.from(token).join('.')}`;
    if (isResponseCode(code)) {
      const asked = this.#asked.get(key);
      // An observation goes on for long: what is answered is remembered anew.
      if (asked !== undefined) this.#asked.set(key, asked);
      return asked ?? {};
    }
    if (!isRequestCode(code)) return {};
    const path = `/${options.texts(OptionNumber.UriPath).join('/')}`;
    const query = options.texts(OptionNumber.UriQuery).join('&');
    this.#asked.set(key, { number, path, query });
    return { path, query };
  }
}
