/**
 * The schema of the gateway's database as a list of steps; its version is PRAGMA user_version.
 *
 * A step is never edited once it was published: a change is a new step at the end. `migrate` runs the missing
 * ones in one transaction, so a failed migration leaves the old version. It does not go backwards.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StoreFault } from './store-fault.ts';
import { inTransaction } from './transaction.ts';

/** Marks the file as ours (PRAGMA application_id): the letters `CoAP`. */
const applicationId = 0x436f4150;

/** What a reading takes on the disk, about: the path stands in an index too, and a row is not free. */
function readingSize(row: string): string {
  return `(length(${row}.value) + 2 * length(${row}.path) + 128)`;
}

/** Step n (from 1) brings version n − 1 to version n. */
const migrations: readonly string[] = [
  // 1: what devices send, and the devices with their keys and rights
  `CREATE TABLE reading (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     path TEXT NOT NULL,
     value BLOB NOT NULL,
     content_format INTEGER,
     identity TEXT,
     peer_address TEXT NOT NULL,
     received_at_ms INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX reading_by_path ON reading (path, id);
   CREATE TABLE device (
     id TEXT PRIMARY KEY,
     psk BLOB NOT NULL,
     key_version INTEGER NOT NULL DEFAULT 1,
     added_at_ms INTEGER NOT NULL,
     rotated_at_ms INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE device_rule (
     device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
     position INTEGER NOT NULL,
     rule TEXT NOT NULL,
     PRIMARY KEY (device_id, position)
   ) STRICT, WITHOUT ROWID;`,
  // 2: a retransmission after a crash finds the answer its first copy got (RFC 7252 §4.5)
  `CREATE TABLE deduplication (
     peer TEXT NOT NULL,
     message_id INTEGER NOT NULL,
     token BLOB NOT NULL,
     digest BLOB NOT NULL,
     code INTEGER NOT NULL,
     received_at_ms INTEGER NOT NULL,
     expires_at_ms INTEGER NOT NULL,
     PRIMARY KEY (peer, message_id, token, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX deduplication_by_expiry ON deduplication (expires_at_ms);`,
  // 3: what each writer takes, so that one device cannot fill the disk; the account '' is everybody without identity
  `CREATE TABLE account (
     identity TEXT PRIMARY KEY,
     bytes INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE account_path (
     identity TEXT NOT NULL,
     path TEXT NOT NULL,
     readings INTEGER NOT NULL,
     PRIMARY KEY (identity, path)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO account
     SELECT coalesce(identity, ''), sum(${readingSize('reading')}) FROM reading GROUP BY 1;
   INSERT INTO account_path
     SELECT coalesce(identity, ''), path, count(*) FROM reading GROUP BY 1, 2;
   CREATE TRIGGER reading_added AFTER INSERT ON reading BEGIN
     INSERT INTO account VALUES (coalesce(NEW.identity, ''), ${readingSize('NEW')})
       ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
     INSERT INTO account_path VALUES (coalesce(NEW.identity, ''), NEW.path, 1)
       ON CONFLICT DO UPDATE SET readings = readings + 1;
   END;
   CREATE TRIGGER reading_removed AFTER DELETE ON reading BEGIN
     UPDATE account SET bytes = bytes - ${readingSize('OLD')} WHERE identity = coalesce(OLD.identity, '');
     UPDATE account_path SET readings = readings - 1
       WHERE identity = coalesce(OLD.identity, '') AND path = OLD.path;
     DELETE FROM account_path
       WHERE identity = coalesce(OLD.identity, '') AND path = OLD.path AND readings = 0;
   END;`,
  // 4: associations that outlive the process
  `CREATE TABLE association (
     name TEXT PRIMARY KEY,
     endpoint TEXT NOT NULL,
     host TEXT NOT NULL,
     port INTEGER NOT NULL,
     identity BLOB NOT NULL,
     authentication TEXT NOT NULL,
     credential BLOB,
     key_stamp TEXT NOT NULL,
     expires_at_ms INTEGER,
     state BLOB NOT NULL,
     reserved INTEGER NOT NULL,
     edge INTEGER NOT NULL,
     is_exact INTEGER NOT NULL,
     heard_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX association_by_age ON association (endpoint, heard_at_ms);`,
  // 5: devices with a raw public key or certificate; of these psk is empty, since a column cannot become nullable
  `ALTER TABLE device ADD COLUMN credential TEXT NOT NULL DEFAULT 'psk';
   ALTER TABLE device ADD COLUMN fingerprint TEXT;
   ALTER TABLE device ADD COLUMN expires_at_ms INTEGER;
   CREATE UNIQUE INDEX device_by_fingerprint ON device (fingerprint);`,
  // 6: requests of kept associations, so that a retransmission after a restart is not carried out again
  `CREATE TABLE request (
     association TEXT NOT NULL REFERENCES association (name) ON DELETE CASCADE,
     id INTEGER NOT NULL,
     message_id INTEGER NOT NULL,
     token BLOB NOT NULL,
     answer BLOB,
     received_at_ms INTEGER NOT NULL,
     expires_at_ms INTEGER NOT NULL,
     PRIMARY KEY (association, id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX request_by_expiry ON request (expires_at_ms);`,
  // 7: OSCORE contexts of devices, with the edges that only grow
  `CREATE TABLE oscore_context (
     device_id TEXT PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
     master_secret BLOB NOT NULL,
     master_salt BLOB,
     sender_id BLOB NOT NULL,
     recipient_id BLOB NOT NULL,
     id_context BLOB,
     aead TEXT NOT NULL,
     hkdf TEXT NOT NULL,
     sender_edge INTEGER NOT NULL,
     recipient_edge INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // 8: the Resource Directory
  `CREATE TABLE registration (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     sector TEXT NOT NULL,
     owner TEXT,
     lifetime_s INTEGER NOT NULL,
     base TEXT NOT NULL,
     base_is_given INTEGER NOT NULL,
     zone TEXT,
     attributes TEXT NOT NULL,
     links TEXT NOT NULL,
     expires_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // 9: readings that the message broker has not acknowledged yet
  `CREATE TABLE outbox (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     path TEXT NOT NULL,
     value BLOB NOT NULL,
     content_format INTEGER,
     identity TEXT,
     received_at_ms INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE outbox_size (bytes INTEGER NOT NULL) STRICT;
   INSERT INTO outbox_size VALUES (0);
   CREATE TRIGGER outbox_added AFTER INSERT ON outbox BEGIN
     UPDATE outbox_size SET bytes = bytes + length(NEW.value) + length(NEW.path) + 64;
   END;
   CREATE TRIGGER outbox_removed AFTER DELETE ON outbox BEGIN
     UPDATE outbox_size SET bytes = bytes - length(OLD.value) - length(OLD.path) - 64;
   END;`,
  // 10: devices that other gateways have added (home), which devices were changed, and how far this one is with the others
  `ALTER TABLE device ADD COLUMN home TEXT;
   CREATE TABLE device_change (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     device_id TEXT NOT NULL UNIQUE
   ) STRICT;
   CREATE TRIGGER device_added AFTER INSERT ON device BEGIN
     DELETE FROM device_change WHERE device_id = NEW.id;
     INSERT INTO device_change (device_id) VALUES (NEW.id);
   END;
   CREATE TRIGGER device_updated AFTER UPDATE ON device BEGIN
     DELETE FROM device_change WHERE device_id = NEW.id;
     INSERT INTO device_change (device_id) VALUES (NEW.id);
   END;
   CREATE TRIGGER device_removed AFTER DELETE ON device BEGIN
     DELETE FROM device_change WHERE device_id = OLD.id;
     INSERT INTO device_change (device_id) VALUES (OLD.id);
   END;
   CREATE TRIGGER device_rule_added AFTER INSERT ON device_rule BEGIN
     DELETE FROM device_change WHERE device_id = NEW.device_id;
     INSERT INTO device_change (device_id) VALUES (NEW.device_id);
   END;
   CREATE TRIGGER device_rule_removed AFTER DELETE ON device_rule BEGIN
     DELETE FROM device_change WHERE device_id = OLD.device_id;
     INSERT INTO device_change (device_id) VALUES (OLD.device_id);
   END;
   CREATE TABLE shared_state (
     name TEXT PRIMARY KEY,
     value TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // 11: what was measured, in series, with what becomes of it when it is old; and whose readings wait for the broker
  `CREATE TABLE series (
     id INTEGER PRIMARY KEY,
     identity TEXT NOT NULL,
     path TEXT NOT NULL,
     name TEXT NOT NULL,
     unit TEXT NOT NULL,
     measurements INTEGER NOT NULL,
     UNIQUE (path, name, unit, identity)
   ) STRICT;
   CREATE INDEX series_by_identity ON series (identity);
   CREATE TABLE measurement (
     series INTEGER NOT NULL,
     at_ms INTEGER NOT NULL,
     reading INTEGER NOT NULL,
     position INTEGER NOT NULL,
     value ANY,
     sum REAL,
     device_at_ms INTEGER,
     received_at_ms INTEGER NOT NULL,
     PRIMARY KEY (series, at_ms, reading, position)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE aggregate (
     series INTEGER NOT NULL,
     step_ms INTEGER NOT NULL,
     at_ms INTEGER NOT NULL,
     min REAL NOT NULL,
     max REAL NOT NULL,
     sum REAL NOT NULL,
     count INTEGER NOT NULL,
     last REAL NOT NULL,
     last_at_ms INTEGER NOT NULL,
     PRIMARY KEY (series, step_ms, at_ms)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE outbox_share (
     identity TEXT PRIMARY KEY,
     bytes INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   INSERT INTO outbox_share
     SELECT coalesce(identity, ''), sum(length(value) + length(path) + 64) FROM outbox GROUP BY 1;
   CREATE TRIGGER outbox_share_added AFTER INSERT ON outbox BEGIN
     INSERT INTO outbox_share VALUES (coalesce(NEW.identity, ''), length(NEW.value) + length(NEW.path) + 64)
       ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
   END;
   CREATE TRIGGER outbox_share_removed AFTER DELETE ON outbox BEGIN
     UPDATE outbox_share SET bytes = bytes - length(OLD.value) - length(OLD.path) - 64
       WHERE identity = coalesce(OLD.identity, '');
     DELETE FROM outbox_share WHERE identity = coalesce(OLD.identity, '') AND bytes <= 0;
   END;`,
  // 12: which master key the secrets are sealed with (sealing.ts); without a row they are in clear yet
  `CREATE TABLE sealing (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     key_id TEXT NOT NULL,
     key_check BLOB NOT NULL,
     scrub_due INTEGER NOT NULL
   ) STRICT;`,
  // 13: what resources keep
  `CREATE TABLE resource_state (
     name TEXT PRIMARY KEY,
     value BLOB NOT NULL,
     content_format INTEGER
   ) STRICT, WITHOUT ROWID;`,
  // 14: devices that sleep: what they told last, and commands that wait for them
  `CREATE TABLE sleepy_representation (
     device TEXT NOT NULL,
     path TEXT NOT NULL,
     payload BLOB NOT NULL,
     content_format INTEGER,
     etag BLOB NOT NULL,
     received_at_ms INTEGER NOT NULL,
     fresh_until_ms INTEGER NOT NULL,
     PRIMARY KEY (device, path)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE sleepy_command (
     id INTEGER PRIMARY KEY,
     device TEXT NOT NULL,
     method TEXT NOT NULL,
     target TEXT NOT NULL,
     payload BLOB NOT NULL,
     content_format INTEGER,
     if_match TEXT NOT NULL,
     if_none_match INTEGER NOT NULL,
     sender TEXT NOT NULL,
     created_at_ms INTEGER NOT NULL,
     expires_at_ms INTEGER NOT NULL,
     state TEXT NOT NULL,
     answer_code INTEGER,
     answer_payload BLOB,
     answer_format INTEGER
   ) STRICT;`,
  // 15: what devices proved themselves with before, while that still counts
  `CREATE TABLE previous_credential (
     device_id TEXT PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
     credential TEXT NOT NULL,
     psk BLOB NOT NULL,
     fingerprint TEXT,
     expires_at_ms INTEGER,
     key_version INTEGER NOT NULL,
     until_ms INTEGER NOT NULL,
     ends_with_use INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE UNIQUE INDEX previous_by_fingerprint ON previous_credential (fingerprint);
   CREATE INDEX previous_by_end ON previous_credential (until_ms);
   CREATE TRIGGER previous_added AFTER INSERT ON previous_credential BEGIN
     DELETE FROM device_change WHERE device_id = NEW.device_id;
     INSERT INTO device_change (device_id) VALUES (NEW.device_id);
   END;
   CREATE TRIGGER previous_removed AFTER DELETE ON previous_credential BEGIN
     DELETE FROM device_change WHERE device_id = OLD.device_id;
     INSERT INTO device_change (device_id) VALUES (OLD.device_id);
   END;`,
  // 16: a backup has a row here, a store has none
  `CREATE TABLE backup (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     made_at_ms INTEGER NOT NULL
   ) STRICT;`,
  // 17: certificates and public keys that nobody gets in with any more
  `CREATE TABLE denied (
     fingerprint TEXT PRIMARY KEY,
     note TEXT NOT NULL,
     added_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // 18: alerts go to the message broker before all others that wait
  `ALTER TABLE outbox ADD COLUMN alert INTEGER NOT NULL DEFAULT 0;
   CREATE INDEX outbox_alerts ON outbox (id) WHERE alert = 1;`,
  // 19: what processes that started have reserved for all associations of an endpoint, so that a start writes one row
  `CREATE TABLE taken_over (
     endpoint TEXT PRIMARY KEY,
     ahead INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   ALTER TABLE association ADD COLUMN taken_over INTEGER NOT NULL DEFAULT 0;`,
  // 20: who may use the console: people with their passwords, one-time links, and where the console was opened last
  `CREATE TABLE console_user (
     name TEXT PRIMARY KEY,
     role TEXT NOT NULL,
     password TEXT NOT NULL,
     version INTEGER NOT NULL,
     added_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE console_link (
     digest BLOB PRIMARY KEY,
     expires_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE console_place (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     base TEXT NOT NULL
   ) STRICT;`,
  // 21: credentials that the explorer of the console has by name, and the numbers of the OSCORE contexts it has used
  `CREATE TABLE explorer_credential (
     name TEXT PRIMARY KEY,
     content BLOB NOT NULL,
     facts TEXT NOT NULL,
     target TEXT NOT NULL,
     for_operators INTEGER NOT NULL,
     added_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE explorer_context (
     digest BLOB PRIMARY KEY,
     sender_edge INTEGER NOT NULL,
     recipient_edge INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
];

/** The version that this program reads and writes. */
export const schemaVersion: number = migrations.length;

/** The version of an open database; 0 for one without any table. */
export function readSchemaVersion(database: DatabaseSync): number {
  return pragmaNumber(database, 'user_version');
}

/** Whether an open database has a table: one of an earlier version may lack it. */
export function hasTable(database: DatabaseSync, name: string): boolean {
  const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name);
  return table !== undefined;
}

/**
 * Refuse a database that is not ours or that a later version wrote; changes nothing.
 *
 * @throws StoreFault `not-ours` or `newer-schema`.
 */
export function expectKnownSchema(database: DatabaseSync, path: string): void {
  const id = pragmaNumber(database, 'application_id');
  const version = readSchemaVersion(database);
  const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as { n: number };
  if (id !== applicationId && (id !== 0 || version !== 0 || tables.n !== 0)) {
    throw new StoreFault(
      'not-ours',
      `${path} is a database of another program`,
      'it was left untouched: name another folder with --data',
    );
  }
  if (version > schemaVersion) {
    throw new StoreFault(
      'newer-schema',
      `${path} has schema version ${version}, this program knows up to ${schemaVersion}`,
      'it was left untouched: use the version of coapsule that wrote it, or a later one',
    );
  }
}

/**
 * Bring the database to `target`, all missing steps in one transaction.
 *
 * @param target version to stop at; the newest unless a test makes an old fixture.
 */
export function migrate(database: DatabaseSync, target: number = schemaVersion): void {
  inTransaction(database, () => {
    // Read inside the transaction: another process may have migrated since the caller looked.
    for (let version = readSchemaVersion(database); version < target; version += 1) {
      database.exec(migrations[version] as string);
      database.exec(`PRAGMA user_version = ${version + 1}`);
    }
    database.exec(`PRAGMA application_id = ${applicationId}`);
  });
}

function pragmaNumber(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, number>;
  return row[name] as number;
}
