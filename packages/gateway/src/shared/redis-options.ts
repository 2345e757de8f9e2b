/** How gateways reach the Redis server that they share (docs/scale-out.md), and what is wrong with an address. */

import { type EndpointAddress, parseEndpoint } from '../server/serve-options.ts';

/** See the module comment. */
export interface RedisOptions {
  /** `redis://HOST[:PORT][/DATABASE]`, `rediss://…` with TLS, or `unix:PATH`. */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** 32 bytes that all gateways have: it seals what they share. */
  readonly key: Uint8Array;
  /** How long devices of other gateways are let in while Redis is away. */
  readonly graceMs: number;
  /** Where other gateways behind the same address pass records on to this one; undefined: nowhere. */
  readonly link?: EndpointAddress | undefined;
}

/** A day: longer than a server is away, and no longer than a device that was removed may do harm. */
export const defaultGraceHours = 24;

/** Read the place where other gateways reach this one, `HOST:PORT`. */
export function parseLink(text: string): EndpointAddress | { readonly problem: string } {
  const address = parseEndpoint(text);
  if (address === 'off') return { problem: 'it is off when it is left out' };
  if ('problem' in address) return address;
  return address.host === '::' || address.host === '0.0.0.0'
    ? {
        problem:
          'others have to know where to send: give the address of this machine that they reach, as HOST:PORT',
      }
    : address;
}

/** What is wrong with the address, or undefined. The text is never shown: it may have a password in it. */
export function redisUrlProblem(url: string): string | undefined {
  const wanted = 'give redis://HOST[:PORT], rediss://HOST[:PORT] for TLS, or unix:PATH';
  if (url.startsWith('unix:')) return url.length > 'unix:'.length ? undefined : wanted;
  if (!URL.canParse(url)) return wanted;
  const { protocol, hostname, username, password, pathname } = new URL(url);
  if ((protocol !== 'redis:' && protocol !== 'rediss:') || hostname === '') return wanted;
  if (username !== '' || password !== '')
    return 'it has a user or password, which others could read: use --redis-user and --redis-password-file';
  return /^\/?\d{0,5}$/.test(pathname) ? undefined : 'its path is the number of a database, or nothing';
}
