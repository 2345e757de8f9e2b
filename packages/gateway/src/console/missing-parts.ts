/**
 * Answers for parts that this gateway does not have: which, and how it would have them.
 */
import { ApiFailure } from './api-failure.ts';
import type { Handlers } from './console-api.ts';

type TrafficRoute = Extract<keyof Handlers, `${string}/api/traffic/${string}`>;
type CollectionRoute = Extract<keyof Handlers, `${string}/api/collections/${string}`>;

/** See the module comment. */
export function missingParts(): Pick<Handlers, TrafficRoute | CollectionRoute> {
  const noTraffic = missing('this gateway keeps no traffic', 'start it with --traffic 16M');
  return {
    'GET /api/traffic/live': noTraffic,
    'GET /api/traffic/messages': noTraffic,
    'GET /api/traffic/messages/{number}': noTraffic,
    'GET /api/traffic/findings': noTraffic,
    'GET /api/traffic/handshakes': noTraffic,
    'POST /api/traffic/export': noTraffic,
    'POST /api/collections/run': missing('this gateway runs no collections', 'use coapsule run'),
  };
}

function missing(message: string, nextStep: string): () => never {
  return () => {
    throw new ApiFailure('unavailable', message, nextStep);
  };
}
