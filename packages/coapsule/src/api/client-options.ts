/**
 * What a client can be told.
 *
 * @module
 */

import type { UploadPosition } from '../core/request-response/request-response-layer.ts';
import type { ResponseClass } from '../core/request-response/response-suppression.ts';
import type { BodyInput } from './body-input.ts';
import type { ClientCredentialOptions } from './credential-options.ts';
import { type EndpointOptions, endpointOptionNames } from './endpoint-options.ts';
import type { KeepAssociation } from './kept-association.ts';
import type { OptionNames } from './known-options.ts';
import type { OscoreContext } from './oscore-context.ts';
import type { OptionInput } from './server-response.ts';

/** A pre-shared key and the identity it is known by (RFC 4279). */
export interface PskCredential {
  /** Text is sent as UTF-8; 0 to 65,535 bytes, of which every server takes 128 (RFC 4279 §5.3). */
  readonly identity: string | Uint8Array;
  /** 1 byte or more; 16 random bytes or more to be safe. */
  readonly key: Uint8Array;
}

/** Where a credential is asked for, with the hint the server gave. */
export interface PskRequest {
  readonly host: string;
  readonly port: number;
  readonly hint: string | undefined;
}

/** A forward-proxy, and how it is told what is wanted. */
export interface ProxyOptions {
  /** Scheme, host and port; no path. */
  readonly uri: string;
  /**
   * Option that names the target: `Proxy-Uri` (default; longer URIs go by Proxy-Scheme), or `Proxy-Scheme` with the
   * Uri-* options, for proxies that understand nothing else.
   */
  readonly form?: 'Proxy-Uri' | 'Proxy-Scheme';
}

/** How much a client keeps; see `ClientOptions.cache`. */
export interface CacheOptions {
  /** Responses; 1000 by default. */
  readonly maxEntries?: number;
  /** Bytes that they take; 16 MiB by default. */
  readonly maxBytes?: number;
}

/** Options of a client; each has a safe default. */
export interface ClientOptions extends EndpointOptions, ClientCredentialOptions {
  /** The pre-shared key for `coaps`, or where to find it. */
  readonly psk?:
    | PskCredential
    | ((server: PskRequest) => PskCredential | undefined | Promise<PskCredential | undefined>);
  /** Local address and port; by default what the system chooses. */
  readonly bind?: { readonly host?: string; readonly port?: number };
  /** The server name to announce in the handshake instead of the URI's host (RFC 6066 §3). */
  readonly serverName?: string;
  /**
   * The forward-proxy that requests are sent to (RFC 7252 §5.7.2), such as `coaps://gateway.example`; its credentials
   * are those of this client. Servers with a secured scheme are asked for through a secured proxy only.
   */
  readonly proxy?: string | ProxyOptions;
  /**
   * Keeps responses and answers equivalent requests from them (RFC 7252 §5.6). Off by default, since without Max-Age
   * a server's response is good for a minute, which many servers do not mean.
   */
  readonly cache?: boolean | CacheOptions;
  /**
   * Servers that it keeps a socket for; by default as many as it asked. When there would be more, the one that was not
   * asked for longest goes, with its association; when all have requests under way, the next one fails with `ERR_BUSY`.
   */
  readonly maxServers?: number;
  /**
   * Whether bodies go and come in sets of blocks, mostly Non-confirmable, where the server speaks Q-Block (RFC 9177): for
   * links that lose much, or answer late. Whether it does is found out with the first request to it; one that does not gets
   * the usual blocks. Off by default. RFC 9177 §11 advises it over `coaps` only, and it is for bodies that are whole: streams,
   * `resumable` uploads and requests with `token`, `noResponse` or `forwarded` go in the usual blocks, as does everything
   * under OSCORE and over TCP, TLS and WebSocket. `transmission.maxPayloads` must be the server's, as by default.
   */
  readonly qBlock?: boolean;
  /** Finds the addresses of a host name, IP literals, best first; by default the resolver of the system. */
  readonly lookUp?: (host: string) => Promise<readonly string[]>;
  /** Keeps the associations with servers, so that a later process goes on with them even after a crash. */
  readonly keepAssociation?: KeepAssociation;
  /** Protects all requests of this client from end to end (RFC 8613): for one server, as a context is. */
  readonly oscore?: OscoreContext;
}

/** The names of `ClientOptions`. */
export const clientOptionNames: OptionNames<Required<ClientOptions>> = {
  ...endpointOptionNames,
  psk: true,
  certificate: true,
  rawPublicKey: true,
  trustAnchors: true,
  peerPublicKeys: true,
  verifyPeer: true,
  deniedCertificates: true,
  dangerouslySkipVerification: true,
  bind: true,
  serverName: true,
  proxy: true,
  cache: true,
  maxServers: true,
  qBlock: true,
  lookUp: true,
  keepAssociation: true,
  oscore: true,
};

