/**
 * Who may shake hands, and what each identity may do: the store's devices, keys from the command line and the demo.
 *
 * Keys are looked up at each handshake, in this order: command line, store, demo, the any-identity key. So a device
 * in the store closes the door that a published demo key would open under the same name. Each key comes with a stamp
 * that names its source and version; the association keeps it, and it is good for as long as a look-up of the same
 * identity would give the same stamp. Which associations there are is not known here (association-review.ts).
 */
import { createHmac } from 'node:crypto';
import type { ConfiguredAccess } from '../access/configured-access.ts';
import { defaultRules, parseRule, type Rule } from '../access/rule.ts';
import type { PskEntry } from '../server/serve-options.ts';
import type { Device, KeyVersion } from '../store/device-table.ts';

/** Where the directory looks. */
export interface DirectorySources {
  readonly device: (id: string) => Promise<Device | undefined>;
  readonly deviceByFingerprint: (fingerprint: string) => Promise<Device | undefined>;
  /** Of many devices at once. */
  readonly keyVersions: (ids: readonly string[]) => Promise<readonly (KeyVersion | undefined)[]>;
  /** Empty outside `--demo`. */
  readonly demo: readonly PskEntry[];
  /** Asked at each look-up: they may change. */
  readonly configured: () => ConfiguredKeys;
  /** What the configuration says of access; may say something else each time. */
  readonly access?: () => Pick<ConfiguredAccess, 'names' | 'rulesOf'>;
}

/** Keys from the command line, or the configuration. */
export interface ConfiguredKeys {
  readonly psks?: readonly PskEntry[];
  /** Whoever has this key may use any name that is not one of the others. */
  readonly anyIdentityKey?: Uint8Array | undefined;
}

/** Rules kept in memory; more identities than this start afresh. */
const maxKept = 10_000;

/**
 * Where a key comes from, and which version of it. Compared, never taken apart: an association whose identity has
 * another stamp now is out of date, whatever changed.
 */
export type KeyStamp = `${'command-line' | 'demo' | 'any' | 'store'}:${string}`;

/** A key for a handshake, in the form of the library's key look-up. */
export interface Admission {
  readonly key: Uint8Array;
  /** Kept with the association as its `context`. */
  readonly context: KeyStamp;
}

/** A device with a raw public key or certificate, in the form of the library's look-ups. */
export interface KnownPeer {
  readonly identity: string;
  /** Kept with the association as its `context`. */
  readonly context: KeyStamp;
}

interface Entry {
  /** Undefined for a device that proves itself in another way. */
  readonly key: Uint8Array | undefined;
  readonly rules: readonly Rule[];
  readonly stamp: KeyStamp;
}

/** Identities with their keys and rules. */
export class DeviceDirectory {
  readonly #sources: DirectorySources;
  readonly #kept = new Map<string, readonly Rule[] | undefined>();
  #generation = 0;

  constructor(sources: DirectorySources) {
    this.#sources = sources;
  }

  /** The key of an identity for a handshake; undefined when nobody has that name. */
  async admission(identity: string): Promise<Admission | undefined> {
    const entry = await this.#find(identity);
    return entry?.key && { key: entry.key, context: entry.stamp };
  }

  /** The device with this raw public key. */
  async ownerOfKey(fingerprint: string): Promise<KnownPeer | undefined> {
    return this.#owner(fingerprint, 'rpk');
  }

  /** The device with exactly this certificate, when the certificate names it. */
  async ownerOfCertificate(name: string, fingerprint: string): Promise<KnownPeer | undefined> {
    const owner = await this.#owner(fingerprint, 'cert');
    return owner?.identity === name ? owner : undefined;
  }

  /**
   * Whether handshakes of these identities would get the same keys now, by the stamps of their associations; asks the store
   * each time, once for all.
   */
  async areCurrent(
    held: readonly { readonly identity: string; readonly stamp: unknown }[],
  ): Promise<readonly boolean[]> {
    const { keyVersions, demo, configured } = this.#sources;
    const stored = await keyVersions(held.map(({ identity }) => identity));
    const { psks = [], anyIdentityKey } = configured();
    const [configuredKeys, demoKeys] = [keysByName(psks), keysByName(demo)];
    return held.map(({ identity, stamp }, i) => {
      const fixed = configuredKeys.get(identity);
      if (fixed !== undefined) return stamp === fixedStamp(fixed, 'command-line');
      const version = stored[i];
      if (version !== undefined) return stamp === stampOf(version);
      const known = demoKeys.get(identity);
      if (known !== undefined) return stamp === fixedStamp(known, 'demo');
      return anyIdentityKey !== undefined && stamp === fixedStamp(anyIdentityKey, 'any');
    });
  }

