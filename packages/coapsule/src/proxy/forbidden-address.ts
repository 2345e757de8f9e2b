/**
 * The failure of a request whose host has an address that may not be asked.
 *
 * @module
 */

import { CoapsuleError } from '../api/errors.ts';

/** What tells it from other failures. */
const forbidden = Symbol('forbidden address');

/** Thrown by the look-up of a name. */
export function forbiddenAddress(): CoapsuleError {
  return new CoapsuleError(
    'ERR_ADDRESS',
    'the host has an address that is not of the public Internet',
    'name its network in `networks` of the target, if the proxy may reach it',
    { cause: forbidden },
  );
}

/** Whether a request failed for that reason. */
export function isForbiddenAddress(error: unknown): boolean {
  return error instanceof CoapsuleError && error.cause === forbidden;
}
