/**
 * What becomes of the messages that come to the tap: on they go, or rules and people decide otherwise.
 *
 * A machine without clock, socket or randomness of its own: `arrive`, `handleTimeout` and the commands go in; `poll` says what goes
 * out. Messages that it makes itself (copies, replays) do not meet the rules again.
 *
 * Bounded: `mostWaiting` messages are held, delayed or to be replayed at a time. One more is dropped, as a full queue does.
 *
 * @module
 */

import { SeededRandom } from 'coapsule/testing';
import type { Filter } from '../filter/filter.ts';
import { CountingFilter, matchesFilter } from '../filter/match-filter.ts';
import type { Edit } from './edit.ts';
import type { PassingMessage } from './passing-message.ts';
import type { Rule } from './rule.ts';

/** What a message leaves as. */
export type Leaving = 'unchanged' | 'edited' | 'delayed' | 'duplicate' | 'replay' | 'resumed';

/** What it says. */
export type GateOutput =
  | { readonly kind: 'forward'; readonly message: PassingMessage; readonly as: Leaving }
  | { readonly kind: 'dropped'; readonly message: PassingMessage; readonly by: string }
  | { readonly kind: 'held'; readonly message: PassingMessage; readonly by: string }
  | { readonly kind: 'delayed'; readonly message: PassingMessage; readonly ms: number; readonly by: string }
  | { readonly kind: 'not-edited'; readonly message: PassingMessage; readonly reason: string };

/** What was done so far. */
export interface GateCounts {
  /** Went on, those of the rest among them. */
  readonly forwarded: number;
  readonly dropped: number;
  readonly edited: number;
  readonly delayed: number;
  readonly duplicated: number;
  readonly replayed: number;
  /** Dropped since there was no room for one more that waits. */
  readonly overflowed: number;
}

/** A rule in its place. */
export interface PlacedRule {
  /** By which it is removed; never used again. */
  readonly id: number;
  readonly rule: Rule;
  /** Messages that met it. */
  readonly count: number;
}

interface ActiveRule {
  readonly id: number;
  readonly rule: Rule;
  readonly filter: CountingFilter;
  readonly random: SeededRandom;
  count: number;
}

interface Scheduled {
  readonly at: number;
  readonly message: PassingMessage;
  readonly as: Leaving;
  readonly copies: number;
}

interface Held {
  readonly message: PassingMessage;
  readonly copies: number;
  readonly isEdited: boolean;
}

/** Makes a message anew with edits; a sentence where that cannot be. */
export type Editor = (message: PassingMessage, edits: readonly Edit[]) => PassingMessage | string;

