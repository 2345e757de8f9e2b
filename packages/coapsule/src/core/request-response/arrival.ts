/**
 * A request on its way through the checks of the server role.
 *
 * @module
 */

import type { BlockOption } from '../coap/block-option.ts';
import type { Code } from '../coap/code.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import type { GroupOrigin, PeerKey, ReceivedMessage } from './exchange.ts';
import type { QBlock2Wish } from './q-block-request.ts';

/** A request on its way through the checks. */
export interface Arrival {
  readonly peer: PeerKey;
  /** Of the message. */
  readonly code: Code;
  readonly message: ReceivedMessage;
  readonly reply: unknown;
  readonly repeat: boolean;
  /** Without the options that must be ignored. */
  readonly options: OptionReader;
  readonly block1: BlockOption | undefined;
  readonly block2: BlockOption | undefined;
  /** Of RFC 9177; then `block1` and `block2` are absent. */
  readonly qBlock1?: BlockOption | undefined;
  readonly wish?: QBlock2Wish | undefined;
  readonly group: GroupOrigin | undefined;
  readonly now: Instant;
}
