/**
 * Who may shake hands, and what each identity may do: the store's devices, keys from the command line and the demo.
 *
 * Keys are looked up at each handshake, in this order: command line, store, demo, the any-identity key. So a device
 * in the store closes the door that a published demo key would open under the same name. Rules are kept in memory
 * until the store says that another process has written; then live associations under a key that is no longer the
 * device's are named for ending.
 */
import { defaultRules, parseRule, type Rule } from '../access/rule.ts';
import type { PskEntry } from '../server/serve-options.ts';
import type { Device } from '../store/device-table.ts';

/** Where the directory looks. */
export interface DirectorySources {
  readonly device: (id: string) => Promise<Device | undefined>;
  /** From the command line. */
  readonly psks: readonly PskEntry[];
  /** Empty outside `--demo`. */
  readonly demo: readonly PskEntry[];
  /** Whoever has this key may use any name that is not one of the others. */
  readonly anyIdentityKey: Uint8Array | undefined;
}

/** Rules kept in memory; more identities than this start afresh. */
const maxKept = 10_000;

interface Entry {
  readonly key: Uint8Array;
  readonly rules: readonly Rule[];
  /** Changes with the key; undefined for what cannot change while the gateway runs. */
  readonly keyStamp: string | undefined;
}

/** Identities with their keys and rules. */
export class DeviceDirectory {
  readonly #sources: DirectorySources;
  readonly #kept = new Map<string, readonly Rule[] | undefined>();
  /** Store devices that got their key for a handshake, with the stamp of that key. */
  readonly #admitted = new Map<string, string>();
  #generation = 0;

  constructor(sources: DirectorySources) {
    this.#sources = sources;
  }

  /** The key of an identity for a handshake; undefined when nobody has that name. */
  async key(identity: string): Promise<Uint8Array | undefined> {
    const entry = await this.#find(identity);
    if (entry?.keyStamp !== undefined) this.#admitted.set(identity, entry.keyStamp);
    return entry?.key;
  }

  /** What an authenticated identity may do; undefined when it is no device any more. */
  async rules(identity: string): Promise<readonly Rule[] | undefined> {
    if (this.#kept.has(identity)) return this.#kept.get(identity);
    const generation = this.#generation;
    const rules = (await this.#find(identity))?.rules;
    if (generation === this.#generation) {
      if (this.#kept.size >= maxKept) this.#kept.clear();
      this.#kept.set(identity, rules);
    }
    return rules;
  }

  /**
   * The store was written by another process.
   *
   * @returns identities that were admitted with a key that is not theirs any more.
   */
  async revoked(): Promise<string[]> {
    this.#generation += 1;
    this.#kept.clear();
    const revoked: string[] = [];
    for (const [identity, stamp] of [...this.#admitted]) {
      const entry = await this.#find(identity);
      if (entry?.keyStamp === stamp) continue;
      this.#admitted.delete(identity);
      revoked.push(identity);
    }
    return revoked;
  }

  async #find(identity: string): Promise<Entry | undefined> {
    const { device, psks, demo, anyIdentityKey } = this.#sources;
    const fixed = psks.find((psk) => psk.identity === identity);
    if (fixed !== undefined) return fixedEntry(fixed.key, identity);
    const stored = await device(identity);
    if (stored !== undefined) {
      return {
        key: stored.psk,
        // A rule that this version cannot read gives nothing.
        rules: stored.rules.map(parseRule).filter((rule) => typeof rule !== 'string'),
        keyStamp: `${stored.addedAtMs} ${stored.keyVersion}`,
      };
    }
    const known = demo.find((psk) => psk.identity === identity);
    if (known !== undefined) return fixedEntry(known.key, identity);
    return anyIdentityKey && fixedEntry(anyIdentityKey, identity);
  }
}

function fixedEntry(key: Uint8Array, identity: string): Entry {
  return { key, rules: defaultRules(identity), keyStamp: undefined };
}
