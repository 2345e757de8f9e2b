/**
 * Gives the readings of the outbox to the message broker, alerts first and each in their order, and takes them out once it has
 * acknowledged them.
 *
 * What was given and not acknowledged stays in the store: after a crash it is given again. Only a window of the outbox is in
 * memory, however long the broker is away. The connection is not its matter.
 */
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { OutboxEntry, OutboxQuestion } from '../store/outbox-table.ts';

/** Where readings wait. */
export interface Outbox {
  outbox(question: OutboxQuestion): Promise<readonly OutboxEntry[]>;
  removeFromOutbox(sent: readonly number[]): Promise<void>;
}

/** What a publisher works with. */
export interface PublisherParts {
  readonly outbox: Outbox;
  /**
   * Fulfils when the broker has it, or will never take it; rejects when it may take it another time. What the broker never takes
   * goes out of the way of all behind it.
   */
  readonly publish: (entry: OutboxEntry) => Promise<void>;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
}

/** Given to the broker and not acknowledged, at a time, unless the broker wants fewer. */
const widestWindow = 256;

/** After a failure of the store or the broker. */
const retryMs = 1000;

/** See the module comment. */
export class OutboxPublisher {
  readonly #parts: PublisherParts;
  /** Up to here all alerts were given, and all others. */
  #alertsGiven = 0;
  #given = 0;
  #inFlight = 0;
  /** Given, and to be given again. */
  #again: OutboxEntry[] = [];
  #acknowledged: number[] = [];
  #window = widestWindow;
  #isOpen = false;
  #isReading = false;
  #removing: Promise<void> | undefined;
  /** Something was stored since the outbox was read. */
  #isStale = false;
  #cancelRetry: (() => void) | undefined;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** The broker is there. @param most What it takes before it has acknowledged anything (MQTT 5.0 §3.2.2.3.3). */
  open(most: number = widestWindow): void {
    this.#window = Math.max(1, Math.min(most, widestWindow));
    this.#isOpen = true;
    this.#repeat();
    this.wake();
  }

  /** The broker is away: nothing more is given until it is there again. */
  pause(): void {
    this.#isOpen = false;
  }

  /** There may be more in the outbox. */
  wake(): void {
    this.#isStale = true;
    void this.#read();
  }

  /** Nothing is given any more; what is acknowledged by now is taken out. */
  async stop(): Promise<void> {
    this.#isOpen = false;
    this.#cancelRetry?.();
    await this.#remove();
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      for (;;) {
        const limit = this.#window - this.#inFlight - this.#again.length;
        if (!this.#isOpen || !this.#isStale || limit <= 0) return;
        this.#isStale = false;
        const [alertsAfter, after] = [this.#alertsGiven, this.#given];
        const entries = await this.#parts.outbox.outbox({ alertsAfter, after, limit });
        if (this.#isOpen) {
          if (entries.length === limit) this.#isStale = true;
          for (const entry of entries) {
            if (entry.isAlert) this.#alertsGiven = entry.id;
            else this.#given = entry.id;
            this.#give(entry);
          }
        } else this.#isStale = true;
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isReading = false;
    }
  }

  #give(entry: OutboxEntry): void {
    this.#inFlight++;
    this.#parts.publish(entry).then(
      () => {
        this.#inFlight--;
        this.#acknowledged.push(entry.id);
        void this.#remove();
        void this.#read();
      },
      (error: unknown) => {
        this.#inFlight--;
        this.#again.push(entry);
        this.#failed(error);
      },
    );
  }

  /** What was not taken is given again. */
  #repeat(): void {
    if (!this.#isOpen) return;
    for (const entry of this.#again.splice(0)) this.#give(entry);
  }

  /** Fulfils when all that was acknowledged by now is out, or could not be taken out. */
  #remove(): Promise<void> {
    this.#removing ??= this.#removeAll().finally(() => {
      this.#removing = undefined;
    });
    return this.#removing;
  }

  async #removeAll(): Promise<void> {
    try {
      while (this.#acknowledged.length > 0) {
        const sent = this.#acknowledged;
        this.#acknowledged = [];
        try {
          await this.#parts.outbox.removeFromOutbox(sent);
        } catch (error) {
          this.#acknowledged.unshift(...sent);
          throw error;
        }
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    // Whatever failed, the outbox may have more than was seen of it.
    this.#isStale = true;
    if (!this.#isOpen) return;
    this.#parts.onError(error);
    this.#cancelRetry?.();
    this.#cancelRetry = this.#parts.timer.after(retryMs, () => {
      void this.#remove();
      this.#repeat();
      this.wake();
    });
  }
}
