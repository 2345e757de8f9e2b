/**
 * Refusals on their way to who writes them, or to the thread where that is: bounded and counted before they are sent, so that a
 * flood costs a few lines a minute.
 */
import { countingMs, RefusalCount, type RefusalLine } from './refusal-count.ts';

/** See the module comment. */
export class RefusalRelay {
  readonly #count = new RefusalCount();
  readonly #send: (line: RefusalLine) => void;
  readonly #after: (delayMs: number, action: () => void) => unknown;
  #isCounting = false;

  /** @param after Calls back once later. */
  constructor(send: (line: RefusalLine) => void, after: (delayMs: number, action: () => void) => unknown) {
    this.#send = send;
    this.#after = after;
  }

  /** Sends the first of a peer, and counts those after it; one of another thread may be of many. */
  add(refused: RefusalLine): void {
    const line = this.#count.add(refused);
    if (line !== undefined) this.#send(line);
    if (this.#isCounting) return;
    this.#isCounting = true;
    this.#after(countingMs, () => {
      this.#isCounting = false;
      this.sendCounted();
    });
  }

  /** Sends what was counted, before its time too. */
  sendCounted(): void {
    for (const counted of this.#count.takeCounted()) this.#send(counted);
  }
}
