/**
 * The first block of a response whose body the application hands over: what is waited for before there is a message.
 *
 * RFC 7959 §2.4. Later blocks are in `later-blocks.ts`; how the bytes are asked for is in `body-supply.ts`.
 *
 * @module
 */

import { blockSize } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import { OptionSet } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import type { BodyWaiter } from './body-supply.ts';
import type { Content, ReadyResponse, ServerExchange, ServerResponse } from './exchange.ts';
import { OutgoingBody } from './outgoing-body.ts';
import { largestBlock } from './request-response-config.ts';
import { sizeOfBlock } from './response-message.ts';
import type { RoleContext } from './role-context.ts';

/**
 * Calls `then` with the response as soon as it can be sent: at once where it has no such body. A body of a single block
 * is then a whole one; one that cannot be had is answered 5.00. Meanwhile `exchange.body` is set.
 */
export function awaitFirstBlock(
  context: RoleContext,
  exchange: ServerExchange,
  { body: source, ...response }: ServerResponse,
  now: Instant,
  then: (ready: ReadyResponse, now: Instant) => void,
): void {
  if (source === undefined) {
    then(response, now);
    return;
  }
  const { supply } = context;
  const { block2, peer } = exchange;
  const offset = block2 === undefined ? 0 : block2.num * blockSize(block2.szx);
  const size = sizeOfBlock(largestBlock(context.config, peer), block2);
  const body = OutgoingBody.from(source, offset);
  exchange.body = body;
  const waiter: BodyWaiter = {
    ready: (slice, at) => {
      delete exchange.body;
      if (slice.more || offset > 0) {
        then({ ...response, body }, at);
        return;
      }
      const payload = slice.payload.slice();
      supply.release(body);
      then({ ...response, payload }, at);
    },
    failed: (_, at) => {
      delete exchange.body;
      const { keepAnswer } = response;
      then({ ...bodyUnavailable, keepAnswer }, at);
    },
  };
  if (!body.endsBefore(offset)) {
    supply.want(body, offset, size, waiter, now);
    return;
  }
  // Behind the end: answered 4.00, for which nothing has to be read.
  delete exchange.body;
  then({ ...response, body }, now);
  supply.release(body);
}

/** A body of the application's that it could not hand over. */
export const bodyUnavailable: Content = {
  code: Code.InternalServerError,
  options: new OptionSet(),
  payload: encodeUtf8('the body cannot be read'),
};
