/**
 * Session tickets of a server (RFC 5077 §4): sessions sealed with AES-256-CCM under keys that nobody else has.
 *
 * ```text
 * key name (8, random) ‖ counter (6) ‖ sealed session (n) ‖ tag (16)
 * ```
 * The nonce is the counter of tickets of that key, so that none is used twice. Keys are in memory only: they, and
 * all tickets, end with the process. A key seals for one period and opens for one more; a ticket is good for one
 * period at most (RFC 9325 §3.4: half as long as its key), which is checked where sessions are looked up.
 *
 * @module
 */

import { ByteReader } from '../../foundation/byte-reader.ts';
import { ByteWriter } from '../../foundation/byte-writer.ts';
import { equalBytes } from '../../foundation/bytes.ts';
import type { AeadKey, CryptoProvider } from '../../foundation/crypto-provider.ts';
import { type DurationMs, elapsedMs, type Instant } from '../../foundation/instant.ts';
import { type RandomSource, randomBytes } from '../../foundation/random-source.ts';
import { decodeSessionState, encodeSessionState, type SessionState } from './session-state.ts';

const keyNameLength = 8;
const counterLength = 6;
const headerLength = keyNameLength + counterLength;
const tagLength = 16;
const maxCounter = 2 ** 48 - 1;

/** What was in a ticket. */
export interface OpenedTicket {
  readonly session: SessionState;
  /** Whether its key seals no more, so that a new ticket would live longer. */
  readonly isKeyOld: boolean;
}

interface TicketKey {
  readonly name: Uint8Array;
  readonly aead: AeadKey;
  readonly since: Instant;
  /** Tickets sealed so far; the nonce of the next. */
  counter: number;
}

/** Seals and opens tickets; rotates keys by use, so that an idle server needs no timer. */
export class TicketKeys {
  readonly #crypto: CryptoProvider;
  readonly #random: RandomSource;
  readonly #periodMs: DurationMs;
  #current: TicketKey | undefined;
  #previous: TicketKey | undefined;

  constructor(crypto: CryptoProvider, random: RandomSource, periodMs: DurationMs) {
    this.#crypto = crypto;
    this.#random = random;
    this.#periodMs = periodMs;
  }

  /** A ticket for a session. */
  seal(session: SessionState, now: Instant): Uint8Array {
    const key = this.#keyToSealWith(now);
    const state = encodeSessionState(session);
    const ticket = new ByteWriter(headerLength + state.length + tagLength)
      .bytes(key.name)
      .u48(key.counter++)
      .bytes(state)
      .bytes(new Uint8Array(tagLength))
      .finish();
    key.aead.seal(nonceOf(ticket), ticket.subarray(0, headerLength), ticket, headerLength, state.length);
    return ticket;
  }

  /** The session of a ticket; `undefined` when it is not one of ours, or its key is gone. The ticket stays as it is. */
  open(ticket: Uint8Array, now: Instant): OpenedTicket | undefined {
    this.#dropOldKeys(now);
    const name = new ByteReader(ticket).view(keyNameLength);
    const key = [this.#current, this.#previous].find(
      (one) => one !== undefined && equalBytes(one.name, name),
    );
    if (key === undefined || ticket.length < headerLength + tagLength) return undefined;
    const copy = ticket.slice();
    const header = copy.subarray(0, headerLength);
    const length = key.aead.open(nonceOf(copy), header, copy, headerLength, copy.length - headerLength);
    if (length < 0) return undefined;
    const state = copy.subarray(headerLength, headerLength + length);
    const session = decodeSessionState(state);
    state.fill(0);
    return session && { session, isKeyOld: elapsedMs(key.since, now) >= this.#periodMs };
  }

  #keyToSealWith(now: Instant): TicketKey {
    this.#dropOldKeys(now);
    const current = this.#current;
    const isUsable =
      current !== undefined &&
      elapsedMs(current.since, now) < this.#periodMs &&
      current.counter <= maxCounter;
    if (isUsable) return current;
    this.#previous?.aead.rest?.();
    this.#previous = current;
    this.#current = {
      name: randomBytes(this.#random, keyNameLength),
      aead: this.#crypto.aead('AES_256_CCM', randomBytes(this.#random, 32)),
      since: now,
      counter: 0,
    };
    return this.#current;
  }

  /** RFC 9325 §3.4: old keys are destroyed. */
  #dropOldKeys(now: Instant): void {
    const isOver = (key: TicketKey | undefined): boolean =>
      key !== undefined && elapsedMs(key.since, now) >= 2 * this.#periodMs;
    if (isOver(this.#previous)) {
      this.#previous?.aead.rest?.();
      this.#previous = undefined;
    }
    if (isOver(this.#current)) {
      this.#current?.aead.rest?.();
      this.#current = undefined;
    }
  }
}

/** 12 bytes: zeros and the counter. */
function nonceOf(ticket: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce.set(ticket.subarray(keyNameLength, headerLength), nonce.length - counterLength);
  return nonce;
}
