/**
 * Servers behind the gateway, such as the cloud, whose resources are at paths of it (RFC 7252 §5.7.3).
 *
 * Devices ask them as their rules allow, over any endpoint. On the way to the server it is the gateway that asks: with an OSCORE
 * context of its own, it is that end, and reads what it passes on (docs/oscore.md).
 */
import {
  ApiMisuseError,
  type ClientOptions,
  type CoapsuleError,
  type ProxyAnswerSource,
  type Resource,
  reverseProxy,
} from 'coapsule';
import { httpTimeoutMs } from '../cross-proxy/cross-forward-proxy.ts';
import { httpReverseProxy } from '../cross-proxy/http-reverse-proxy.ts';
import { isHttpUri } from '../cross-proxy/http-target-rule.ts';
import type { HttpCredentials } from '../cross-proxy/http-upstream.ts';
import { type Log, RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { httpFailureLogger, type ProxyCache } from './gateway-proxy.ts';
import { errorLogger } from './request-log.ts';
import type { ServedResources } from './served-resources.ts';

/** A path of the gateway that another server serves. */
export interface UpstreamServer {
  /** `/cloud`. */
  readonly path: string;
  /** The server and the path there that `path` stands for. */
  readonly uri: string;
  /** As whom it is asked, over CoAP. */
  readonly client: ClientOptions;
  /** What is kept of its answers; false: nothing. By default 16 MiB. */
  readonly cache?: ProxyCache | undefined;
  /** As whom it is asked, over HTTP. */
  readonly http?: HttpCredentials | undefined;
}

/** What the paths are made with. */
export interface UpstreamParts {
  readonly log: Log;
  readonly clock: WallClock;
  /** How the gateway is called in Via and in 5.08. */
  readonly name: string;
  /** Is told where each answer comes from. */
  readonly onAnswer: (source: ProxyAnswerSource) => void;
}

/** The paths that are served now. */
export class UpstreamPaths {
  readonly #resources: ServedResources;
  readonly #failed: (path: string, error: CoapsuleError) => void;
  readonly #onError: (error: unknown) => void;
  readonly #parts: UpstreamParts;
  readonly #served = new Map<string, UpstreamServer>();

  constructor(resources: ServedResources, parts: UpstreamParts) {
    const { log, clock } = parts;
    this.#resources = resources;
    this.#parts = parts;
    this.#failed = failureLogger(log, clock);
    this.#onError = errorLogger(log, clock);
  }

  /**
   * Serves everything below the paths of these servers, and of no others. A server that is the same object goes on as it was.
   *
   * @throws ApiMisuseError (rejects) for a path or URI that cannot be; then all is as it was.
   */
  async change(servers: readonly UpstreamServer[]): Promise<void> {
    await this.plan(servers)();
  }

  /**
   * What `change` would do: all that can fail has been tried, and nothing was changed.
   *
   * @throws ApiMisuseError for a path or URI that cannot be.
   */
  plan(servers: readonly UpstreamServer[]): () => Promise<void> {
    const stays = new Set([...this.#served.values()].filter((served) => servers.includes(served)));
    const added = servers
      .filter((server) => !stays.has(server))
      .map((server) => {
        const path = `${server.path}/*`;
        // Its own from before makes way.
        if (this.#resources.has(path) && !this.#served.has(server.path))
          throw new ApiMisuseError(
            `${server.path} is a path of the gateway's own; give the rule another one`,
          );
        return { server, path, resource: this.#resourceOf(server) };
      });
    return async () => {
      const closing: Promise<unknown>[] = [];
      for (const [path, served] of this.#served) {
        if (stays.has(served)) continue;
        this.#served.delete(path);
        closing.push(this.#resources.remove(`${path}/*`));
      }
      for (const { server, path, resource } of added) {
        this.#resources.add({ path, protection: 'guarded', isBeyondPolicy: true, resource });
        this.#served.set(server.path, server);
      }
      // Nobody is served by them any more: how they end changes nothing of what counts now.
      for (const ended of await Promise.allSettled(closing)) {
        if (ended.status === 'rejected') this.#onError(ended.reason);
      }
    };
  }

  #resourceOf({ path, uri, client, cache, http }: UpstreamServer): Resource {
    const { log, clock, name, onAnswer } = this.#parts;
    if (!isHttpUri(uri)) {
      return reverseProxy({
        ...{ below: path, to: uri, client, name, onAnswer },
        ...(cache !== undefined && { cache }),
        onFailure: (error) => this.#failed(path, error),
      });
    }
    return httpReverseProxy({
      ...{ below: path, to: uri, credentials: http, name, timeoutMs: httpTimeoutMs, now: clock },
      ...{ onAnswer, onFailure: httpFailureLogger(log, clock) },
    });
  }
}

/** What a device gets as 5.02 or 5.04 has a cause that only the gateway can mend. */
function failureLogger(log: Log, clock: WallClock): (path: string, error: CoapsuleError) => void {
  const limit = new RateLimit(1, 10_000);
  return (path, { message, nextStep }) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} before, not shown)`;
    log.warning(`${path}: ${message}; ${nextStep}${more}`);
  };
}
