/**
 * What is kept of devices that sleep, on an open database: representations of their resources, and commands for them.
 *
 * `apply` belongs inside a transaction of the caller.
 */
import type { DatabaseSync } from 'node:sqlite';
import type {
  CommandMethod,
  CommandState,
  Representation,
  SleepyChange,
  SleepyCommand,
} from '../sleepy/sleepy-command.ts';

/** Both kinds; every statement is prepared once. */
export class SleepyTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  apply(changes: readonly SleepyChange[]): void {
    for (const change of changes) this.#apply(change);
  }

  representation(device: string, path: string): Representation | undefined {
    const row = this.#statements.representation.get(device, path) as RepresentationRow | undefined;
    return (
      row && {
        ...{ device, path, payload: row.payload, etag: row.etag },
        contentFormat: row.content_format ?? undefined,
        receivedAtMs: row.received_at_ms,
        freshUntilMs: row.fresh_until_ms,
      }
    );
  }

  /** All commands, in the order in which they came. */
  commands(): readonly SleepyCommand[] {
    return (this.#statements.commands.all() as unknown as readonly CommandRow[]).map((row) => ({
      id: row.id,
      device: row.device,
      method: row.method,
      target: row.target,
      payload: row.payload,
      contentFormat: row.content_format ?? undefined,
      ifMatch: (JSON.parse(row.if_match) as readonly string[]).map(
        (digits) => new Uint8Array(Buffer.from(digits, 'hex')),
      ),
      ifNoneMatch: row.if_none_match === 1,
      from: row.sender,
      createdAtMs: row.created_at_ms,
      expiresAtMs: row.expires_at_ms,
      state: row.state,
      answer:
        row.answer_code === null
          ? undefined
          : {
              code: row.answer_code,
              payload: row.answer_payload ?? new Uint8Array(),
              contentFormat: row.answer_format ?? undefined,
            },
    }));
  }

  #apply(change: SleepyChange): void {
    switch (change.kind) {
      case 'representation': {
        const { device, path, payload, contentFormat, etag, receivedAtMs, freshUntilMs } =
          change.representation;
        this.#statements.tell.run(
          device,
          path,
          payload,
          contentFormat ?? null,
          etag,
          receivedAtMs,
          freshUntilMs,
        );
        this.#statements.forgetOldest.run(device, device, change.most);
        return;
      }
      case 'no-representation':
        this.#statements.forget.run(change.device, change.path);
        return;
      case 'command':
        this.#put(change.command);
        return;
      case 'remove-commands':
        for (const id of change.ids) this.#statements.remove.run(id);
        return;
    }
  }

  #put(command: SleepyCommand): void {
    const { id, device, method, target, payload, contentFormat, ifMatch, ifNoneMatch, from, answer } =
      command;
    const { createdAtMs, expiresAtMs, state } = command;
    this.#statements.put.run(
      ...[id, device, method, target, payload, contentFormat ?? null],
      JSON.stringify(ifMatch.map((etag) => Buffer.from(etag).toString('hex'))),
      ...[ifNoneMatch ? 1 : 0, from, createdAtMs, expiresAtMs, state],
      ...[answer?.code ?? null, answer?.payload ?? null, answer?.contentFormat ?? null],
    );
  }
}

interface RepresentationRow {
  payload: Uint8Array;
  content_format: number | null;
  etag: Uint8Array;
  received_at_ms: number;
  fresh_until_ms: number;
}

interface CommandRow {
  id: number;
  device: string;
  method: CommandMethod;
  target: string;
  payload: Uint8Array;
  content_format: number | null;
  if_match: string;
  if_none_match: number;
  sender: string;
  created_at_ms: number;
  expires_at_ms: number;
  state: CommandState;
  answer_code: number | null;
  answer_payload: Uint8Array | null;
  answer_format: number | null;
}

function prepare(database: DatabaseSync) {
  return {
    tell: database.prepare('INSERT OR REPLACE INTO sleepy_representation VALUES (?, ?, ?, ?, ?, ?, ?)'),
    forgetOldest: database.prepare(
      `DELETE FROM sleepy_representation WHERE device = ? AND path IN (
         SELECT path FROM sleepy_representation WHERE device = ? ORDER BY received_at_ms DESC LIMIT -1 OFFSET ?)`,
    ),
    forget: database.prepare('DELETE FROM sleepy_representation WHERE device = ? AND path = ?'),
    representation: database.prepare('SELECT * FROM sleepy_representation WHERE device = ? AND path = ?'),
    put: database.prepare(
      'INSERT OR REPLACE INTO sleepy_command VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    remove: database.prepare('DELETE FROM sleepy_command WHERE id = ?'),
    commands: database.prepare('SELECT * FROM sleepy_command ORDER BY id'),
  };
}
