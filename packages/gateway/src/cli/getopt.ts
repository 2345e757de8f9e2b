/**
 * Options in the style of getopt(3), as libcoap's programs take them.
 *
 * One letter each, clustered (`-Nw`), values attached (`-v7`) or in the next argument, options also behind other
 * arguments (as GNU getopt does it), everything behind `--` is no option.
 *
 * @module
 */

/** An option that was given. */
export interface GivenFlag {
  readonly letter: string;
  /** Empty for a flag without value. */
  readonly value: string;
}

/** What a command line says, or the sentence that getopt prints. */
export type GetoptResult =
  | { readonly kind: 'parsed'; readonly flags: readonly GivenFlag[]; readonly operands: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Takes a command line apart.
 *
 * @param letters The letters of all options, a `:` behind those with a value: `ab:c`.
 */
export function getopt(args: readonly string[], letters: string): GetoptResult {
  const flags: GivenFlag[] = [];
  const operands: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!;
    if (argument === '--') {
      operands.push(...args.slice(index + 1));
      break;
    }
    if (!argument.startsWith('-') || argument === '-') {
      operands.push(argument);
      continue;
    }
    for (let at = 1; at < argument.length; at++) {
      const letter = argument[at]!;
      const place = letter === ':' ? -1 : letters.indexOf(letter);
      if (place < 0) return { kind: 'refused', reason: `invalid option -- '${letter}'` };
      if (letters[place + 1] !== ':') {
        flags.push({ letter, value: '' });
        continue;
      }
      const attached = argument.slice(at + 1);
      const value = attached === '' ? args[++index] : attached;
      if (value === undefined)
        return { kind: 'refused', reason: `option requires an argument -- '${letter}'` };
      flags.push({ letter, value });
      break;
    }
  }
  return { kind: 'parsed', flags, operands };
}
