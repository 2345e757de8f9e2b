/**
 * The Security Context: keys and Common IV, the Sender Sequence Number, the Replay Window, and what of them is on disk.
 *
 * RFC 8613 §3.1, §3.3, §7.5 and Appendix B.1. Made by `derive-context.ts`. What changes is in three objects of this file's
 * neighbours; here is the contract with the store:
 *
 * - The store holds one `ContextRecord` a context. A context that was ever used is made again with the record that is
 *   stored, never without.
 * - `recordToStore` is what the store must hold before the step that asked for it; `stored(record)` says that it does,
 *   also after a loss of power. Records are stored in the order in which they were asked for: they only grow.
 * - `close` ends the use of the context and gives the exact record, which may be lower: it is the last to be stored.
 *
 * @module
 */

import type { AeadKey } from '../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import type { CoseAead } from './cose-algorithms.ts';
import { sequenceEnd } from './partial-iv.ts';
import { RecipientEdge } from './recipient-edge.ts';
import { minReplayWindowSize, ReplayWindow } from './replay-window.ts';
import { SenderSequence, type SequenceOutcome } from './sender-sequence.ts';

/** What the store holds of a context. */
export interface ContextRecord {
  /** No Sender Sequence Number at or above it was ever used: 0 … 2^40. */
  readonly senderEdge: number;
  /** Every request that was ever delivered had a Partial IV below it: 0 … 2^40. */
  readonly recipientEdge: number;
}

/** The record of a context that nobody has used yet. */
export const unusedContext: ContextRecord = Object.freeze({ senderEdge: 0, recipientEdge: 0 });

/** How a context keeps its state. */
export interface ContextKeeping {
  /** Width of the Replay Window, 32 … 65,536. Default 32. */
  readonly replayWindow?: number;
  /** Sender Sequence Numbers reserved by one write. Default 100. */
  readonly senderBatch?: number;
  /** Partial IVs of requests covered by one write; what is left of them costs one more exchange after a crash. Default 32. */
  readonly recipientStep?: number;
  /**
   * Store nothing. Only for a context that ends with the process, such as one with a random ID Context (Appendix B.2):
   * used again with the same keys it repeats nonces and takes recorded requests for new ones.
   */
  readonly dangerouslyVolatile?: boolean;
  /** What the caller wants to find with the context again, and with those that replace it. Never looked into. */
  readonly owner?: unknown;
}

const defaultKeeping = {
  replayWindow: minReplayWindowSize,
  senderBatch: 100,
  recipientStep: 32,
} as const satisfies ContextKeeping;

/** What a context is made of, once derived. */
export interface ContextMaterial {
  readonly aead: CoseAead;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext: Uint8Array | undefined;
  readonly senderKey: AeadKey;
  readonly recipientKey: AeadKey;
  readonly commonIv: Uint8Array;
}

/** Bytes of the Echo value that follows a restart (Appendix B.1.2): nothing else protects it but the context. */
const echoLength = 8;

/** A Security Context of one pair of endpoints, for both roles (RFC 8613 §3.1). */
export class SecurityContext {
  readonly aead: CoseAead;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  /** `undefined` is not the same as empty. */
  readonly idContext: Uint8Array | undefined;
  readonly senderKey: AeadKey;
  readonly recipientKey: AeadKey;
  readonly commonIv: Uint8Array;
  readonly window: ReplayWindow;
  /** As it was given in `ContextKeeping`. */
  readonly owner: unknown;
  readonly #sequence: SenderSequence;
  readonly #edge: RecipientEdge;
  readonly #random: RandomSource;
  readonly #volatile: boolean;
  #echo: Uint8Array | undefined;
  #notifications = 0;
  #closed = false;

