/**
 * The gateway as a forward-proxy: off unless servers are named that it may ask.
 */
import { hostname } from 'node:os';
import {
  type ClientOptions,
  forwardProxy,
  type ProxyAnswerSource,
  type ProxyHandler,
  type Request,
  type TargetRule,
} from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';
import { crossForwardProxy } from '../cross-proxy/cross-forward-proxy.ts';
import { isHttpUri } from '../cross-proxy/http-target-rule.ts';
import type { HttpCredentials, HttpFailure } from '../cross-proxy/http-upstream.ts';
import type { Log } from '../server/log.ts';
import { RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { printable } from '../text/printable.ts';

/** What a proxy keeps of the answers of CoAP servers. */
export type ProxyCache = false | { readonly maxBytes: number };

/** What `coapsule serve` is told of it. */
export interface GatewayProxyOptions {
  /**
   * Patterns of URIs, such as `coap://*.sensors.example` or `https://api.example`, with what the gateway proves itself with
   * there.
   */
  readonly targets: readonly {
    readonly uri: string;
    readonly client?: ClientOptions;
    readonly http?: HttpCredentials;
  }[];
  /** Networks that are not of the public Internet and that the servers may be in. */
  readonly networks: readonly string[];
  /** What is kept of answers; false: nothing. By default 16 MiB. */
  readonly cache?: ProxyCache | undefined;
  /** Also clients that have proved nothing may use it. */
  readonly dangerouslyForEveryone: boolean;
}

/** What the proxy works with. */
export interface GatewayProxyParts {
  readonly log: Log;
  readonly clock: WallClock;
  /** How the gateway is called in Via and in 5.08. */
  readonly name: string;
  /** Is told where each answer comes from. */
  readonly onAnswer: (source: ProxyAnswerSource) => void;
}

/**
 * Makes the proxy.
 *
 * @throws ApiMisuseError for a pattern or network that is none.
 */
export function gatewayProxy(options: GatewayProxyOptions, parts: GatewayProxyParts): ProxyHandler {
  const { networks, targets } = options;
  const { clock, log, name, onAnswer } = parts;
  const coap = targets.filter(({ uri }) => !isHttpUri(uri));
  const http = targets.filter(({ uri }) => isHttpUri(uri));
  const proxy = coap.length === 0 ? undefined : coapProxy({ ...options, targets: coap }, parts);
  if (http.length === 0 && proxy !== undefined) return proxy;
  return crossForwardProxy(proxy, {
    targets: http.map(({ uri, http: credentials }) => ({ uri, credentials })),
    ...{ networks, name, names: [hostname()], onAnswer },
    authorize: (request) => mayUse(request, options),
    isKnown: ({ peer }) => provenDevice(peer) !== undefined,
    now: clock,
    onFailure: httpFailureLogger(log, clock),
  });
}

function mayUse({ peer }: Request, { dangerouslyForEveryone }: GatewayProxyOptions): boolean {
  return dangerouslyForEveryone || provenDevice(peer) !== undefined;
}

/** What a device gets as 5.02 or 5.04 has a cause that only who runs the gateway can mend. */
export function httpFailureLogger(log: Log, clock: WallClock): (url: URL, failure: HttpFailure) => void {
  const limit = new RateLimit(1, 10_000);
  return ({ origin }, { message }) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} before, not shown)`;
    log.warning(`${printable(origin)} cannot be asked: ${printable(message)}${more}`);
  };
}

function coapProxy(
  options: GatewayProxyOptions,
  { log, clock, name, onAnswer }: GatewayProxyParts,
): ProxyHandler {
  const { targets, networks, cache } = options;
  const limit = new RateLimit(1, 10_000);
  return forwardProxy({
    targets: targets.map(({ uri, client }): TargetRule => ({ uri, networks, ...(client && { client }) })),
    names: [hostname()],
    ...{ name, onAnswer },
    ...(cache !== undefined && { cache }),
    authorize: (request) => mayUse(request, options),
    onLoop(_request, { uri }) {
      const passed = limit.pass(clock());
      if (passed === undefined) return;
      const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} before, not shown)`;
      log.warning(`a request for ${printable(uri)} goes round through this proxy${more}`);
    },
  });
}
