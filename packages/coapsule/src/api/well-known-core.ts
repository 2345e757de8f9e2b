/**
 * The list of a server's resources at `/.well-known/core` (RFC 6690 §4, RFC 7252 §7.2).
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import { encodeLinkFormat, filterLinks } from '../core/coap/link-format.ts';
import type { Resource, ResourceTree } from './resource-tree.ts';
import { content, failure } from './server-response.ts';

/** application/link-format (RFC 7252 §12.3). */
const linkFormat = 40;

/** The resource that lists `tree`, filtered by the request's queries. */
export function wellKnownCore(tree: ResourceTree): Resource {
  return {
    hidden: true,
    multicast: true,
    get: (request) => {
      if (request.accept !== undefined && request.accept !== linkFormat) {
        return failure(Code.NotAcceptable, 'application/link-format (40) only');
      }
      const links = filterLinks(tree.links(), request.query);
      return content(encodeLinkFormat(links), { contentFormat: linkFormat });
    },
  };
}
