/**
 * Functions that run around every handler, outermost first.
 *
 * @module
 */

import { InvariantError } from '../core/foundation/errors.ts';
import type { Request } from './request.ts';
import type { ServerResponse } from './server-response.ts';

/** Sees each request, also those for unknown paths, and may answer itself or change what `next` answered. */
export type Middleware = (request: Request, next: () => Promise<ServerResponse>) => Promise<ServerResponse>;

/** One function of all: the first of `middleware` is the outermost, `handler` the innermost. */
export function compose(
  middleware: readonly Middleware[],
  handler: (request: Request) => Promise<ServerResponse>,
): (request: Request) => Promise<ServerResponse> {
  return (request) => {
    let reached = -1;
    const from = (index: number): Promise<ServerResponse> => {
      if (index <= reached) throw new InvariantError('a middleware called next() twice');
      reached = index;
      const layer = middleware[index];
      return layer ? layer(request, () => from(index + 1)) : handler(request);
    };
    return from(0);
  };
}