  /**
   * What an authenticated identity may do.
   *
   * @param stamp that of its association: what came from another source has no part in the rights of this one.
   * @returns undefined when its key does not count any more.
   */
  async rules(identity: string, stamp: unknown): Promise<readonly Rule[] | undefined> {
    // No stamp holds a line feed.
    const name = `${stamp}\n${identity}`;
    if (this.#kept.has(name)) return this.#kept.get(name);
    const generation = this.#generation;
    const entry = await this.#find(identity);
    const rules = entry?.stamp === stamp ? entry?.rules : undefined;
    if (generation === this.#generation) {
      if (this.#kept.size >= maxKept) this.#kept.clear();
      this.#kept.set(name, rules);
    }
    return rules;
  }

  /** The store was written by another process, or the configuration is another one: rules are looked up again. */
  storeChanged(): void {
    this.#generation += 1;
    this.#kept.clear();
  }

  async #owner(fingerprint: string, kind: 'rpk' | 'cert'): Promise<KnownPeer | undefined> {
    const device = await this.#sources.deviceByFingerprint(fingerprint);
    if (device?.credential.kind !== kind) return undefined;
    // Under a name that the command line gives a key, the device of the store has no say.
    const entry = await this.#find(device.id);
    const stamp = stampOf(device);
    return entry?.stamp === stamp ? { identity: device.id, context: stamp } : undefined;
  }

  async #find(identity: string): Promise<Entry | undefined> {
    const { device, demo, configured } = this.#sources;
    const access = this.#sources.access?.();
    const rules = access?.rulesOf(identity) ?? [];
    const { psks, anyIdentityKey } = configured();
    const fixed = keysByName(psks ?? []).get(identity);
    if (fixed !== undefined) {
      const entry = fixedEntry(fixed, identity, 'command-line');
      // What is said of this very identity stands in place of the default.
      return { ...entry, rules: access?.names(identity) ? rules : [...entry.rules, ...rules] };
    }
    const stored = await device(identity);
    if (stored !== undefined) {
      return {
        key: stored.credential.kind === 'psk' ? stored.credential.key : undefined,
        // A rule that this version cannot read gives nothing.
        rules: [...stored.rules.map(parseRule).filter((rule) => typeof rule !== 'string'), ...rules],
        stamp: stampOf(stored),
      };
    }
    // Whoever poses as somebody with a published key, or with one key for all names, gets nothing of the configuration.
    const known = keysByName(demo).get(identity);
    if (known !== undefined) return fixedEntry(known, identity, 'demo');
    return anyIdentityKey && fixedEntry(anyIdentityKey, identity, 'any');
  }
}

/** The stamp of the credential that a device of the store has now. */
export function stampOf({ addedAtMs, keyVersion }: KeyVersion): KeyStamp {
  return `store:${addedAtMs} ${keyVersion}`;
}

/** What the demo's identities may do besides: take away what POST to `/sensors` has made, and bring firmware. */
const demoRules = ['DELETE:/sensors/*', 'PUT,DELETE:/firmware/*']
  .map(parseRule)
  .filter((rule) => typeof rule !== 'string');

type FixedSource = 'command-line' | 'demo' | 'any';

function fixedEntry(key: Uint8Array, identity: string, source: FixedSource): Entry {
  const rules = source === 'demo' ? [...defaultRules(identity), ...demoRules] : defaultRules(identity);
  return { key, rules, stamp: fixedStamp(key, source) };
}

const keyLists = new WeakMap<readonly PskEntry[], ReadonlyMap<string, Uint8Array>>();

/** Of two with the same name the first counts. A list is read once: it may have a hundred thousand, and is asked at each handshake. */
function keysByName(list: readonly PskEntry[]): ReadonlyMap<string, Uint8Array> {
  let keys = keyLists.get(list);
  if (keys === undefined) {
    keys = new Map(list.toReversed().map(({ identity, key }) => [identity, key]));
    keyLists.set(list, keys);
  }
  return keys;
}

const fingerprints = new WeakMap<Uint8Array, string>();

/** A key that is not in the store has no version: another process may have another one under the same name. */
function fixedStamp(key: Uint8Array, source: FixedSource): KeyStamp {
  let fingerprint = fingerprints.get(key);
  if (fingerprint === undefined) {
    // So few bits that nobody can find the key by them.
    fingerprint = createHmac('sha256', key).update('coapsule key stamp').digest('hex').slice(0, 8);
    fingerprints.set(key, fingerprint);
  }
  return `${source}:${fingerprint}`;
}