/** Options of one request. */
export interface RequestOptions {
  /** Text is sent as UTF-8; an iterable, a `ReadableStream` or a body of random access is read as it is sent (RFC 7959). */
  readonly payload?: BodyInput;
  /** Number or media type, such as 50 or `application/json`. */
  readonly contentFormat?: number | string;
  readonly accept?: number | string;
  /**
   * ETags of representations that the caller has, 1 to 8 bytes each: one that is still current is answered 2.03 without
   * its payload (RFC 7252 §5.10.6.2). With a `cache` the client does this by itself.
   */
  readonly etag?: Uint8Array | readonly Uint8Array[];
  /**
   * Only if the resource has one of these ETags now, against lost updates; an empty one: only if it exists. Else 4.12
   * (RFC 7252 §5.10.8.1).
   */
  readonly ifMatch?: Uint8Array | readonly Uint8Array[];
  /** True: only if the resource does not exist yet. Else 4.12 (RFC 7252 §5.10.8.2). */
  readonly ifNoneMatch?: boolean;
  /** False sends Non-confirmable: no acknowledgement, no retransmission (RFC 7252 §4.3). True by default. */
  readonly confirmable?: boolean;
  /** 16 … 1024: for this request and its response. */
  readonly blockSize?: number;
  /** Q-Block for this request, or not; without it as the client's `qBlock` says. */
  readonly qBlock?: boolean;
  /**
   * One block of the response and no more, such as `{ num: 3, size: 64 }` for bytes 192 … 255 (RFC 7959 §2.4);
   * `Response.block` says which came.
   */
  readonly singleBlock?: { readonly num: number; readonly size: number };
  /**
   * How often an upload in blocks goes on where it stopped when the server does not answer or the association ends; never
   * by default. It gets a Request-Tag of its own (RFC 9175 §3). `CoapsuleError.upload` says how far it came in the end.
   * A stream cannot be read again: it goes on by `resumeFrom` only.
   */
  readonly resumable?: number;
  /** Goes on with the upload of an earlier request or process; from its start if the server does not know it any more. */
  readonly resumeFrom?: UploadPosition;
  /** 0 to 8 bytes, or up to `maxTokenLength`; leave it out unless state is to travel in it (RFC 8974 §3). */
  readonly token?: Uint8Array;
  /** The forward-proxy for this request instead of the client's; false: none. */
  readonly proxy?: string | ProxyOptions | false;
  /** For proxies: the response may have critical options that are safe to forward (RFC 7252 §5.7.1). */
  readonly forwarded?: boolean;
  /** False: always asks the server; what it says is stored. */
  readonly cache?: boolean;
  /**
   * Protects this request and its response from end to end (RFC 8613), also through proxies; instead of the client's. What
   * is not protected with it is not taken for the response. It is not answered from the `cache`.
   */
  readonly oscore?: OscoreContext;
  /** Further options by number. */
  readonly options?: readonly OptionInput[];
  readonly signal?: AbortSignal;
  /** Gives up after so many milliseconds, handshake included; by default after MAX_TRANSMIT_WAIT (93 s). */
  readonly timeoutMs?: number;
  /**
   * What to do while the server wants to be left alone, because it answered 5.03, or 4.29 to such a request, and its
   * Max-Age is not over: fail at once with `ERR_RETRY_LATER` (default), wait until it is and send then, or send all
   * the same, for a person who wants to know (RFC 7252 §5.9.3.4, RFC 8516).
   */
  readonly whenBusy?: 'fail' | 'wait' | 'send';
  /**
   * Classes of responses that the server need not send: `[2]` for 2.xx, or `all` (RFC 7967). Silence then ends the request
   * with a response that is `silent`: at once for a Non-confirmable request without any response, with the
   * acknowledgement of a Confirmable one, else after 6 s or `timeoutMs`. A server that does not know the option answers.
   */
  readonly noResponse?: 'all' | readonly ResponseClass[];
}

/** What a request says, whichever way it goes. */
export type RequestContentOptions = Pick<
  RequestOptions,
  'payload' | 'contentFormat' | 'accept' | 'etag' | 'ifMatch' | 'ifNoneMatch' | 'options'
>;

/** The names of `RequestContentOptions`. */
export const requestContentOptionNames: OptionNames<Required<RequestContentOptions>> = {
  payload: true,
  contentFormat: true,
  accept: true,
  etag: true,
  ifMatch: true,
  ifNoneMatch: true,
  options: true,
};

/** The names of `RequestOptions`. */
export const requestOptionNames: OptionNames<Required<RequestOptions>> = {
  ...requestContentOptionNames,
  confirmable: true,
  blockSize: true,
  qBlock: true,
  singleBlock: true,
  resumable: true,
  resumeFrom: true,
  token: true,
  proxy: true,
  forwarded: true,
  cache: true,
  oscore: true,
  signal: true,
  timeoutMs: true,
  whenBusy: true,
  noResponse: true,
};
