/**
 * A request of a collection as it is sent: variables have their values, names their numbers.
 *
 * @module
 */

import type { Method } from 'coapsule/message';
import { diagnosticFaultText, encodeDiagnostic } from '../payload/cbor-diagnostic.ts';
import type { CollectionPayload, CollectionRequest, OptionValues } from './collection.ts';
import { bytesOfHex, formatNumber, optionBytes, optionNumberOf } from './message-values.ts';
import { filled, filledDeep, TooLong, UnknownVariable } from './template.ts';

/** What is sent. */
export interface ResolvedRequest {
  readonly method: Method;
  readonly uri: string;
  readonly options: readonly { readonly number: number; readonly value: Uint8Array }[];
  readonly accept: number | undefined;
  readonly contentFormat: number | undefined;
  /** Bytes, or the name of the file that holds them. */
  readonly payload: Uint8Array | { readonly file: string } | undefined;
  readonly confirmable: boolean;
  /** Seconds. */
  readonly timeout: number | undefined;
  readonly blockSize: number | undefined;
}

const formats = { json: 50, cbor: 60 } as const;

/** Fills a request, or says why it cannot be: a variable has no value, or one that does not fit. Never throws. */
export function resolvedRequest(
  request: CollectionRequest,
  values: ReadonlyMap<string, string>,
): ResolvedRequest | { readonly problem: string } {
  try {
    const { payload, contentFormat } = payloadOf(request.payload, values);
    return {
      method: request.method ?? 'GET',
      uri: filled(request.uri, values),
      options: optionsOf(request.options, values),
      accept: formatOf(request.accept, values),
      contentFormat: formatOf(request.contentFormat, values) ?? contentFormat,
      payload,
      confirmable: request.non !== true,
      timeout: request.timeout,
      blockSize: request.blockSize,
    };
  } catch (error) {
    if (error instanceof UnknownVariable || error instanceof TooLong || error instanceof Unfit)
      return { problem: error.message };
    throw error;
  }
}

/** Options with their values filled in. @throws UnknownVariable, or `Unfit` for a value that does not fit. */
export function optionsOf(
  options: Readonly<Record<string, OptionValues>> | undefined,
  values: ReadonlyMap<string, string>,
): readonly { readonly number: number; readonly value: Uint8Array }[] {
  return Object.entries(options ?? {}).flatMap(([name, given]) =>
    [given].flat().map((one) => {
      const value = optionBytes(typeof one === 'string' ? filled(one, values) : one);
      if (value === undefined) throw new Unfit(`option ${name}: after 0x come pairs of hexadecimal digits`);
      return { number: optionNumberOf(name)!, value };
    }),
  );
}

/** Number of a content format with its variables filled in. @throws as above. */
export function formatOf(
  format: number | string | undefined,
  values: ReadonlyMap<string, string>,
): number | undefined {
  if (format === undefined) return undefined;
  const given = typeof format === 'string' ? filled(format, values) : format;
  const number = formatNumber(given);
  if (number === undefined) throw new Unfit(`"${given}" is no content format`);
  return number;
}

function payloadOf(
  given: CollectionRequest['payload'],
  values: ReadonlyMap<string, string>,
): Pick<ResolvedRequest, 'payload' | 'contentFormat'> {
  if (given === undefined) return { payload: undefined, contentFormat: undefined };
  const payload: CollectionPayload = typeof given === 'string' ? { text: given } : given;
  const { text, json, jsonAsCbor, hex, cborDiag, file } = payload;
  if (text !== undefined) return { payload: utf8(filled(text, values)), contentFormat: undefined };
  if (json !== undefined)
    return { payload: utf8(JSON.stringify(filledDeep(json, values))), contentFormat: formats.json };
  if (jsonAsCbor !== undefined)
    return { payload: cbor(JSON.stringify(filledDeep(jsonAsCbor, values))), contentFormat: formats.cbor };
  if (cborDiag !== undefined) return { payload: cbor(filled(cborDiag, values)), contentFormat: formats.cbor };
  if (file !== undefined) return { payload: { file: filled(file, values) }, contentFormat: undefined };
  const bytes = bytesOfHex(filled(hex ?? '', values));
  if (bytes === undefined) throw new Unfit('the payload is not pairs of hexadecimal digits');
  return { payload: bytes, contentFormat: undefined };
}

function cbor(text: string): Uint8Array {
  const encoded = encodeDiagnostic(text);
  if (encoded instanceof Uint8Array) return encoded;
  throw new Unfit(`the payload is not CBOR in diagnostic notation, ${diagnosticFaultText(encoded)}`);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A value of a variable that cannot stand where it is used. */
export class Unfit extends Error {
  override readonly name = 'Unfit';
}
