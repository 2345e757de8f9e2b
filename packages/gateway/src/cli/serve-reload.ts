/**
 * Reading the configuration again while the gateway runs, on SIGHUP.
 *
 * All that can fail comes first: a file with a fault changes nothing. Then what can change in a gateway that runs does, and
 * the rest is named. Associations stay, but for those whose key does not count any more.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util';
import { describePublicKey } from 'coapsule';
import type { ChangeAudit } from '../audit/audit-log.ts';
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
  readonly gateway: {
    reconfigure(options: LiveOptions): Promise<void>;
    /** The log wants more, or less. */
    logAdjusted?(): void;
  };
  readonly upstreams: OpenedUpstreams;
  readonly log: AdjustableLog;
  readonly audit: ChangeAudit;
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
    const { log, gateway, upstreams, audit } = this.#parts;
    try {
      const next = await this.#parts.read();
      const read = this.#parts.live(next);
      // Other kinds of credentials need other endpoints.
      const areSameKinds = kindsOf(read) === kindsOf(this.#live);
      const live = areSameKinds ? read : { ...read, credentials: this.#live.credentials };
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
      gateway.logAdjusted?.();
      this.#tell(next, live, { areSameKinds, renewedServers: plan.renewed });
      this.#options = next;
      this.#live = live;
    } catch (error) {
      const { cause, nextStep } = reportOf(error);
      audit.add({ event: 'configuration-refused', how: 'SIGHUP', cause: printable(cause, maxCause) });
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

  #tell(
    next: Options,
    live: LiveOptions,
    { areSameKinds, renewedServers }: { readonly areSameKinds: boolean; readonly renewedServers: number },
  ): void {
    const { log, audit } = this.#parts;
    const names = Object.keys(configKeys) as (keyof ConfiguredOptions)[];
    const differs = (name: keyof ConfiguredOptions, before: Options): boolean =>
      !isDeepStrictEqual(before[name], next[name]);
    const isLive = (name: keyof ConfiguredOptions): boolean =>
      liveNames.has(name) &&
      (name !== 'verbose' || this.#isVerbosityLive(next.verbose)) &&
      (!credentialNames.has(name) || areSameKinds);
    const changed = names
      .filter((name) => isLive(name) && name !== 'psk' && differs(name, this.#options))
      .map((name) => configKeys[name]);
    const keys = keyChanges(this.#live, live);
    // The same paths may lead to other contents.
    const renewed = {
      credentials: areSameKinds && haveOtherFiles(this.#live, live),
      'http.tokens': !isDeepStrictEqual(this.#live.httpSecrets?.tokens, live.httpSecrets?.tokens),
      reverseProxy: renewedServers > 0,
    };
    for (const [key, isRenewed] of Object.entries(renewed)) {
      if (isRenewed && !changed.some((one) => one === key || one.startsWith(`${key}.`)))
        changed.push(`${key} (renewed files)`);
    }
    const counts = Object.entries(keys)
      .filter(([, identities]) => identities.length > 0)
      .map(([what, identities]) => `${identities.length} ${what}`);
    const all = [...changed, ...(counts.length === 0 ? [] : [`pre-shared keys (${counts.join(', ')})`])];
    const waiting = names
      .filter((name) => !isLive(name) && differs(name, this.#started))
      .map((name) => configKeys[name]);
    if (waiting.length > 0) log.warning(`changed, and counts after a restart only: ${waiting.join(', ')}`);
    audit.add({
      event: 'configuration-read',
      how: 'SIGHUP',
      changed,
      keys: Object.fromEntries(counted(keys)),
      waiting,
    });
    log.detail(
      0,
      `configuration read again: ${all.length === 0 ? 'nothing else counts now' : all.join(', ')}`,
    );
  }
}

const credentialNames: ReadonlySet<string> = new Set([
  'cert',
  'privateKey',
  'passphraseFile',
  'ca',
] satisfies (keyof ConfiguredOptions)[]);

function kindsOf({ credentials }: LiveOptions): string {
  const { certificate, rawPublicKey, authorities } = credentials ?? {};
  return [certificate, rawPublicKey, authorities].map((one) => one !== undefined).join();
}

/** Certificates and keys, of CoAP and of HTTP. */
function haveOtherFiles(before: LiveOptions, now: LiveOptions): boolean {
  const contents = ({ credentials, httpSecrets }: LiveOptions): unknown => [
    httpSecrets?.tls,
    credentials?.certificate?.chain,
    credentials?.authorities,
    credentials && describePublicKey(credentials.rawPublicKey.privateKey).fingerprint,
  ];
  return !isDeepStrictEqual(contents(before), contents(now));
}

/** Longest cause that is shown, in characters. */
const maxCause = 4000;

/** Identities whose keys came, are others, or went. */
interface KeyChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

function keyChanges(before: LiveOptions, now: LiveOptions): KeyChanges {
  const old = byIdentity(before);
  const current = byIdentity(now);
  return {
    added: [...current.keys()].filter((identity) => !old.has(identity)),
    changed: [...current]
      .filter(([identity, key]) => old.has(identity) && !isDeepStrictEqual(old.get(identity), key))
      .map(([identity]) => identity),
    removed: [...old.keys()].filter((identity) => !current.has(identity)),
  };
}

/** Identities in one line of the audit; of more there is the number alone. */
const maxNamed = 100;

function counted(changes: KeyChanges): [string, readonly string[] | number][] {
  return Object.entries(changes)
    .filter(([, identities]) => identities.length > 0)
    .map(([what, identities]) => [what, identities.length > maxNamed ? identities.length : identities]);
}

function byIdentity({ psks = [], anyIdentityKey }: LiveOptions): ReadonlyMap<string, Uint8Array> {
  const any: readonly PskEntry[] =
    anyIdentityKey === undefined ? [] : [{ identity: '*', key: anyIdentityKey }];
  return new Map([...psks, ...any].map(({ identity, key }) => [identity, key]));
}
