/**
 * Client side of an Exchange: what is remembered from the request to its last response.
 *
 * RFC 7252 §5.2. Changed by `client-role.ts`, and by those to whom it gives an Exchange, as `q-block-client.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize } from '../coap/block-option.ts';
import { type Code, isSafeRequest } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import type { DurationMs } from '../foundation/instant.ts';
import type { Block1Upload } from './block1-upload.ts';
import { Block2Download } from './block2-download.ts';
import type { ClientRequest, Content, ExchangeId, PeerKey } from './exchange.ts';
import type { Observation } from './observe-client.ts';
import { OutgoingBody } from './outgoing-body.ts';
import type { QBlock1Upload } from './q-block1-upload.ts';
import type { QBlock2Download } from './q-block2-download.ts';
import { mayBeSilent, wantsNoResponse } from './response-suppression.ts';

/** What goes on in Q-Blocks at a client (RFC 9177). */
export interface QBlockState {
  /**
   * `probing`: a request of its own finds out whether the server speaks Q-Block, before a body goes; `uploading`: the
   * request's body goes; `asking`: the request was sent; `downloading`: the response, or a notification, comes or has come.
   */
  phase: 'probing' | 'uploading' | 'asking' | 'downloading';
  /** It is not known whether the server speaks Q-Block: messages are Confirmable until it is (§4.1). */
  tries: boolean;
  /** The server has shown in this Exchange that it does. */
  confirmed: boolean;
  upload?: QBlock1Upload;
  /** Names the request's body (§4.3), also when that has gone. */
  requestTag?: Uint8Array;
  /** Which block was sent with which token, by `byteKey`, the oldest first. */
  sent: Map<string, number>;
  /** Blocks that went again with an Echo. */
  echoed: Set<number>;
  download?: QBlock2Download;
  /** Observe value of the notification that it is (§4.5). */
  sequence?: number | undefined;
  /** The body that was under way before the representation changed: what is late of it is passed over. */
  former?: QBlock2Download;
  /** A message for missing blocks is with the message layer. */
  outstanding: boolean;
  /** How often the request went again, as nothing came. */
  repeated: number;
}

/** Client side of an Exchange. */
export interface ClientExchange {
  readonly kind: 'client';
  readonly id: ExchangeId;
  readonly peer: PeerKey;
  readonly secure: boolean;
  readonly code: Code;
  readonly type: 'CON' | 'NON';
  /** The caller's options, with Observe when an observation is wanted. */
  readonly options: OptionSet;
  /** The whole body; empty as long as it is handed over. */
  payload: Uint8Array;
  /** The body that is handed over. */
  readonly body: OutgoingBody | undefined;
  /** Waits for a part of its body before the next message. */
  awaitingBody: boolean;
  /** The Request-Tag of a body that may go on later. */
  readonly requestTag: Uint8Array | undefined;
  /** The response is handed over block by block. */
  readonly streamResponse: boolean;
  /** How long the server may take; of bodies that are handed over both ways, with each block that it is to take. */
  readonly timeoutMs: DurationMs | undefined;
  /** The caller wants one block of the response. */
  readonly singleBlock: boolean;
  /** A part of the response was handed over; the rest, from this block on, when the caller has taken it. */
  handedOver?: { readonly next: BlockOption | undefined };
  /** Largest size exponent to use and to ask for. */
  readonly szx: number;
  /** Bytes in the blocks of a request body: 16 … 1024, or a multiple of 1024 with the size exponent of BERT. */
  readonly blockBytes: number;
  /** Blocks that come may be BERT ones: the transport is reliable (RFC 8323 §6). */
  readonly bert: boolean;
  /** Tells the operation from others like it; a fetch for an observation is part of its operation. */
  operation?: string;
  /** The response is for another client: options that are safe to forward need not be understood (RFC 7252 §5.7.1). */
  readonly forwarded: boolean;
  /** The caller gave the token: all messages of the Exchange carry it. */
  readonly ownToken: boolean;
  /** The token of the latest request message, or of the observation. */
  token: Uint8Array;
  /** The latest request message, without its Echo. */
  latest?: Content;
  /** It was sent once more for an Echo, and nothing was achieved since: not again. */
  repeatedForEcho?: boolean;
  /** Its download was begun again for larger blocks, once an Echo had proved our address. */
  fetchedLarger?: boolean;
  /** A request message is with the message layer. */
  outstanding: boolean;
  upload?: Block1Upload;
  /** A request message of it was repeated. */
  retransmitted: boolean;
  /** The body went in blocks: a request without it does not begin the operation again. */
  uploaded: boolean;
  download?: Block2Download;
  observation?: Observation;
  /** While a registration was outstanding, something came that may have been its answer: it need not be answered again. */
  answeredEarly: boolean;
  /** What silence means: at the client's own wish some responses, or all, are not sent (RFC 7967 §2.1). */
  readonly silence: 'loss' | 'possible' | 'wanted';
  /** The request message was acknowledged without a response. */
  acknowledged: boolean;
  /** Bodies go and come in Q-Blocks where the server speaks them (RFC 9177). */
  readonly wantsQBlock: boolean;
  /** What goes on in Q-Blocks. Changed by `q-block-client.ts` only. */
  qBlock?: QBlockState;
  /** `cancel` was called on an observation: the next answer ends the Exchange. */
  deregistering: boolean;
  /** The Exchange fetches the rest of a notification's body for this observation. */
  readonly parent?: ClientExchange;
  /** The fetch of a notification's body in progress. */
  fetch?: ClientExchange;
}

