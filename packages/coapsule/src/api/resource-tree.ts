/**
 * Which resource serves a path, and what the server tells about its resources (RFC 6690).
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import type { Link } from '../core/coap/link-format.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { expectKnownOptions, type OptionNames } from './known-options.ts';
import type { ResourceMulticast } from './multicast-options.ts';
import type { PeerInfo } from './peer-info.ts';
import { pathOf, type Request } from './request.ts';
import type { ServerResponse } from './server-response.ts';

/** Answers one request; may throw `RequestFailure`. Anything else thrown becomes 5.00. */
export type Handler = (request: Request) => ServerResponse | Promise<ServerResponse>;

/** Attributes of a link in `/.well-known/core` (RFC 6690 §3, RFC 7252 §7.2.1). */
export interface LinkAttributes {
  /** Resource types, separated by spaces. */
  readonly rt?: string;
  /** Interface descriptions, separated by spaces. */
  readonly if?: string;
  /** Content formats. */
  readonly ct?: number | readonly number[];
  /** Largest size to expect, in bytes. */
  readonly sz?: number;
  readonly title?: string;
}

/** One resource: a handler for each method it has; a method without one is answered 4.05. */
export interface Resource {
  readonly get?: Handler;
  readonly post?: Handler;
  readonly put?: Handler;
  readonly delete?: Handler;
  readonly fetch?: Handler;
  readonly patch?: Handler;
  readonly ipatch?: Handler;
  /** Lets clients observe it (RFC 7641); tell changes with `Server.notify`. */
  readonly observable?: boolean;
  /**
   * How observers are told (RFC 7641 §4.5): `mixed`, the default, sends most notifications Non-confirmable, where one that is
   * lost is made up for by the next, and Confirmable the first, each fifth and the last of a burst; `confirmable` sends each
   * state until the client acknowledges it, or a newer one in its place. Over TCP, TLS and WebSocket there is no difference.
   */
  readonly notifications?: 'confirmable' | 'mixed';
  readonly attributes?: LinkAttributes;
  /** Leaves it out of `/.well-known/core`. */
  readonly hidden?: boolean;
  /**
   * Its handlers check If-Match and If-None-Match, with `expectPreconditions`. Requests that have these options
   * are otherwise answered 4.02 (RFC 7252 §5.10.8).
   */
  readonly conditional?: boolean;
  /**
   * Its requests are acknowledged with their answer alone, however long the handler takes: where an acknowledgement
   * says that something is on disk. Other slow requests get an Empty ACK first (RFC 7252 §5.2.2).
   */
  readonly acknowledgeWithAnswer?: boolean;
  /**
   * Whatever its handlers change is written to the store behind the listener's `associationStore`, and becomes
   * durable no earlier than what that was asked for before. Its handlers need not wait for the store. They recognise
   * themselves a retransmission of what an earlier process carried out, by association, Message ID and token (RFC 7252
   * §4.5): it is another record. For other resources the listener does.
   */
  readonly effectsInStore?: boolean;
  /**
   * Serves requests that come by multicast too, where the listener has joined a group; success is answered, errors and
   * empty representations are not (RFC 7252 §8.2). False by default (RFC 7252 §11.3); `/.well-known/core` does.
   */
  readonly multicast?: boolean | ResourceMulticast;
  /** Its failures are told as problem details (RFC 9290) to every client, not only to those that accept them. */
  readonly problemDetails?: boolean;
  /** Largest request body in bytes; 1 MiB by default. A larger one is answered 4.13. */
  readonly maxBodyBytes?: number;
  /**
   * Its handlers pass requests on: they get options that are safe to forward, understood or not, and requests with unsafe
   * options that no proxy knows are answered 4.02 (RFC 7252 §5.7.1). `reverseProxy` makes such a resource.
   */
  readonly proxy?: boolean;
  /** Called when the server closes. */
  readonly onClose?: () => void | Promise<void>;
  /**
   * Requests that change something are carried out only when they were made so many seconds ago at most (RFC 9175 §2):
   * for locks, motors and whatever a held-back request must not move. Others are answered 4.01 with an Echo; clients that
   * know it, as ours does, repeat the request with it. Over plain `coap` it stops only who cannot see the answers. A function
   * says it for each path, and may say something else each time; `undefined` demands nothing.
   */
  readonly freshWithinSeconds?: number | ((path: string) => number | undefined) | undefined;
  /**
   * Largest body in one message; a larger one is answered 4.13 with a block size to try (RFC 7959 §2.9.3). No limit by
   * default.
   */
  readonly maxPayloadBytes?: number;
  /**
   * Its handlers run as soon as the first block of a request is there, and read `Request.body` as it comes; without
   * `maxBodyBytes` it may be as large as 2^20 blocks are. By default they see a whole body or nothing.
   */
  readonly streamRequestBody?: boolean;
  /**
   * How its requests must be protected, or be answered 4.01: by `oscore` from end to end, by `dtls` (or TLS) on the last
   * hop, by `either`, or by `both`. Not asked by default.
   */
  readonly requires?: RequiredProtection;
  /**
   * Among workers its requests are served in worker 0 alone, middleware included, whichever worker they come to: for what its
   * handlers remember (docs/workers.md). Worker 0 tells its observers of changes, with `Server.notify`.
   */
  readonly oneOwner?: boolean;
}

