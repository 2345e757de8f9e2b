/**
 * Four demo resources for test clients of other implementations, open to everyone over every transport:
 * `/hello`, `/large`, `/store` (with `/store/…`) and `/obs`.
 */
import {
  Code,
  changed,
  content,
  created,
  deleted,
  expectPreconditions,
  failure,
  type Request,
  type Resource,
} from 'coapsule';
import { BoundedBodies } from './bounded-bodies.ts';
import { hello, large } from './constant-resources.ts';
import type { Notify, TickingResources } from './gateway-resource.ts';
import { acceptedFormat, ContentFormat } from './negotiation.ts';
import { startTick, type TickTimer } from './periodic-tick.ts';

const maxStoreBytes = 64 * 1024 * 1024;
const maxStoreBodyBytes = 1024 * 1024;
const tickPeriodMs = 333;

/** Make the four; `/obs` starts to tick at once. */
export function openDemoResources(notify: Notify, timer: TickTimer): TickingResources {
  let ticks = 0;
  const stop = startTick(
    tickPeriodMs,
    (tick) => {
      ticks = tick;
      notify('/obs');
    },
    timer,
  );
  const store = storeResource(notify);
  const resources: readonly (readonly [path: string, resource: Resource])[] = [
    ['/store', store],
    ['/store/*', store],
    [
      '/obs',
      {
        get: () => content(`tick ${ticks}`),
        observable: true,
        attributes: { ct: ContentFormat.text, title: 'about three ticks a second' },
      },
    ],
  ];
  return {
    resources: [
      hello,
      large,
      ...resources.map(([path, resource]) => ({ path, protection: 'public' as const, resource })),
    ],
    stop,
  };
}

interface StoredBody {
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
}

function storeResource(notify: Notify): Resource {
  const bodies = new BoundedBodies<StoredBody>(maxStoreBytes);
  return {
    get: (request: Request) => {
      const body = bodies.get(request.path);
      if (body === undefined) return failure(Code.NotFound, 'nothing was stored here');
      const { payload, contentFormat } = body;
      if (contentFormat === undefined) return content(payload);
      return content(payload, { contentFormat: acceptedFormat(request, [contentFormat]) });
    },
    put: (request: Request) => {
      const exists = bodies.get(request.path) !== undefined;
      expectPreconditions(request, { exists });
      const { payload, contentFormat, path } = request;
      // A copy: the payload is a view of a datagram, which may be larger.
      const gone = bodies.set(path, { payload: payload.slice(), contentFormat });
      for (const changedPath of [path, ...gone]) notify(changedPath);
      return exists ? changed() : created();
    },
    delete: (request: Request) => {
      expectPreconditions(request, { exists: bodies.get(request.path) !== undefined });
      if (bodies.delete(request.path)) notify(request.path);
      // RFC 7252 §5.8.4: 2.02 also when there was nothing.
      return deleted();
    },
    observable: true,
    attributes: { title: 'keeps any body of up to 1 MiB' },
    conditional: true,
    maxBodyBytes: maxStoreBodyBytes,
  };
}
