/**
 * A reading in plain text as a value: `22.5`, `22.5°C`, `45 %RH`, or a short text such as `open`.
 */
import { senmlUnit } from 'coapsule/senml';
import type { Measurement } from './measurement.ts';

/** Longest text that is a value, in characters. What is longer is a document. */
const maxTextLength = 256;

/** Spellings that people use, and the symbols of RFC 8428 §12.1 and RFC 8798 §3. */
const spellings: ReadonlyMap<string, string> = new Map([
  ['°C', 'Cel'],
  ['℃', 'Cel'],
  ['degC', 'Cel'],
  ['°F', '°F'],
  ['℉', '°F'],
  ['°', 'deg'],
  ['Ω', 'Ohm'],
  ['Ω', 'Ohm'],
  ['ohm', 'Ohm'],
  ['bpm', 'beat/min'],
  ['m²', 'm2'],
  ['m³', 'm3'],
  ['m/s²', 'm/s2'],
  ['W/m²', 'W/m2'],
  ['µg/m³', 'ug/m3'],
  ['μg/m³', 'ug/m3'],
  ['lux', 'lx'],
  ['rpm', '1/min'],
  ['‰', '/1000'],
]);

const numberWithUnit = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S{0,16})$/u;

/** The unit of a suffix; undefined for one that is none. */
export function unitOf(suffix: string): string | undefined {
  return spellings.get(suffix) ?? (senmlUnit(suffix) === undefined ? undefined : suffix);
}

/** The number in a text, with its unit; undefined for a text that is no number. */
function numberOf(text: string): { readonly value: number; readonly unit: string } | undefined {
  const [, digits = '', suffix = ''] = numberWithUnit.exec(text.trim()) ?? [];
  const value = digits === '' ? Number.NaN : Number(digits);
  const unit = suffix === '' ? '' : unitOf(suffix);
  return unit === undefined || !Number.isFinite(value) ? undefined : { value, unit };
}

/** A text as a value; undefined for a document. */
export function textValue(text: string): Measurement | undefined {
  if (text.length > maxTextLength) return undefined;
  return { name: '', unit: '', value: text, ...numberOf(text) };
}
