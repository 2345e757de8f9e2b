/**
 * Who may use the console, on an open database: users with their roles and hashed passwords, one-time login links as hashes, and
 * where the console was opened last.
 *
 * What a password is hashed with, and how long a link counts, is said in console/. A user has a version, which is another one after
 * each change: a session that was begun under another is over.
 */
import { timingSafeEqual } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { Role } from '../console/api-types.ts';

/** Somebody with a password. */
export interface ConsoleUser {
  readonly name: string;
  readonly role: Role;
  /** As `hashedPassword` makes it. */
  readonly password: string;
  /** Another one after each change, and never the same again under a name. */
  readonly version: number;
  readonly addedAtMs: number;
}

/** One-time links that may wait at a time; older ones go. */
const mostLinks = 16;

/** See the module comment; every statement is prepared once. */
export class ConsoleTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** @returns false when somebody has the name already; nothing is changed then. */
  add({ name, role, password, addedAtMs }: Omit<ConsoleUser, 'version'>): boolean {
    return this.#statements.insert.run(name, role, password, addedAtMs, addedAtMs).changes !== 0;
  }

  /** @returns false when there is nobody of the name. */
  setPassword(name: string, password: string): boolean {
    return this.#statements.setPassword.run(password, name).changes !== 0;
  }

  /** @returns false when there is nobody of the name. */
  remove(name: string): boolean {
    return this.#statements.remove.run(name).changes !== 0;
  }

  find(name: string): ConsoleUser | undefined {
    const row = this.#statements.find.get(name) as UserRow | undefined;
    return row && userOf(row);
  }

  /** By name. */
  all(): readonly ConsoleUser[] {
    return (this.#statements.all.all() as unknown as UserRow[]).map(userOf);
  }

  /** A link counts from now on. @param digest SHA-256 of its token. */
  addLink(digest: Uint8Array, expiresAtMs: number, nowMs: number): void {
    const { removeOldLinks, insertLink } = this.#statements;
    removeOldLinks.run(nowMs, mostLinks - 1);
    insertLink.run(digest, expiresAtMs);
  }

  /** Uses a link up. @returns whether it counted: of two who come with the same one, one alone is told so. */
  takeLink(digest: Uint8Array, nowMs: number): boolean {
    const { links, removeLink } = this.#statements;
    let known: Uint8Array | undefined;
    // Each is compared, whichever it is: how long it takes says nothing.
    for (const { digest: one } of links.all(nowMs) as { digest: Uint8Array }[])
      if (timingSafeEqual(one, digest)) known = one;
    return known !== undefined && removeLink.run(known).changes !== 0;
  }

  /** Where the console is, such as `http://127.0.0.1:8080`; undefined before a gateway had one. */
  get place(): string | undefined {
    return (this.#statements.place.get() as { base: string } | undefined)?.base;
  }

  setPlace(base: string): void {
    if (this.place !== base) this.#statements.setPlace.run(base);
  }
}

interface UserRow {
  name: string;
  role: string;
  password: string;
  version: number;
  added_at_ms: number;
}

function userOf({ name, role, password, version, added_at_ms }: UserRow): ConsoleUser {
  // A role of a later version gives what the least one does.
  const known = role === 'admin' || role === 'operate' ? role : 'view';
  return { name, role: known, password, version, addedAtMs: added_at_ms };
}

function prepare(database: DatabaseSync) {
  return {
    insert: database.prepare(
      'INSERT INTO console_user (name, role, password, version, added_at_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    setPassword: database.prepare(
      'UPDATE console_user SET password = ?, version = version + 1 WHERE name = ?',
    ),
    remove: database.prepare('DELETE FROM console_user WHERE name = ?'),
    find: database.prepare('SELECT * FROM console_user WHERE name = ?'),
    all: database.prepare('SELECT * FROM console_user ORDER BY name'),
    links: database.prepare('SELECT digest FROM console_link WHERE expires_at_ms > ?'),
    insertLink: database.prepare('INSERT OR REPLACE INTO console_link VALUES (?, ?)'),
    removeLink: database.prepare('DELETE FROM console_link WHERE digest = ?'),
    removeOldLinks: database.prepare(
      `DELETE FROM console_link WHERE expires_at_ms <= ?
       OR digest NOT IN (SELECT digest FROM console_link ORDER BY expires_at_ms DESC LIMIT ?)`,
    ),
    place: database.prepare('SELECT base FROM console_place'),
    setPlace: database.prepare('INSERT OR REPLACE INTO console_place VALUES (1, ?)'),
  };
}
