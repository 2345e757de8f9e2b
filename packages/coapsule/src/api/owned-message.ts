/**
 * What workers tell each other of requests for what one worker alone has, and how it crosses from thread to thread.
 *
 * Those who ask are in `requests-to-owner.ts`, who serves in `requests-to-serve.ts`.
 *
 * @module
 */

import type { Code, Method } from '../core/coap/code.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import type { PortMessage, WorkerLink } from '../node/worker-link.ts';
import { CoapsuleError } from './errors.ts';
import type { PeerInfo } from './peer-info.ts';
import type { ResponseTiming } from './response.ts';
import type { ReversedRequestOptions } from './reversed-requests.ts';

/** What can cross from thread to thread of a list of options. */
type CarriedOptions = readonly { readonly number: number; readonly value: Uint8Array }[];

/** What workers tell each other of requests. `id` and `observation` are numbers that the asking worker gave. */
export type OwnedMessage =
  | {
      readonly kind: 'ask';
      readonly from: number;
      readonly id: number;
      readonly code: Code;
      readonly options: CarriedOptions;
      readonly payload: Uint8Array;
      readonly token: Uint8Array;
      readonly messageId: number | undefined;
      readonly confirmable: boolean;
      /** The same for all requests of one observer. */
      readonly observation: number | undefined;
      /** Whether its sender sent nothing: its observation goes on (RFC 7641 §4.2). */
      readonly refresh: boolean;
      readonly group: PeerAddress | undefined;
      readonly peer: PeerInfo;
      /** In place of the payload. */
      readonly body: ReadableStream<Uint8Array> | undefined;
    }
  /** Nobody waits for the answer any more. */
  | { readonly kind: 'abandon'; readonly from: number; readonly id: number }
  | { readonly kind: 'end-observation'; readonly from: number; readonly observation: number }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly code: Code;
      readonly options: CarriedOptions;
      readonly payload: Uint8Array;
      readonly body: ReadableStream<Uint8Array> | undefined;
      readonly handled: boolean;
      readonly observe: boolean | undefined;
    }
  /** What the observer is shown has changed. */
  | { readonly kind: 'changed'; readonly observation: number }
  /** The sender of a request is to be asked (`Request.ask`). */
  | {
      readonly kind: 'ask-back';
      readonly id: number;
      readonly call: number;
      readonly method: Method;
      readonly path: string;
      readonly options: ReversedRequestOptions;
    }
  | { readonly kind: 'asked-back'; readonly call: number; readonly outcome: AskedBack }
  /** The server of worker 0 is there; or it is closed, while its thread goes on. */
  | { readonly kind: 'owner'; readonly isThere: boolean };

/** What became of it. */
export type AskedBack =
  | {
      readonly kind: 'response';
      readonly code: Code;
      readonly options: CarriedOptions;
      readonly payload: Uint8Array;
      readonly peer: PeerInfo;
      readonly timing: ResponseTiming;
    }
  | {
      readonly kind: 'error';
      readonly code: CoapsuleError['code'] | undefined;
      readonly message: string;
      readonly nextStep: string;
      readonly mayHaveBeenCarriedOut: boolean | undefined;
    };

/** Options as they cross; their values are copies. */
export function carriedOptions(options: OptionReader): CarriedOptions {
  return [...options.entries()].map(({ number, value }) => ({ number, value: value.slice() }));
}

/**
 * A sender that cannot be asked.
 *
 * @param wasSent Whether the question may have gone out before.
 */
export function askedTooLate(wasSent: boolean): CoapsuleError {
  return new CoapsuleError(
    'ERR_ASSOCIATION_CLOSED',
    'the worker that this request came to does not know its sender any more',
    'ask before the request is answered, or wait until its sender asks again',
    { mayHaveBeenCarriedOut: wasSent },
  );
}

/** As it goes over the link. */
export function ownedMessage(content: OwnedMessage): Extract<PortMessage, { kind: 'owned' }> {
  const length = 'payload' in content ? content.payload.length : 0;
  return { kind: 'owned', content, length, isRefusable: content.kind === 'ask' };
}

/**
 * Takes such messages from the link.
 *
 * @param introduced See `WorkerLink.receive`.
 */
export function receiveOwned(
  link: WorkerLink,
  channel: string,
  told: (message: OwnedMessage) => void,
  introduced: (index: number) => void,
): void {
  link.receive(
    channel,
    (message) => {
      if (message.kind === 'owned') told(message.content as OwnedMessage);
    },
    introduced,
  );
}
