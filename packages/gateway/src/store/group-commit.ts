/**
 * Writes that become durable in groups: while one transaction is being made durable the next ones wait here and go together, so
 * that many devices share one wait for the disk.
 *
 * A write fulfils after its commit, never before; what was asked for earlier is then durable too. An edge whose commit failed goes
 * along with whatever is committed next (owed-changes.ts). `refusal` says when no more should wait; who has to have its write does not ask.
 */
import { DurationHistogram } from '../operations/duration-histogram.ts';
import { OwedChanges } from './owed-changes.ts';
import type { Reading } from './reading-table.ts';
import { StoreFault } from './store-fault.ts';
import type { WriteOutcome, WriteTask } from './store-protocol.ts';

interface WaitingWrite {
  readonly task: WriteTask;
  readonly resolve: (outcome: WriteOutcome) => void;
  readonly reject: (fault: StoreFault) => void;
}

/** What a value of a reading takes in memory, about. */
const valueBytes = 160;

/** What a reading takes while it waits, about: its body, and the values in it. */
export function waitingSize({ value, measurements = [] }: Reading): number {
  return value.length + valueBytes * measurements.length;
}

/** How much may wait for the disk. */
export interface WriteLimits {
  readonly maxWaitingWrites?: number | undefined;
  /** As `waitingSize` has it. */
  readonly maxWaitingBytes?: number | undefined;
  /** When a group takes longer than this to become durable, nothing more should wait behind it. */
  readonly slowAfterMs?: number | undefined;
  /** A monotonic clock in ms. */
  readonly now?: (() => number) | undefined;
}

/** See the module comment. */
export class GroupCommit {
  readonly #commit: (tasks: readonly WriteTask[]) => Promise<readonly WriteOutcome[]>;
  readonly #owed = new OwedChanges();
  #waiting: WaitingWrite[] = [];
  #waitingBytes = 0;
  #committing = false;
  #committingSince = 0;
  readonly #limits: WriteLimits;
  readonly #now: () => number;
  #waitingForCommit: (() => void)[] = [];
  #ended: StoreFault | undefined;
  #commits = 0;
  #failedCommits = 0;
  #latestFault: StoreFault | undefined;
  /** Of groups that are durable. */
  readonly durations: DurationHistogram = new DurationHistogram();

  /** @param commit makes all of them durable in one transaction; rejects with a StoreFault when none is. */
  constructor(
    commit: (tasks: readonly WriteTask[]) => Promise<readonly WriteOutcome[]>,
    limits: WriteLimits = {},
  ) {
    this.#commit = commit;
    this.#limits = limits;
    this.#now = limits.now ?? (() => performance.now());
  }

  /** Groups made durable so far. */
  get commits(): number {
    return this.#commits;
  }

  /**
   * Why a write had better come again later; undefined when it may come now.
   *
   * @param bytes What it takes while it waits.
   */
  refusal(bytes = 0): StoreFault | undefined {
    const {
      maxWaitingWrites = 10_000,
      maxWaitingBytes = 32 * 1024 * 1024,
      slowAfterMs = 3000,
    } = this.#limits;
    const waiting = this.#waiting.length;
    if (waiting >= maxWaitingWrites || (waiting > 0 && this.#waitingBytes + bytes > maxWaitingBytes)) {
      return new StoreFault('overloaded', 'too many writes wait for the disk', 'try again later');
    }
    // What waits already is committed or fails; whoever comes now is told at once, and keeps what it has.
    if (!this.#committing || this.#now() - this.#committingSince < slowAfterMs) return undefined;
    const seconds = Math.round((this.#now() - this.#committingSince) / 1000);
    return new StoreFault(
      'overloaded',
      `the disk has kept a write waiting for ${seconds} s`,
      'see what keeps the disk busy, or whether another program holds the database',
    );
  }

  /** Groups that could not be made durable. */
  get failedCommits(): number {
    return this.#failedCommits;
  }

  /** Why the latest group could not be made durable; undefined when it is. */
  get latestFault(): StoreFault | undefined {
    return this.#latestFault;
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
      if (task.kind === 'reading') this.#waitingBytes += waitingSize(task.reading);
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
    this.#committingSince = this.#now();
    const tasks = group.map(({ task }) => task);
    const owed = this.#owed.tasks();
    this.#commit([...owed, ...tasks])
      .then(
        (outcomes) => {
          this.#commits += 1;
          this.#latestFault = undefined;
          this.durations.add(this.#now() - this.#committingSince);
          this.#owed.settled();
          for (const [index, { resolve }] of group.entries()) resolve(outcomes[owed.length + index]);
        },
        (fault: StoreFault) => {
          this.#failedCommits += 1;
          this.#latestFault = fault;
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
