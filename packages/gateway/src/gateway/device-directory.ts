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
import { systemWallClock, type WallClock } from '../server/wall-clock.ts';
import type { Device, KeyVersion } from '../store/device-table.ts';
import type { EndedOverlap } from '../store/previous-table.ts';

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
  /** Wall-clock time in ms since 1970. */
  readonly clock?: WallClock;
  /** A device uses its new credential, with which the one before ends. */
  readonly endOverlap?: (ended: EndedOverlap) => Promise<void>;
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
  /** What the device had before, while that counts. */
  readonly others?: readonly Omit<Admission, 'others'>[];
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
  /** What the device had before, while that counts. */
  readonly before?: { readonly key: Uint8Array | undefined; readonly stamp: KeyStamp };
}

/** Identities with their keys and rules. */
export class DeviceDirectory {
  readonly #sources: DirectorySources;
  readonly #kept = new Map<string, readonly Rule[] | undefined>();
  /** Devices with a credential before that ends with the use of the new one, when they shook hands. */
  readonly #ending = new Map<string, KeyVersion>();
  #generation = 0;

  constructor(sources: DirectorySources) {
    this.#sources = sources;
  }

  /** The key of an identity for a handshake; undefined when nobody has that name. */
  async admission(identity: string): Promise<Admission | undefined> {
    const entry = await this.#find(identity);
    if (entry === undefined) return undefined;
    const [first, ...others] = [entry, ...(entry.before === undefined ? [] : [entry.before])].flatMap(
      ({ key, stamp }) => (key === undefined ? [] : [{ key, context: stamp }]),
    );
    return first && { ...first, ...(others.length > 0 && { others }) };
  }

  /** A device has made a handshake: with the new one of two credentials the other may end. */
  async noteUse(identity: string, stamp: unknown): Promise<void> {
    const ending = this.#ending.get(identity);
    if (ending === undefined || stamp !== stampOf(ending)) return;
    this.#ending.delete(identity);
    const { addedAtMs, keyVersion } = ending;
    await this.#sources.endOverlap?.({ deviceId: identity, addedAtMs, keyVersion });
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
      if (version !== undefined) return stamp === stampOf(version) || stamp === this.#stampBefore(version);
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
    const isGood = entry !== undefined && (entry.stamp === stamp || entry.before?.stamp === stamp);
    const rules = isGood ? entry.rules : undefined;
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
    if (device === undefined) return undefined;
    const has = (proof: Device['credential'] | undefined): boolean =>
      proof?.kind === kind && proof.fingerprint === fingerprint;
    const isPresent = has(device.credential);
    const stamp = isPresent ? stampOf(device) : this.#stampBefore(device);
    if (stamp === undefined || !(isPresent || has(device.previous?.credential))) return undefined;
    // Under a name that the command line gives a key, the device of the store has no say.
    const entry = await this.#find(device.id);
    return entry?.stamp === stampOf(device) ? { identity: device.id, context: stamp } : undefined;
  }

  /** The stamp of the credential before, while that counts. */
  #stampBefore({ addedAtMs, previous }: KeyVersion): KeyStamp | undefined {
    const { clock = systemWallClock } = this.#sources;
    if (previous === undefined || clock() >= previous.untilMs) return undefined;
    return stampOf({ addedAtMs, keyVersion: previous.keyVersion });
  }

  /** Remembers whose credential before ends with the use of the new one. */
  #noteEnding({ id, addedAtMs, keyVersion, previous }: Device): void {
    if (previous?.endsWithUse !== true) return;
    if (this.#ending.size >= maxKept) this.#ending.clear();
    this.#ending.set(id, { addedAtMs, keyVersion });
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
      this.#noteEnding(stored);
      const stampBefore = this.#stampBefore(stored);
      const proof = stored.previous?.credential;
      return {
        ...(stampBefore !== undefined && {
          before: { key: proof?.kind === 'psk' ? proof.key : undefined, stamp: stampBefore },
        }),
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
