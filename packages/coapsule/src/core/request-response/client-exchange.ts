/**
 * Client side of an Exchange: what is remembered from the request to its last response.
 *
 * RFC 7252 §5.2. Changed by `client-role.ts` only.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { OptionSet } from '../coap/option-set.ts';
import type { Block1Upload } from './block1-transfer.ts';
import type { Block2Download } from './block2-transfer.ts';
import type { ExchangeId, PeerKey } from './exchange.ts';
import type { Observation } from './observe-client.ts';

/** Client side of an Exchange. */
export interface ClientExchange {
  readonly kind: 'client';
  readonly id: ExchangeId;
  readonly peer: PeerKey;
  readonly secure: boolean;
  readonly code: Code;
  readonly type: 'CON' | 'NON';
  /** The caller's options, with Observe when an observation is wanted. */
  readonly options: OptionSet;
  readonly payload: Uint8Array;
  /** Largest size exponent to use and to ask for. */
  readonly szx: number;
  /** Tells the operation from others like it; a fetch for an observation is part of its operation. */
  readonly operation?: string;
  /** The caller gave the token: all messages of the Exchange carry it. */
  readonly ownToken: boolean;
  /** The token of the latest request message, or of the observation. */
  token: Uint8Array;
  /** A request message is with the message layer. */
  outstanding: boolean;
  upload?: Block1Upload;
  /** The body went in blocks: a request without it does not begin the operation again. */
  uploaded: boolean;
  download?: Block2Download;
  observation?: Observation;
  /** `cancel` was called on an observation: the next answer ends the Exchange. */
  deregistering: boolean;
  /** The Exchange fetches the rest of a notification's body for this observation. */
  readonly parent?: ClientExchange;
  /** The fetch of a notification's body in progress. */
  fetch?: ClientExchange;
}
