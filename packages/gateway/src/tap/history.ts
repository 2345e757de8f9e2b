/**
 * The newest messages that passed, for `list`, `show`, `copy` and `replay`; and which request a response answers.
 *
 * Bounded: a ring of `most` messages, fewer where they have very many options, and as many open requests.
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

/** An option may be one byte of a datagram, and is a hundred bytes of memory. */
const mostOptions = 500_000;

function optionsOf({ message }: PassingMessage): number {
  let count = 0;
  for (const _ of message?.options.entries() ?? []) count++;
  return count;
}

/** See the module comment. */
export class History {
  /** The oldest first. */
  readonly #messages = new Map<number, PassingMessage>();
  readonly #asked: BoundedMap<string, Asked>;
  readonly #most: number;
  /** Of all messages. */
  #options = 0;

  constructor(most: number) {
    this.#most = most;
    this.#asked = new BoundedMap(most);
  }

  add(message: PassingMessage): void {
    this.#forget(message.number);
    this.#messages.set(message.number, message);
    this.#options += optionsOf(message);
    for (const oldest of this.#messages.keys()) {
      if (this.#messages.size <= this.#most && this.#options <= mostOptions) return;
      this.#forget(oldest);
    }
  }

  #forget(number: number): void {
    const message = this.#messages.get(number);
    if (message === undefined) return;
    this.#messages.delete(number);
    this.#options -= optionsOf(message);
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
