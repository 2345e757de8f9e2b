/**
 * How many entries a page has, and the part of a list that it is.
 */
import { ApiFailure } from './api-failure.ts';

const usual = 100;
const most = 500;

/** @throws ApiFailure for a limit that cannot be. */
export function pageLimit({ limit: text }: Readonly<Record<string, string>>): number {
  if (text === undefined) return usual;
  const limit = Number(text);
  if (!/^\d{1,4}$/.test(text) || limit < 1 || limit > most)
    throw new ApiFailure('invalid', `limit is 1 to ${most}`);
  return limit;
}
