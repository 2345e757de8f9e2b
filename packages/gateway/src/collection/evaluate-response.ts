/**
 * Whether a response is what a collection expects, and what it captures of it.
 *
 * @module
 */

import { OptionNumber } from 'coapsule/message';
import { hexText } from '../text/hex.ts';
import type { BodyExpectations, CollectionRequest, Expectations } from './collection.ts';
import { isSameJson, jsonOf, pointedAt } from './json-pointer.ts';
import { bytesOfHex, codeOf, formatText, optionNumberOf, optionValueText } from './message-values.ts';
import { formatOf, optionsOf, Unfit } from './resolved-request.ts';
import { filled, filledDeep, TooLong, UnknownVariable } from './template.ts';

/** What came back. */
export interface ReceivedResponse {
  /** `2.05` */
  readonly code: string;
  readonly options: readonly { readonly number: number; readonly value: Uint8Array }[];
  readonly payload: Uint8Array;
  /** From request to response, in ms. */
  readonly durationMs: number;
}

/** One thing that was expected. */
export interface Check {
  /** `code 2.05` */
  readonly what: string;
  readonly holds: boolean;
  /** What there is instead, where it does not hold. */
  readonly found?: string;
}

/** Longest text of a body that is quoted, in characters. */
const longestQuote = 200;

/** Everything that is expected of a response, in the order of the documentation. Never throws. */
export function evaluated(
  { expect = {} }: Pick<CollectionRequest, 'expect'>,
  response: ReceivedResponse,
  values: ReadonlyMap<string, string>,
): readonly Check[] {
  try {
    return [
      codeCheck(expect.code, response),
      ...formatChecks(expect, response, values),
      ...optionChecks(expect, response, values),
      ...bodyChecks(expect.body, response, values),
      ...(expect.withinMs === undefined
        ? []
        : [
            check(
              `within ${expect.withinMs} ms`,
              response.durationMs <= expect.withinMs,
              () => `${response.durationMs} ms`,
            ),
          ]),
    ];
  } catch (error) {
    if (error instanceof UnknownVariable || error instanceof TooLong || error instanceof Unfit)
      return [{ what: 'what is expected', holds: false, found: error.message }];
    throw error;
  }
}

/** What becomes a variable of the requests behind this one, or why it cannot. Never throws. */
export function captured(
  { capture = {} }: Pick<CollectionRequest, 'capture'>,
  response: ReceivedResponse,
): { readonly values: ReadonlyMap<string, string>; readonly checks: readonly Check[] } {
  const values = new Map<string, string>();
  const checks: Check[] = [];
  for (const [name, wanted] of Object.entries(capture)) {
    const found =
      wanted === 'body'
        ? bodyText(response)
        : wanted === 'locationPath'
          ? locationPath(response)
          : wanted.option !== undefined
            ? optionText(response, wanted.option)
            : jsonText(response, wanted.json ?? '');
    if (found === undefined) {
      const what = typeof wanted === 'string' ? wanted : (wanted.option ?? `JSON pointer "${wanted.json}"`);
      checks.push({ what: `capture of ${name}`, holds: false, found: `the response has no ${what}` });
    } else values.set(name, found);
  }
  return { values, checks };
}

function check(what: string, holds: boolean, found: () => string): Check {
  return holds ? { what, holds } : { what, holds, found: found() };
}

function codeCheck(wanted: Expectations['code'], { code, payload }: ReceivedResponse): Check {
  const codes = wanted === undefined ? ['2.xx'] : [wanted].flat().map(codeOf);
  const holds = codes.some((one) => (one.endsWith('xx') ? code.startsWith(one.slice(0, 2)) : code === one));
  return check(`code ${codes.join(' or ')}`, holds, () => {
    // Of an error the payload is a text about it (RFC 7252 §5.5.2).
    const text = /^[45]/.test(code) && payload.length > 0 ? `, ${quoted(payload)}` : '';
    return `${code}${text}`;
  });
}

function formatChecks(
  { contentFormat }: Expectations,
  response: ReceivedResponse,
  values: ReadonlyMap<string, string>,
): Check[] {
  const wanted = formatOf(contentFormat, values);
  if (wanted === undefined) return [];
  const format = formatIn(response);
  return [check(`content format ${formatText(wanted)}`, format === wanted, () => formatText(format))];
}

function optionChecks(
  { options, withoutOptions = [] }: Expectations,
  response: ReceivedResponse,
  values: ReadonlyMap<string, string>,
): Check[] {
  const checks = Object.entries(options ?? {}).map(([name, given]) => {
    const number = optionNumberOf(name)!;
    const found = valuesOf(response, number).map(hexText);
    const wanted = optionsOf({ [name]: given }, values).map(({ value }) => value);
    const holds = isSameJson(found, wanted.map(hexText)) || isUintSame(found, wanted.map(hexText));
    return check(`${name} ${wanted.map((value) => optionValueText(number, value)).join(', ')}`, holds, () =>
      found.length === 0
        ? 'it is not there'
        : valuesOf(response, number)
            .map((value) => optionValueText(number, value))
            .join(', '),
    );
  });
  for (const name of withoutOptions) {
    const found = valuesOf(response, optionNumberOf(name)!);
    checks.push(
      check(`no ${name}`, found.length === 0, () =>
        found.map((value) => optionValueText(optionNumberOf(name)!, value)).join(', '),
      ),
    );
  }
  return checks;
}