/** What a resource may require. */
export type RequiredProtection = 'oscore' | 'dtls' | 'either' | 'both';

const protections: readonly unknown[] = ['oscore', 'dtls', 'either', 'both'];

/** Whether a request is protected as its resource requires. */
export function isProtectedAsRequired({ requires }: Resource, { oscore, security }: PeerInfo): boolean {
  if (requires === undefined) return true;
  const [hasOscore, hasDtls] = [oscore !== undefined, security.kind !== 'none'];
  switch (requires) {
    case 'oscore':
      return hasOscore;
    case 'dtls':
      return hasDtls;
    case 'either':
      return hasOscore || hasDtls;
    default:
      return hasOscore && hasDtls;
  }
}

const attributeNames: OptionNames<Required<LinkAttributes>> = {
  rt: true,
  if: true,
  ct: true,
  sz: true,
  title: true,
};

const resourceNames: OptionNames<Required<Resource>> = {
  get: true,
  post: true,
  put: true,
  delete: true,
  fetch: true,
  patch: true,
  ipatch: true,
  observable: true,
  notifications: true,
  attributes: true,
  hidden: true,
  conditional: true,
  acknowledgeWithAnswer: true,
  effectsInStore: true,
  multicast: true,
  problemDetails: true,
  maxBodyBytes: true,
  proxy: true,
  onClose: true,
  freshWithinSeconds: true,
  maxPayloadBytes: true,
  streamRequestBody: true,
  requires: true,
  oneOwner: true,
};

/** Refuses a resource with a misspelt name in it. @throws ApiMisuseError */
export function expectResource(name: string, resource: Resource): void {
  expectKnownOptions(`resource ${name}`, resource, resourceNames);
  const { attributes, notifications, observable, requires } = resource;
  if (requires !== undefined && !protections.includes(requires)) {
    throw new ApiMisuseError(
      `resource ${name}: requires is '${requires}'; expected one of ${protections.join(', ')}`,
    );
  }
  if (notifications !== undefined && notifications !== 'confirmable' && notifications !== 'mixed') {
    throw new ApiMisuseError(
      `resource ${name}: notifications is '${notifications}'; expected 'confirmable' or 'mixed'`,
    );
  }
  if (notifications !== undefined && observable !== true) {
    throw new ApiMisuseError(`resource ${name} has notifications; expected observable: true with them`);
  }
  if (attributes !== undefined) {
    expectKnownOptions(`attributes of resource ${name}`, attributes, attributeNames);
  }
}

/** Refuses a change of what nobody can observe: most often a path that is misspelt. @throws ApiMisuseError */
export function expectObservable(tree: ResourceTree, path: string): void {
  const resource = tree.find(path);
  if (resource?.observable === true) return;
  const fault = resource === undefined ? 'there is no such resource' : 'it is not observable';
  throw new ApiMisuseError(`notify('${path}'): ${fault}`);
}

const handlerNames = {
  GET: 'get',
  POST: 'post',
  PUT: 'put',
  DELETE: 'delete',
  FETCH: 'fetch',
  PATCH: 'patch',
  IPATCH: 'ipatch',
} as const satisfies Record<Method, keyof Resource>;

/** The handler of a resource for a method. */
export function handlerOf(resource: Resource, method: Method): Handler | undefined {
  return resource[handlerNames[method]];
}

