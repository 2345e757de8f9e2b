import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { getopt } from '../../src/cli/getopt.ts';

/** Flags and operands of a line of words. */
function parsed(line: string): unknown {
  const result = getopt(line.split(' '), 'm:v:Nwe:');
  return result.kind === 'parsed'
    ? [result.flags.map(({ letter, value }) => `${letter}=${value}`), result.operands]
    : result.reason;
}

describe('getopt', () => {
  const lines: readonly [sentence: string, line: string, expected: unknown][] = [
    ['a value stands in the next argument', '-m get uri', [['m=get'], ['uri']]],
    ['a value may be attached', '-mget uri', [['m=get'], ['uri']]],
    ['flags may be clustered', '-Nw uri', [['N=', 'w='], ['uri']]],
    ['the last of a cluster may have a value', '-Nv7 uri', [['N=', 'v=7'], ['uri']]],
    ['and that may be in the next argument', '-Nm put uri', [['N=', 'm=put'], ['uri']]],
    ['options may stand behind the URI', 'uri -m get -N', [['m=get', 'N='], ['uri']]],
    ['a value may begin with a hyphen', '-e -5 uri', [['e=-5'], ['uri']]],
    ['a single hyphen is no option', '- -N', [['N='], ['-']]],
    ['behind -- nothing is an option', '-N -- -w', [['N='], ['-w']]],
    ['an unknown letter is refused', '-Z uri', "invalid option -- 'Z'"],
    ['a long option is refused', '--method get', "invalid option -- '-'"],
    ['the colon is no letter', '-: uri', "invalid option -- ':'"],
    ['a missing value is refused', 'uri -m', "option requires an argument -- 'm'"],
  ];
  for (const [sentence, line, expected] of lines)
    test(sentence, () => assert.deepEqual(parsed(line), expected));
});
