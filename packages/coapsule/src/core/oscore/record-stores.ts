/**
 * Records of contexts on their way to the store, and the messages that wait for them.
 *
 * RFC 8613 §7.5, Appendix B.1: a number is used, and a request delivered, only when a crash cannot make it be used or
 * delivered again. When a record is due is decided in `security-context.ts`.
 *
 * @module
 */

import type { OscoreCounters } from './oscore-counters.ts';
import type { ContextRecord, SecurityContext } from './security-context.ts';

/** Names a record that is to be stored. */
export type StoreId = number;

/** Why a message is not sent. */
export type UnsendableReason = 'exhausted' | 'closed' | 'store-failed' | 'too-many-waiting';

/** Messages of one context that wait for the store, at most: more come only while it hangs. */
const maxWaiting = 256;

/** What waits for a record, and how it ends. */
export interface Waiting {
  goOn(): void;
  /** @param detail What the store said. */
  fail(reason: UnsendableReason, detail?: string): void;
}

/** A record that is to be stored. */
export interface StoredRecord {
  readonly context: SecurityContext;
  readonly record: ContextRecord;
}

/** See the module comment. */
export class RecordStores {
  readonly #counters: OscoreCounters;
  readonly #ask: (store: StoreId, record: StoredRecord) => void;
  readonly #stores = new Map<StoreId, StoredRecord>();
  /** The newest record of each context that is being stored: it covers all before it. */
  readonly #newest = new Map<SecurityContext, StoredRecord>();
  readonly #waiting = new Map<SecurityContext, Waiting[]>();
  #lastStore = 0;

  /** `ask` is told what is to be stored. */
  constructor(counters: OscoreCounters, ask: (store: StoreId, record: StoredRecord) => void) {
    this.#counters = counters;
    this.#ask = ask;
  }

  /** Messages that wait. */
  get waiting(): number {
    let count = 0;
    for (const waiting of this.#waiting.values()) count += waiting.length;
    return count;
  }

  /** Messages of one context that wait. */
  waitingFor(context: SecurityContext): number {
    return this.#waiting.get(context)?.length ?? 0;
  }

  /** A message goes on when the record is stored. */
  wait(context: SecurityContext, record: ContextRecord, waiting: Waiting): void {
    this.#counters.waited++;
    const all = this.#waiting.get(context) ?? [];
    if (all.length >= maxWaiting) {
      waiting.fail('too-many-waiting');
      return;
    }
    all.push(waiting);
    this.#waiting.set(context, all);
    this.#store(context, record);
  }

  /** Asks for what will be needed soon, so that the next messages need not wait. */
  storeAhead(context: SecurityContext): void {
    const record = context.recordDue();
    if (record !== undefined) this.#store(context, record);
  }

  /** The record is on disk: what waited for it goes on. */
  stored(store: StoreId): void {
    const found = this.#end(store);
    if (found === undefined) return;
    found.context.stored(found.record);
    for (const one of this.#takeWaiting(found.context)) one.goOn();
  }

  /** The record could not be stored: what waits for it fails. The next message tries again. */
  failed(store: StoreId, detail?: string): void {
    const found = this.#end(store);
    if (found === undefined) return;
    this.#counters.storesFailed++;
    for (const one of this.#takeWaiting(found.context)) one.fail('store-failed', detail);
  }

  /** Asks for a record, unless one that covers it is being stored. */
  #store(context: SecurityContext, record: ContextRecord): void {
    const newest = this.#newest.get(context);
    if (newest !== undefined && covers(newest.record, record)) return;
    const store = ++this.#lastStore;
    const asked = { context, record };
    this.#stores.set(store, asked);
    this.#newest.set(context, asked);
    this.#ask(store, asked);
  }

  #end(store: StoreId): StoredRecord | undefined {
    const found = this.#stores.get(store);
    this.#stores.delete(store);
    if (found !== undefined && this.#newest.get(found.context) === found) this.#newest.delete(found.context);
    return found;
  }

  #takeWaiting(context: SecurityContext): readonly Waiting[] {
    const waiting = this.#waiting.get(context) ?? [];
    this.#waiting.delete(context);
    return waiting;
  }
}

function covers(asked: ContextRecord, record: ContextRecord): boolean {
  return asked.senderEdge >= record.senderEdge && asked.recipientEdge >= record.recipientEdge;
}
