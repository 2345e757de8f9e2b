/**
 * Certificates and public keys that nobody gets in with any more, whatever vouches for them, on an open database.
 *
 * By fingerprint, `sha256:` and hexadecimal digits: of a certificate, or of a SubjectPublicKeyInfo, which stands for all certificates
 * with that key. `deny` also gives another version to the credentials of the devices that it may concern, so that their
 * associations end wherever they are kept or held (gateway/device-directory.ts): those of the device that has it, or, when none
 * has, those of all devices with a certificate, since it may be an authority's.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inSealedTransaction, type SealedDatabase } from './sealing.ts';

/** An entry. */
export interface DeniedKey {
  readonly fingerprint: string;
  /** Why, in the operator's words. */
  readonly note: string;
  readonly addedAtMs: number;
}

/** The deny list of a store; every statement is prepared once. */
export class DeniedTable {
  readonly #sealed: SealedDatabase;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(sealed: SealedDatabase) {
    this.#sealed = sealed;
    this.#statements = prepare(sealed.database);
  }

  /**
   * @param whose Fingerprints that devices may be stored under: of the certificate, where the entry is for its key.
   * @returns how many devices have to make a new handshake, or cannot any more; undefined when it was there already.
   */
  deny(entry: DeniedKey, whose: readonly string[]): number | undefined {
    const { insert, endOf, endOfAll, endBefore, endAllBefore } = this.#statements;
    return inSealedTransaction(this.#sealed, () => {
      const { fingerprint, note, addedAtMs } = entry;
      if (insert.run(fingerprint, note, addedAtMs).changes === 0) return undefined;
      const known = [...new Set([fingerprint, ...whose])];
      const count = (statement: StatementSync): number =>
        known.reduce((sum, one) => sum + Number(statement.run(one).changes), 0);
      const [ended, endedBefore] = [count(endOf), count(endBefore)];
      // Of a key that is denied only a former certificate may be known here; the present one may be of that key too.
      const isWhole = ended > 0 || (endedBefore > 0 && whose.length === 0);
      if (isWhole) return ended + endedBefore;
      endAllBefore.run();
      return Number(endOfAll.run().changes);
    });
  }

  /** @returns whether it was there. */
  allow(fingerprint: string): boolean {
    return inSealedTransaction(this.#sealed, () => this.#statements.remove.run(fingerprint).changes !== 0);
  }

  /** The first of these that is denied. */
  firstOf(fingerprints: readonly string[]): string | undefined {
    return fingerprints.find((one) => this.#statements.find.get(one) !== undefined);
  }

  /** All, the newest first. */
  all(): readonly DeniedKey[] {
    const rows = this.#statements.all.all() as { fingerprint: string; note: string; added_at_ms: number }[];
    return rows.map(({ fingerprint, note, added_at_ms: addedAtMs }) => ({ fingerprint, note, addedAtMs }));
  }
}

function prepare(database: DatabaseSync) {
  const newVersion = 'UPDATE device SET key_version = key_version + 1';
  return {
    insert: database.prepare('INSERT OR IGNORE INTO denied VALUES (?, ?, ?)'),
    remove: database.prepare('DELETE FROM denied WHERE fingerprint = ?'),
    find: database.prepare('SELECT 1 FROM denied WHERE fingerprint = ?'),
    all: database.prepare('SELECT * FROM denied ORDER BY added_at_ms DESC, fingerprint'),
    endOf: database.prepare(`${newVersion} WHERE fingerprint = ?`),
    endOfAll: database.prepare(`${newVersion} WHERE credential = 'cert'`),
    endBefore: database.prepare('DELETE FROM previous_credential WHERE fingerprint = ?'),
    endAllBefore: database.prepare("DELETE FROM previous_credential WHERE credential = 'cert'"),
  };
}
