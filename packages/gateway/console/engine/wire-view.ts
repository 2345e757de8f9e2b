/**
 * One reading of a hospital as it goes over the wire in four ways, and what an eavesdropper makes of each byte.
 *
 * The bytes are those of the library: its encoder, its DTLS engine, its OSCORE. What is called readable is what decodes without a key.
 *
 * @module
 */

import { DtlsObserver } from 'coapsule/dtls';
import {
  Code,
  codeName,
  codeText,
  contentFormatName,
  decodeMessage,
  decodeUint,
  encodeMessage,
  isDecodeFault,
  methodOf,
  OptionNumber,
  OptionSet,
  optionDefinition,
} from 'coapsule/message';
import {
  ContextTable,
  deriveSecurityContext,
  FixedContext,
  oscoreOverhead,
  unusedContext,
} from 'coapsule/oscore';
import { clientAddress, Pair, type PairOptions, type PairRequest, SeededRandom } from 'coapsule/testing';
import {
  dtlsBytes,
  payloadNonceBytes,
  payloadOnlyBytes,
  payloadTagBytes,
} from '../../src/figures/protection-sizes.ts';
import { AesCcm } from './aes-ccm.ts';
import { fastCrypto } from './browser-crypto.ts';

/** The four ways. */
export type WireProtection = 'plain' | 'payload-only' | 'dtls' | 'oscore';

/** In the order in which they are shown. */
export const wireProtections: readonly WireProtection[] = ['plain', 'payload-only', 'dtls', 'oscore'];

/** What is sent. */
export interface Reading {
  /** Such as `/ward-3/bed-12/heart-rate`. */
  readonly path: string;
  readonly value: string;
}

/** Some bytes, and what is seen in them. */
export interface WireField {
  readonly start: number;
  /** Behind the last. */
  readonly end: number;
  readonly name: string;
  /** What it says; undefined where nothing can be read. */
  readonly value: string | undefined;
}

/** One datagram as it is on the wire. */
export interface WireView {
  readonly protection: WireProtection;
  readonly bytes: Uint8Array;
  readonly fields: readonly WireField[];
  /** Bytes more than without any protection. */
  readonly extraBytes: number;
  /** Of these what protection itself takes, by its rules; the others are a shorter or longer token, format or block. */
  readonly protectionBytes: number;
}

/** The reading in all four ways. */
export function wireViews(reading: Reading): readonly WireView[] {
  const plain = plainMessage(reading, encodeText(reading.value), 0);
  const views: readonly Omit<WireView, 'extraBytes'>[] = [
    { protection: 'plain', bytes: plain, fields: coapFields(plain), protectionBytes: 0 },
    payloadOnly(reading),
    dtls(reading),
    oscore(reading),
  ];
  return views.map((view) => ({ ...view, extraBytes: view.bytes.length - plain.length }));
}

function payloadOnly(reading: Reading): Omit<WireView, 'extraBytes'> {
  // AES-128-CCM with a nonce in front, as applications do it themselves.
  const nonce = new Uint8Array(payloadNonceBytes).map((_, at) => 17 * at);
  const text = encodeText(reading.value);
  const sealed = new Uint8Array(text.length + payloadTagBytes);
  sealed.set(text);
  new AesCcm(new Uint8Array(16).fill(0x42), payloadTagBytes).seal(
    nonce,
    new Uint8Array(),
    sealed,
    0,
    text.length,
  );
  const bytes = plainMessage(reading, new Uint8Array([...nonce, ...sealed]), 42);
  return {
    ...{ protection: 'payload-only', bytes, fields: coapFields(bytes, true) },
    protectionBytes: payloadOnlyBytes,
  };
}

function dtls(reading: Reading): Omit<WireView, 'extraBytes'> {
  const bare = {
    dtls: {
      suites: ['TLS_PSK_WITH_AES_128_CCM_8'] as const,
      connectionIdLength: 'off' as const,
      resumption: 'off' as const,
    },
  };
  const pair = new Pair({ security: 'dtls', client: bare, server: bare, handler });
  finish(pair, put(pair, reading));
  const observer = new DtlsObserver(fastCrypto(), {
    masterSecret: () => undefined,
    presharedKey: () => undefined,
  });
  const found = pair.network.sent
    .map(({ datagram, from, to }) => ({
      datagram,
      from,
      record: observer.observe(from.key, to.key, datagram).records[0],
    }))
    .find(({ from, record }) => from.key === clientAddress.key && record?.recordType === 23);
  if (found?.record === undefined) throw new Error('the engine sent no application data');
  const { headerLength, epoch, sequenceNumber, length } = found.record;
  const field = (start: number, end: number, name: string, value?: string): WireField => ({
    start,
    end,
    name,
    value,
  });
  return {
    protection: 'dtls',
    protectionBytes: dtlsBytes(),
    bytes: found.datagram,
    fields: [
      field(0, 1, 'content type', 'application data'),
      field(1, 3, 'version', 'DTLS 1.2'),
      field(3, 5, 'epoch', String(epoch)),
      field(5, 11, 'sequence number', String(sequenceNumber)),
      field(11, 13, 'length', String(length - headerLength)),
      field(13, 21, 'explicit nonce', 'epoch and number again'),
      field(21, length - 8, 'encrypted'),
      field(length - 8, length, 'tag'),
    ],
  };
}

