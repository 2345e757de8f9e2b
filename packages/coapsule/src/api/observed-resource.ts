/**
 * How a client observes a resource (RFC 7641): it registers, and once more before the observation fails.
 *
 * What the caller holds of it is in observation.ts; the order of notifications, and renewal, in
 * core/request-response/observe-client.ts.
 *
 * @module
 */

import type { GiveUp, RequestObserver } from './client-link.ts';
import type { RequestOptions } from './client-options.ts';
import type { CoapsuleError } from './errors.ts';
import { Observation } from './observation.ts';
import { outgoingRequest } from './outgoing-request.ts';
import { abortedError } from './request-error.ts';
import type { Response, StreamedResponse } from './response.ts';
import type { ServerReach } from './server-reach.ts';

/** Options of `Client.observe`. */
export type ObserveOptions = RequestOptions & {
  readonly method?: 'GET' | 'FETCH';
  /**
   * How the server learns that nobody observes any more (RFC 7641 §3.6): by a request at once (`deregister`, the default), or by
   * the Reset of the next notification (`reset`), for which the client has to be there still. Over TCP, TLS and WebSocket
   * there is no Reset (RFC 8323 §7.4): the request goes there.
   */
  readonly cancelBy?: 'deregister' | 'reset';
};

/**
 * Registers at once. When the server stops answering, or ends the association, it registers once more, with a new
 * handshake where one is needed.
 *
 * @param asStored What the caller gets for a response: itself, or what the cache makes of it.
 */
export function observedResource(
  server: ServerReach,
  uri: string,
  options: ObserveOptions,
  asStored: (response: Response) => Response,
): Observation {
  return observed<Response>(server, uri, options, (take) => ({
    response: (response, final) => take(asStored(response), final),
  }));
}

/** The same, with bodies that are read as they come. */
export function streamedResource(
  server: ServerReach,
  uri: string,
  options: ObserveOptions,
): Observation<StreamedResponse> {
  return observed<StreamedResponse>(server, uri, options, (take, end) => ({
    // Every response comes as one whose body is read; this one is for the type alone.
    response: () => undefined,
    streamed: take,
    ended: end,
  }));
}

/** How notifications of one kind come to who waits for them. */
type Reception<Notification> = (
  take: (notification: Notification, final: boolean) => void,
  end: () => void,
) => Omit<RequestObserver, 'failed'>;

function observed<Notification extends Response | StreamedResponse>(
  server: ServerReach,
  uri: string,
  options: ObserveOptions,
  reception: Reception<Notification>,
): Observation<Notification> {
  const { signal } = options;
  const ended = new AbortController();
  let giveUp: GiveUp | undefined;
  const observation = new Observation<Notification>(async () => finish());
  const onAbort = (): void => finish(abortedError(signal));
  const finish = (error?: CoapsuleError): void => {
    signal?.removeEventListener('abort', onAbort);
    observation.end(error);
    ended.abort();
    giveUp?.(options.cancelBy === 'reset');
  };
  let mayRegisterAgain = false;
  const take = (notification: Notification, final: boolean): void => {
    mayRegisterAgain = true;
    observation.next(notification);
    if (final) finish();
  };
  const received = reception(take, () => finish());
  const isStreamed = received.streamed !== undefined;
  const observer: RequestObserver = {
    ...received,
    failed: (error) => {
      const lost = ['ERR_TIMEOUT', 'ERR_ASSOCIATION_CLOSED', 'ERR_CONNECTION'].includes(error.code);
      if (!lost || !mayRegisterAgain || ended.signal.aborted) {
        finish(error);
        return;
      }
      mayRegisterAgain = false;
      register();
    },
  };
  const register = (): void => {
    server
      .reach(uri, options.proxy, observer, ended.signal, ({ link, targetOptions }, own) => {
        const request = outgoingRequest(options.method ?? 'GET', targetOptions(), options);
        giveUp = link.request(
          { ...request, observe: true, streamResponse: isStreamed },
          { ...received, ...own },
        );
      })
      .catch(finish);
  };
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  else register();
  return observation;
}
