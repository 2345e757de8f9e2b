/**
 * What binds responses to their request: its `kid` and Partial IV, and what was done with its nonce.
 *
 * RFC 8613 §7.1, §8: each endpoint keeps it with the token until the last response, for an observation as long as that
 * lasts. §5.2: a response without a Partial IV takes the nonce of the request, which one response may do. §7.4.1: the order
 * of notifications.
 *
 * @module
 */

import { additionalData } from './additional-data.ts';
import { deriveNonce } from './partial-iv.ts';
import type { SecurityContext } from './security-context.ts';

/** What the Observe option of a request asks for (RFC 7641 §2). */
export type ObserveRequest = 'register' | 'deregister';

/** The header of a request that its responses depend on. */
export interface RequestReference {
  /** Sender ID of the client. */
  readonly kid: Uint8Array;
  /** 1 … 5 bytes, as sent. */
  readonly partialIv: Uint8Array;
  readonly observe: ObserveRequest | undefined;
}

/** The client's side of a request that waits for responses. Changed by `verifyResponse`. */
export class ClientBinding {
  readonly context: SecurityContext;
  readonly request: RequestReference;
  /** Of the context that the request was protected with, whichever the response is under (§8.4). */
  readonly #input: RequestInput;
  /** The highest Partial IV of its notifications: the Notification Number (RFC 8613 §7.4.1). */
  notificationNumber: number | undefined;
  /** A response with the nonce of the request has come; no other is taken. */
  nonceSeen = false;
  /** The last response has come. */
  answered = false;

  constructor(
    context: SecurityContext,
    request: RequestReference,
    input: RequestInput = requestInput(context, request.kid, request.partialIv),
  ) {
    this.context = context;
    this.request = request;
    this.#input = input;
  }

  get additionalData(): Uint8Array {
    return this.#input.additionalData;
  }

  get requestNonce(): Uint8Array {
    return this.#input.nonce;
  }

  /** The same request, answered under another context of the same algorithm (Appendix B.2 step 3). */
  under(context: SecurityContext): ClientBinding {
    return new ClientBinding(context, this.request, this.#input);
  }
}

/** What a request is encrypted with besides its key, and its responses are bound to. */
export interface RequestInput {
  readonly nonce: Uint8Array;
  readonly additionalData: Uint8Array;
}

/**
 * What a request is encrypted with.
 *
 * @param kid Sender ID of the client.
 * @param partialIv 1 … 5 bytes, as sent.
 */
export function requestInput(
  { aead, commonIv }: SecurityContext,
  kid: Uint8Array,
  partialIv: Uint8Array,
): RequestInput {
  return {
    nonce: deriveNonce(commonIv, kid, partialIv),
    additionalData: additionalData(aead.number, kid, partialIv),
  };
}

/** The server's side of a verified request. Changed by `protectResponse`. */
export class ServerBinding {
  readonly context: SecurityContext;
  /** Of the context that the request was protected with, whichever the response is under (§8.3). */
  readonly #input: RequestInput;
  /** The number that the Partial IV of the request stands for. */
  readonly sequenceNumber: number;
  readonly observe: ObserveRequest | undefined;
  /** No response may take the nonce of the request any more. */
  #nonceSpent: boolean;

  /** @param nonceUsable False when the request may have been received before: it may be answered with own numbers only. */
  constructor(
    context: SecurityContext,
    input: RequestInput,
    sequenceNumber: number,
    observe: ObserveRequest | undefined,
    nonceUsable: boolean,
  ) {
    this.context = context;
    this.#input = input;
    this.sequenceNumber = sequenceNumber;
    this.observe = observe;
    this.#nonceSpent = !nonceUsable;
  }

  get additionalData(): Uint8Array {
    return this.#input.additionalData;
  }

  /**
   * The nonce of the request, for one response.
   *
   * @returns `undefined` when it was taken already; and as long as no record covers the request, since after a crash it
   *          would be taken for new and answered again, with the same nonce.
   */
  takeRequestNonce(): Uint8Array | undefined {
    if (this.#nonceSpent || !this.context.mayDeliver(this.sequenceNumber)) return undefined;
    this.#nonceSpent = true;
    return this.#input.nonce;
  }
}
