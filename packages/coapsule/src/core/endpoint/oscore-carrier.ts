/**
 * What carries messages under OSCORE, as far as their road must know: peers, and how a message goes or is answered.
 *
 * One for datagrams (`datagram-oscore.ts`) and one for reliable transports (`stream-oscore.ts`).
 *
 * @module
 */

import type { MessageContent } from '../coap/message-view.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import type { OscoreOutput } from '../oscore/oscore-layer.ts';
import type { ServerSecurity } from '../oscore/peer-security.ts';
import type { ExchangeId, RequestResponseLayer } from '../request-response/request-response-layer.ts';
import type { OscoreExchanges } from './oscore-exchanges.ts';
import type { BackOffCode } from './outputs.ts';
import type { OscorePeer, OscoreVia, ProtectedArrival, ProtectedDispatch } from './protected-messages.ts';

/** An OSCORE output that asks for a record to be stored. */
export type StoreOutput = Extract<OscoreOutput<ProtectedArrival, ProtectedDispatch>, { kind: 'store' }>;

/** See the module comment. */
export interface OscoreCarrier<Via extends OscoreVia> {
  readonly oscore: OscoreExchanges<Via>;
  readonly exchanges: RequestResponseLayer;
  /** The peer under OSCORE with this key; `undefined` when it was forgotten. */
  peerUnderOscore(key: string): OscorePeer<Via> | undefined;
  /** The peer with this key, as messages come from it. */
  peerBehind(key: string): Via | undefined;
  /** The key of the peer that `security` is for, behind `via`. */
  keyUnderOscore(via: Via, security: ServerSecurity): string;
  /** An answer that is not the application's. */
  answer(arrival: ProtectedArrival<Via>, message: MessageContent, now: Instant): void;
  /** Nothing is done about a request for now; `message` says so where it will not come again by itself. */
  passOver(arrival: ProtectedArrival<Via>, message: MessageContent, now: Instant): void;
  /** A protected message; its peer is the one behind. */
  send(output: ProtectedDispatch, now: Instant): void;
  /** This response, which goes out in blocks, is to a request that verified. */
  vouchedFor(via: Via, response: MessageContent): void;
  /** An Exchange outside of OSCORE is over: what was remembered of its messages goes. */
  endedOutside(exchange: ExchangeId): void;
  /** A request verified: its copies are replays, which are never carried out. */
  verified(reply: object): void;
  /** A request is not answered. */
  leaveUnanswered(reply: object, now: Instant): void;
  /** Nothing goes in the place of a notification that is due once more. */
  stopDue(exchange: ExchangeId): void;
  /** The server of a request asks for time, in a response that verified (RFC 7252 §5.9.3.4, RFC 8516 §4). */
  backOff(
    request: ProtectedDispatch,
    response: { readonly code: BackOffCode; readonly options: OptionReader },
    now: Instant,
  ): void;
  /** Something was dropped or refused. For traces. */
  discarded(via: Via, reason: string): void;
  /** For the application. */
  store(output: StoreOutput): void;
}
