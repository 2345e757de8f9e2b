/**
 * Devices, their credentials and their rules, on an open database.
 *
 * Pre-shared keys are sealed on the disk and leave this file only inside `Device`; nothing here logs. Rules are kept as the text of access/rule.ts and
 * are not judged here.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type OscoreCredential, OscoreTable } from './oscore-table.ts';
import { type Overlap, type PreviousCredential, PreviousTable } from './previous-table.ts';
import {
  type DeviceProof,
  type KeyPlace,
  noKey,
  type ProofColumns,
  type ProofRow,
  proofColumns,
  proofOf,
} from './proof-columns.ts';
import { inSealedTransaction, type SealedDatabase } from './sealing.ts';

/** What a device proves itself with. */
export type DeviceCredential = OscoreCredential | DeviceProof;

/** Which key a device has: another one has another number, and a device that was added again another time. */
export interface KeyVersion extends Pick<Device, 'addedAtMs' | 'keyVersion'> {
  /** The one before, which may still count. */
  readonly previous?: Pick<PreviousCredential, 'keyVersion' | 'untilMs'>;
}

/** A device that may shake hands with the gateway. */
export interface Device {
  /** The PSK identity, or the name in its certificate. */
  readonly id: string;
  readonly credential: DeviceCredential;
  /** Grows by one with each rotation, so that a live association under an older key can be ended. */
  readonly keyVersion: number;
  readonly addedAtMs: number;
  readonly rotatedAtMs: number | undefined;
  /** What it had before, where that may still count. */
  readonly previous?: PreviousCredential;
  /** `METHOD[,METHOD…]:PATH`. */
  readonly rules: readonly string[];
}

/** A device with the gateway that it was added at, which alone changes it. */
export interface HomedDevice {
  /** The name of that gateway among all. */
  readonly home: string;
  readonly device: Device;
}

/** A device that is not in the store yet. */
export type NewDevice = Pick<Device, 'id' | 'credential' | 'rules' | 'addedAtMs'>;

/** Devices that were changed, added or removed, with what they are now. */
export interface DeviceChanges {
  readonly changed: readonly { readonly id: string; readonly device: Device | undefined }[];
  /** Behind the last of them. */
  readonly mark: number;
}

/** Some of the devices of a store, in the order of their ids. */
export interface DevicePage {
  /** Those with greater ids. */
  readonly after: string;
  readonly limit: number;
  /** True: those of other gateways; false: those that were added here. */
  readonly ofOthers: boolean;
}

