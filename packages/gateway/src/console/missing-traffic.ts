/**
 * The answers of the traffic view for a gateway that keeps no traffic: how it would.
 */
import { ApiFailure } from './api-failure.ts';
import type { Handlers } from './console-api.ts';
import type { trafficHandlers } from './traffic-handlers.ts';

/** See the module comment. */
export function missingTraffic(): Pick<Handlers, keyof ReturnType<typeof trafficHandlers>> {
  const none = (): never => {
    throw new ApiFailure('unavailable', 'this gateway keeps no traffic', 'start it with --traffic 16M');
  };
  return {
    'GET /api/traffic/live': none,
    'GET /api/traffic/messages': none,
    'GET /api/traffic/messages/{number}': none,
    'GET /api/traffic/findings': none,
    'POST /api/traffic/export': none,
  };
}
