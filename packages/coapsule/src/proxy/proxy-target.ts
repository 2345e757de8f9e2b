/**
 * A target with its URI as text.
 *
 * @module
 */

import { type CoapUri, formatCoapUri } from '../core/coap/uri.ts';
import type { ProxyTarget } from './proxy-options.ts';

/** Adds the text. */
export function proxyTarget(parts: CoapUri): ProxyTarget {
  return { ...parts, uri: formatCoapUri(parts) };
}
