/**
 * What a rejected promise of a client holds.
 *
 * @module
 */

import type { HandshakeFailure } from '../core/dtls/dtls-layer.ts';
import type { UploadPosition } from '../core/request-response/request-response-layer.ts';

/** Causes, for `switch (error.code)`. Misuse of the API is an `ApiMisuseError` instead. */
export type ErrorCode =
  /** No response in time. */
  | 'ERR_TIMEOUT'
  /** The server answered with a Reset. */
  | 'ERR_RESET'
  /** The caller's AbortSignal fired. */
  | 'ERR_ABORTED'
  /** The client was closed. */
  | 'ERR_CLOSED'
  /** The connection over TCP, TLS or WebSocket ended before the response came, or the server wants none for now. */
  | 'ERR_CONNECTION'
  /** The DTLS association ended before the response came. */
  | 'ERR_ASSOCIATION_CLOSED'
  /** No association could be made. */
  | 'ERR_HANDSHAKE'
  /** There are no credentials for this server, or the server did not accept them. */
  | 'ERR_CREDENTIALS'
  /** The host name has no address. */
  | 'ERR_ADDRESS'
  /** Nobody listens there, or the system refused the socket. */
  | 'ERR_NETWORK'
  /** Too many requests are under way. */
  | 'ERR_BUSY'
  /** The server asked for time (5.03, 4.29) that is not over: the request was not sent; `retryAfterMs` says how long. */
  | 'ERR_RETRY_LATER'
  /** A later reading took the place of this one before it was sent. */
  | 'ERR_SUPERSEDED'
  /** A block-wise transfer could not be completed (RFC 7959). */
  | 'ERR_BLOCKWISE'
  /** The Security Context cannot protect the request, or what came as an answer was not protected (RFC 8613). */
  | 'ERR_OSCORE'
  /** The response breaks a rule of CoAP. */
  | 'ERR_BAD_RESPONSE'
  /** A kept association cannot be used, or not be kept. */
  | 'ERR_ASSOCIATION_STATE'
  /** A defect of this library; `cause` says which. */
  | 'ERR_DEFECT';

/** The cause, the value it happened with, and what to do next. Never holds key material. */
export class CoapsuleError extends Error {
  override readonly name = 'CoapsuleError';
  readonly code: ErrorCode;
  /** One sentence for people: what to try. */
  readonly nextStep: string;
  /** What the handshake failed with, on `ERR_HANDSHAKE` and `ERR_CREDENTIALS`. */
  readonly handshake: HandshakeFailure | undefined;
  /** On `ERR_RETRY_LATER`: when the server may be asked again, in milliseconds from the failure on. */
  readonly retryAfterMs: number | undefined;
  /**
   * On an error of a connection over TCP, TLS or WebSocket, and of `Request.ask` among workers: whether the request was sent
   * before it ended, so that the server may have carried it out. Requests that do no harm when they are carried out twice were repeated once by then.
   */
  readonly mayHaveBeenCarriedOut: boolean | undefined;
  /** How far a `resumable` upload has come: `resumeFrom` of the request that goes on with it. */
  readonly upload: UploadPosition | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    nextStep: string,
    details: {
      readonly cause?: unknown;
      readonly handshake?: HandshakeFailure;
      readonly retryAfterMs?: number;
      readonly upload?: UploadPosition;
      readonly mayHaveBeenCarriedOut?: boolean;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.nextStep = nextStep;
    this.handshake = details.handshake;
    this.retryAfterMs = details.retryAfterMs;
    this.upload = details.upload;
    this.mayHaveBeenCarriedOut = details.mayHaveBeenCarriedOut;
  }
}
