/**
 * The cookie with the id of a session. Browsers tell cookies apart by host and name, not by port (RFC 6265 §8.5): its name has the port
 * that the browser asks, so that two gateways of one machine do not log each other out. Over TLS it begins with `__Host-`, which no
 * other host of the domain, and no page without TLS, can set (RFC 6265bis §4.1.3).
 */
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { HttpClient } from '../http/trusted-proxies.ts';
import { sessionBounds } from './sessions.ts';

/** What its name begins with, besides `__Host-`. */
export const sessionCookiePrefix = 'coapsule_session_';

/** See the module comment. */
export class SessionCookie {
  readonly #clientOf: (context: Context) => HttpClient;

  constructor(clientOf: (context: Context) => HttpClient) {
    this.#clientOf = clientOf;
  }

  /** The id that a request has; empty without one. */
  idOf(context: Context): string {
    return getCookie(context, this.#name(context)) ?? '';
  }

  /** Gives the browser the id of a session. */
  give(context: Context, id: string): void {
    setCookie(context, this.#name(context), id, {
      ...{ path: '/', httpOnly: true, sameSite: 'Strict', maxAge: sessionBounds.wholeMs / 1000 },
      secure: this.#isSecure(context),
    });
  }

  /** The browser forgets it. */
  forget(context: Context): void {
    deleteCookie(context, this.#name(context), { path: '/', secure: this.#isSecure(context) });
  }

  #name(context: Context): string {
    const isSecure = this.#isSecure(context);
    // As the Host header says it.
    const port = new URL(context.req.url).port || (isSecure ? '443' : '80');
    return `${isSecure ? '__Host-' : ''}${sessionCookiePrefix}${port}`;
  }

  #isSecure(context: Context): boolean {
    return this.#clientOf(context).isSecure;
  }
}
