/**
 * Changes of associations that a failed commit left undone and that nothing may overtake.
 *
 * A reading must not become durable before the edge that recognises its record, also when the commit of the edge
 * failed and the next one succeeds: then the edge goes along with it. And an association that could not be added may be
 * on the disk after all, when it was the flush that failed: it goes with whatever is committed next, since from then on
 * nobody keeps its row. Reservations are not made up for: who asked was told, and writes with none of them.
 */
import type { AssociationChange } from './association-table.ts';
import type { WriteTask } from './store-protocol.ts';

/** See the module comment. At most one change for each association. */
export class OwedChanges {
  readonly #owed = new Map<string, AssociationChange>();

  /** What goes in front of the next group. */
  tasks(): readonly WriteTask[] {
    return [...this.#owed.values()].map((change) => ({ kind: 'association', change }));
  }

  /** The group with `tasks` in front of it is durable. */
  settled(): void {
    this.#owed.clear();
  }

  /** The group failed. */
  failed(group: readonly WriteTask[]): void {
    for (const task of group) {
      if (task.kind !== 'association') continue;
      const { change } = task;
      const name = change.kind === 'add' ? change.row.name : change.name;
      if (change.kind === 'add' || change.kind === 'remove') this.#owed.set(name, { kind: 'remove', name });
      else if (change.kind === 'edge' && this.#owed.get(name)?.kind !== 'remove')
        this.#owed.set(name, change);
    }
  }
}
