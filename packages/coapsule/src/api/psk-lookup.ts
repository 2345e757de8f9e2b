/**
 * Who has a pre-shared key, by the options of a listener.
 *
 * @module
 */

import { type Eventual, isPending } from './eventual.ts';
import type { PskAnswer, PskMatch, PskOptions } from './listen-options.ts';
import { identityText } from './peer-info.ts';

/**
 * The key of an identity and what came with it; `undefined` when nobody has it. A look-up that fails knows nobody. At once
 * where the look-up answers at once.
 */
export function findPsk(
  { lookup, dangerouslyAcceptAnyIdentity }: PskOptions,
  identity: Uint8Array,
  onError: (error: unknown) => void,
): Eventual<PskMatch | undefined> {
  const matchOf = (found: PskAnswer): PskMatch | undefined => {
    const match = found ?? dangerouslyAcceptAnyIdentity;
    return match instanceof Uint8Array ? { key: match, context: undefined } : match;
  };
  const failed = (error: unknown): PskMatch | undefined => {
    onError(error);
    return matchOf(undefined);
  };
  const name = identityText(identity);
  try {
    const found = typeof lookup === 'function' ? lookup(name, identity) : lookup?.get(name);
    return isPending(found) ? Promise.resolve(found).then(matchOf).catch(failed) : matchOf(found);
  } catch (error) {
    return failed(error);
  }
}
