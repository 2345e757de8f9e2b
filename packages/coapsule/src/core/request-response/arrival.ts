/**
 * A request on its way through the checks of the server role.
 *
 * @module
 */

import type { BlockOption } from '../coap/block-option.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import type { GroupOrigin, PeerKey, ReceivedMessage } from './exchange.ts';

/** A request on its way through the checks. */
export interface Arrival {
  readonly peer: PeerKey;
  readonly message: ReceivedMessage;
  readonly reply: unknown;
  readonly repeat: boolean;
  /** Without the options that must be ignored. */
  readonly options: OptionReader;
  readonly block1: BlockOption | undefined;
  readonly block2: BlockOption | undefined;
  readonly group: GroupOrigin | undefined;
  readonly now: Instant;
}
