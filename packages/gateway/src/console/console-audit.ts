/**
 * What users of the console do, in the audit log of the gateway: each line with the name of the user.
 */
import type { AuditedChange, ChangeAudit } from '../audit/audit-log.ts';

/** See the module comment. */
export class ConsoleAudit {
  readonly #audit: Pick<ChangeAudit, 'add'>;

  constructor(audit: Pick<ChangeAudit, 'add'>) {
    this.#audit = audit;
  }

  /** @param details Never a key, password or payload. */
  add(event: AuditedChange['event'], user: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#audit.add({ event, how: 'console', user, ...details });
  }
}
