/**
 * What a listener asks its server about requests: how to answer them, and what holds for each before it is answered.
 *
 * @module
 */

import type { OptionReader } from '../core/coap/option-set.ts';
import type { BodyRequest, RequestRoute } from '../core/request-response/request-response-layer.ts';
import type { GroupPolicy } from '../core/request-response/response-suppression.ts';
import type { Eventual } from './eventual.ts';
import type { Listener } from './open-listener.ts';
import type { Request } from './request.ts';
import type { HandledAnswer } from './request-once.ts';

/** What a server does with a request. */
export interface RequestHandler {
  /** Never throws or rejects. */
  answer(request: Request): Eventual<HandledAnswer>;
  /** Whether an observation of this request's resource is possible. */
  observable(request: Request): boolean;
  /** Whether the notifications of this registration are all Confirmable. */
  confirmableNotifications(registration: BodyRequest): boolean;
  /** Whether what the request changes goes to the store of the associations. */
  effectsInStore(request: Request): boolean;
  /** Whether this server serves the request, which came to `listener`, or passes it on. Never throws. */
  route(request: BodyRequest, listener: Listener): RequestRoute;
  /** What `Listener.notify` calls the resource of a request. */
  resourceName(options: OptionReader): string;
  /** Whether this request is acknowledged with its answer alone. */
  acknowledgeWithAnswer(request: BodyRequest): boolean;
  /** Largest body this request may have; more is answered 4.13. */
  maxBodyBytes(request: BodyRequest): number;
  /** How requests to a group are dealt with; `undefined` for those that are passed over. */
  groupPolicy(request: BodyRequest): GroupPolicy | undefined;
  /** How old an unsafe request may be, in milliseconds; `undefined` for any age. */
  freshWithinMs(request: BodyRequest): number | undefined;
  /** Largest body in one message. */
  maxPayloadBytes(request: BodyRequest): number;
  /** Whether the handler of this request reads its body as it comes. */
  streamRequestBody(request: BodyRequest): boolean;
  /** A handler, a look-up or the socket failed: for the log. Never throws. */
  onError(error: unknown): void;
  /** The listener is closing, by its own `close` or its server's. */
  onClosed(listener: Listener): void;
}
