/**
 * Options that are misspelt, or of the wrong type, are refused: a typing error must not switch a wish off silently.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';

/** The names of an options type, each once; the compiler sees that none is missing. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Refuses options that do not exist.
 *
 * @param where What the options are of, such as `new Client`.
 * @throws ApiMisuseError that names the option, and the one it resembles.
 */
export function expectKnownOptions<Options extends object>(
  where: string,
  options: Options,
  names: OptionNames<Required<Options>>,
): void {
  if (typeof options !== 'object' || options === null) {
    throw new ApiMisuseError(`${where}: options are ${typeof options}; expected an object`);
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(names, name)) continue;
    const similar = Object.keys(names).find((known) => resembles(known, name));
    const hint = similar === undefined ? '' : `; did you mean '${similar}'?`;
    throw new ApiMisuseError(`${where}: there is no option '${name}'${hint}`);
  }
}

/** The same letters but for order, case or one of them. */
function resembles(known: string, name: string): boolean {
  const letters = (text: string): string => [...text.toLowerCase()].sort().join('');
  const a = letters(known);
  const b = letters(name);
  if (a === b) return true;
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a];
  if (longer.length - shorter.length !== 1) return false;
  let skipped = 0;
  for (let i = 0; i < shorter.length; i++) {
    if (shorter[i] !== longer[i + skipped] && ++skipped > 1) return false;
    if (shorter[i] !== longer[i + skipped]) return false;
  }
  return true;
}

/** Bytes of a key. @throws ApiMisuseError, without the key, for text or an empty one. */
export function expectKey(where: string, key: Uint8Array): void {
  if (!(key instanceof Uint8Array)) {
    throw new ApiMisuseError(
      `${where} is a ${typeof key}; expected bytes, such as new TextEncoder().encode('…') or Buffer.from('…', 'hex')`,
    );
  }
  if (key.length === 0) throw new ApiMisuseError(`${where} is empty; expected 1 byte or more`);
}
