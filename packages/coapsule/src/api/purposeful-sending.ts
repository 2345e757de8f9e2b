/**
 * Sending by purpose: what a purpose means for the method, the queue and the type, and what looks like a mistake.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import { Code } from '../core/coap/code.ts';
import {
  chooseMessageType,
  type DeliveryPriority,
  type MessagePurpose,
  type TypeAdvice,
} from '../core/coap/message-purpose.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import type { OutgoingRequest } from '../core/endpoint/outputs.ts';
import type { AdviceRule } from '../core/endpoint/trace-event.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { QueueOptions } from '../core/message-layer/message-layer.ts';
import { type RequestOptions, requestOptionNames } from './client-options.ts';
import type { OptionNames } from './known-options.ts';
import type { Response } from './response.ts';

/** Options of `Client.send` by purpose. */
export interface SendOptions extends RequestOptions {
  /** GET for `status`, POST for `alert`, PUT for all others by default. */
  readonly method?: Method;
  /** What matters more; `balanced` by default. */
  readonly priority?: DeliveryPriority;
  /** Share of messages that may be lost, 0 … 1; 0.05 by default. */
  readonly acceptableLoss?: number;
  /** Share that the network loses, 0 … 1; by default what was measured with this server. */
  readonly networkLoss?: number;
  /**
   * Sends every so many-th reading Confirmable, which tells whether the server is there and measures the loss; never by
   * default.
   */
  readonly confirmEvery?: number;
}

/** The names of `SendOptions`. */
export const sendOptionNames: OptionNames<Required<SendOptions>> = {
  ...requestOptionNames,
  method: true,
  priority: true,
  acceptableLoss: true,
  networkLoss: true,
  confirmEvery: true,
};

/** What became of a message that was sent by purpose, and why it was sent as it was. */
export interface SendResult {
  readonly purpose: MessagePurpose;
  readonly type: 'CON' | 'NON';
  /** One sentence. */
  readonly reason: string;
  /** What looks like a mistake, one sentence each. */
  readonly warnings: readonly string[];
  /** The share of loss that was counted with; `undefined` where nobody knows. */
  readonly networkLoss: number | undefined;
  /**
   * `answered`: `response` is there. `sent`: it is on its way, and that is all that is known. `superseded`: it waited
   * until a later reading of the same resource took its place.
   */
  readonly outcome: 'answered' | 'sent' | 'superseded';
  readonly response: Response | undefined;
}

/** What a message is sent as. */
export interface SendPlan extends Pick<TypeAdvice, 'type' | 'reason'> {
  readonly purpose: MessagePurpose;
  readonly warnings: readonly string[];
  readonly networkLoss: number | undefined;
  readonly advice: readonly AdviceRule[];
}

/** The method that a purpose has where none is given. */
export function methodFor(purpose: MessagePurpose): Method {
  if (purpose === 'status') return 'GET';
  return purpose === 'alert' ? 'POST' : 'PUT';
}

const priorities: Readonly<Record<MessagePurpose, NonNullable<QueueOptions['priority']>>> = {
  alert: 'urgent',
  command: 'high',
  configuration: 'normal',
  status: 'normal',
  telemetry: 'low',
  firmware: 'bulk',
};

/** How it waits for its turn: alerts first; of the readings of one resource the latest. */
export function queueFor(purpose: MessagePurpose, method: Method, uri: string): QueueOptions {
  const priority = priorities[purpose];
  return purpose === 'telemetry' ? { priority, replaces: `${method} ${uri}` } : { priority };
}

/** Confirmable PUT and POST requests to one resource, one after the other, from which they look like readings. */
const readingsAtLeast = 20;
/** Resources watched. */
const resourcesAtMost = 64;

/** What was sent to one server, as far as the type of the next message depends on it. */
export class TrafficHabits {
  /** Confirmable requests in a row by resource, the one used longest ago first. */
  readonly #inARow = new Map<string, number>();
  #readings = 0;

  /** Decides how a message goes. */
  plan(purpose: MessagePurpose, options: SendOptions, measuredLoss: number | undefined): SendPlan {
    const networkLoss = options.networkLoss ?? measuredLoss;
    const { priority, acceptableLoss, confirmable, confirmEvery } = options;
    const chosen = chooseMessageType({
      purpose,
      networkLoss,
      ...(priority === undefined ? {} : { priority }),
      ...(acceptableLoss === undefined ? {} : { acceptableLoss }),
    });
    if (confirmEvery !== undefined && !(Number.isInteger(confirmEvery) && confirmEvery >= 1)) {
      throw new ApiMisuseError(`confirmEvery is ${confirmEvery}; expected a whole number of 1 or more`);
    }
    const base = { purpose, networkLoss, warnings: chosen.warnings, advice: [] };
    if (confirmable !== undefined) {
      const type = confirmable ? 'CON' : 'NON';
      const reason = 'the caller chose the type (confirmable)';
      if (type === chosen.type || purpose === 'status') return { ...base, type, reason };
      const rule = confirmable ? 'confirmable-readings' : 'non-confirmable-command';
      return { ...base, type, reason, warnings: [...chosen.warnings, adviceTexts[rule]], advice: [rule] };
    }
    if (purpose === 'telemetry' && confirmEvery !== undefined) {
      this.#readings = (this.#readings + 1) % confirmEvery;
      if (this.#readings === 0) {
        const reason = `every ${confirmEvery === 1 ? '' : `${confirmEvery}th `}reading is Confirmable (confirmEvery): it tells whether the server is there, and measures the loss`;
        return { ...base, type: 'CON', reason, warnings: [] };
      }
    }
    return { ...base, type: chosen.type, reason: chosen.reason };
  }

  /** What looks like a mistake in a request without a purpose. */
  look({ code, type, options, expectResponse }: OutgoingRequest): AdviceRule | undefined {
    if (code === Code.Get || code === Code.Fetch) return undefined;
    const resource = options.texts(OptionNumber.UriPath).join('/');
    const before = this.#inARow.get(resource) ?? 0;
    this.#inARow.delete(resource);
    if (type === 'NON') return expectResponse === false ? undefined : 'non-confirmable-command';
    this.#inARow.set(resource, before + 1);
    if (this.#inARow.size > resourcesAtMost) this.#inARow.delete(this.#inARow.keys().next().value as string);
    return before + 1 === readingsAtLeast ? 'confirmable-readings' : undefined;
  }
}

/** What the rules say. */
export const adviceTexts: Readonly<Record<AdviceRule, string>> = {
  'confirmable-readings':
    'readings are sent Confirmable: each costs an acknowledgement and a radio that listens for it; ' +
    "send('telemetry', …) sends them Non-confirmable",
  'non-confirmable-command':
    'a message that has an effect, and whose sender wants to know it, is sent Non-confirmable: when it is lost nobody ' +
    "knows whether it was carried out; send('command', …) sends it Confirmable",
};
