/**
 * What goes around the handlers of the gateway's resources, in each of its threads: who may use them, the request log, and
 * what is answered when the store cannot be used.
 */
import {
  Code,
  failure,
  type Middleware,
  type PeerInfo,
  type Request,
  RequestFailure,
  type Resource,
  type Server,
  type ServerResponse,
} from 'coapsule';
import type { AccessPolicy } from '../access/access.ts';
import { localAskerOf } from '../access/local-asker.ts';
import { provenDevice } from '../access/proven-device.ts';
import type { RefusalAudit } from '../audit/audit-log.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { type Log, RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { StoreFault } from '../store/store-fault.ts';
import { authorised, type Guard, isCovered, isProtected, type RulesOf, readableBy } from './authorisation.ts';
import type { DeviceDirectory } from './device-directory.ts';
import type { GatewayOptions } from './gateway-options.ts';
import type { LinePeers } from './line-peers.ts';
import type { LiveConfiguration } from './live-configuration.ts';
import { errorText, forbiddenLogger, refusedRequest, requestFields, requestLine } from './request-log.ts';

/** Retry hint when the store cannot take a reading now. */
const retrySeconds = 30;

/** No switch of the whole gateway counts, only the rules of each device. */
export const rulesAlone: AccessPolicy = { dangerouslyAllowPlainWrites: false, openReads: false };

/** What the rules are made of. */
export interface RulesContext {
  readonly directory: DeviceDirectory;
  readonly live: LiveConfiguration;
  readonly options: Pick<GatewayOptions, 'log' | 'demo' | 'dangerouslyAllowPlainWrites'>;
  readonly clock: WallClock;
  readonly refusals: Pick<RefusalAudit, 'add'>;
  /** Undefined where there are no lines. */
  readonly onLine?: LinePeers;
}

/** The rules, as they count whenever a request comes. */
export class ResourceRules {
  readonly #policy: AccessPolicy;
  readonly #guard: Omit<Guard, 'policy'>;

  constructor({ directory, live, options, clock, onLine, refusals }: RulesContext) {
    const { dangerouslyAllowPlainWrites = false, demo = false } = options;
    this.#policy = { dangerouslyAllowPlainWrites, openReads: demo };
    const logForbidden = forbiddenLogger(options.log, clock);
    const rulesOf: RulesOf = async (identity, stamp, peer) =>
      directory.rules(identity, stamp ?? (await onLine?.(peer)));
    this.#guard = {
      rulesOf,
      access: () => live.access,
      onRefused: (request, refusal, rules) => {
        if (refusal === 'forbidden') logForbidden(request, rules);
        refusals.add(refusedRequest(request, refusal));
      },
    };
  }

  /** The resource with its handlers guarded. What opens the store, or the demo, opens no devices and no other servers. */
  guarded({ protection, resource, isBeyondPolicy }: GatewayResource): Resource {
    const policy = isBeyondPolicy ? rulesAlone : this.#policy;
    return authorised(resource, protection, { ...this.#guard, policy });
  }

  /** Which guarded paths the sender of a request may read. */
  readable(request: Pick<Request, 'peer'>): Promise<(segments: readonly string[]) => boolean> {
    return readableBy(request, this.#policy, this.#guard.rulesOf);
  }

  /** The same for who asks otherwise than with a request, with what paths demand of those; undefined for who may read none. */
  async readableByPeer(peer: PeerInfo): Promise<((segments: readonly string[]) => boolean) | undefined> {
    const { openReads, dangerouslyAllowPlainWrites } = this.#policy;
    const isNobody = localAskerOf(peer) === undefined && provenDevice(peer) === undefined;
    if (isNobody && !openReads && !dangerouslyAllowPlainWrites) return undefined;
    const covered = await this.readable({ peer });
    const { access } = this.#guard;
    return (segments) => {
      const requires = access?.().demandOf(segments).requires;
      return covered(segments) && (requires === undefined || isProtected(peer, requires));
    };
  }

  /** Whether a rule of its sender covers a request. */
  isCovered(request: Request, policy: AccessPolicy = this.#policy): Promise<boolean> {
    return isCovered(request, policy, this.#guard.rulesOf);
  }
}

/** Puts what watches over requests, the request log, and an answer for faults of the store, around all handlers of a server. */
export function useGatewayMiddleware(
  server: Server,
  log: Log,
  clock: WallClock,
  watching: readonly Middleware[] = [],
): void {
  for (const middleware of watching) server.use(middleware);
  server.use(requestLogger(log));
  server.use(storeFaultsAsUnavailable(log, clock));
}

/** The log may begin to want lines at any time. */
function requestLogger(log: Log): Middleware {
  return (request, next) => (log.verbosity < 1 ? next() : logged(log, request, next));
}

async function logged(log: Log, request: Request, next: Parameters<Middleware>[1]): Promise<ServerResponse> {
  try {
    const response = await next();
    log.detail(1, requestLine(request, response), requestFields(request, response));
    return response;
  } catch (error) {
    // The server makes the answer of it; any other error is its 5.00.
    const code = error instanceof RequestFailure ? error.code : Code.InternalServerError;
    log.detail(1, requestLine(request, { code }), requestFields(request, { code }));
    throw error;
  }
}

/** RFC 7252 §5.9.3.4: 5.03 with Max-Age says when to try again; nothing was stored. */
function storeFaultsAsUnavailable(log: Log, clock: WallClock): Middleware {
  const limit = new RateLimit(1, 10_000);
  return async (_request, next) => {
    try {
      return await next();
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error;
      const passed = limit.pass(clock());
      if (passed !== undefined) {
        const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} requests before, not shown)`;
        log.error(`${errorText(error)}${more}`);
      }
      return {
        ...failure(Code.ServiceUnavailable, 'the store cannot take it now'),
        maxAgeSeconds: retrySeconds,
      };
    }
  };
}
