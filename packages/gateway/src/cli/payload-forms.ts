/**
 * Payloads that are written in a form of their own: CBOR in diagnostic notation, JSON to be sent as CBOR, readings,
 * hexadecimal digits; and `-e` that names a file.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { contentFormatOf } from 'coapsule/message';
import type { SenmlRecord } from 'coapsule/senml';
import { diagnosticFaultText, encodeDiagnostic } from '../payload/cbor-diagnostic.ts';
import { payloadKind } from '../payload/payload-kind.ts';
import type { RequestCommandOptions } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** application/cbor, application/senml+json */
const formats = { cbor: 60, senmlJson: 110 } as const;

/** What options say about a payload. */
export type PayloadFormOptions = Pick<
  RequestCommandOptions,
  'payload' | 'file' | 'payloadHex' | 'cborDiag' | 'jsonAsCbor' | 'senml' | 'contentFormat'
>;

/** A payload that has been made, and the format that it is in unless another one was named. */
export interface FormedPayload {
  readonly bytes: Uint8Array;
  readonly contentFormat?: number;
}

/** Where the payload stands as it is to be sent: text or a file. */
export type PlainPayload = Pick<PayloadFormOptions, 'payload' | 'file'>;

/**
 * Makes the payload, or says where it stands as it is.
 *
 * The text of `-e` is sent as it is, whatever it begins with; with a Content-Format of CBOR it is diagnostic notation, as
 * aiocoap-client has it. Throws `CommandFailure` for what cannot be read.
 */
export async function payloadForm(
  options: PayloadFormOptions,
  environment: Pick<CommandEnvironment, 'readStandardInput'>,
): Promise<FormedPayload | PlainPayload> {
  expectOne(options);
  const { payloadHex, cborDiag, senml, jsonAsCbor } = options;
  if (payloadHex !== undefined) return { bytes: payloadHex };
  if (cborDiag !== undefined)
    return { bytes: diagnostic(cborDiag, '--cbor-diag'), contentFormat: formats.cbor };
  if (senml !== undefined) return senmlPayload(senml, options.contentFormat);
  const plain = plainPayload(options);
  if (jsonAsCbor === true) return jsonPayload(plain, environment);
  if (plain.payload !== undefined && isCbor(options.contentFormat))
    return { bytes: diagnostic(plain.payload, '-e') };
  return plain;
}

const sources = [
  ['payload', '-e'],
  ['file', '-f'],
  ['payloadHex', '--payload-hex'],
  ['cborDiag', '--cbor-diag'],
  ['senml', '--senml'],
] as const;

function expectOne(options: PayloadFormOptions): void {
  const given = sources.filter(([name]) => options[name] !== undefined).map(([, flag]) => flag);
  if (given.length > 1) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${given[0]} and ${given[1]} cannot be used together`,
      'leave one of them out',
    );
  }
  if (options.jsonAsCbor === true && given[0] !== '-e' && given[0] !== '-f') {
    throw new CommandFailure(
      ExitCode.Usage,
      '--json-as-cbor needs JSON to convert',
      'give it with -e TEXT or -f FILE',
    );
  }
}

function plainPayload({ payload, file }: PayloadFormOptions): PlainPayload {
  if (payload !== undefined) return { payload };
  return file === undefined ? {} : { file };
}

function isCbor(contentFormat: number | string | undefined): boolean {
  const kind = payloadKind(formatNumber(contentFormat));
  return kind === 'cbor' || kind === 'senml-cbor';
}

function formatNumber(contentFormat: number | string | undefined): number | undefined {
  return typeof contentFormat === 'string' ? contentFormatOf(contentFormat) : contentFormat;
}

function diagnostic(text: string, flag: string): Uint8Array {
  const encoded = encodeDiagnostic(text);
  if (encoded instanceof Uint8Array) return encoded;
  throw new CommandFailure(
    ExitCode.Usage,
    `${flag} is not CBOR in diagnostic notation, ${diagnosticFaultText(encoded)}`,
    flag === '-e'
      ? 'with a content format of CBOR the text of -e is in that notation, such as {"a": [1, h\'0102\']}; bytes that are CBOR already come from a file (-f) or as digits (--payload-hex)'
      : 'write it as RFC 8949 section 8 has it, such as {"a": [1, h\'0102\'], 2: 1.5}',
  );
}

/** JSON is diagnostic notation too: numbers stay as exact as they were written. */
async function jsonPayload(
  { payload, file }: PlainPayload,
  environment: Pick<CommandEnvironment, 'readStandardInput'>,
): Promise<FormedPayload> {
  const bytes = file === '-' ? await environment.readStandardInput() : undefined;
  const text = payload ?? new TextDecoder().decode(bytes ?? readFileSync(file!));
  const from = payload === undefined ? `-f ${file}` : '-e';
  const refused = (problem: string): CommandFailure =>
    new CommandFailure(
      ExitCode.Usage,
      `${from} is not JSON${problem}`,
      'correct it, or leave --json-as-cbor out',
    );
  try {
    JSON.parse(text);
  } catch (error) {
    const place = /position \d+( \(line \d+ column \d+\))?/.exec((error as Error).message)?.[0];
    throw refused(place === undefined ? '' : ` (${place})`);
  }
  const encoded = encodeDiagnostic(text.replace(/^\uFEFF/, ''));
  if (encoded instanceof Uint8Array) return { bytes: encoded, contentFormat: formats.cbor };
  throw refused(`, ${diagnosticFaultText(encoded)}`);
}

async function senmlPayload(
  records: readonly SenmlRecord[],
  contentFormat: number | string | undefined,
): Promise<FormedPayload> {
  const { encodeSenmlCbor, encodeSenmlJson } = await import('coapsule/senml');
  if (isCbor(contentFormat)) return { bytes: encodeSenmlCbor(records) };
  return { bytes: new TextEncoder().encode(encodeSenmlJson(records)), contentFormat: formats.senmlJson };
}
