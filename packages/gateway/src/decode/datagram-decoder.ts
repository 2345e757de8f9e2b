/**
 * A datagram, layer by layer: DTLS records, what is in them if a secret is known, CoAP messages, payloads.
 *
 * Which protocol it is, its first byte tells (RFC 7983 §7): 20 to 63 is DTLS, 64 to 127 is CoAP of version 1. Between ports that
 * are not known for either, it must also make sense as such. It keeps what it needs of the associations it has seen, and nothing
 * else.
 *
 * @module
 */

import {
  DtlsObserver,
  type ObservedDatagram,
  type ObservedRecord,
  type ObserverSecrets,
} from 'coapsule/dtls';
import { isRequestCode, isReservedCode, type Message } from 'coapsule/message';
import { nodeCrypto } from 'coapsule/node';
import { coapFields } from './coap-fields.ts';
import type { DecodedField } from './decoded-field.ts';
import { coapParts, type DecodedPart, partOf } from './decoded-part.ts';
import { contentFields, recordFields, recordSummary } from './dtls-fields.ts';
import type { OscoreMessages } from './oscore-messages.ts';

/** A datagram with what it holds. */
export interface DecodedDatagram {
  readonly parts: readonly DecodedPart[];
  /** One line. */
  readonly summary: string;
  /** Where DTLS was seen. */
  readonly dtls?: ObservedDatagram;
}

/** Decodes datagrams of any number of conversations, in the order in which they were sent. */
export class DatagramDecoder {
  readonly #observer: DtlsObserver;
  readonly #oscore: OscoreMessages | undefined;
  readonly #ports: ReadonlySet<number>;

  /**
   * @param ports where CoAP or DTLS is too, besides the usual ones.
   * @param oscore opens messages under OSCORE; without it they stay closed.
   */
  constructor(secrets: ObserverSecrets, ports: readonly number[] = [], oscore?: OscoreMessages) {
    this.#observer = new DtlsObserver(nodeCrypto, secrets);
    this.#oscore = oscore;
    this.#ports = new Set([5683, 5684, ...ports]);
  }

  /** @param source, destination as `host:port`: by them datagrams belong together. */
  decode(source: string, destination: string, datagram: Uint8Array): DecodedDatagram {
    const [first] = datagram;
    if (first === undefined) return { parts: [], summary: 'empty' };
    const isKnown = [source, destination].some((address) => this.#isKnown(portOf(address)));
    // RFC 6347 §4.1: the major version is 254 in all of them.
    if (first >= 20 && first <= 63 && (isKnown || datagram[1] === 0xfe)) {
      return this.#dtls(source, destination, datagram, isKnown);
    }
    if (first >> 6 === 1) {
      const coap = coapFields(datagram);
      if (isKnown || (coap.message !== undefined && isPlausible(coap.message))) {
        const conversation = [source, destination].sort().join(' and ');
        const ends = { conversation, sender: source, receiver: destination, destination };
        return coapParts(coap, datagram, ends, this.#oscore);
      }
    }
    return isKnown
      ? somethingElse(datagram, `neither DTLS nor CoAP begins with ${first.toString(16).padStart(2, '0')}`)
      : somethingElse(datagram);
  }

  /** RFC 6282 §4.3.3: 61616 to 61631 are those that 6LoWPAN compresses to four bits. */
  #isKnown(port: number): boolean {
    return this.#ports.has(port) || (port >= 61_616 && port <= 61_631);
  }

  #dtls(source: string, destination: string, datagram: Uint8Array, isKnown: boolean): DecodedDatagram {
    const dtls = this.#observer.observe(source, destination, datagram);
    const parts: DecodedPart[] = [];
    const summaries: string[] = [];
    for (const record of dtls.records) {
      const fields = recordFields(record, datagram);
      parts.push({ ...partOf('DTLS record', datagram, fields), record });
      const { content, contentType } = record;
      if (content === undefined || contentType !== 23) {
        if (content !== undefined && record.epoch > 0) parts.push(decryptedPart(record, content));
        summaries.push(recordSummary(record));
        continue;
      }
      const coap = coapFields(content);
      // What is protected need not be CoAP.
      if (coap.message === undefined && !isKnown) {
        parts.push(decryptedPart(record, content));
        summaries.push(recordSummary(record));
        continue;
      }
      const { association, sender = source } = dtls;
      const receiver = sender === 'client' ? 'server' : 'client';
      const ends = { conversation: `association ${association}`, sender, receiver, destination };
      const decoded = coapParts(coap, content, ends, this.#oscore);
      parts.push(...decoded.parts);
      summaries.push(decoded.summary);
    }
    if (dtls.fault !== undefined) {
      const { offset, reason } = dtls.fault;
      const end = datagram.length;
      const field = { name: 'rest', value: `${end - offset} bytes`, start: offset, end, problem: reason };
      parts.push(partOf('unknown', datagram, [field]));
      summaries.push(`no record: ${reason}`);
    }
    return { parts, summary: summaries.join(', '), dtls };
  }
}

/** Of bytes from anywhere: whether a sender of CoAP would make such a message (RFC 7252 §4.2, §4.3, Table 1). */
function isPlausible({ type, code, token }: Message): boolean {
  if (token.length > 8 || isReservedCode(code)) return false;
  if (type === 'RST') return code === 0;
  return type === 'CON' || (code !== 0 && type === 'NON') || !isRequestCode(code);
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

function somethingElse(datagram: Uint8Array, problem?: string): DecodedDatagram {
  const end = datagram.length;
  const data = { name: 'Data', value: `${end} bytes`, start: 0, end };
  const fields: readonly DecodedField[] = [problem === undefined ? data : { ...data, problem }];
  return {
    parts: [partOf('unknown', datagram, fields)],
    summary: `${end} bytes of something else`,
  };
}

function decryptedPart(record: ObservedRecord, content: Uint8Array): DecodedPart {
  return partOf('decrypted', content, contentFields(record, content));
}
