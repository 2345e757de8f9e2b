/**
 * What the client role and the server role of one layer share.
 *
 * @module
 */

import type { OutputQueue } from '../foundation/output-queue.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import type { AddressLimit } from './address-limit.ts';
import type { BodySupply } from './body-supply.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { EchoValues } from './echo.ts';
import type { ExchangeId } from './exchange.ts';
import type { RequestResponseOutput } from './outputs.ts';
import type { RequestResponseConfig } from './request-response-config.ts';
import type { StatelessTokens } from './stateless-tokens.ts';

/** Shared by reference; the queue and the counters are changed by both roles. */
export interface RoleContext {
  readonly random: RandomSource;
  readonly config: RequestResponseConfig;
  readonly counters: RequestResponseCounters;
  readonly outputs: OutputQueue<RequestResponseOutput>;
  /** How much may go to a peer. */
  readonly addressLimit: AddressLimit;
  /** Undefined where no cryptography is at hand: then nothing is asked for with an Echo. */
  readonly echo: EchoValues | undefined;
  /** Undefined where no request can carry its state in its token. */
  readonly stateless: StatelessTokens | undefined;
  readonly supply: BodySupply;
  /** A new Exchange id. */
  readonly newId: () => ExchangeId;
}
