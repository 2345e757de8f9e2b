/**
 * Confirmable or Non-confirmable: what a message is for decides, then how much loss it stands, how much there is, and
 * what matters more, the battery or that it arrives.
 *
 * | purpose | rule, the first that holds | type |
 * |---|---|---|
 * | `alert`, `command`, `configuration` | always | CON |
 * | `firmware` | always, and block-wise (RFC 7959) | CON |
 * | `telemetry` | priority `reliability`, and loss above what is acceptable, or not known | CON |
 * | `telemetry` | otherwise; with a warning where loss is above what is acceptable | NON |
 * | `status` | loss known and acceptable, and priority not `reliability` | NON |
 * | `status` | otherwise | CON |
 *
 * RFC 7252 §4.2, §4.3. It knows no messages: `choose` is a function of its arguments alone.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';

/** What messages are for. */
export const messagePurposes = [
  'telemetry',
  'alert',
  'command',
  'configuration',
  'firmware',
  'status',
] as const;

/** A reading, an alarm, an order to a device, a setting, a piece of firmware, a question about its state. */
export type MessagePurpose = (typeof messagePurposes)[number];

/** What matters more. */
export type DeliveryPriority = 'battery' | 'balanced' | 'reliability';

/** What the choice depends on. */
export interface TypeQuestion {
  readonly purpose: MessagePurpose;
  /** `balanced` by default. */
  readonly priority?: DeliveryPriority;
  /** Share of messages that may be lost, 0 … 1; 0.05 by default. */
  readonly acceptableLoss?: number;
  /** Share that the network loses on one way, 0 … 1; `undefined` where nobody knows. */
  readonly networkLoss?: number | undefined;
}

/** The choice, and why. */
export interface TypeAdvice {
  readonly type: 'CON' | 'NON';
  /** One sentence. */
  readonly reason: string;
  /** What is doubtful about it, one sentence each. */
  readonly warnings: readonly string[];
}

const critical = {
  alert:
    'an alert must arrive: it is Confirmable, is sent again until it is acknowledged, and goes before all else',
  command: 'whoever gives a command must know whether it arrived: it is Confirmable',
  configuration: 'a setting must arrive, and the device may refuse it: it is Confirmable',
  firmware: 'firmware goes block-wise, each block Confirmable: one that is lost would spoil the whole',
} as const;

/**
 * Chooses the type of a message.
 *
 * @throws ApiMisuseError for a purpose, priority or share that is none.
 */
export function chooseMessageType(question: TypeQuestion): TypeAdvice {
  const { purpose, priority = 'balanced', acceptableLoss = 0.05, networkLoss } = question;
  if (!messagePurposes.includes(purpose)) {
    throw new ApiMisuseError(
      `purpose is '${String(purpose)}'; expected one of ${messagePurposes.join(', ')}`,
    );
  }
  if (priority !== 'battery' && priority !== 'balanced' && priority !== 'reliability') {
    throw new ApiMisuseError(
      `priority is '${String(priority)}'; expected 'battery', 'balanced' or 'reliability'`,
    );
  }
  expectShare('acceptableLoss', acceptableLoss);
  if (networkLoss !== undefined) expectShare('networkLoss', networkLoss);
  switch (purpose) {
    case 'telemetry':
      return telemetry(priority, acceptableLoss, networkLoss);
    case 'status':
      return status(priority, acceptableLoss, networkLoss);
    default:
      return { type: 'CON', reason: critical[purpose], warnings: [] };
  }
}

function telemetry(
  priority: DeliveryPriority,
  acceptableLoss: number,
  networkLoss: number | undefined,
): TypeAdvice {
  const isTooMuch = networkLoss === undefined ? undefined : networkLoss > acceptableLoss;
  const found = networkLoss === undefined ? 'the loss is not measured yet' : lossText(networkLoss);
  if (priority === 'reliability' && isTooMuch !== false) {
    const reason = `reliability comes first, and ${found}, where ${percent(acceptableLoss)} are acceptable: it is Confirmable`;
    return { type: 'CON', reason, warnings: [] };
  }
  return {
    type: 'NON',
    reason: 'a reading that is lost is made up for by the next one: Non-confirmable saves the battery',
    warnings:
      isTooMuch === true
        ? [
            `${found}, where ${percent(acceptableLoss)} are acceptable: send every few readings Confirmable (confirmEvery), or give priority 'reliability'`,
          ]
        : [],
  };
}

function status(
  priority: DeliveryPriority,
  acceptableLoss: number,
  networkLoss: number | undefined,
): TypeAdvice {
  if (priority === 'reliability') {
    return { type: 'CON', reason: 'reliability comes first: the question is Confirmable', warnings: [] };
  }
  if (networkLoss === undefined) {
    return {
      type: 'CON',
      reason: 'the loss is not measured yet, which a Confirmable question does',
      warnings: [],
    };
  }
  const found = lossText(networkLoss);
  return networkLoss <= acceptableLoss
    ? {
        type: 'NON',
        reason: `${found}, which is acceptable: whoever asks can ask again, so the question is Non-confirmable`,
        warnings: [],
      }
    : {
        type: 'CON',
        reason: `${found}, where ${percent(acceptableLoss)} are acceptable: the question is Confirmable`,
        warnings: [],
      };
}

function lossText(share: number): string {
  return `the network loses ${percent(share)}`;
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}

function expectShare(name: string, share: number): void {
  if (share >= 0 && share <= 1) return;
  throw new ApiMisuseError(`${name} is ${share}; expected a share of 0 to 1`);
}