/** The devices of a store; every statement is prepared once. */
export class DeviceTable {
  readonly #sealed: SealedDatabase;
  readonly #contexts: OscoreTable;
  readonly #previous: PreviousTable;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(sealed: SealedDatabase) {
    this.#sealed = sealed;
    this.#contexts = new OscoreTable(sealed);
    this.#previous = new PreviousTable(sealed);
    this.#statements = prepare(sealed.database);
  }

  /** @returns false when a device of that id is there already; it is then unchanged. */
  add(device: NewDevice): boolean {
    return this.addAll([device]) === undefined;
  }

  /** @returns the id of one that is there already; then none was added. */
  addAll(devices: readonly NewDevice[]): string | undefined {
    return inSealedTransaction(this.#sealed, () => {
      const present = devices.find(({ id }) => this.find(id) !== undefined);
      if (present !== undefined) return present.id;
      for (const { id, addedAtMs, credential, rules } of devices) {
        this.#statements.insert.run(id, addedAtMs, 1, null, null, ...this.#columnsOf(id, credential));
        this.#putContext(id, credential);
        this.#insertRules(id, rules);
      }
      return undefined;
    });
  }

  find(id: string): Device | undefined {
    const row = this.#statements.find.get(id) as DeviceRow | undefined;
    return row === undefined ? undefined : this.#deviceOf(row);
  }

  /** Which keys devices have now; undefined for who is none. */
  keyVersions(ids: readonly string[]): readonly (KeyVersion | undefined)[] {
    return ids.map((id) => {
      const row = this.#statements.keyVersion.get(id) as
        | { added_at_ms: number; key_version: number; before: number | null; until_ms: number }
        | undefined;
      if (row === undefined) return undefined;
      const { before, until_ms: untilMs } = row;
      return {
        ...{ addedAtMs: row.added_at_ms, keyVersion: row.key_version },
        ...(before === null ? {} : { previous: { keyVersion: before, untilMs } }),
      };
    });
  }

  /** The device with this raw public key or certificate, or the one that had it before; no two have the same. */
  findByFingerprint(fingerprint: string): Device | undefined {
    const row = this.#statements.findByFingerprint.get(fingerprint) as DeviceRow | undefined;
    if (row !== undefined) return this.#deviceOf(row);
    const id = this.#previous.ownerOf(fingerprint);
    return id === undefined ? undefined : this.find(id);
  }

  /** The device that has this OSCORE context now. */
  ownerOfContext(credential: OscoreCredential): string | undefined {
    return this.#contexts.ownerOf(credential);
  }

  /** All devices, ordered by id. */
  all(): Device[] {
    const rules = this.#allRules();
    const rows = this.#statements.all.all() as unknown as DeviceRow[];
    return rows.map((row) => this.#deviceOf(row, rules.get(row.id) ?? []));
  }

  /** Which kinds of credentials there are. */
  kinds(): readonly DeviceCredential['kind'][] {
    const rows = this.#statements.kinds.all() as { credential: DeviceCredential['kind'] }[];
    return rows.map(({ credential }) => credential);
  }

  /** Those that prove themselves under OSCORE. */
  underOscore(): readonly Device[] {
    return (this.#statements.underOscore.all() as unknown as DeviceRow[]).map((row) => this.#deviceOf(row));
  }

  /** Some of all devices; an empty page is the end. */
  page({ after, limit, ofOthers }: DevicePage): readonly HomedDevice[] {
    const rows = this.#statements.page.all(after, ofOthers ? 1 : 0, limit) as unknown as DeviceRow[];
    return rows.map((row) => ({ home: row.home ?? '', device: this.#deviceOf(row) }));
  }

  /** Devices whose id has a text in it, whatever its case, in the order of their ids, and how many there are of them. */
  search(
    text: string,
    after: string,
    limit: number,
  ): { readonly devices: readonly HomedDevice[]; readonly total: number } {
    const rows = this.#statements.search.all(text, after, limit) as unknown as DeviceRow[];
    const { total } = this.#statements.searchTotal.get(text) as { total: number };
    return { devices: rows.map((row) => ({ home: row.home ?? '', device: this.#deviceOf(row) })), total };
  }

  /** Where a device was added: undefined for one that is not there, empty for one that was added here. */
  homeOf(id: string): string | undefined {
    const row = this.#statements.home.get(id) as { home: string | null } | undefined;
    return row && (row.home ?? '');
  }

  /** Behind all changes by now. */
  changeMark(): number {
    return (this.#statements.changeMark.get() as { mark: number | null }).mark ?? 0;
  }

  /** Devices that were changed behind a mark, by whichever process: each once, in the order of their last changes. */
  changesAfter(mark: number, limit: number): DeviceChanges {
    const rows = this.#statements.changes.all(mark, limit) as { id: number; device_id: string }[];
    return {
      changed: rows.map(({ device_id: id }) => ({ id, device: this.find(id) })),
      mark: rows.at(-1)?.id ?? mark,
    };
  }

  /**
   * Keeps devices of other gateways as they are there; call inside a transaction.
   *
   * @returns the ids of those that are left as they are here: another one has the id or the fingerprint.
   */
  putHomed(devices: readonly HomedDevice[]): readonly string[] {
    const refused: string[] = [];
    for (const { home, device } of devices) {
      const { id, credential, addedAtMs, keyVersion, rotatedAtMs, rules, previous } = device;
      const present = this.homeOf(id);
      const columns = this.#columnsOf(id, credential);
      const [, , fingerprint] = columns;
      const owner = fingerprint === null ? undefined : this.#statements.owner.get(fingerprint);
      if ((present !== undefined && present !== home) || (owner !== undefined && owner['id'] !== id)) {
        refused.push(id);
        continue;
      }
      this.#statements.remove.run(id);
      this.#statements.insert.run(id, addedAtMs, keyVersion, rotatedAtMs ?? null, home, ...columns);
      this.#putContext(id, credential);
      if (previous !== undefined) this.#previous.put(id, previous);
      this.#insertRules(id, rules);
    }
    return refused;
  }

  /** Forgets devices of another gateway; call inside a transaction. */
  removeHomed(home: string, ids: readonly string[]): void {
    for (const id of ids) this.#statements.removeHomed.run(id, home);
  }

  /**
   * @param overlap How long what it has now still counts; not at all without it, and never an OSCORE context.
   * @returns false when there is no such device, or when it is one of another gateway.
   */
  rotate(id: string, credential: DeviceCredential, nowMs: number, overlap?: Overlap): boolean {
    return inSealedTransaction(this.#sealed, () => {
      const before = overlap && this.find(id);
      const { changes } = this.#statements.rotate.run(...this.#columnsOf(id, credential), nowMs, id);
      if (changes === 0) return false;
      this.#putContext(id, credential);
      this.#previous.remove(id);
      // An OSCORE context has state of its own, of which there is room for one.
      if (overlap !== undefined && before !== undefined && before.credential.kind !== 'oscore') {
        const { credential: proof, keyVersion } = before;
        this.#previous.put(id, { credential: proof, keyVersion, ...overlap });
      }
      return true;
    });
  }

  /** What it had before does not count any more. @returns whether there was something. */
  retire(id: string): boolean {
    return inSealedTransaction(this.#sealed, () => this.#previous.remove(id));
  }

  /** Replaces what it may do. @returns false as `rotate` does; its key and associations stay. */
  allow(id: string, rules: readonly string[]): boolean {
    return inSealedTransaction(this.#sealed, () => {
      if (this.homeOf(id) !== '') return false;
      this.#statements.removeRules.run(id);
      this.#insertRules(id, rules);
      return true;
    });
  }

  /** @returns false as `rotate` does. Its readings stay. */
  remove(id: string): boolean {
    return this.homeOf(id) === '' && this.#statements.remove.run(id).changes !== 0;
  }

  /** A context belongs to the credential: another credential, another context or none. */
  #putContext(id: string, credential: DeviceCredential): void {
    if (credential.kind === 'oscore') this.#contexts.put(id, credential);
    else this.#contexts.remove(id);
  }

  #insertRules(id: string, rules: readonly string[]): void {
    for (const [position, rule] of rules.entries()) this.#statements.insertRule.run(id, position, rule);
  }

  /** Of all devices at once: asked for one by one, they take longer than everything else. */
  #allRules(): ReadonlyMap<string, readonly string[]> {
    const rules = new Map<string, string[]>();
    for (const { device_id, rule } of this.#statements.allRules.all() as {
      device_id: string;
      rule: string;
    }[]) {
      const some = rules.get(device_id);
      if (some === undefined) rules.set(device_id, [rule]);
      else some.push(rule);
    }
    return rules;
  }

  #rulesOf(id: string): readonly string[] {
    return (this.#statements.rules.all(id) as { rule: string }[]).map(({ rule }) => rule);
  }

  #deviceOf(row: DeviceRow, rules: readonly string[] = this.#rulesOf(row.id)): Device {
    const previous = this.#previous.find(row.id);
    return {
      id: row.id,
      credential:
        (row.credential === 'oscore' && this.#contexts.find(row.id)) ||
        proofOf(this.#sealed.secrets, placeOf(row.id), row),
      keyVersion: row.key_version,
      addedAtMs: row.added_at_ms,
      rotatedAtMs: row.rotated_at_ms ?? undefined,
      ...(previous === undefined ? {} : { previous }),
      rules,
    };
  }

  #columnsOf(id: string, credential: DeviceCredential): ProofColumns {
    return credential.kind === 'oscore'
      ? ['oscore', noKey, null, null]
      : proofColumns(this.#sealed.secrets, placeOf(id), credential);
  }
}

function placeOf(deviceId: string): KeyPlace {
  return { column: 'device.psk', deviceId };
}

interface DeviceRow extends ProofRow {
  id: string;
  key_version: number;
  added_at_ms: number;
  rotated_at_ms: number | null;
  home: string | null;
}

function prepare(database: DatabaseSync) {
  return {
    insert: database.prepare(
      `INSERT INTO device (id, added_at_ms, key_version, rotated_at_ms, home, credential, psk, fingerprint, expires_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    find: database.prepare('SELECT * FROM device WHERE id = ?'),
    home: database.prepare('SELECT home FROM device WHERE id = ?'),
    keyVersion: database.prepare(
      `SELECT device.added_at_ms, device.key_version, p.key_version AS before, p.until_ms
       FROM device LEFT JOIN previous_credential p ON p.device_id = device.id WHERE device.id = ?`,
    ),
    findByFingerprint: database.prepare('SELECT * FROM device WHERE fingerprint = ?'),
    owner: database.prepare('SELECT id FROM device WHERE fingerprint = ?'),
    all: database.prepare('SELECT * FROM device ORDER BY id'),
    kinds: database.prepare('SELECT DISTINCT credential FROM device'),
    underOscore: database.prepare("SELECT * FROM device WHERE credential = 'oscore'"),
    page: database.prepare(
      'SELECT * FROM device WHERE id > ? AND (home IS NOT NULL) = ? ORDER BY id LIMIT ?',
    ),
    search: database.prepare(
      'SELECT * FROM device WHERE instr(lower(id), lower(?)) > 0 AND id > ? ORDER BY id LIMIT ?',
    ),
    searchTotal: database.prepare(
      'SELECT count(*) AS total FROM device WHERE instr(lower(id), lower(?)) > 0',
    ),
    changeMark: database.prepare('SELECT max(id) AS mark FROM device_change'),
    changes: database.prepare('SELECT id, device_id FROM device_change WHERE id > ? ORDER BY id LIMIT ?'),
    rotate: database.prepare(
      `UPDATE device SET credential = ?, psk = ?, fingerprint = ?, expires_at_ms = ?,
       key_version = key_version + 1, rotated_at_ms = ? WHERE id = ? AND home IS NULL`,
    ),
    remove: database.prepare('DELETE FROM device WHERE id = ?'),
    removeHomed: database.prepare('DELETE FROM device WHERE id = ? AND home = ?'),
    removeRules: database.prepare('DELETE FROM device_rule WHERE device_id = ?'),
    insertRule: database.prepare('INSERT INTO device_rule VALUES (?, ?, ?)'),
    rules: database.prepare('SELECT rule FROM device_rule WHERE device_id = ? ORDER BY position'),
    allRules: database.prepare('SELECT device_id, rule FROM device_rule ORDER BY device_id, position'),
  };
}
