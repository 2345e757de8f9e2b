/**
 * The server's side of Q-Block: both options together, as an endpoint has both or neither.
 *
 * RFC 9177. Puts request bodies together, asks for their missing blocks, and sends response bodies in sets. Not over
 * reliable transports, not to groups (§4.8), not for requests that are passed on, and of responses only those that are
 * whole: a body that is handed over goes in the blocks of RFC 7959. To an address that nothing proves goes one block for
 * one request, as no set of ten may be had for a few bytes (RFC 7252 §11.3).
 *
 * @module
 */

import { type BlockOption, blockSize, encodeBlock, maxBlockNumber } from '../coap/block-option.ts';
import { Code, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { equalBytes, noBytes } from '../foundation/bytes.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import type { Content, ExchangeId, PeerKey, Representation, ServerExchange } from './exchange.ts';
import { encodeMissingBlocks, missingBlocksFormat } from './missing-blocks.ts';
import { QBlock1Bodies, type QBlockVerdict } from './q-block1-bodies.ts';
import { type QBlock2Transfer, QBlock2Transfers } from './q-block2-transfers.ts';
import type { RequestBodyBudget } from './request-body-budget.ts';
import { requestBodyKey } from './resource-key.ts';
import type { BodyName, ResponseBodies } from './response-bodies.ts';
import { bodyName, withoutOwnOptions } from './response-message.ts';
import { isUnwanted } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';

/** A block of a request's body, in the request that brings it. */
export interface QBlockArrival {
  readonly peer: PeerKey;
  readonly code: Code;
  readonly token: Uint8Array;
  readonly confirmable: boolean;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
}

/** Whom blocks of a response go to. */
export interface QBlockRecipient {
  readonly peer: PeerKey;
  readonly token: Uint8Array;
  readonly type: 'CON' | 'NON';
}

/** Blocks of a response: the message of the first, and what sends the others. */
export interface QBlockResponse {
  readonly content: Content;
  readonly rest: Pick<QBlock2Transfer, 'response' | 'sequence' | 'szx' | 'numbers' | 'next'>;
}

/** Q-Block at a server. */
export class QBlockServer {
  readonly #context: RoleContext;
  readonly #responseBodies: ResponseBodies;
  readonly requestBodies: QBlock1Bodies;
  readonly transfers: QBlock2Transfers;

  constructor(context: RoleContext, responseBodies: ResponseBodies, budget: RequestBodyBudget) {
    const { config, counters, outputs, random, addressLimit } = context;
    this.#context = context;
    this.#responseBodies = responseBodies;
    this.requestBodies = new QBlock1Bodies(budget, config.qBlock, counters, {
      newId: context.newId,
      ended: (exchange) => outputs.push({ kind: 'exchange-ended', exchange }),
    });
    this.transfers = new QBlock2Transfers(config.qBlock, random, {
      send: ({ id, peer, token, type, response, szx, sequence }, num) => {
        const message = { ...qBlockMessage(response, num, szx, sequence), token };
        outputs.push({ kind: 'send-response', peer, exchange: id, type, message, keepAnswer: false });
      },
      mayGoOn: ({ peer, response }, now) =>
        addressLimit.allowance(peer, now) === Infinity && responseBodies.holds(response),
      ended: (exchange) => outputs.push({ kind: 'exchange-ended', exchange }),
    });
  }

  /** Takes a block of a request's body. */
  receive(arrival: QBlockArrival, block: BlockOption, limitBytes: number, now: Instant): QBlockVerdict {
    const { peer, code, token, confirmable, options, payload } = arrival;
    return this.requestBodies.receive(
      {
        ...{ key: requestBodyKey(peer, code, options), peer, token, confirmable, block, payload, limitBytes },
        contentFormat: options.first(OptionNumber.ContentFormat),
        size1: options.uint(OptionNumber.Size1) as number,
        isProved: this.#context.addressLimit.allowance(peer, now) === Infinity,
      },
      now,
    );
  }

  /** The response to a request is there; kept for repetitions of its last block. */
  answered({ peer, code, options }: ServerExchange, answer: Content): void {
    this.requestBodies.answered(requestBodyKey(peer, code, options), answer);
  }

  /** Whether a response is to go as Q-Blocks, to an address that is proved. `szx` is the largest size we send. */
  isWanted({ wish, options }: ServerExchange, { code, payload, body }: Representation, szx: number): boolean {
    if (wish === undefined || body !== undefined || !isSuccessCode(code) || isUnwanted(options, code))
      return false;
    const size = blockSize(Math.min(szx, wish.szx));
    const isSmall = payload.length <= size && wish.first === 0;
    if (isSmall || payload.length > (maxBlockNumber + 1) * size) return false;
    if (wish.kind !== 'whole' && wish.szx > szx) return false;
    return wish.first * size < payload.length;
  }

  /** A response as Q-Blocks; `undefined` when it is to go in another way. `szx` is the largest size we send. */
  represent(
    exchange: ServerExchange,
    response: Representation,
    sequence: number | undefined,
    szx: number,
    now: Instant,
  ): QBlockResponse | undefined {
    const { wish, peer } = exchange;
    if (wish === undefined || !this.isWanted(exchange, response, szx)) return undefined;
    if (this.#context.addressLimit.allowance(peer, now) !== Infinity) return undefined;
    const used = Math.min(szx, wish.szx);
    const size = blockSize(used);
    const kept = this.#responseBodies.keep(
      qBlockBodyName(exchange),
      peer,
      withoutOwnOptions(response),
      size,
      now,
    );
    return blocksOf(kept, wish.kind === 'blocks' ? wish.numbers : undefined, wish.first, used, sequence);
  }

  /**
   * Later blocks of a response that is kept. `undefined`: no such block; `going`: they are on their way, as the client
   * says Continue.
   */
  later(
    exchange: Pick<ServerExchange, 'peer' | 'wish'>,
    kept: Representation,
    now: Instant,
  ): QBlockResponse | 'going' | undefined {
    const { peer, wish } = exchange;
    if (wish === undefined || wish.first * blockSize(wish.szx) >= kept.payload.length) return undefined;
    if (
      wish.kind === 'continue' &&
      this.transfers.goOn(peer, (response) => response === kept, wish.first, now)
    ) {
      return 'going';
    }
    // §4.4, Figure 10: a Continue when nothing is on its way is for the set that it names. The rest of the body for each one
    // that was late would be most of the body many times.
    const { maxPayloads } = this.#context.config.qBlock;
    const set = Array.from({ length: maxPayloads }, (_, i) => wish.first + i);
    return blocksOf(kept, wish.kind === 'blocks' ? wish.numbers : set, wish.first, wish.szx, undefined);
  }

  /** The first block has gone: sends the others, instead of what still goes to this token. */
  begin({ peer, token, type }: QBlockRecipient, { rest }: QBlockResponse, now: Instant): void {
    this.transfers.endIf(peer, (other) => equalBytes(other.token, token));
    // A detached token: it may be a view of a datagram.
    const transfer = { ...rest, id: this.#context.newId(), peer, token: token.slice(), type };
    this.transfers.begin(transfer, 1, now);
  }

  /** A message of a transfer was acknowledged. */
  acknowledged(id: ExchangeId, now: Instant): void {
    this.transfers.acknowledged(id, now);
  }

  /** A message was reset: the client wants nothing more of it. */
  rejected(id: ExchangeId): void {
    this.transfers.failed(id);
    this.requestBodies.rejected(id);
  }

  /** A message was given up, or never sent. */
  failed(id: ExchangeId): void {
    this.transfers.failed(id);
  }

  /** Forgets everything about a peer that is gone. */
  forgetPeer(peer: PeerKey): void {
    this.requestBodies.forgetPeer(peer);
    this.transfers.endIf(peer, () => true);
  }

  handleTimeout(now: Instant): void {
    const { outputs } = this.#context;
    for (let due = this.requestBodies.expire(now); due !== undefined; due = this.requestBodies.expire(now)) {
      const { peer, exchange, token, numbers } = due;
      const message = { ...missingBlocks(numbers), token };
      const output = { kind: 'send-response', peer, exchange, type: 'NON', message } as const;
      outputs.push({ ...output, keepAnswer: false, isProbing: true });
    }
    this.transfers.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.requestBodies.nextTimeout(), this.transfers.nextTimeout());
  }
}

/** 4.08 with the numbers of blocks that are missing (§5). */
export function missingBlocks(numbers: readonly number[]): Content {
  const options = new OptionSet().set(OptionNumber.ContentFormat, missingBlocksFormat);
  return { code: Code.RequestEntityIncomplete, options, payload: encodeMissingBlocks(numbers) };
}

/** 2.31 for a set of blocks, all of which are there. */
export function qBlockContinue(block: BlockOption): Content {
  const options = new OptionSet().set(OptionNumber.QBlock1, encodeBlock(block));
  return { code: Code.Continue, options, payload: noBytes };
}

/**
 * What names a response body in Q-Blocks to a request. Requests for missing blocks may come without the Request-Tag of
 * the body that the first one brought (RFC 9177 Figure 12); where they have it (Figure 15), it tells apart what would look
 * the same, such as two FETCHes of one resource.
 */
export function qBlockBodyName({
  peer,
  code,
  options,
  payload,
}: Pick<ServerExchange, 'peer' | 'code' | 'options' | 'payload'>): BodyName {
  const nameless = OptionSet.from(options.entries()).delete(OptionNumber.RequestTag);
  const { key, query } = bodyName(peer, code, { options: nameless, payload });
  return { key, query: options.first(OptionNumber.RequestTag) ?? query };
}

function blocksOf(
  response: Representation,
  listed: readonly number[] | undefined,
  first: number,
  szx: number,
  sequence: number | undefined,
): QBlockResponse {
  const numbers = listed?.filter((num) => num * blockSize(szx) < response.payload.length);
  const next = numbers === undefined ? first + 1 : 1;
  return {
    content: qBlockMessage(response, first, szx, sequence),
    rest: { response, sequence, szx, numbers, next },
  };
}

/** §4.4 to §4.6: each block carries ETag, Size2 and, where one is observed, the same Observe. */
function qBlockMessage(
  { code, options: all, payload }: Representation,
  num: number,
  szx: number,
  sequence: number | undefined,
): Content {
  const size = blockSize(szx);
  const end = (num + 1) * size;
  const options = OptionSet.from(all.entries());
  options.set(OptionNumber.QBlock2, encodeBlock({ num, more: end < payload.length, szx }));
  options.set(OptionNumber.Size2, payload.length);
  // RFC 7641 §4.4: the 24 least significant bits.
  if (sequence !== undefined) options.set(OptionNumber.Observe, sequence % 2 ** 24);
  return { code, options, payload: payload.subarray(num * size, end) };
}
