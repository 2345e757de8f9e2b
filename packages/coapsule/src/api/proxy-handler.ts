/**
 * What a server hands requests to that name another server. `forwardProxy` makes one.
 *
 * @module
 */

import type { OptionReader } from '../core/coap/option-set.ts';
import type { Request } from './request.ts';
import type { ServerResponse } from './server-response.ts';

/** Answers requests with Proxy-Uri or Proxy-Scheme (RFC 7252 §5.7.2) that are not for the server itself. */
export interface ProxyHandler {
  /** Names of the server, in lower case, beside its addresses: requests for them are local ones (§5.10.2). */
  readonly names: ReadonlySet<string>;
  /** Largest request body in bytes; a larger one is answered 4.13. */
  readonly maxBodyBytes: number;
  /** Whether it reads `Request.body` as it comes; a function says so of each request. `maxBodyBytes` counts either way. */
  readonly streamRequestBody: boolean | ((options: OptionReader) => boolean);
  /** Among workers, worker 0 alone passes requests on. */
  readonly oneOwner?: boolean;
  /** May throw `RequestFailure`. */
  answer(request: Request): Promise<ServerResponse>;
  /** The server is closed. */
  close(): Promise<void>;
}
