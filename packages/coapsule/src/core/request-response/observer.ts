/**
 * One entry in the list of observers, and what it keeps of the registration.
 *
 * RFC 7641 §4.1, §4.2. When an observer is sent what is in `observe-server.ts`.
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { equalBytes, noBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import { byteKey } from './byte-key.ts';
import type { ExchangeId, PeerKey, ReadyResponse, ServerExchange } from './exchange.ts';

/** One entry in the list of observers. */
export interface Observer {
  /** The registration; replaced when the client registers again. */
  exchange: ServerExchange;
  readonly resource: string;
  readonly path: string;
  /** Memory charged to it. */
  bytes: number;
  /** Content-Format of the first response; notifications must have the same (§4.2). */
  contentFormat: Uint8Array | undefined;
  /** Number of the state the application was last asked for; its low 24 bits are the Observe value. */
  sequence: number;
  /** The resource changed since the application was last asked. */
  dirty: boolean;
  /** The application is being asked. */
  computing: boolean;
  /** The answer of the application while it may not be sent yet. */
  held: ReadyResponse | undefined;
  /** A notification did not fit what may go to the peer: none is made before its address is proved (RFC 7252 §11.3). */
  isHeldBack: boolean;
  /** The last answer was given up for a newer state; the next one is sent in any case. */
  skipped: boolean;
  /** The CON notification that is not acknowledged. */
  inFlight: NotificationInFlight | undefined;
  /** All its notifications are CON ones. */
  readonly isConfirmable: boolean;
  /** NON notifications since the last CON one. */
  sinceConfirmable: number;
}

/** A CON notification, or the separate response to a registration, that is not acknowledged. */
export interface NotificationInFlight {
  readonly exchange: ExchangeId;
  /** When it was sent. */
  readonly at: Instant;
  /** There is a newer state: it is not sent once more (§4.4). */
  isOutdated: boolean;
  /** It would be sent once more: the application is asked for the state that goes in its place (§4.5.2). */
  isDue: boolean;
}

/** A client as a receiver of notifications. */
export interface ObservingPeer {
  readonly observers: Set<Observer>;
  /** Observers with something to send, longest waiting first. */
  readonly waiting: Set<Observer>;
  inFlight: number;
  /** §4.5.1: no notification before this. */
  nextAt: Instant;
  roundTripMs: number | undefined;
}

/** A notification that is to be sent. */
export interface Notification {
  readonly response: ReadyResponse;
  readonly type: 'CON' | 'NON';
  /** It takes the place of the one in flight. */
  readonly supersedes: boolean;
}

/** What the list wants its owner to do. */
export interface ObserverActions {
  /** Ask the application for the present representation. */
  readonly ask: (observer: Observer, now: Instant) => void;
  /** The answer to `ask` is not wanted any more. */
  readonly askNoMore: (observer: Observer) => void;
  readonly send: (observer: Observer, notification: Notification, now: Instant) => void;
  /** The notification in flight is not to be sent once more: `due` is to be told instead. */
  readonly outdate: (exchange: ExchangeId) => void;
  /** Nothing takes the place of the notification that was due. */
  readonly stop: (exchange: ExchangeId) => void;
  /** A response that was held is not sent. */
  readonly drop: (response: ReadyResponse) => void;
  /** The observation is over, or this registration of it. */
  readonly ended: (exchange: ExchangeId) => void;
}

/** Whether a 2.xx notification is in the format of the registration's response (§4.2). */
export function keepsFormat(observer: Observer, response: ReadyResponse): boolean {
  const format = response.options.first(OptionNumber.ContentFormat);
  const agreed = observer.contentFormat;
  if (format === undefined || agreed === undefined) return format === agreed || isEmpty(response);
  return equalBytes(format, agreed);
}

function isEmpty({ payload, body }: ReadyResponse): boolean {
  return payload.length === 0 && body === undefined;
}

/** The key of a registration: an entry is named by the client and its token (§4.1). */
export function tokenKey(peer: PeerKey, token: Uint8Array): string {
  return `${peer}\n${byteKey(token)}`;
}

/**
 * A copy of a registration that shares no memory with the message it came in. An observation may last for
 * years, and a view of 2 bytes would hold the whole datagram. Only FETCH has a payload that is needed again.
 */
export function detachedFromMessage(exchange: ServerExchange): ServerExchange {
  const options = new OptionSet();
  for (const { number, value } of exchange.options.entries()) options.add(number, value.slice());
  const payload = exchange.code === Code.Fetch ? exchange.payload.slice() : noBytes;
  return { ...exchange, options, payload, token: exchange.token.slice() };
}

/** Memory charged for an observer: what `detachedFromMessage` copies, and the entry in its tables. */
export function heldBytes(exchange: ServerExchange): number {
  let bytes =
    entryBytes + exchange.token.length + (exchange.code === Code.Fetch ? exchange.payload.length : 0);
  // The name of the resource is kept too, once as its path and once whole.
  for (const { value } of exchange.options.entries()) bytes += optionBytes + 3 * value.length;
  return bytes;
}

/** Heap bytes of an entry, its place in five tables and its timers, rounded up. */
const entryBytes = 1536;
/** Heap bytes of an option besides its value: object, view and buffer. */
const optionBytes = 256;
