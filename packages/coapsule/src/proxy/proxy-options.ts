/**
 * The settings that forward- and reverse-proxies have in common.
 *
 * @module
 */

import type { CacheOptions } from '../api/client-options.ts';
import type { CoapsuleError } from '../api/errors.ts';
import type { OptionNames } from '../api/known-options.ts';
import type { Request } from '../api/request.ts';
import type { TargetUri } from '../api/target-uri.ts';
import { toHex } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { randomBytes } from '../core/foundation/random-source.ts';
import { systemRandom } from '../node/system-random.ts';

/** What a request is to be passed on to. */
export type ProxyTarget = TargetUri & {
  /** The whole URI, in normal form (RFC 7252 §6.3). */
  readonly uri: string;
};

/**
 * Where an answer of a proxy comes from: `cached` without asking the next hop, `validated` from the cache after the next hop has
 * said that it still holds, `observed` from an observation of the next hop, `forwarded` from the next hop, `failed` where that
 * gave none that can be passed on.
 */
export type ProxyAnswerSource = 'cached' | 'validated' | 'observed' | 'forwarded' | 'failed';

/** Settings of a proxy; each has a safe default. */
export interface ProxySettings {
  /**
   * Whether who asks may have this passed on; asked for every request, before anything is sent or taken from the cache.
   * A refused one is answered 4.03, or 4.01 when nobody knows who asks.
   */
  readonly authorize?: (request: Request, target: ProxyTarget) => boolean | Promise<boolean>;
  /** Names this proxy in 5.08 responses (RFC 8768 §4), without a space; by default a random name. */
  readonly name?: string;
  /** Hop-Limit of requests that have none, 1 … 255; 16 by default (RFC 8768 §3). */
  readonly hopLimit?: number;
  /**
   * How long the next hop may take, in milliseconds; 60000 by default. Then 5.04 (RFC 7252 §5.7.1). With `streamBodies` how long
   * each block may take that it is to get, and the first one that is to come.
   */
  readonly timeoutMs?: number;
  /** Largest request body in bytes; 1 MiB by default. */
  readonly maxBodyBytes?: number;
  /**
   * Passes bodies on as they come, a window at a time, instead of as wholes: for firmware and logs. The next hop gets the
   * first block of a request that its client may never finish, and nothing is kept in a cache. Notifications still pass as
   * wholes. With it `maxBodyBytes` has no limit by default.
   */
  readonly streamBodies?: boolean;
  /** How many responses are kept (RFC 7252 §5.6); false: none. */
  readonly cache?: false | CacheOptions;
  /** Resources of other servers that are observed at a time; 10000 by default. More are not observed but read once. */
  readonly maxObservations?: number;
  /** A request went round until its Hop-Limit was used up, or a 5.08 came back to where it had been: for the log. */
  readonly onLoop?: (request: Request, target: ProxyTarget) => void;
  /** Where the answer to a request comes from: for figures. */
  readonly onAnswer?: (source: ProxyAnswerSource) => void;
  /** The next hop gave no response that can be passed on; what its client is told says less. For the log. */
  readonly onFailure?: (error: CoapsuleError, request: Request, target: ProxyTarget) => void;
}

/** The names of `ProxySettings`. */
export const proxySettingNames: OptionNames<Required<ProxySettings>> = {
  authorize: true,
  name: true,
  hopLimit: true,
  timeoutMs: true,
  maxBodyBytes: true,
  streamBodies: true,
  cache: true,
  maxObservations: true,
  onLoop: true,
  onAnswer: true,
  onFailure: true,
};

/** The settings with their defaults. @throws ApiMisuseError for a value out of range. */
export function checkedSettings(
  where: string,
  settings: ProxySettings,
): ProxySettings &
  Required<Pick<ProxySettings, 'name' | 'hopLimit' | 'timeoutMs' | 'maxBodyBytes' | 'maxObservations'>> {
  const checked = {
    // One that says nothing of the network, and that no other proxy has.
    name: `proxy-${toHex(randomBytes(systemRandom, 4))}`,
    hopLimit: 16,
    timeoutMs: 60_000,
    maxBodyBytes: settings.streamBodies === true ? Infinity : 1024 * 1024,
    maxObservations: 10_000,
    ...settings,
  };
  const { name, hopLimit, timeoutMs, maxBodyBytes, maxObservations } = checked;
  if (name === '' || /\s/.test(name)) {
    throw new ApiMisuseError(`${where}: name is '${name}'; expected text without spaces (RFC 8768 §4)`);
  }
  if (!Number.isInteger(hopLimit) || hopLimit < 1 || hopLimit > 255) {
    throw new ApiMisuseError(`${where}: hopLimit is ${hopLimit}; expected 1 to 255 (RFC 8768 §3)`);
  }
  if (settings.streamBodies === true && settings.cache) {
    throw new ApiMisuseError(`${where}: streamBodies keeps nothing; leave either it or cache out`);
  }
  if (!(timeoutMs > 0)) throw new ApiMisuseError(`${where}: timeoutMs is ${timeoutMs}; expected more than 0`);
  for (const [option, value] of Object.entries({ maxBodyBytes, maxObservations })) {
    if (!(value >= 0)) throw new ApiMisuseError(`${where}: ${option} is ${value}; expected 0 or more`);
  }
  return checked;
}
