/**
 * What users of the console do, in the audit log of the gateway, each line with the name of the user and the
 * address that they came from: changes beside those of commands,
 * logins and requests of the explorer in a file of their own, and failed logins counted among the refusals of strangers. However much
 * of one there is, it pushes nothing of the others out.
 */
import type { AuditedChange, ChangeAudit, RefusalAudit, UseAudit } from '../audit/audit-log.ts';

/** Where lines go. */
export interface ConsoleAuditParts {
  readonly changes: Pick<ChangeAudit, 'add'>;
  readonly uses: Pick<UseAudit, 'add'>;
  readonly refusals: Pick<RefusalAudit, 'add'>;
}

/** Who did it, and from where: an address, of IPv6 the network. */
export interface Actor {
  readonly name: string;
  readonly from: string;
}

type Details = Readonly<Record<string, unknown>>;

/** See the module comment. Details never have a key, password or payload. */
export class ConsoleAudit {
  readonly #parts: ConsoleAuditParts;

  constructor(parts: ConsoleAuditParts) {
    this.#parts = parts;
  }

  /** Something is otherwise now, or a secret has left the gateway. */
  add(event: AuditedChange['event'], { name: user, from }: Actor, details: Details = {}): void {
    this.#parts.changes.add({ event, how: 'console', user, ...details, from });
  }

  /** Somebody came, went, asked another server, or took messages along. */
  used(
    event: Parameters<UseAudit['add']>[0]['event'],
    { name: user, from }: Actor,
    details: Details = {},
  ): void {
    this.#parts.uses.add({ event, user, ...details, from });
  }

  /** Somebody could not log in. @param name As it was given. @param from An address, of IPv6 the network. */
  loginFailed(name: string, from: string): void {
    this.#parts.refusals.add({
      ...{ reason: 'console-login', peer: from, isProven: false },
      details: { user: name },
    });
  }
}
