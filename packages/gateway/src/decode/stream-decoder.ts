/**
 * TCP connections, layer by layer: TLS records, what is in them if a key log has the secrets, WebSocket, CoAP messages (RFC 8323).
 *
 * What a connection speaks, its first bytes tell: a TLS record, an HTTP request for a WebSocket with the subprotocol coap, or a
 * CoAP message; between ports that are not known for CoAP the latter must be a CSM, with which every connection begins (§5.3).
 * A message belongs to the packet with which it is whole. Behind bytes that are missing a direction is not read on.
 *
 * @module
 */

import type { TransportUnit } from '../capture/ip-reader.ts';
import { TcpStreams } from '../capture/tcp-streams.ts';
import { streamCoapFields } from './coap-fields.ts';
import { coapParts, type DecodedPart, partOf, type SummedParts } from './decoded-part.ts';
import type { MessageEnds, OscoreMessages } from './oscore-messages.ts';
import type { KnownSecrets } from './secrets.ts';
import { isTls, TlsStream } from './tls-stream.ts';
import { WaitingBytes } from './waiting-bytes.ts';
import { isWebSocket, WebSocketStream } from './websocket-stream.ts';

/** Connections that are kept in mind, and bytes that wait in one direction of one. */
const mostConnections = 1024;
const longestMessage = 1024 * 1024;

/** Of all of them: a direction that would need more is not read on. */
const mostWaitingBytes = 64 * 1024 * 1024;

/** RFC 8323 §5.3: 7.01. */
const capabilitiesAndSettings = 225;

interface Connection {
  protocol: 'coap' | 'websocket' | 'tls' | 'other' | undefined;
  tls: TlsStream | undefined;
  /** What is spoken, inside of TLS or not. */
  inner: 'coap' | 'websocket' | 'other' | undefined;
  /** By the address that sends. */
  readonly sides: Map<string, Side>;
}

interface Side {
  /** Bytes of a CoAP message that is not whole yet, or too few to know what is spoken. */
  readonly rest: WaitingBytes;
  webSocket: WebSocketStream;
  isLost: boolean;
}

/** Decodes the segments of one capture, in their order. */
export class StreamDecoder {
  readonly #streams = new TcpStreams();
  /** In the order in which they began. */
  readonly #connections = new Map<string, Connection>();
  readonly #secrets: KnownSecrets;
  readonly #ports: ReadonlySet<number>;
  readonly #oscore: OscoreMessages | undefined;
  #waitingBytes = 0;

  /** @param ports where CoAP is too, besides the usual ones. */
  constructor(secrets: KnownSecrets, ports: readonly number[] = [], oscore?: OscoreMessages) {
    this.#secrets = secrets;
    this.#ports = new Set([5683, 5684, ...ports]);
    this.#oscore = oscore;
  }

  /** @param source, destination as `host:port`. */
  decode(unit: TransportUnit, source: string, destination: string): SummedParts {
    const piece = this.#streams.read(unit);
    const conversation = [source, destination].sort().join(' and ');
    // SYN: another connection between the same ports.
    const isNew = piece.isFirst && unit.tcp?.isFirst === true;
    const known = isNew ? undefined : this.#connections.get(conversation);
    const connection = known ?? { protocol: undefined, tls: undefined, inner: undefined, sides: new Map() };
    if (known === undefined) this.#begin(conversation, connection);
    const { length } = unit.payload;
    if (piece.bytes.length === 0) {
      return {
        parts: [],
        summary: `TCP, ${length} bytes${piece.note === undefined ? '' : `, ${piece.note}`}`,
      };
    }
    const side = sideOf(connection, source);
    if (piece.isAfterGap) {
      side.isLost = true;
      connection.tls?.lose(source);
    }
    const isKnown = this.#ports.has(unit.source.port) || this.#ports.has(unit.destination.port);
    const ends = { conversation, sender: source, receiver: destination, destination };
    const { parts, summary } = this.#layers(connection, side, piece.bytes, ends, isKnown);
    if (parts.length > 0) return { parts, summary };
    const why = side.isLost ? ', behind bytes that are missing' : '';
    return { parts, summary: `TCP, ${length} bytes${why}` };
  }