/** A new Exchange for a request of the caller's. `options` are its own copy. */
export function exchangeFor(
  id: ExchangeId,
  peer: PeerKey,
  request: ClientRequest,
  rest: Pick<ClientExchange, 'options' | 'szx' | 'blockBytes' | 'bert' | 'token' | 'requestTag'> &
    Partial<Pick<ClientExchange, 'wantsQBlock'>>,
): ClientExchange {
  return {
    kind: 'client',
    id,
    peer,
    secure: request.secure,
    code: request.code,
    type: request.type,
    payload: request.payload,
    body: request.body && OutgoingBody.from(request.body, request.resume?.nextByte),
    awaitingBody: false,
    streamResponse: request.streamResponse === true,
    timeoutMs: request.timeoutMs,
    singleBlock: request.singleBlock !== undefined,
    wantsQBlock: false,
    ...rest,
    forwarded: request.forwarded === true,
    ownToken: request.token !== undefined,
    silence: wantsNoResponse(rest.options) ? 'wanted' : mayBeSilent(rest.options) ? 'possible' : 'loss',
    outstanding: false,
    acknowledged: false,
    retransmitted: false,
    uploaded: false,
    answeredEarly: false,
    deregistering: false,
  };
}

/** A new Exchange that fetches the rest of a notification's body (RFC 7959 §2.6). */
export function fetchFor(
  parent: ClientExchange,
  id: ExchangeId,
  token: Uint8Array,
  maxBodyBytes: number,
): ClientExchange {
  const { peer, secure, code, type, payload, szx, blockBytes, bert, streamResponse } = parent;
  return {
    kind: 'client',
    id,
    peer,
    secure,
    code,
    type,
    payload,
    body: undefined,
    awaitingBody: false,
    requestTag: undefined,
    streamResponse,
    timeoutMs: undefined,
    singleBlock: false,
    wantsQBlock: false,
    szx,
    blockBytes,
    bert,
    token,
    options: OptionSet.from(parent.options.entries()).delete(OptionNumber.Observe),
    forwarded: parent.forwarded,
    ownToken: false,
    silence: 'loss',
    outstanding: false,
    acknowledged: false,
    retransmitted: false,
    uploaded: false,
    answeredEarly: false,
    deregistering: false,
    download: new Block2Download({
      szx,
      bert,
      maxBytes: maxBodyBytes,
      mayRestart: true,
      inParts: streamResponse,
    }),
    parent,
  };
}

/**
 * Whether to begin a download again: the server sends small blocks while our address is unproved (RFC 9175 §2.4), and
 * the Echo that proves it has just come. Only once, and where less than a block of ours would come twice.
 */
export function mayFetchLarger(exchange: ClientExchange, response: Content, next: BlockOption): boolean {
  if (exchange.forwarded || !response.options.has(OptionNumber.Echo) || next.szx >= exchange.szx)
    return false;
  if (exchange.fetchedLarger || exchange.uploaded || !isSafeRequest(exchange.code)) return false;
  return next.num * blockSize(next.szx) < blockSize(exchange.szx);
}
