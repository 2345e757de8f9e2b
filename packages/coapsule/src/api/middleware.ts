/**
 * Functions that run around every handler, outermost first.
 *
 * @module
 */

import { InvariantError } from '../core/foundation/errors.ts';
import type { Eventual } from './eventual.ts';
import type { Request } from './request.ts';
import type { ServerResponse } from './server-response.ts';

/** Sees each request, also those for unknown paths, and may answer itself or change what `next` answered. */
export type Middleware = (
  request: Request,
  next: () => Promise<ServerResponse>,
) => ServerResponse | Promise<ServerResponse>;

/** One function of all: the first of `middleware` is the outermost, `handler` the innermost. May throw. */
export function compose(
  middleware: readonly Middleware[],
  handler: (request: Request) => Eventual<ServerResponse>,
): (request: Request) => Eventual<ServerResponse> {
  const [outermost] = middleware;
  if (outermost === undefined) return handler;
  return (request) => {
    let reached = 0;
    const nextOf = (index: number) => (): Promise<ServerResponse> => {
      if (index <= reached) throw new InvariantError('a middleware called next() twice');
      reached = index;
      const layer = middleware[index];
      if (layer === undefined) return promised(handler, request);
      return Promise.resolve(layer(request, nextOf(index + 1)));
    };
    return outermost(request, nextOf(1));
  };
}

/** What a handler throws is for whoever awaits `next()`. */
async function promised(
  handler: (request: Request) => Eventual<ServerResponse>,
  request: Request,
): Promise<ServerResponse> {
  return handler(request);
}
