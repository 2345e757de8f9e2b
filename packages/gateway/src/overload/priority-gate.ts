/**
 * The door to the store: so many writes are at work at a time, the others wait, and the more urgent go first.
 *
 * An alert overtakes the telemetry that waits (requirement L11), and in each of these what is Confirmable goes before what is
 * not. When there is no room to wait, what is least urgent and came last gives way; nothing of it was stored. Bounded in number
 * and in bytes.
 */

/** The more urgent first. */
export const urgencies = ['alert-confirmable', 'alert', 'confirmable', 'other'] as const;

/** See `urgencies`. */
export type Urgency = (typeof urgencies)[number];

/** How much there is room for. */
export interface GateBounds {
  /** At work at a time. */
  readonly atWork: number;
  /** Waiting, in number and in bytes. */
  readonly waiting: number;
  readonly waitingBytes: number;
}

interface Waiting {
  readonly bytes: number;
  /** True: it is its turn; false: it gave way. */
  readonly decide: (isAdmitted: boolean) => void;
}

/** See the module comment. */
export class PriorityGate {
  readonly #bounds: GateBounds;
  readonly #queues: Record<Urgency, Waiting[]> = {
    'alert-confirmable': [],
    alert: [],
    confirmable: [],
    other: [],
  };
  #atWork = 0;
  #waiting = 0;
  #waitingBytes = 0;

  constructor(bounds: GateBounds) {
    this.#bounds = bounds;
  }

  get atWork(): number {
    return this.#atWork;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** How full the room to wait is, 0 … 1: by number or by bytes, whichever is more. */
  get fullness(): number {
    return Math.max(this.#waiting / this.#bounds.waiting, this.#waitingBytes / this.#bounds.waitingBytes);
  }

  /**
   * Does `work` when its turn comes.
   *
   * @param bytes What it holds while it waits.
   * @returns what `work` gives; undefined when it had to give way, and was not begun.
   */
  async pass<T>(urgency: Urgency, bytes: number, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#atWork < this.#bounds.atWork) this.#atWork++;
    else if (!(await this.#turn(urgency, bytes))) return undefined;
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  #turn(urgency: Urgency, bytes: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#queues[urgency].push({ bytes, decide: resolve });
      this.#waiting++;
      this.#waitingBytes += bytes;
      while (this.#waiting > this.#bounds.waiting || this.#waitingBytes > this.#bounds.waitingBytes)
        this.#takeFrom([...urgencies].reverse(), 'last')?.decide(false);
    });
  }

  /** A place is free: the most urgent that waits has it. */
  #passOn(): void {
    const next = this.#takeFrom(urgencies, 'first');
    if (next === undefined) this.#atWork--;
    else next.decide(true);
  }

  #takeFrom(order: readonly Urgency[], end: 'first' | 'last'): Waiting | undefined {
    const queue = order.map((urgency) => this.#queues[urgency]).find(({ length }) => length > 0);
    const taken = end === 'first' ? queue?.shift() : queue?.pop();
    if (taken === undefined) return undefined;
    this.#waiting--;
    this.#waitingBytes -= taken.bytes;
    return taken;
  }
}
