/**
 * What was measured, out of the body of a reading: SenML in JSON and CBOR (RFC 8428), plain text, JSON and CBOR.
 *
 * Pure; what is in a body of another format, or in one that is not what it says to be, is not known, and such a reading is kept as
 * it came. SenML alone is refused where it is wrong: RFC 8428 says what a Pack is, and half of one would be stored as if it were whole.
 */
import { type CborValue, decodeCbor, isCborMap } from 'coapsule/cbor';
import {
  type DecodeFault,
  decodeSenmlCbor,
  decodeSenmlJson,
  isDecodeFault,
  type ResolvedRecord,
  resolveSenml,
} from 'coapsule/senml';
import { jsonValues } from './json-values.ts';
import { deviceTime, type Measurement } from './measurement.ts';
import { textValue } from './text-value.ts';

/** Values of one reading: a day of minutes, with room. They are stored in one transaction, for which others wait. */
export const mostValues = 2048;

/** Longest name in characters: it is an index key of the store. */
const maxNameLength = 256;

const longName = `a SenML name has more than ${maxNameLength} characters`;

const formats = { text: 0, json: 50, cbor: 60, senmlJson: 110, senmlCbor: 112 } as const;

/** Why a body is not taken. */
export interface BodyFault {
  /** A sentence, with the position. */
  readonly fault: string;
}

/**
 * The values of a body.
 *
 * @param contentFormat undefined: what it is, it does not say; text that is a number is one.
 * @param receivedAtMs ms since 1970: what times relative to now are relative to (RFC 8428 §4.5.3).
 * @returns none for a body whose values are not known; a fault for SenML that is none; never throws.
 */
export function measuredValues(
  body: Uint8Array,
  contentFormat: number | undefined,
  receivedAtMs: number,
): readonly Measurement[] | BodyFault {
  switch (contentFormat) {
    case formats.senmlJson:
      return senmlValues(decodeSenmlJson(body), receivedAtMs, () => jsonPosition(body));
    case formats.senmlCbor:
      return senmlValues(decodeSenmlCbor(body), receivedAtMs);
    case formats.json: {
      const document = parsed(utf8(body));
      return document === undefined ? [] : jsonValues(document, mostValues).filter(isShort);
    }
    case formats.cbor: {
      const decoded = decodeCbor(body, { maxItems: 4 * mostValues, maxDepth: 8 });
      return isDecodeFault(decoded) ? [] : jsonValues(asJson(decoded.value), mostValues).filter(isShort);
    }
    case formats.text:
    case undefined: {
      const text = utf8(body);
      const value = text === undefined ? undefined : textValue(text);
      if (value === undefined) return [];
      // Without a format only what cannot be anything else.
      return contentFormat === undefined && typeof value.value !== 'number' ? [] : [value];
    }
    default:
      return [];
  }
}

/** A data item as JSON has it: what JSON has not is null, and no value. */
function asJson(value: CborValue): unknown {
  if (isCborMap(value)) {
    return Object.fromEntries([...value].map(([key, member]) => [String(key), asJson(member)]));
  }
  if (typeof value === 'bigint') return Number(value);
  return ['number', 'string', 'boolean'].includes(typeof value) ? value : null;
}

function isShort({ name }: Measurement): boolean {
  return name.length <= maxNameLength;
}

function senmlValues(
  pack: ReturnType<typeof decodeSenmlJson>,
  receivedAtMs: number,
  positionIn: () => string = () => '',
): readonly Measurement[] | BodyFault {
  if (isDecodeFault(pack)) return { fault: `${faultText(pack)}${positionIn()}` };
  // Before it is resolved: a long base name before thousands of Records would become as many long names.
  if (pack.some(({ baseName = '', name = '' }) => Math.max(baseName.length, name.length) > maxNameLength)) {
    return { fault: longName };
  }
  const now = receivedAtMs / 1000;
  const resolved = resolveSenml(pack, { now });
  if (isDecodeFault(resolved)) return { fault: faultText(resolved) };
  if (resolved.length > mostValues) {
    return { fault: `the SenML has ${resolved.length} Records; send at most ${mostValues} at a time` };
  }
  const long = resolved.find(({ name }) => name.length > maxNameLength);
  if (long !== undefined) return { fault: longName };
  return resolved.map((record) => measurementOf(record, now));
}

function measurementOf({ name, value, unit, sum, time }: ResolvedRecord, now: number): Measurement {
  return {
    name,
    value,
    unit: unit ?? '',
    ...(sum === undefined ? {} : { sum }),
    // A Record without a time is of now (RFC 8428 §4.5.3): that is the time of its receipt.
    deviceAtMs: time === now ? undefined : deviceTime(time * 1000),
  };
}

function faultText({ layer, offset, reason }: DecodeFault): string {
  return layer === 'senml' ? `SenML Record ${offset}: ${reason}` : `SenML: byte ${offset}: ${reason}`;
}

/** Where the text ends to be JSON, where it does. */
function jsonPosition(body: Uint8Array): string {
  const text = utf8(body);
  if (text === undefined) return '';
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    const [, position] = /at position (\d+)/.exec((error as Error).message) ?? [];
    return `, at character ${position ?? text.length}`;
  }
}

function utf8(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
