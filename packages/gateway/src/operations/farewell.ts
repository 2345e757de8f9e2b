/**
 * Tells observers that the gateway stops: each gets 5.03 with Max-Age, which ends its observation (RFC 7641 §4.2) and says when to
 * register again. Requests go on being answered meanwhile.
 *
 * A Reset would end an observation as well, but says to a client that the gateway does not know it any more, and not to come
 * again; silence would leave the client with a state that looks current until Max-Age is over.
 */
import { Code, failure, type Listener, type Middleware } from 'coapsule';
import type { TickTimer } from '../resources/periodic-tick.ts';

/** A restart takes about as long. */
const comeAgainSeconds = 10;

/** How long observers are waited for: an acknowledgement that is lost once comes within it. */
const longestMs = 3000;
const periodMs = 20;

/** See the module comment. */
export class Farewell {
  #isSaid = false;

  /** Goes around all handlers. */
  readonly middleware: Middleware = (request, next) =>
    this.#isSaid && request.isRefresh
      ? {
          ...failure(Code.ServiceUnavailable, 'the gateway stops; register again'),
          maxAgeSeconds: comeAgainSeconds,
        }
      : next();

  /** Fulfils when nobody observes any more, or after a bounded time. */
  async say(listeners: readonly Listener[], timer: TickTimer): Promise<void> {
    this.#isSaid = true;
    for (const listener of listeners)
      for (const name of new Set(listener.observers().map(({ resource }) => resource))) listener.notify(name);
    const until = timer.now() + longestMs;
    while (timer.now() < until && listeners.some((listener) => listener.observers().length > 0))
      await new Promise<void>((resolve) => timer.after(periodMs, resolve));
  }
}
