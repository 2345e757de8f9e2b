/**
 * Requests from within the process of a server: bridges, consoles and tests ask its resources without a socket.
 *
 * They run through the middleware and get what a client would get, but for what belongs to a network: blocks, duplicates,
 * freshness (RFC 9175 §2) and observing. Who asks is what the caller says.
 *
 * @module
 */

import { Code, isSuccessCode, type Method } from '../core/coap/code.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import { concatBytes, noBytes } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { elapsedMs } from '../core/foundation/instant.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import type { SuppliedBody } from './body-input.ts';
import { type RequestContentOptions, requestContentOptionNames } from './client-options.ts';
import { expectKnownOptions, type OptionNames } from './known-options.ts';
import { pathRequest } from './outgoing-request.ts';
import { noSecurity, type PeerInfo } from './peer-info.ts';
import { Request, type RequestWaiters } from './request.ts';
import type { RequestDispatch } from './request-dispatch.ts';
import { Response } from './response.ts';

/** What a request from within the process may have; `payload` is bytes or text. */
export type LocalRequestOptions = Omit<RequestContentOptions, 'payload'> & {
  readonly payload?: Uint8Array | string;
  readonly signal?: AbortSignal;
  /**
   * Makes the request one of an observer (RFC 7641): it is told when the answer may be another one by now, and asks again. Changes
   * of which `Server.notify` tells all are told by `Server.watch` alone.
   */
  readonly observer?: LocalObserver;
  /** Who asks, as handlers see it: the same object, so that it can be told. By default somebody who has proved nothing. */
  readonly peer?: PeerInfo;
};

/** An observer within the process; the same for all of its requests. */
export interface LocalObserver {
  readonly changed: () => void;
  /** The answer was the last one: nothing is told of it any more. */
  readonly over: () => void;
  /** Fires when it does not observe any more. */
  readonly ended: AbortSignal;
}

const optionNames: OptionNames<Required<LocalRequestOptions>> = {
  ...requestContentOptionNames,
  signal: true,
  peer: true,
  observer: true,
};

/** Who asks when the caller says nothing. */
const thisProcess: PeerInfo = {
  address: { key: 'local', host: 'local', port: 0 },
  transport: 'local',
  security: noSecurity,
};

/** @throws ApiMisuseError (rejects) for a path or option that cannot be. */
export async function answerLocally(
  dispatch: RequestDispatch,
  method: Method,
  path: string,
  options: LocalRequestOptions,
): Promise<Response> {
  expectKnownOptions(`request ${method}`, options, optionNames);
  const { peer = thisProcess, signal, observer, ...content } = options;
  const outgoing = pathRequest(method, path, content);
  const incoming = {
    ...{ code: outgoing.code, options: outgoing.options, payload: outgoing.payload },
    ...{ token: noBytes, messageId: undefined, confirmable: true },
    ...observing(observer),
  };
  const started = monotonicClock.now();
  const timing = (): { handshakeMs: undefined; roundTripMs: number } => ({
    handshakeMs: undefined,
    roundTripMs: elapsedMs(started, monotonicClock.now()),
  });
  if (outgoing.payload.length > dispatch.maxBodyBytes({ ...incoming, peer: peer.address.key })) {
    const refusal = { code: Code.RequestEntityTooLarge, options: new OptionSet(), payload: noBytes };
    return new Response(refusal, peer, timing());
  }
  const waiters: RequestWaiters = {
    signal: signal ?? new AbortController().signal,
    observer: observer ?? { changed: () => {}, ended: AbortSignal.abort() },
    ask: () => Promise.reject(new ApiMisuseError('ask: the request came from within this process')),
  };
  const { answer, observe } = await dispatch.answer(new Request(incoming, peer, waiters));
  // RFC 7641 §3.2, §4.2.
  if (observe === false || !isSuccessCode(answer.code)) observer?.over();
  const payload = answer.body === undefined ? answer.payload : await wholeOf(answer.body);
  return new Response({ code: answer.code, options: answer.options, payload }, peer, timing());
}

/** Observers whose first request was made, by what tells their end. */
const begun = new WeakSet<AbortSignal>();

/** The first request of an observer registers it; later ones ask for what has changed (RFC 7641 §4.1, §4.2). */
function observing(observer: LocalObserver | undefined): Pick<IncomingRequest, 'observe' | 'refresh'> {
  if (observer === undefined) return { refresh: false };
  if (begun.has(observer.ended)) return { refresh: true };
  begun.add(observer.ended);
  return { observe: 'register', refresh: false };
}

/** How much is read of a body at a time. */
const readLength = 64 * 1024;

async function wholeOf(body: SuppliedBody): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  try {
    for (let offset = 0; ; ) {
      const { bytes, last } = await body.read(offset, readLength);
      parts.push(bytes.slice());
      offset += bytes.length;
      if (last) return concatBytes(...parts);
    }
  } finally {
    await body.close();
  }
}
