/**
 * The last alert of handshakes that failed, sent again while the peer goes on with what is over.
 *
 * Alerts are not part of a flight, so nothing else would send them again (RFC 6347 §4.2.7): without this, a client
 * whose one decrypt_error got lost learns nothing until its own time is up. Kept for a few handshakes and seconds,
 * only for alerts of epoch 0, and repeated seldom.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { after, type DurationMs, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { type AlertDescription, encodeAlert } from './alert.ts';
import { encodePlaintextRecord } from './record/plaintext-record.ts';
import { ContentType, maxSequenceNumber, ProtocolVersion } from './record/record-header.ts';

const farewellLimits = { alerts: 256, repetitions: 8, lifetimeMs: 10_000 } as const;

interface Farewell {
  readonly description: AlertDescription;
  /** Of the ClientHello that was refused, when it was that. */
  readonly clientRandom: Uint8Array | undefined;
  readonly until: Instant;
  sequenceNumber: number;
  lastSent: Instant;
  repetitionsLeft: number;
}

/** The alerts by address, oldest first. */
export class FarewellAlerts {
  readonly #byAddress = new Map<string, Farewell>();
  readonly #leastIntervalMs: DurationMs;

  /** @param leastIntervalMs Between two repetitions for one address. */
  constructor(leastIntervalMs: DurationMs) {
    this.#leastIntervalMs = leastIntervalMs;
  }

  /**
   * An alert was sent in epoch 0; the next record there has `sequenceNumber`.
   *
   * @param clientRandom Of a ClientHello that was refused for what is in it.
   */
  add(
    address: PeerAddress,
    description: AlertDescription,
    sequenceNumber: number,
    now: Instant,
    clientRandom?: Uint8Array,
  ): void {
    this.#byAddress.delete(address.key);
    for (const [key, { until }] of this.#byAddress) {
      if (until > now && this.#byAddress.size < farewellLimits.alerts) break;
      this.#byAddress.delete(key);
    }
    this.#byAddress.set(address.key, {
      description,
      clientRandom,
      until: after(now, farewellLimits.lifetimeMs),
      sequenceNumber,
      lastSent: now,
      repetitionsLeft: farewellLimits.repetitions,
    });
  }

  /** Whether this ClientHello was refused a moment ago: it will be refused again. */
  hasRefused(address: PeerAddress, clientRandom: Uint8Array, now: Instant): boolean {
    const farewell = this.#byAddress.get(address.key);
    if (farewell?.clientRandom === undefined || farewell.until <= now) return false;
    return equalBytes(farewell.clientRandom, clientRandom);
  }

  /** A new handshake with the address begins. */
  forget(address: PeerAddress): void {
    this.#byAddress.delete(address.key);
  }

  /** The alert to send to a peer that goes on, when there is one and it is time: a whole record. */
  repetition(address: PeerAddress, now: Instant): Uint8Array | undefined {
    const farewell = this.#byAddress.get(address.key);
    if (farewell === undefined) return undefined;
    if (
      farewell.until <= now ||
      farewell.repetitionsLeft === 0 ||
      farewell.sequenceNumber > maxSequenceNumber
    ) {
      this.#byAddress.delete(address.key);
      return undefined;
    }
    if (elapsedMs(farewell.lastSent, now) < this.#leastIntervalMs) return undefined;
    farewell.lastSent = now;
    farewell.repetitionsLeft--;
    const content = encodeAlert('fatal', farewell.description);
    return encodePlaintextRecord(
      ContentType.Alert,
      ProtocolVersion.Dtls12,
      0,
      farewell.sequenceNumber++,
      content,
    );
  }
}
