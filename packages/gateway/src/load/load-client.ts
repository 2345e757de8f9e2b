/**
 * One client of a load: an endpoint of its own, with one request under way. Types only.
 *
 * `datagram-client.ts` is the fast one for coap and coaps, `library-client.ts` takes everything that the library speaks.
 *
 * @module
 */

/** Who is told what became of the request under way. */
export interface LoadEvents {
  /** @param code Of the response, 64 … 191 (RFC 7252 §3). */
  answered(code: number): void;
  /** The server has the request and will answer later: it need not be repeated. */
  acknowledged(): void;
  /** There will be no answer. @param reason A word or two, counted in the report. */
  failed(reason: string): void;
}

/** See the module comment. */
export interface LoadClient {
  /** No request may be sent any more: a new client takes its place. */
  readonly isUsedUp: boolean;
  /** Milliseconds that its handshake took, where there was one. */
  readonly handshakeMs: number | undefined;
  /** Sends the next request. */
  request(): void;
  /** Sends the request under way once more. */
  repeat(): void;
  close(): Promise<void>;
}

/** What went over the wire, of all clients together: payloads of UDP, where that is known. */
export interface LoadTraffic {
  sentBytes: number;
  receivedBytes: number;
  /** Datagrams that answered nothing: late ones as a rule. */
  strays: number;
}

/** Makes a client. Rejects when there can be none: no handshake, no socket. */
export type OpenLoadClient = (events: LoadEvents) => Promise<LoadClient>;
