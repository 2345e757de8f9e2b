/**
 * Which requests are alerts, and go before telemetry (requirement L11): by their path, or by who sends them.
 *
 * A pattern that begins with `/` is a path, in which a segment `*` is any one segment, and at the end everything below. Any other
 * is an identity; with a `*` at its end, all that begin so. The operator says them: no device can make an alert of what it sends
 * but by a path that its rules let it write.
 */

import type { Request } from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';

/** What is asked of a request. */
export interface AlertQuestion {
  /** Undefined for who has proved nothing. */
  readonly identity: string | undefined;
  readonly segments: readonly string[];
}

/** One pattern, read. */
export type AlertPattern =
  | {
      readonly kind: 'path';
      /** Undefined is any segment. */
      readonly segments: readonly (string | undefined)[];
      /** Everything below, not the path itself. */
      readonly below: boolean;
    }
  | { readonly kind: 'identity'; readonly name: string; readonly isPrefix: boolean };

/** @returns the pattern, or a sentence that says what is wrong with the text. */
export function parseAlert(text: string): AlertPattern | string {
  if (text === '' || text === '*' || text === '/*')
    return `"${text}" would make everything an alert, and so nothing`;
  if (!text.startsWith('/')) {
    return text.endsWith('*')
      ? { kind: 'identity', name: text.slice(0, -1), isPrefix: true }
      : { kind: 'identity', name: text, isPrefix: false };
  }
  const parts = text.slice(1).split('/');
  const below = parts.at(-1) === '*';
  if (below) parts.pop();
  const segments: (string | undefined)[] = [];
  for (const part of parts) {
    try {
      segments.push(part === '*' ? undefined : decodeURIComponent(part));
    } catch {
      return `the path "${text}" has a broken percent escape`;
    }
  }
  return { kind: 'path', segments, below };
}

/** Whether a request to this gateway is an alert. */
export function isAlertRequest(
  patterns: readonly AlertPattern[],
  { peer, segments, isForward }: Request,
): boolean {
  if (patterns.length === 0 || isForward) return false;
  return isAlert(patterns, { identity: provenDevice(peer)?.identity, segments });
}

/** Whether any pattern fits. */
export function isAlert(patterns: readonly AlertPattern[], question: AlertQuestion): boolean {
  return patterns.some((pattern) => fits(pattern, question));
}

function fits(pattern: AlertPattern, { identity, segments }: AlertQuestion): boolean {
  if (pattern.kind === 'identity') {
    if (identity === undefined) return false;
    return pattern.isPrefix ? identity.startsWith(pattern.name) : identity === pattern.name;
  }
  const { segments: wanted, below } = pattern;
  if (below ? segments.length <= wanted.length : segments.length !== wanted.length) return false;
  return wanted.every((segment, index) => segment === undefined || segment === segments[index]);
}
