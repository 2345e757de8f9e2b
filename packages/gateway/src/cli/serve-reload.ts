/**
 * Reading the configuration again while the gateway runs, on SIGHUP.
 *
 * All that can fail comes first: a file with a fault changes nothing. Then what can change in a gateway that runs does, and
 * the rest is named. Associations stay, but for those whose key does not count any more.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util';
import { configKeys, liveNames } from '../config/config-keys.ts';
import type { ConfiguredOptions } from '../config/config-schema.ts';
import type { LiveOptions } from '../gateway/gateway-options.ts';
import type { AdjustableLog } from '../server/log.ts';
import type { PskEntry } from '../server/serve-options.ts';
import { printable } from '../text/printable.ts';
import { reportOf } from './command-failure.ts';
import type { OpenedUpstreams, UpstreamCommandOptions } from './upstream-options.ts';

/** What a reload works with. */
export interface ReloadParts<Options extends ReloadableOptions> {
  /** Those that the gateway was started with. */
  readonly options: Options;
  readonly settings: LiveOptions;
  /** Reads all of them again, and refuses what cannot be. */
  readonly read: () => Promise<Options>;
  /** What of them a gateway that runs can be told; reads the files that they name. */
  readonly live: (options: Options) => LiveOptions;
  readonly gateway: { reconfigure(options: LiveOptions): Promise<void> };
  readonly upstreams: OpenedUpstreams;
  readonly log: AdjustableLog;
}

type ReloadableOptions = ConfiguredOptions & UpstreamCommandOptions & { readonly verbose: number };

/** See the module comment. */
export class Reload<Options extends ReloadableOptions> {
  readonly #parts: ReloadParts<Options>;
  readonly #started: Options;
  #options: Options;
  #live: LiveOptions;
  #work: Promise<void> = Promise.resolve();

  constructor(parts: ReloadParts<Options>) {
    this.#parts = parts;
    this.#started = parts.options;
    this.#options = parts.options;
    this.#live = parts.settings;
  }

  /** One at a time; never fails. */
  request(): Promise<void> {
    this.#work = this.#work.then(() => this.#reload());
    return this.#work;
  }

  async #reload(): Promise<void> {
    const { log, gateway, upstreams } = this.#parts;
    try {
      const next = await this.#parts.read();
      const live = this.#parts.live(next);
      const plan = await upstreams.plan(next, (text) => log.warning(text));
      try {
        await gateway.reconfigure({ ...live, upstreams: plan.servers });
      } catch (error) {
        await plan.abandon();
        throw error;
      }
      plan.keep();
      await upstreams.closeUnused();
      this.#adjustLog(next.verbose);
      this.#tell(next, live);
      this.#options = next;
      this.#live = live;
    } catch (error) {
      const { cause, nextStep } = reportOf(error);
      log.error(
        `the configuration was not taken, and the one before it still counts: ${printable(cause, maxCause)}; ${nextStep}`,
      );
    }
  }

  /** Messages are followed from the start or not at all: it costs time for each of them. */
  #adjustLog(verbosity: number): void {
    this.#parts.log.verbosity = this.#isVerbosityLive(verbosity) ? verbosity : Math.min(verbosity, 1);
  }

  #isVerbosityLive(verbosity: number): boolean {
    return verbosity < 2 || verbosity === this.#started.verbose;
  }

  #tell(next: Options, live: LiveOptions): void {
    const { log } = this.#parts;
    const names = Object.keys(configKeys) as (keyof ConfiguredOptions)[];
    const differs = (name: keyof ConfiguredOptions, before: Options): boolean =>
      !isDeepStrictEqual(before[name], next[name]);
    const isLive = (name: keyof ConfiguredOptions): boolean =>
      liveNames.has(name) && (name !== 'verbose' || this.#isVerbosityLive(next.verbose));
    const changed = names
      .filter((name) => isLive(name) && name !== 'psk' && differs(name, this.#options))
      .map((name) => configKeys[name]);
    const keys = keyChanges(this.#live, live);
    const all = [...changed, ...(keys === undefined ? [] : [keys])];
    const waiting = names.filter((name) => !isLive(name) && differs(name, this.#started));
    if (waiting.length > 0) {
      log.warning(
        `changed, and counts after a restart only: ${waiting.map((name) => configKeys[name]).join(', ')}`,
      );
    }
    log.detail(
      0,
      `configuration read again: ${all.length === 0 ? 'nothing else counts now' : all.join(', ')}`,
    );
  }
}

/** Longest cause that is shown, in characters. */
const maxCause = 4000;

/** How many keys came, went and changed, without their names: there may be thousands. */
function keyChanges(before: LiveOptions, now: LiveOptions): string | undefined {
  const old = byIdentity(before);
  const current = byIdentity(now);
  const added = [...current.keys()].filter((identity) => !old.has(identity)).length;
  const removed = [...old.keys()].filter((identity) => !current.has(identity)).length;
  const changed = [...current].filter(
    ([identity, key]) => old.has(identity) && !isDeepStrictEqual(old.get(identity), key),
  ).length;
  const parts = [
    ...(added > 0 ? [`${added} added`] : []),
    ...(changed > 0 ? [`${changed} changed`] : []),
    ...(removed > 0 ? [`${removed} removed`] : []),
  ];
  return parts.length === 0 ? undefined : `pre-shared keys (${parts.join(', ')})`;
}

function byIdentity({ psks = [], anyIdentityKey }: LiveOptions): ReadonlyMap<string, Uint8Array> {
  const any: readonly PskEntry[] =
    anyIdentityKey === undefined ? [] : [{ identity: '*', key: anyIdentityKey }];
  return new Map([...psks, ...any].map(({ identity, key }) => [identity, key]));
}
