/**
 * One request of a client and its response as a promise, within the time and until the signal that the caller gave.
 *
 * What is sent, and the way to the server (server-reach.ts), are not its matter.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import { longestTimerMs } from '../node/monotonic-clock.ts';
import type { ClientLink } from './client-link.ts';
import type { RequestOptions } from './client-options.ts';
import type { CoapsuleError } from './errors.ts';
import { abortedError, timeoutError } from './request-error.ts';
import type { Response, StreamedResponse } from './response.ts';
import type { ReachedServer, ServerReach } from './server-reach.ts';

/** Who waits for the one response of an exchange, or its head. */
export interface ExchangeObserver {
  response(response: Response | StreamedResponse, final: boolean): void;
  failed(error: CoapsuleError): void;
  /** The request is under way, and its endpoint watches `timeoutMs` from here on. */
  begun(): void;
}

/** Sends the request of an exchange to the server that was reached; returns how to give it up. */
export type SendExchange = (reached: ReachedServer, observer: ExchangeObserver) => () => void;

/** What bounds the wait of a caller; see `RequestOptions`. */
type WaitOptions = Pick<RequestOptions, 'signal' | 'timeoutMs' | 'noResponse' | 'resumable'>;

/**
 * Makes one exchange. Once it is settled the request is given up.
 *
 * @throws ApiMisuseError for a URI, proxy or time that cannot be; CoapsuleError when no response came.
 */
export async function awaitedExchange(
  server: ServerReach,
  uri: string,
  options: WaitOptions & Pick<RequestOptions, 'proxy'>,
  send: SendExchange,
): Promise<Response> {
  const settled = { aborted: false };
  let giveUp: (() => void) | undefined;
  let link: ClientLink | undefined;
  const begin = (observer: ExchangeObserver): (() => void) => {
    server
      .reach(uri, options.proxy, observer, settled, (reached, own) => {
        link = reached.link;
        giveUp = send(reached, { ...own, begun: observer.begun });
      })
      .catch(observer.failed);
    return () => {
      settled.aborted = true;
      giveUp?.();
    };
  };
  return awaitedAnswer(uri, options, begin, () => link?.diagnosis);
}

/**
 * The answer to one request as a promise. Once it is settled the request is given up.
 *
 * @param what Whom or what the request asks, for the words of an error.
 * @param begin Sends the request; returns how to give it up.
 * @param diagnosis What looks wrong with the way there.
 */
export async function awaitedAnswer(
  what: string,
  { signal, timeoutMs, noResponse, resumable }: WaitOptions,
  begin: (observer: ExchangeObserver) => () => void,
  diagnosis: () => string | undefined = () => undefined,
): Promise<Response> {
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new ApiMisuseError(`timeoutMs is ${timeoutMs}; expected more than 0`);
  }
  if (signal?.aborted) throw abortedError(signal);
  let timer: NodeJS.Timeout | undefined;
  let giveUp: (() => void) | undefined;
  let onAbort: (() => void) | undefined;
  try {
    return await new Promise<Response>((resolve, reject) => {
      onAbort = () => reject(abortedError(signal));
      signal?.addEventListener('abort', onAbort);
      // With `noResponse` it bounds the wait for a response that need not come, which the endpoint watches; of an upload
      // that may go on the endpoint tells how far it came by then.
      const isWatched = noResponse !== undefined || resumable !== undefined;
      if (timeoutMs !== undefined && timeoutMs !== Infinity && !isWatched) {
        const tooLong = (): void => reject(timeoutError(what, timeoutMs, diagnosis()));
        timer = setTimeout(tooLong, Math.min(timeoutMs, longestTimerMs));
      }
      giveUp = begin({
        response: (response) => resolve(response as Response),
        failed: reject,
        begun: () => clearTimeout(timer),
      });
    });
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
    giveUp?.();
  }
}
