/**
 * Readings as a person writes them, `temperature=22.5 Cel`, as a Pack of SenML (RFC 8428).
 *
 * @module
 */

import type { SenmlRecord } from 'coapsule/senml';

/**
 * Reads `NAME=VALUE`, where the value is a number with or without its unit, `true`, `false`, or any other text.
 * Text that looks like one of those stands in double quotes.
 *
 * @returns the Record, or what is wrong.
 */
export function senmlShorthand(text: string): SenmlRecord | string {
  const [, name = '', written = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  // RFC 8428 §4.5.1: what names are made of.
  if (!/^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/.test(name))
    return 'give NAME=VALUE; names are letters, digits and - : . / _, and begin with a letter or digit';
  const number = /^\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(\S*)\s*$/.exec(written);
  if (number !== null) {
    const [, digits = '', unit = ''] = number;
    return { name, ...(unit !== '' && { unit }), value: Number(digits) };
  }
  const quoted = /^\s*"(.*)"\s*$/s.exec(written)?.[1];
  if (quoted !== undefined) return { name, value: quoted };
  if (written === 'true' || written === 'false') return { name, value: written === 'true' };
  return { name, value: written };
}