  /** For `derive-context.ts`; see there. */
  constructor(
    material: ContextMaterial,
    random: RandomSource,
    record: ContextRecord,
    { dangerouslyVolatile, owner, ...keeping }: ContextKeeping = {},
  ) {
    checkEdge('senderEdge', record.senderEdge);
    checkEdge('recipientEdge', record.recipientEdge);
    const { replayWindow, senderBatch, recipientStep } = { ...defaultKeeping, ...keeping };
    this.aead = material.aead;
    this.senderId = material.senderId;
    this.recipientId = material.recipientId;
    this.idContext = material.idContext;
    this.senderKey = material.senderKey;
    this.recipientKey = material.recipientKey;
    this.commonIv = material.commonIv;
    this.owner = owner;
    this.#random = random;
    this.window = new ReplayWindow(record.recipientEdge, replayWindow);
    this.#sequence = new SenderSequence(record.senderEdge, senderBatch);
    this.#edge = new RecipientEdge(record.recipientEdge, recipientStep);
    this.#volatile = dangerouslyVolatile === true;
    if (this.#volatile) this.stored({ senderEdge: sequenceEnd, recipientEdge: sequenceEnd });
  }

  /** After `close`: nothing is protected or verified any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether number 2^40 - 1 is used: nothing may be protected any more (RFC 8613 §7.2.1). */
  get exhausted(): boolean {
    return this.#sequence.next >= sequenceEnd;
  }

  /** The Sender Sequence Number that comes next. */
  get nextSequenceNumber(): number {
    return this.#sequence.next;
  }

  /** Takes a Sender Sequence Number; it is used once or never (RFC 8613 §7.2). */
  takeSequenceNumber(): SequenceOutcome {
    return this.#sequence.take();
  }

  /**
   * Marks the Partial IV of a verified request (§8.2 step 6).
   *
   * @returns whether the record must be stored before the request is delivered.
   */
  markReceived(partialIv: number): boolean {
    this.window.markReceived(partialIv);
    return this.#edge.toStoreBefore(partialIv) !== undefined;
  }

  /** Makes a verified request with a fresh Echo the lower limit of the window (Appendix B.1.2); as `markReceived`. */
  synchronizeAt(partialIv: number): boolean {
    this.window.synchronizeAt(partialIv);
    return this.#edge.toStoreBefore(partialIv) !== undefined;
  }

  /**
   * The Echo that proves a request fresh while the window is lost (Appendix B.1.2): 8 random bytes, the same until the
   * context ends. Who returns it has received it after the restart.
   */
  get echo(): Uint8Array {
    this.#echo ??= randomBytes(this.#random, echoLength);
    return this.#echo;
  }

  /** What the store must hold now, before the step that asked for it. */
  get recordToStore(): ContextRecord {
    return { senderEdge: this.#sequence.asked, recipientEdge: this.#edge.asked };
  }

  /** A record to store at leisure, so that the next messages need not wait; `undefined` while there is room. */
  recordDue(): ContextRecord | undefined {
    const sender = this.#sequence.reservationDue();
    const recipient = this.#edge.due(this.window.edge);
    return sender === undefined && recipient === undefined ? undefined : this.recordToStore;
  }

  /** The store holds `record`. */
  stored(record: ContextRecord): void {
    this.#sequence.reserved(record.senderEdge);
    this.#edge.committed(record.recipientEdge);
  }

  /** Whether a record covers the delivery of a request with this Partial IV. */
  mayDeliver(partialIv: number): boolean {
    return partialIv < this.#edge.stored;
  }

  /**
   * Ends the use of the context.
   *
   * @returns the exact record, for the context to be made again without a gap; of a volatile one it is of no use.
   */
  close(): ContextRecord {
    this.#closed = true;
    return { senderEdge: this.#sequence.next, recipientEdge: this.window.edge };
  }

  /** A number for each notification that was taken, to be its Observe value: 24 bits that go round (RFC 7641 §3.4). */
  numberNotification(): number {
    this.#notifications = (this.#notifications + 1) % 2 ** 24;
    return this.#notifications;
  }
}

function checkEdge(name: string, edge: number): void {
  if (!Number.isInteger(edge) || edge < 0 || edge > sequenceEnd) {
    throw new ApiMisuseError(`${name} is ${edge}; expected a whole number of 0 to 2^40, as it was stored`);
  }
}
