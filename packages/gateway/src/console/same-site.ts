/**
 * Whether a request comes from the console's own page, as far as headers tell that only browsers set (Fetch Metadata, and Origin of
 * RFC 6454 §7): another site's page can neither read nor act, even where a browser would send the cookie.
 *
 * That the Host is one of ours is looked at before (http/host-names.ts).
 */

/** The headers that it is told by; undefined where there is none, as of programs that are no browsers. */
export interface SiteHeaders {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
}

/** See the module comment. */
export function isSameSite({ method, host, origin, fetchSite }: SiteHeaders): boolean {
  const reads = method === 'GET' || method === 'HEAD';
  // `none` is somebody who types the address.
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && !(reads && fetchSite === 'none'))
    return false;
  if (origin === undefined) return true;
  // Behind a server that has TLS the scheme is another one; the host is the same.
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host.toLowerCase();
}
