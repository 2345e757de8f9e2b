/**
 * Who has a pre-shared key, by the options of a listener.
 *
 * @module
 */

import type { PskAnswer, PskMatch, PskOptions } from './listen-options.ts';
import { identityText } from './peer-info.ts';

/** The key of an identity and what came with it; `undefined` when nobody has it. A look-up that fails knows nobody. */
export async function findPsk(
  { lookup, dangerouslyAcceptAnyIdentity }: PskOptions,
  identity: Uint8Array,
  onError: (error: unknown) => void,
): Promise<PskMatch | undefined> {
  const name = identityText(identity);
  let found: PskAnswer;
  try {
    found = typeof lookup === 'function' ? await lookup(name, identity) : lookup?.get(name);
  } catch (error) {
    onError(error);
  }
  const match = found ?? dangerouslyAcceptAnyIdentity;
  return match instanceof Uint8Array ? { key: match, context: undefined } : match;
}
