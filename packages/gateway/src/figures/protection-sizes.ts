/**
 * What protection adds to a message: the one place that every tool, table and command has it from.
 *
 * Nothing is written down here: DTLS is counted by the library's `recordOverhead`, OSCORE by its `oscoreOverhead`, messages by its
 * encoder. Pure functions.
 *
 * @module
 */

import { type CipherSuiteName, recordOverhead } from 'coapsule/dtls';
import { Code, encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { type OscoreContent, type OscoreSending, oscoreOverhead } from 'coapsule/oscore';

/**
 * Bytes of the Sender ID in the contexts that `coapsule keys oscore` makes for devices: enough that two devices of one server hardly
 * ever have the same, and few on the wire.
 */
export const madeSenderIdBytes = 3;

/** The suites that are compared, the usual one first. */
export const comparedSuites: readonly CipherSuiteName[] = [
  'TLS_PSK_WITH_AES_128_CCM_8',
  'TLS_PSK_WITH_AES_128_CCM',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
];

/** A GET of `/ward-3/heart-rate`; with Block2 as the library's client asks for bodies under OSCORE. */
export function exampleRequest({ block2 = false }: { readonly block2?: boolean } = {}): OscoreContent {
  const options = new OptionSet();
  options.add(OptionNumber.UriPath, 'ward-3');
  options.add(OptionNumber.UriPath, 'heart-rate');
  if (block2) options.add(OptionNumber.Block2, blockOf512);
  return { code: Code.Get, options, payload: new Uint8Array() };
}

/** Its answer of four bytes. */
function exampleResponse({ block2 = false }: { readonly block2?: boolean } = {}): OscoreContent {
  const options = new OptionSet();
  if (block2) options.add(OptionNumber.Block2, blockOf512);
  return { code: Code.Content, options, payload: new Uint8Array(4) };
}

/** Block 0, no more, of 512 bytes (RFC 7959 §2.2). */
const blockOf512 = 5;

/** Bytes of DTLS in each message: 29 with the usual suite. */
export function dtlsBytes(suite: CipherSuiteName = comparedSuites[0]!, connectionIdLength = 0): number {
  return recordOverhead(suite, connectionIdLength);
}

/** Of the nonce that an application sends in front of a payload that it encrypts itself, and of the tag behind it (AES-128-CCM-8). */
export const payloadNonceBytes = 13;
export const payloadTagBytes = 8;

/** Bytes of a payload that an application encrypts itself. */
export const payloadOnlyBytes: number = payloadNonceBytes + payloadTagBytes;

/** Bytes of OSCORE in each kind of message. */
export interface OscoreBytes {
  readonly request: number;
  readonly response: number;
  /** The second of an observation, and each after it: with a Partial IV of its own (RFC 8613 §8.3.1). */
  readonly notification: number;
}

/** Bytes of OSCORE; by default in the first messages under a Sender ID of one byte. */
export function oscoreBytes(sending: OscoreSending = {}): OscoreBytes {
  const { sequenceNumber = 0, senderIdLength = 1 } = sending;
  const notification = exampleResponse();
  const options = OptionSet.from(notification.options.entries());
  options.add(OptionNumber.Observe, 7);
  return {
    request: oscoreOverhead(exampleRequest(), { ...sending, senderIdLength, sequenceNumber }),
    response: oscoreOverhead(exampleResponse(), withoutNumber(sending)),
    notification: oscoreOverhead({ ...notification, options }, { ...sending, sequenceNumber }),
  };
}

/** The nonce of the request serves its first response, which says neither number nor ID. */
function withoutNumber({ aead }: OscoreSending): OscoreSending {
  return aead === undefined ? {} : { aead };
}

/** From the shortest to the longest that a device of this gateway meets in its first 65,536 messages. */
export function oscoreRequestRange(): { readonly least: number; readonly most: number } {
  return {
    least: oscoreBytes({ senderIdLength: 0 }).request,
    most: oscoreBytes({ senderIdLength: madeSenderIdBytes, sequenceNumber: 0xffff }).request,
  };
}

/** Bytes that protection adds to a report of a device, as the gateway's own credentials protect it. */
export function reportProtectionBytes(protection: 'none' | 'dtls' | 'oscore'): number {
  switch (protection) {
    case 'none':
      return 0;
    case 'dtls':
      return dtlsBytes();
    case 'oscore':
      return oscoreRequestRange().most;
  }
}

/** Datagrams of the example exchange, in bytes. */
export interface ExchangeBytes {
  readonly sent: number;
  readonly received: number;
}

/** The example exchange as the library's client sends it and its server answers. */
export function exchangeBytes(protection: 'none' | 'dtls' | 'oscore'): ExchangeBytes {
  const [request, response] = [exampleRequest(), exampleResponse()];
  switch (protection) {
    case 'none':
      return { sent: datagram(request, openToken), received: datagram(response, openToken) };
    case 'dtls':
      return {
        sent: datagram(request, hiddenToken) + dtlsBytes(),
        received: datagram(response, hiddenToken) + dtlsBytes(),
      };
    case 'oscore': {
      // What goes inside asks for blocks, so that a body fits in whatever way it takes.
      const [asks, says] = [exampleRequest({ block2: true }), exampleResponse({ block2: true })];
      return {
        sent: datagram(asks, openToken) + oscoreOverhead(asks, { senderIdLength: 1 }),
        received: datagram(says, openToken) + oscoreOverhead(says),
      };
    }
  }
}

/** Bytes of tokens: long where somebody could guess them (RFC 7252 §5.3.1), short where DTLS hides them. */
const openToken = 4;
const hiddenToken = 1;

function datagram(content: OscoreContent, tokenBytes: number): number {
  return encodeMessage({ ...content, type: 'CON', messageId: 0, token: new Uint8Array(tokenBytes) }).length;
}