  /** In the place of one of before; the oldest goes when there are too many. */
  #begin(conversation: string, connection: Connection): void {
    this.#forget(conversation);
    this.#connections.set(conversation, connection);
    if (this.#connections.size <= mostConnections) return;
    for (const oldest of this.#connections.keys()) {
      this.#forget(oldest);
      return;
    }
  }

  #forget(conversation: string): void {
    for (const { rest } of this.#connections.get(conversation)?.sides.values() ?? [])
      this.#waitingBytes -= rest.length;
    this.#connections.delete(conversation);
  }

  #layers(
    connection: Connection,
    side: Side,
    bytes: Uint8Array,
    ends: MessageEnds,
    isKnown: boolean,
  ): SummedParts {
    let fresh = bytes;
    if (connection.protocol === undefined) {
      // What waits is a few bytes: too few to tell.
      const all = Uint8Array.from([...side.rest.bytes, ...bytes.subarray(0, 3)]);
      if (isTls(all) === undefined) {
        this.#wait(side, bytes);
        return { parts: [], summary: '' };
      }
      if (isTls(all)) {
        connection.protocol = 'tls';
        connection.tls = new TlsStream(this.#secrets);
        fresh = this.#takeAll(side, bytes);
      }
    }
    const { tls } = connection;
    if (tls === undefined) {
      const plain = this.#plain(connection, side, fresh, ends, isKnown, false);
      connection.protocol = connection.inner;
      return plain;
    }
    const parts: DecodedPart[] = [];
    const summaries: string[] = [];
    for (const { bytes: record, fields, summary, applicationData, decrypted } of tls.feed(
      ends.sender,
      fresh,
    )) {
      parts.push(partOf('TLS record', record, fields));
      if (decrypted !== undefined) {
        const end = decrypted.length;
        parts.push(partOf('decrypted', decrypted, [{ name: 'Data', value: summary, start: 0, end }]));
      }
      const inner = applicationData && this.#plain(connection, side, applicationData, ends, isKnown, true);
      if (inner === undefined || inner.parts.length === 0) {
        if (applicationData !== undefined) {
          const { length: end } = applicationData;
          const data = { name: 'Data', value: `${end} bytes`, start: 0, end };
          parts.push(partOf('decrypted', applicationData, [data]));
        }
        summaries.push(summary);
        continue;
      }
      parts.push(...inner.parts);
      summaries.push(inner.summary);
    }
    return { parts, summary: summaries.join(', ') };
  }

  #plain(
    connection: Connection,
    side: Side,
    bytes: Uint8Array,
    ends: MessageEnds,
    isKnown: boolean,
    isSecured: boolean,
  ): SummedParts {
    if (side.isLost || connection.inner === 'other') return { parts: [], summary: '' };
    if (connection.inner === undefined) {
      const all = this.#takeAll(side, bytes);
      const web = isWebSocket(all);
      if (web === undefined) {
        this.#wait(side, all);
        return { parts: [], summary: '' };
      }
      connection.inner = web ? 'websocket' : isKnown || isCsm(all) ? 'coap' : 'other';
      return this.#plain(connection, side, all, ends, isKnown, isSecured);
    }
    const { parts, summary } =
      connection.inner === 'websocket'
        ? this.#webSocket(connection, side, bytes, ends)
        : this.#coap(side, bytes, ends);
    return {
      parts: isSecured ? parts.map((part) => ({ ...part, isSecured: true as const })) : parts,
      summary,
    };
  }

  #webSocket(connection: Connection, side: Side, bytes: Uint8Array, ends: MessageEnds): SummedParts {
    const parts: DecodedPart[] = [];
    const summaries: string[] = [];
    for (const { name, bytes: unit, fields, summary, message } of side.webSocket.feed(bytes)) {
      parts.push(partOf(name, unit, fields));
      if (message === undefined) {
        summaries.push(summary);
        continue;
      }
      const decoded = coapParts(streamCoapFields(message, 'websocket'), message, ends, this.#oscore, true);
      parts.push(...decoded.parts);
      summaries.push(decoded.summary);
    }
    if (side.webSocket.lost !== undefined && parts.length > 0) connection.inner = 'other';
    return { parts, summary: summaries.join(', ') };
  }

  #coap(side: Side, bytes: Uint8Array, ends: MessageEnds): SummedParts {
    this.#wait(side, bytes);
    const parts: DecodedPart[] = [];
    const summaries: string[] = [];
    while (side.rest.length > 0) {
      const length = messageLength(side.rest.bytes);
      if (length === undefined || length > side.rest.length) {
        if ((length ?? 0) > longestMessage) {
          const rest = this.#take(side, side.rest.length);
          side.isLost = true;
          const end = rest.length;
          const problem = `a message of ${length} bytes: this is no CoAP, or not its beginning`;
          parts.push(
            partOf('unknown', rest, [{ name: 'Data', value: `${end} bytes`, start: 0, end, problem }]),
          );
          summaries.push(`${end} bytes of something else`);
        }
        break;
      }
      const message = this.#take(side, length);
      const decoded = coapParts(streamCoapFields(message, 'tcp'), message, ends, this.#oscore, true);
      parts.push(...decoded.parts);
      summaries.push(decoded.summary);
    }
    return { parts, summary: summaries.join(', ') };
  }

  /** Within bounds: beyond them the direction is not read on. */
  #wait(side: Side, bytes: Uint8Array): void {
    side.rest.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes <= mostWaitingBytes) return;
    this.#waitingBytes -= side.rest.length;
    side.rest.clear();
    side.isLost = true;
  }

  #take(side: Side, count: number): Uint8Array {
    this.#waitingBytes -= count;
    return side.rest.take(count);
  }

  /** What waits, and what came behind it. */
  #takeAll(side: Side, bytes: Uint8Array): Uint8Array {
    if (side.rest.length === 0) return bytes;
    const before = this.#take(side, side.rest.length);
    return Uint8Array.from([...before, ...bytes]);
  }
}

