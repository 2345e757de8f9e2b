/**
 * Refusals of another thread on their way to the one that writes them: bounded and counted before they are sent, so that a flood
 * there costs this one a few messages a minute.
 */
import { countingMs, RefusalCount, type RefusalLine, type RefusedRequest } from './refusal-count.ts';

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

  /** Sends the first of a peer, and counts those after it. */
  add(refused: RefusedRequest): void {
    const line = this.#count.add(refused);
    if (line !== undefined) this.#send(line);
    if (this.#isCounting) return;
    this.#isCounting = true;
    this.#after(countingMs, () => {
      this.#isCounting = false;
      for (const counted of this.#count.takeCounted()) this.#send(counted);
    });
  }
}
