/**
 * The cookie with the id of a session. Browsers tell cookies apart by host and name, not by port (RFC 6265 §8.5): its name has the port
 * that the browser asks, so that two gateways of one machine do not log each other out. Over TLS it begins with `__Host-`, which no
 * other host of the domain, and no page without TLS, can set (RFC 6265bis §4.1.3).
 */
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { sessionBounds } from './sessions.ts';

/** What its name begins with, besides `__Host-`. */
export const sessionCookiePrefix = 'coapsule_session_';

/** The id that a request has; empty without one. */
export function sessionIdOf(context: Context): string {
  return getCookie(context, cookieName(context)) ?? '';
}

/** Gives the browser the id of a session. */
export function giveSessionId(context: Context, id: string): void {
  setCookie(context, cookieName(context), id, {
    ...{ path: '/', httpOnly: true, sameSite: 'Strict', maxAge: sessionBounds.wholeMs / 1000 },
    secure: isSecure(context),
  });
}

/** The browser forgets it. */
export function forgetSessionId(context: Context): void {
  deleteCookie(context, cookieName(context), { path: '/', secure: isSecure(context) });
}

function cookieName(context: Context): string {
  const secure = isSecure(context);
  // As the Host header says it.
  const port = new URL(context.req.url).port || (secure ? '443' : '80');
  return `${secure ? '__Host-' : ''}${sessionCookiePrefix}${port}`;
}

function isSecure(context: Context): boolean {
  return new URL(context.req.url).protocol === 'https:';
}