function sideOf({ sides }: Connection, sender: string): Side {
  const known = sides.get(sender);
  if (known !== undefined) return known;
  const side: Side = { rest: new WaitingBytes(), webSocket: new WebSocketStream(), isLost: false };
  sides.set(sender, side);
  return side;
}

/** RFC 8323 §3.2; `undefined` while there is too little of it. */
function messageLength(bytes: Uint8Array): number | undefined {
  const length = bytes[0]! >> 4;
  const tokenLength = bytes[0]! & 15;
  const extra = length === 15 ? 4 : length === 14 ? 2 : length === 13 ? 1 : 0;
  // RFC 8974 §2.1: 13 and 14 mean one and two bytes more; 15 is reserved.
  const tokenExtra = tokenLength === 13 ? 1 : tokenLength === 14 ? 2 : 0;
  const head = 2 + extra;
  if (bytes.length < head + tokenExtra) return undefined;
  const number = (at: number, count: number): number =>
    bytes.subarray(at, at + count).reduce((value, byte) => value * 256 + byte, 0);
  const base = extra === 4 ? 65_805 : extra === 2 ? 269 : extra === 1 ? 13 : length;
  const body = extra === 0 ? length : base + number(1, extra);
  const token =
    tokenExtra === 0
      ? tokenLength === 15
        ? 0
        : tokenLength
      : number(head, tokenExtra) + (tokenExtra === 1 ? 13 : 269);
  return head + tokenExtra + token + body;
}

function isCsm(bytes: Uint8Array): boolean {
  const length = bytes[0]! >> 4;
  const extra = length === 15 ? 4 : length === 14 ? 2 : length === 13 ? 1 : 0;
  return (bytes[0]! & 15) === 0 && bytes[1 + extra] === capabilitiesAndSettings;
}
