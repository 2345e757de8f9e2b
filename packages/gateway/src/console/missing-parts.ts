/**
 * Answers for parts that this gateway does not have: which, and how it would have them.
 */
import { ApiFailure } from './api-failure.ts';
import type { Handlers } from './console-api.ts';
import type { trafficHandlers } from './traffic-handlers.ts';

type CollectionRoute = Extract<keyof Handlers, `${string}/api/collections/${string}`>;

/** See the module comment. */
export function missingParts(): Pick<Handlers, CollectionRoute> {
  return {
    'POST /api/collections/run': missing('this gateway runs no collections', 'use coapsule run'),
  };
}

/** For a gateway that keeps no traffic. */
export function missingTraffic(): Pick<Handlers, keyof ReturnType<typeof trafficHandlers>> {
  const none = missing('this gateway keeps no traffic', 'start it with --traffic 16M');
  return {
    'GET /api/traffic/live': none,
    'GET /api/traffic/messages': none,
    'GET /api/traffic/messages/{number}': none,
    'GET /api/traffic/findings': none,
    'POST /api/traffic/export': none,
  };
}

function missing(message: string, nextStep: string): () => never {
  return () => {
    throw new ApiFailure('unavailable', message, nextStep);
  };
}