/** Resources by path. `/a/*` serves everything below `/a`, but not `/a` itself; the longest match wins. */
export class ResourceTree {
  readonly #exact = new Map<string, Resource>();
  readonly #below = new Map<string, Resource>();
  /** Length of the longest key of `#below` that there was; -1 for none. */
  #longestBelow = -1;
  readonly #links: Link[] = [];
  /** What `of` was asked last: one request is asked about many times in a row. */
  #latest: { readonly options: OptionReader; readonly resource: Resource | undefined } | undefined;

  /** Adds a resource; refuses a path that is not absolute or already taken. */
  add(path: string, resource: Resource): void {
    if (!path.startsWith('/')) {
      throw new ApiMisuseError(`resource path is '${path}'; expected one that starts with '/'`);
    }
    for (const ct of [resource.attributes?.ct ?? []].flat()) {
      // RFC 7252 §7.2.1: MUST be in this range.
      if (!Number.isInteger(ct) || ct < 0 || ct > 65_535) {
        throw new ApiMisuseError(
          `attributes.ct of '${path}' has ${ct}; expected content formats, 0 to 65535`,
        );
      }
    }
    const { table, key } = this.#placeOf(path);
    if (table.has(key)) throw new ApiMisuseError(`resource path '${path}' is served already`);
    table.set(key, resource);
    if (table === this.#below) this.#longestBelow = Math.max(this.#longestBelow, key.length);
    this.#latest = undefined;
  }

  /** Takes a path away that was added by this very name; undefined when it is not there. */
  remove(path: string): Resource | undefined {
    const { table, key } = this.#placeOf(path);
    const resource = table.get(key);
    table.delete(key);
    this.#latest = undefined;
    return resource;
  }

  #placeOf(path: string): { readonly table: Map<string, Resource>; readonly key: string } {
    return path.endsWith('/*')
      ? { table: this.#below, key: path.slice(0, -2) }
      : { table: this.#exact, key: path };
  }

  /** The resource that serves a request with these options, which do not change any more. */
  of(options: OptionReader): Resource | undefined {
    if (this.#latest?.options === options) return this.#latest.resource;
    const resource = this.find(pathOf(options));
    this.#latest = { options, resource };
    return resource;
  }

  /** The resource that serves a path. */
  find(path: string): Resource | undefined {
    const exact = this.#exact.get(path);
    if (exact || this.#longestBelow < 0) return exact;
    // Nothing longer can be one: 60,000 segments in a datagram would make as many prefixes, each hashed from its beginning.
    for (
      let end = path.lastIndexOf('/', this.#longestBelow);
      end >= 0;
      end = path.lastIndexOf('/', end - 1)
    ) {
      const below = this.#below.get(path.slice(0, end));
      if (below) return below;
      if (end === 0) break;
    }
    return undefined;
  }

  /** Adds a link to something that is none of these resources. */
  addLink(link: Link): void {
    this.#links.push(link);
  }

  /** All resources. */
  resources(): Resource[] {
    return [...this.#exact.values(), ...this.#below.values()];
  }

  /** A link for each resource with a path of its own that is not hidden, in order of adding; then those to other things. */
  links(): Link[] {
    const links: Link[] = [];
    for (const [path, resource] of this.#exact) {
      if (!resource.hidden) links.push({ target: encodePath(path), attributes: attributesOf(resource) });
    }
    return [...links, ...this.#links];
  }
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function attributesOf(resource: Resource): [string, string | undefined][] {
  const attributes: [string, string | undefined][] = [];
  const given = resource.attributes ?? {};
  if (given.rt !== undefined) attributes.push(['rt', given.rt]);
  if (given.if !== undefined) attributes.push(['if', given.if]);
  if (given.ct !== undefined)
    attributes.push(['ct', typeof given.ct === 'number' ? String(given.ct) : given.ct.join(' ')]);
  if (given.sz !== undefined) attributes.push(['sz', String(given.sz)]);
  if (given.title !== undefined) attributes.push(['title', given.title]);
  if (resource.observable) attributes.push(['obs', undefined]);
  // RFC 8613 §9: a hint that it can be had under OSCORE only.
  if (resource.requires === 'oscore' || resource.requires === 'both') attributes.push(['osc', undefined]);
  return attributes;
}
