/** How much may wait for the broker, by what a request is. Every thread that stores readings asks. */

import type { Request } from 'coapsule';
import { type AlertPattern, isAlertRequest } from '../overload/alerts.ts';
import type { OutboxTerms } from '../resources/telemetry.ts';
import type { MqttOptions } from './mqtt-options.ts';

/** Of the options of the bridge. */
export type OutboxLimits = Pick<MqttOptions, 'queueBytes' | 'sharePercent'>;

/**
 * The terms on which the reading of a request waits for the broker; undefined where there is none.
 *
 * While the broker is away, alerts have the whole queue; what is none leaves them a tenth of it, where there are alerts.
 */
export function outboxTerms(
  mqtt: OutboxLimits | undefined,
  alerts: readonly AlertPattern[],
  request: Request,
): OutboxTerms | undefined {
  if (mqtt === undefined) return undefined;
  const { queueBytes, sharePercent } = mqtt;
  if (isAlertRequest(alerts, request)) return { outboxBytes: queueBytes, isAlert: true };
  return {
    outboxBytes: alerts.length === 0 ? queueBytes : queueBytes * 0.9,
    outboxShareBytes: (queueBytes * sharePercent) / 100,
  };
}
