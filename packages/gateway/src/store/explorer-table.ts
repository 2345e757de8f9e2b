/**
 * Credentials with a name that the explorer of the console asks other servers with, and the numbers of the OSCORE contexts that it has
 * used, on an open database.
 *
 * What a credential consists of is console/explorer-named.ts; here it is a text that is sealed on the disk. Numbers are kept by a
 * digest of what their keys are derived from, and stay when a credential is removed: a context that is given once more goes on where it
 * was, and uses no number twice (RFC 8613 §7.2.1).
 */
import type { DatabaseSync } from 'node:sqlite';
import type { SecretBox } from '../vault/secret-box.ts';
import type { OscoreEdges } from './oscore-table.ts';
import { openSecret, sealSecret, secretPlace } from './sealed-columns.ts';
import { inSealedTransaction, type SealedDatabase } from './sealing.ts';

/** What everybody who may use one can know of it. */
export interface ExplorerCredentialFacts {
  readonly name: string;
  /** JSON without a secret. */
  readonly facts: string;
  /** A pattern of URIs, as in a credentials file; empty: everywhere. */
  readonly target: string;
  /** Whether the role operate may use it, too. */
  readonly forOperators: boolean;
  readonly addedAtMs: number;
}

/** And the secret part of it, JSON. */
export interface KeptExplorerCredential extends ExplorerCredentialFacts {
  readonly content: string;
}

/** Contexts whose numbers are kept; none of them is ever forgotten. */
const mostContexts = 10_000;

/** See the module comment; every statement is prepared once. */
export class ExplorerTable {
  readonly #sealed: SealedDatabase;
  readonly #secrets: SecretBox;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(sealed: SealedDatabase) {
    this.#sealed = sealed;
    this.#secrets = sealed.secrets;
    this.#statements = prepare(sealed.database);
  }

  /** @returns false when there is one of this name already; nothing is changed then. */
  add({ name, content, facts, target, forOperators, addedAtMs }: KeptExplorerCredential): boolean {
    return inSealedTransaction(this.#sealed, () => {
      const sealed = sealSecret(this.#secrets, placeOf(name), new TextEncoder().encode(content));
      const { insert } = this.#statements;
      return insert.run(name, sealed, facts, target, forOperators ? 1 : 0, addedAtMs).changes !== 0;
    });
  }

  /** @returns false when there is none of this name. */
  remove(name: string): boolean {
    return this.#statements.remove.run(name).changes !== 0;
  }

  /** @throws StoreFault `damaged` when its secret does not open. */
  find(name: string): KeptExplorerCredential | undefined {
    const row = this.#statements.find.get(name) as (FactsRow & { content: Uint8Array }) | undefined;
    return (
      row && {
        ...factsOf(row),
        content: new TextDecoder().decode(openSecret(this.#secrets, placeOf(name), row.content)),
      }
    );
  }

  /** By name. */
  all(): readonly ExplorerCredentialFacts[] {
    return (this.#statements.all.all() as unknown as FactsRow[]).map(factsOf);
  }

  /** The numbers of a context; undefined for one that was never used here. */
  edges(digest: Uint8Array): OscoreEdges | undefined {
    const row = this.#statements.edges.get(digest) as
      | { sender_edge: number; recipient_edge: number }
      | undefined;
    return row && { senderEdge: row.sender_edge, recipientEdge: row.recipient_edge };
  }

  /** @returns false when it is a new context, and there are too many. */
  saveEdges(digest: Uint8Array, { senderEdge, recipientEdge }: OscoreEdges): boolean {
    const { contexts, saveEdges } = this.#statements;
    const { n } = contexts.get() as { n: number };
    if (n >= mostContexts && this.edges(digest) === undefined) return false;
    saveEdges.run(digest, senderEdge, recipientEdge);
    return true;
  }
}

interface FactsRow {
  name: string;
  facts: string;
  target: string;
  for_operators: number;
  added_at_ms: number;
}

function factsOf({ name, facts, target, for_operators, added_at_ms }: FactsRow): ExplorerCredentialFacts {
  return { name, facts, target, forOperators: for_operators === 1, addedAtMs: added_at_ms };
}

function placeOf(name: string) {
  return secretPlace('explorer_credential.content', name);
}

function prepare(database: DatabaseSync) {
  return {
    insert: database.prepare(
      `INSERT INTO explorer_credential (name, content, facts, target, for_operators, added_at_ms)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ),
    remove: database.prepare('DELETE FROM explorer_credential WHERE name = ?'),
    find: database.prepare('SELECT * FROM explorer_credential WHERE name = ?'),
    all: database.prepare(
      'SELECT name, facts, target, for_operators, added_at_ms FROM explorer_credential ORDER BY name',
    ),
    edges: database.prepare('SELECT sender_edge, recipient_edge FROM explorer_context WHERE digest = ?'),
    contexts: database.prepare('SELECT count(*) AS n FROM explorer_context'),
    saveEdges: database.prepare(
      `INSERT INTO explorer_context (digest, sender_edge, recipient_edge) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET sender_edge = excluded.sender_edge, recipient_edge = excluded.recipient_edge`,
    ),
  };
}
