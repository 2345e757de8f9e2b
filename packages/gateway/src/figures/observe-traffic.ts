/**
 * What observing a resource saves over asking for it again and again (RFC 7641).
 *
 * A Confirmable notification and its acknowledgement are two messages, as many as a question and its answer: what is saved is what
 * did not change, the path in each request, and with Non-confirmable notifications the acknowledgements. Pure function.
 *
 * @module
 */

/** What is followed. */
export interface ObserveInputs {
  readonly seconds: number;
  readonly pollingPeriodSeconds: number;
  /** How often it changes in that time. */
  readonly changes: number;
  readonly confirmableNotifications: boolean;
}

/** Messages, both ways. */
export interface ObserveTraffic {
  /** One question at the start and one each period, answered. */
  readonly pollingMessages: number;
  /** Registration and its answer, then each change. */
  readonly observeMessages: number;
  /** Less than 0 where observing costs more. */
  readonly savedMessages: number;
}

/** Polling beside observing. */
export function observeTraffic({
  seconds,
  pollingPeriodSeconds,
  changes,
  confirmableNotifications,
}: ObserveInputs): ObserveTraffic {
  const pollingMessages = 2 * (Math.floor(seconds / pollingPeriodSeconds) + 1);
  const observeMessages = 2 + changes * (confirmableNotifications ? 2 : 1);
  return { pollingMessages, observeMessages, savedMessages: pollingMessages - observeMessages };
}
