/**
 * The registrations of the Resource Directory (RFC 9176), on an open database.
 *
 * `put` and `remove` belong inside a transaction of the caller.
 */
import type { DatabaseSync } from 'node:sqlite';
import { decodeLinkFormat, encodeLinkFormat, isDecodeFault } from 'coapsule/message';
import type { Registration } from '../directory/registration.ts';

/** A change of what is registered. */
export type RegistrationChange =
  | { readonly kind: 'put'; readonly registration: Registration }
  | { readonly kind: 'remove'; readonly ids: readonly string[] };

/** Registrations by id; every statement is prepared once. */
export class RegistrationTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  apply(change: RegistrationChange): void {
    if (change.kind === 'remove') {
      for (const id of change.ids) this.#statements.remove.run(id);
      return;
    }
    const { id, name, sector, owner, lifetimeSeconds, base, attributes, links, expiresAtMs } =
      change.registration;
    this.#statements.put.run(
      id,
      name,
      sector,
      owner ?? null,
      lifetimeSeconds,
      base.uri,
      base.isGiven ? 1 : 0,
      base.zone ?? null,
      JSON.stringify(attributes),
      encodeLinkFormat(links),
      expiresAtMs,
    );
  }

  /** All, in the order of their ids. */
  all(): readonly Registration[] {
    return (this.#statements.all.all() as unknown as readonly RegistrationRow[]).map((row) => {
      const links = decodeLinkFormat(row.links);
      return {
        id: row.id,
        name: row.name,
        sector: row.sector,
        owner: row.owner ?? undefined,
        lifetimeSeconds: row.lifetime_s,
        base: { uri: row.base, isGiven: row.base_is_given === 1, zone: row.zone ?? undefined },
        // JSON has no undefined.
        attributes: (JSON.parse(row.attributes) as [string, string | null][]).map(([key, value]) => [
          key,
          value ?? undefined,
        ]),
        links: isDecodeFault(links) ? [] : links,
        expiresAtMs: row.expires_at_ms,
      };
    });
  }
}

interface RegistrationRow {
  id: string;
  name: string;
  sector: string;
  owner: string | null;
  lifetime_s: number;
  base: string;
  base_is_given: number;
  zone: string | null;
  attributes: string;
  links: string;
  expires_at_ms: number;
}

function prepare(database: DatabaseSync) {
  return {
    put: database.prepare('INSERT OR REPLACE INTO registration VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM registration WHERE id = ?'),
    all: database.prepare('SELECT * FROM registration ORDER BY id'),
  };
}
