/**
 * One message of a client that is sent by its purpose, and what became of it.
 *
 * What a purpose means for the type and the queue is decided in purposeful-sending.ts.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import type { MessagePurpose } from '../core/coap/message-purpose.ts';
import { awaitedExchange } from './awaited-exchange.ts';
import { CoapsuleError } from './errors.ts';
import { outgoingRequest } from './outgoing-request.ts';
import { queueFor, type SendOptions, type SendPlan, type SendResult } from './purposeful-sending.ts';
import type { Response } from './response.ts';
import type { ServerReach } from './server-reach.ts';

/**
 * Sends a message; see `Client.send`.
 *
 * @throws as `awaitedExchange`, but for `ERR_SUPERSEDED`, which is an outcome.
 */
export async function purposefulExchange(
  server: ServerReach,
  purpose: MessagePurpose,
  method: Method,
  uri: string,
  options: SendOptions,
): Promise<SendResult> {
  let plan: SendPlan | undefined;
  let outcome: SendResult['outcome'] = 'answered';
  let response: Response | undefined;
  try {
    response = await awaitedExchange(server, uri, options, ({ link, targetOptions }, observer) => {
      plan ??= link.plan(purpose, options);
      const isForgotten = purpose === 'telemetry' && plan.type === 'NON';
      const request = outgoingRequest(method, targetOptions(), {
        ...options,
        confirmable: plan.type === 'CON',
        // A response that nobody reads need not be sent (RFC 7967).
        ...(isForgotten && options.noResponse === undefined ? { noResponse: 'all' } : {}),
      });
      if (isForgotten) outcome = 'sent';
      const expectResponse = outcome === 'answered';
      const queue = queueFor(purpose, method, uri);
      return link.request({ ...request, ...queue, expectResponse }, observer, true);
    });
  } catch (error) {
    if (!(error instanceof CoapsuleError) || error.code !== 'ERR_SUPERSEDED') throw error;
    outcome = 'superseded';
  }
  if (response?.silent === true) outcome = 'sent';
  const { type, reason, warnings, networkLoss } = plan as unknown as SendPlan;
  return {
    purpose,
    type,
    reason,
    warnings,
    networkLoss,
    outcome,
    response: outcome === 'answered' ? response : undefined,
  };
}
