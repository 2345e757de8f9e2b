/**
 * Carries out a request once, also over a restart: nothing happens because of a record, or a request, that could not
 * be told from a repeated one after a crash.
 *
 * Records are told by the edge of their association's replay window, requests by Message ID and token (RFC 7252 §4.2,
 * §4.5): a retransmission is another record. Within one process the message layer does the latter.
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import type { AssociationId } from '../core/dtls/dtls-output.ts';
import type { AssociationKeeper } from './association-keeper.ts';
import { bodyForCore } from './body-input.ts';
import type { Eventual } from './eventual.ts';
import { type Answer, decodeAnswer } from './kept-answer.ts';
import type { Request } from './request.ts';
import { failure, responseOptions, type ServerResponse } from './server-response.ts';

/** Who carries requests out. */
interface Handler {
  /** Never throws or rejects. */
  answer(request: Request): Eventual<HandledAnswer>;
  /** Whether what the request changes goes to the store of the associations. */
  effectsInStore(request: Request): boolean;
}

/** An answer, and whether a handler ran for it, now or before. */
export interface HandledAnswer {
  readonly answer: Answer;
  /** False: the request had no effect, and its answer need not be kept for duplicates. */
  readonly handled: boolean;
  /** False: it begins no observation, or ends it. */
  readonly observe?: boolean;
}

/** Nothing was done; the peer may try again (RFC 7252 §5.9.3.4). */
const unavailable = failure(Code.ServiceUnavailable, undefined, { maxAgeSeconds: 30 });

/** Not 5.03: whoever tries again should know that it may be for the second time. */
const interrupted = failure(
  Code.InternalServerError,
  'a restart came in between: it may have been carried out',
);

/** Waits for what has to be durable, then runs the handler; or answers as an earlier process did. Never rejects. */
export function answerOnce(
  request: Request,
  association: AssociationId | undefined,
  keeper: AssociationKeeper | undefined,
  handler: Handler,
): Eventual<HandledAnswer> {
  if (association === undefined || keeper === undefined || handler.effectsInStore(request)) {
    return handler.answer(request);
  }
  return answerKeptOnce(request, association, keeper, handler);
}

async function answerKeptOnce(
  request: Request,
  association: AssociationId,
  keeper: AssociationKeeper,
  handler: Handler,
): Promise<HandledAnswer> {
  try {
    const before = await keeper.admission(association, request);
    if (before !== undefined) {
      const kept = before.answer && decodeAnswer(before.answer);
      return { answer: kept ?? answerOf(interrupted), handled: true };
    }
  } catch {
    // It was reported.
    return { answer: answerOf(unavailable), handled: false };
  }
  const handled = await handler.answer(request);
  keeper.answered(association, request, handled.answer);
  return handled;
}

function answerOf(response: ServerResponse): Answer {
  return { code: response.code, options: responseOptions(response), ...bodyForCore(response.payload) };
}