/** RFC 7252 §3.2: zeros before a number say nothing; 0x00 in a collection and an empty option are the same. */
function isUintSame(found: readonly string[], wanted: readonly string[]): boolean {
  const trimmed = (list: readonly string[]): readonly string[] =>
    list.map((digits) => digits.replace(/^(?:00)+/, ''));
  return found.every((digits) => digits.length <= 8) && isSameJson(trimmed(found), trimmed(wanted));
}

function bodyChecks(
  expected: Expectations['body'],
  response: ReceivedResponse,
  values: ReadonlyMap<string, string>,
): Check[] {
  if (expected === undefined) return [];
  const wanted: BodyExpectations = typeof expected === 'string' ? { equals: expected } : expected;
  const { payload } = response;
  const text = bodyText(response);
  const there = (): string => quoted(payload);
  const checks: Check[] = [];
  if (wanted.equals !== undefined) {
    const equals = filled(wanted.equals, values);
    checks.push(check(`body is ${shortened(equals)}`, text === equals, there));
  }
  for (const one of wanted.contains === undefined ? [] : [wanted.contains].flat()) {
    const part = filled(one, values);
    checks.push(check(`body contains ${shortened(part)}`, text?.includes(part) === true, there));
  }
  if (wanted.matches !== undefined) {
    const holds = text !== undefined && new RegExp(wanted.matches, 'u').test(text);
    checks.push(check(`body matches /${wanted.matches}/`, holds, there));
  }
  if (wanted.hex !== undefined) {
    const bytes = bytesOfHex(filled(wanted.hex, values));
    const digits = bytes === undefined ? undefined : hexText(bytes);
    checks.push(check(`body is 0x${digits}`, digits === hexText(payload), () => `0x${hexText(payload)}`));
  }
  return [...checks, ...jsonChecks(wanted, response, values)];
}

function jsonChecks(
  { json = {}, between = {}, has = [] }: BodyExpectations,
  response: ReceivedResponse,
  values: ReadonlyMap<string, string>,
): Check[] {
  const pointers = [...Object.keys(json), ...Object.keys(between), ...has];
  if (pointers.length === 0) return [];
  const document = jsonOf(response.payload, formatIn(response));
  if ('problem' in document) return [{ what: 'body is JSON or CBOR', holds: false, found: document.problem }];
  const at = (pointer: string) => pointedAt(document.value, pointer);
  const told = (pointer: string) => (): string => {
    const found = at(pointer);
    return found === undefined ? 'there is nothing' : shortened(JSON.stringify(found.value));
  };
  const name = (pointer: string): string => (pointer === '' ? 'body' : pointer);
  return [
    ...Object.entries(json).map(([pointer, value]) => {
      const wanted = filledDeep(value, values);
      const found = at(pointer);
      return check(
        `${name(pointer)} is ${shortened(JSON.stringify(wanted))}`,
        found !== undefined && isSameJson(found.value, wanted),
        told(pointer),
      );
    }),
    ...Object.entries(between).map(([pointer, [lowest, highest]]) => {
      const value = at(pointer)?.value;
      return check(
        `${name(pointer)} is ${lowest} to ${highest}`,
        typeof value === 'number' && value >= lowest && value <= highest,
        told(pointer),
      );
    }),
    ...has.map((pointer) => check(`${name(pointer)} is there`, at(pointer) !== undefined, told(pointer))),
  ];
}

function formatIn(response: ReceivedResponse): number | undefined {
  const value = valuesOf(response, OptionNumber.ContentFormat)[0];
  return value?.reduce((sum, byte) => 256 * sum + byte, 0);
}

function valuesOf({ options }: ReceivedResponse, number: number): readonly Uint8Array[] {
  return options.filter((option) => option.number === number).map(({ value }) => value);
}

/** Location-Path and Location-Query as a reference from the root (RFC 7252 §5.10.7). */
function locationPath(response: ReceivedResponse): string | undefined {
  const texts = (number: number): string[] =>
    valuesOf(response, number).map((value) => encodeURIComponent(new TextDecoder().decode(value)));
  const [path, query] = [texts(OptionNumber.LocationPath), texts(OptionNumber.LocationQuery)];
  if (path.length === 0 && query.length === 0) return undefined;
  return `/${path.join('/')}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}

function optionText(response: ReceivedResponse, name: string): string | undefined {
  const number = optionNumberOf(name)!;
  const value = valuesOf(response, number)[0];
  return value === undefined ? undefined : optionValueText(number, value);
}

function jsonText(response: ReceivedResponse, pointer: string): string | undefined {
  const document = jsonOf(response.payload, formatIn(response));
  const found = 'problem' in document ? undefined : pointedAt(document.value, pointer);
  if (found === undefined) return undefined;
  return typeof found.value === 'string' ? found.value : JSON.stringify(found.value);
}

function bodyText({ payload }: ReceivedResponse): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    return undefined;
  }
}

function quoted(payload: Uint8Array): string {
  if (payload.length === 0) return 'an empty body';
  try {
    return shortened(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return shortened(`0x${hexText(payload)}`);
  }
}

function shortened(text: string): string {
  return JSON.stringify(text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text);
}
