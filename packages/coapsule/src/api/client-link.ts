/**
 * A client's way to one server, whatever the transport: what `Client` needs of it.
 *
 * @module
 */

import type { MessagePurpose } from '../core/coap/message-purpose.ts';
import type { OutgoingRequest } from '../core/endpoint/outputs.ts';
import type { ActiveObservation } from '../core/request-response/request-response-layer.ts';
import type { CoapsuleError } from './errors.ts';
import type { SendOptions, SendPlan } from './purposeful-sending.ts';
import type { RemoteServer } from './remote-server.ts';
import type { Response, StreamedResponse } from './response.ts';
import type { SerialLineStatus } from './serial-options.ts';

/** Who waits for what becomes of a request. */
export interface RequestObserver {
  /** Called once, or for an observation once a notification. */
  response(response: Response, final: boolean): void;
  /** Instead of `response`, where the body is to be read as it comes. Without `final` more responses may come, of an observation. */
  streamed?(response: StreamedResponse, final: boolean): void;
  /** The body of the last response of an observation is there, and nothing follows. */
  ended?(): void;
  failed(error: CoapsuleError): void;
}

/** Gives up what was asked for. @param isForgotten An observation ends without a request that says so: see `ObserveOptions.cancelBy`. */
export type GiveUp = (isForgotten?: boolean) => void;

/** See the module comment. */
export interface ClientLink {
  readonly server: RemoteServer;
  /** Whether nothing is under way; ending it then loses nothing but what is kept for the next request. */
  readonly isUnused: boolean;
  /** Decides how a message with a purpose goes (`purposeful-sending.ts`). */
  plan(purpose: MessagePurpose, options: SendOptions): SendPlan;
  /**
   * Sends a request; returns how to give it up.
   *
   * @param isPlanned Whether its type was chosen by its purpose.
   */
  request(content: OutgoingRequest, observer: RequestObserver, isPlanned?: boolean): GiveUp;
  /** Sends a ping; the observer gets a response without meaning when it is answered. Returns how to give it up. */
  ping(observer: RequestObserver): () => void;
  /** Observations that are active, with the token of each. */
  activeObservations(): readonly ActiveObservation[];
  /** The serial line that it is on. */
  readonly lineStatus?: SerialLineStatus | undefined;
  /** What looks wrong with the way to the server, where that can be known. */
  readonly diagnosis?: string | undefined;
  /** Ends everything and fails what still waits. */
  close(): Promise<void>;
}
