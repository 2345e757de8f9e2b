/**
 * A target with its URI as text.
 *
 * @module
 */

import { formatTargetUri, type TargetUri } from '../api/target-uri.ts';
import type { ProxyTarget } from './proxy-options.ts';

/** Adds the text. */
export function proxyTarget(parts: TargetUri): ProxyTarget {
  return { ...parts, uri: formatTargetUri(parts) };
}