function oscore(reading: Reading): Omit<WireView, 'extraBytes'> {
  const security = (side: 'client' | 'server'): FixedContext => {
    const [senderId, recipientId] = [[0x01], []].map((id) => Uint8Array.from(id)) as [Uint8Array, Uint8Array];
    return new FixedContext(
      deriveSecurityContext(
        { crypto: fastCrypto(), random: new SeededRandom(12) },
        {
          masterSecret: new Uint8Array(16).fill(0x42),
          senderId: side === 'client' ? senderId : recipientId,
          recipientId: side === 'client' ? recipientId : senderId,
        },
        unusedContext,
        { dangerouslyVolatile: true },
      ),
    );
  };
  const pair = new Pair({
    handler,
    oscore: () => {
      const table = new ContextTable();
      table.add(security('server'));
      return table;
    },
  });
  finish(pair, put(pair, reading, { oscore: security('client') }));
  const bytes = pair.network.sent.filter(({ from }) => from.key === clientAddress.key).at(-1)!.datagram;
  const original = decodeMessage(plainMessage(reading, encodeText(reading.value), 0));
  if (isDecodeFault(original)) throw new Error(`no CoAP message: ${original.reason}`);
  return {
    ...{ protection: 'oscore', bytes, fields: coapFields(bytes, true) },
    protectionBytes: oscoreOverhead(original, { senderIdLength: 1 }),
  };
}

const handler: NonNullable<PairOptions['handler']> = () => ({ code: Code.Changed });

type Request = Parameters<Pair['request']>[1];

function put(pair: Pair, { path, value }: Reading, more: Request = {}): PairRequest {
  const options = new OptionSet();
  options.add(OptionNumber.ContentFormat, 0);
  return pair.request(path, { code: Code.Put, type: 'CON', payload: encodeText(value), options, ...more });
}

function finish(pair: Pair, request: PairRequest): void {
  pair.runUntil(() => request.final || request.error !== undefined);
  if (request.error !== undefined) throw new Error(`the request failed: ${request.error.kind}`);
}

/** As the library's own client would send it. */
function plainMessage({ path }: Reading, payload: Uint8Array, contentFormat: number): Uint8Array {
  const options = new OptionSet();
  for (const segment of path.split('/').slice(1)) options.add(OptionNumber.UriPath, segment);
  options.add(OptionNumber.ContentFormat, contentFormat);
  return encodeMessage({
    type: 'CON',
    code: Code.Put,
    messageId: 0x7d34,
    token: Uint8Array.of(0x4a, 0x81, 0x0c, 0x5f),
    options,
    payload,
  });
}

/** What decodes without a key; the payload only where it is not encrypted. */
function coapFields(bytes: Uint8Array, isEncrypted = false): readonly WireField[] {
  const message = decodeMessage(bytes);
  if (isDecodeFault(message)) throw new Error(`no CoAP message: ${message.reason}`);
  const fields: WireField[] = [];
  let at = 0;
  const take = (length: number, name: string, value: string | undefined): void => {
    if (length > 0) fields.push({ start: at, end: at + length, name, value });
    at += length;
  };
  take(1, 'version, type', message.type);
  take(1, 'code', nameOf(message.code));
  take(2, 'Message ID', String(message.messageId));
  take(message.token.length, 'token', 'names the exchange');
  for (const { number, value } of message.options.entries()) {
    const name = optionDefinition(number)?.name ?? `option ${number}`;
    const length = headLength(bytes, at) + value.length;
    take(length, name, optionValue(number, value));
  }
  if (at < bytes.length) take(1, 'payload marker', 'the payload begins');
  take(bytes.length - at, 'payload', isEncrypted ? undefined : decodeText(bytes.subarray(at)));
  return fields;
}

/** Bytes of an option before its value (RFC 7252 §3.1). */
function headLength(bytes: Uint8Array, at: number): number {
  const extra = (nibble: number): number => (nibble === 13 ? 1 : nibble === 14 ? 2 : 0);
  return 1 + extra(bytes[at]! >> 4) + extra(bytes[at]! & 15);
}

function optionValue(number: number, value: Uint8Array): string | undefined {
  switch (number) {
    case OptionNumber.ContentFormat: {
      const format = decodeUint(value) ?? 0;
      return contentFormatName(format) ?? String(format);
    }
    case OptionNumber.Oscore:
      return 'number of the message, and the ID of the device\u2019s context';
    default:
      return decodeText(value);
  }
}

function nameOf(code: number): string {
  return methodOf(code) ?? `${codeText(code)} ${codeName(code) ?? ''}`;
}

function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