/** See the module comment. Times are milliseconds of one clock. */
export class MessageGate {
  readonly #mostWaiting: number;
  readonly #edit: Editor;
  readonly #rules: ActiveRule[] = [];
  /** By number, the oldest first. */
  readonly #held = new Map<number, Held>();
  readonly #scheduled: Scheduled[] = [];
  readonly #outputs: GateOutput[] = [];
  #pause: Filter | undefined;
  #nextRule = 1;
  readonly #counts = {
    ...{ forwarded: 0, dropped: 0, edited: 0, delayed: 0, duplicated: 0, replayed: 0, overflowed: 0 },
  };

  constructor({ mostWaiting, edit }: { readonly mostWaiting: number; readonly edit: Editor }) {
    this.#mostWaiting = mostWaiting;
    this.#edit = edit;
  }

  get counts(): GateCounts {
    return { ...this.#counts };
  }

  /** Those that wait for `resume`, the oldest first. */
  get held(): readonly PassingMessage[] {
    return [...this.#held.values()].map(({ message }) => message);
  }

  /** Those with a time to leave. */
  get scheduled(): number {
    return this.#scheduled.length;
  }

  get rules(): readonly PlacedRule[] {
    return this.#rules.map(({ id, rule, count }) => ({ id, rule, count }));
  }

  /** Whether messages are held, and which. */
  get pausing(): Filter | undefined {
    return this.#pause;
  }

  // Commands.

  /** Adds a rule behind the others; returns its id. */
  addRule(rule: Rule): number {
    const id = this.#nextRule++;
    const filter = new CountingFilter(rule.filter);
    this.#rules.push({ id, rule, filter, random: new SeededRandom(rule.seed), count: 0 });
    return id;
  }

  /** Removes it; says whether there was one. */
  removeRule(id: number): boolean {
    const at = this.#rules.findIndex((one) => one.id === id);
    if (at >= 0) this.#rules.splice(at, 1);
    return at >= 0;
  }

  /** Holds messages from now on. */
  pause(filter: Filter): void {
    this.#pause = filter;
  }

  /** Lets one message go that is held; or all, and holds no more. Says how many went. */
  resume(number?: number): number {
    if (number !== undefined) {
      const held = this.#held.get(number);
      if (held === undefined) return 0;
      this.#release(held);
      return 1;
    }
    this.#pause = undefined;
    const all = [...this.#held.values()];
    for (const held of all) this.#release(held);
    return all.length;
  }

  /** Lets the oldest message go that is held, and holds on. */
  step(): PassingMessage | undefined {
    const [oldest] = this.#held.values();
    if (oldest !== undefined) this.#release(oldest);
    return oldest?.message;
  }

  /** Drops a message that is held, or has a time to leave. */
  drop(number: number, by: string): boolean {
    const waiting = this.#take(number);
    if (waiting === undefined) return false;
    this.#drop(waiting.message, by);
    return true;
  }

  /** Edits a message that is held; a sentence where that cannot be. */
  edit(number: number, edits: readonly Edit[]): PassingMessage | string {
    const held = this.#held.get(number);
    if (held === undefined) return `message ${number} is not held`;
    const edited = this.#edit(held.message, edits);
    if (typeof edited === 'string') return edited;
    if (!held.isEdited) this.#counts.edited += 1;
    this.#held.set(number, { ...held, message: edited, isEdited: true });
    return edited;
  }

  /** Sends a message once more, now or later; says whether there was room. */
  replay(message: PassingMessage, delayMs: number, now: number): boolean {
    if (delayMs > 0) return this.#schedule({ at: now + delayMs, message, as: 'replay', copies: 0 });
    this.#forward(message, 'replay');
    return true;
  }

  // The machine.

  /** A message has come. */
  arrive(arrived: PassingMessage, now: number): void {
    let message = arrived;
    let delayMs = 0;
    let copies = 0;
    let holder: string | undefined;
    let delayer = '';
    for (const active of this.#rules) {
      if (!active.filter.test(message.subject)) continue;
      const { id, rule, random } = active;
      if (rule.probability < 1 && random.fraction() >= rule.probability) continue;
      active.count += 1;
      const by = `rule ${id}`;
      const { action } = rule;
      switch (action.kind) {
        case 'drop':
          this.#drop(message, by);
          return;
        case 'pause':
          holder ??= by;
          break;
        case 'duplicate':
          copies += action.copies;
          break;
        case 'delay':
          delayMs += action.ms;
          delayer = by;
          break;
        case 'replay':
          this.#schedule({ at: now + action.ms, message, as: 'replay', copies: 0 });
          break;
        case 'edit': {
          const edited = this.#edit(message, action.edits);
          if (typeof edited === 'string') this.#outputs.push({ kind: 'not-edited', message, reason: edited });
          else message = edited;
        }
      }
    }
    const isEdited = message !== arrived;
    if (isEdited) this.#counts.edited += 1;
    if (this.#pause !== undefined && matchesFilter(this.#pause, message.subject)) holder ??= 'pause';
    if (holder !== undefined) {
      if (this.#isFull(message)) return;
      this.#held.set(message.number, { message, copies, isEdited });
      this.#outputs.push({ kind: 'held', message, by: holder });
    } else if (delayMs > 0) {
      if (!this.#schedule({ at: now + delayMs, message, as: 'delayed', copies })) return;
      this.#counts.delayed += 1;
      this.#outputs.push({ kind: 'delayed', message, ms: delayMs, by: delayer });
    } else this.#leave(message, isEdited ? 'edited' : 'unchanged', copies);
  }

  /** Lets go what is due. */
  handleTimeout(now: number): void {
    while (this.#scheduled.length > 0 && (this.#scheduled[0] as Scheduled).at <= now) {
      const { message, as, copies } = this.#scheduled.shift() as Scheduled;
      this.#leave(message, as, copies);
    }
  }

  /** When `handleTimeout` is due. */
  nextTimeout(): number | undefined {
    return this.#scheduled[0]?.at;
  }

  poll(): GateOutput | undefined {
    return this.#outputs.shift();
  }

  #release({ message, copies, isEdited }: Held): void {
    this.#held.delete(message.number);
    this.#leave(message, isEdited ? 'edited' : 'resumed', copies);
  }

  #leave(message: PassingMessage, as: Leaving, copies: number): void {
    this.#forward(message, as);
    for (let copy = 0; copy < copies; copy++) this.#forward(message, 'duplicate');
  }

  #forward(message: PassingMessage, as: Leaving): void {
    this.#counts.forwarded += 1;
    if (as === 'duplicate') this.#counts.duplicated += 1;
    if (as === 'replay') this.#counts.replayed += 1;
    this.#outputs.push({ kind: 'forward', message, as });
  }

  #drop(message: PassingMessage, by: string): void {
    this.#counts.dropped += 1;
    this.#outputs.push({ kind: 'dropped', message, by });
  }

  #isFull(message: PassingMessage): boolean {
    if (this.#held.size + this.#scheduled.length < this.#mostWaiting) return false;
    this.#counts.overflowed += 1;
    this.#drop(message, `no room: ${this.#mostWaiting} messages wait already`);
    return true;
  }

  #schedule(scheduled: Scheduled): boolean {
    if (scheduled.as === 'replay' && this.#held.size + this.#scheduled.length >= this.#mostWaiting) {
      // The message itself is on its way: only its replay is left out.
      this.#counts.overflowed += 1;
      return false;
    }
    if (scheduled.as !== 'replay' && this.#isFull(scheduled.message)) return false;
    const at = this.#scheduled.findIndex((one) => one.at > scheduled.at);
    this.#scheduled.splice(at < 0 ? this.#scheduled.length : at, 0, scheduled);
    return true;
  }

  #take(number: number): { readonly message: PassingMessage } | undefined {
    const held = this.#held.get(number);
    if (held !== undefined) {
      this.#held.delete(number);
      return held;
    }
    const at = this.#scheduled.findIndex(({ message }) => message.number === number);
    return at < 0 ? undefined : this.#scheduled.splice(at, 1)[0];
  }
}
