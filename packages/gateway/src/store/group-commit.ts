/**
 * Writes that become durable in groups: while one transaction is being made durable the next ones wait here and go together, so
 * that many devices share one wait for the disk.
 *
 * A write fulfils after its commit, never before; what was asked for earlier is then durable too. An edge whose commit failed goes
 * along with whatever is committed next (owed-changes.ts). How many may wait is judged in store.ts.
 */
import { OwedChanges } from './owed-changes.ts';
import type { StoreFault } from './store-fault.ts';
import type { WriteOutcome, WriteTask } from './store-protocol.ts';

interface WaitingWrite {
  readonly task: WriteTask;
  readonly resolve: (outcome: WriteOutcome) => void;
  readonly reject: (fault: StoreFault) => void;
}

/** See the module comment. */
export class GroupCommit {
  readonly #commit: (tasks: readonly WriteTask[]) => Promise<readonly WriteOutcome[]>;
  readonly #owed = new OwedChanges();
  #waiting: WaitingWrite[] = [];
  #waitingBytes = 0;
  #committing = false;
  #waitingForCommit: (() => void)[] = [];
  #ended: StoreFault | undefined;
  #commits = 0;

  /** @param commit makes all of them durable in one transaction; rejects with a StoreFault when none is. */
  constructor(commit: (tasks: readonly WriteTask[]) => Promise<readonly WriteOutcome[]>) {
    this.#commit = commit;
  }

  /** Groups made durable so far. */
  get commits(): number {
    return this.#commits;
  }

  /** Writes that wait for the next group. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Bytes of values among them. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Whether a group is being made durable. */
  get isCommitting(): boolean {
    return this.#committing;
  }

  /** In the queue when the call returns; fulfils after the commit. */
  write(task: WriteTask): Promise<WriteOutcome> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, resolve, reject });
      if (task.kind === 'reading') this.#waitingBytes += task.reading.value.length;
      this.#commitNext();
    });
  }

  /** Fulfils when the group that is being committed is, and those that came behind it. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.#waitingForCommit.push(resolve));
  }

  /** Every write fails from now on, those that wait too. */
  end(fault: StoreFault): void {
    this.#ended = fault;
    for (const { reject } of this.#waiting.splice(0)) reject(fault);
    for (const resolve of this.#waitingForCommit.splice(0)) resolve();
  }

  #commitNext(): void {
    if (this.#committing || this.#waiting.length === 0) return;
    const group = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#committing = true;
    const tasks = group.map(({ task }) => task);
    const owed = this.#owed.tasks();
    this.#commit([...owed, ...tasks])
      .then(
        (outcomes) => {
          this.#commits += 1;
          this.#owed.settled();
          for (const [index, { resolve }] of group.entries()) resolve(outcomes[owed.length + index]);
        },
        (fault: StoreFault) => {
          this.#owed.failed(tasks);
          for (const { reject } of group) reject(fault);
        },
      )
      .finally(() => {
        this.#committing = false;
        this.#commitNext();
        if (this.#committing) return;
        for (const resolve of this.#waitingForCommit.splice(0)) resolve();
      });
  }
}
