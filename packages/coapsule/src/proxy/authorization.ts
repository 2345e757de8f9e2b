/**
 * Whether a request may be passed on, and what is answered if not.
 *
 * @module
 */

import type { Request } from '../api/request.ts';
import { failure, type ServerResponse } from '../api/server-response.ts';
import { Code } from '../core/coap/code.ts';
import type { ProxySettings, ProxyTarget } from './proxy-options.ts';

/** The refusal: 4.03, or 4.01 where another credential could help (RFC 7252 §5.9.2.2, §5.9.2.4). */
export async function mayPass(
  request: Request,
  target: ProxyTarget,
  authorize: NonNullable<ProxySettings['authorize']>,
): Promise<ServerResponse | undefined> {
  // Anything but true refuses: a hook that forgot its answer must not open the proxy.
  if ((await authorize(request, target)) === true) return undefined;
  const { security } = request.peer;
  const isKnown = security.kind !== 'none' && security.authentication.kind !== 'none';
  return failure(isKnown ? Code.Forbidden : Code.Unauthorized, 'the proxy is not for everyone');
}
