/**
 * What speaks for a wrong key or an unknown identity, and how a handshake that ends for it is named.
 *
 * Nothing of it is proof: anybody can send a record that does not open, or an alert in the clear. So it is
 * counted, and the flight timer decides.
 *
 * @module
 */

import type { DtlsRole } from '../dtls-output.ts';
import type { HandshakeFailure } from './handshake-failure.ts';

/**
 * Server: a Finished that does not open ends the handshake at this expiry of the timer after the ChangeCipherSpec,
 * or after the key was there, if that was later.
 */
const expiriesForBadFinished = 2;

/**
 * Client: in so many intervals in a row such records must have come, each after our flight was sent again. A server
 * sends its Finished only after ours, so that one that does not open is more likely forged than wrong.
 */
const intervalsForBadFinished = 2;

/**
 * OpenSSL never says that it cannot open a Finished: it goes on repeating its flight. After so many intervals
 * in a row (1, 2, 4, 8 and 16 s) that is the likelier reason than loss.
 */
const intervalsForWrongKey = 5;

/**
 * How long the silence of a server may last, in multiples of `handshakeStallMs`: then our transmission at 31 s had the
 * time to be answered, or where datagrams got lost before, that at 63 s.
 */
const patience = { usual: 2.4, afterLoss: 4.8 } as const;

/**
 * With certificates there is no wrong key, but there are large datagrams: after so many intervals (63 s) pieces of
 * every size were tried. And where datagrams got lost before, that is the likelier reason for longer.
 */
const intervalsForLostFlight = 6;

/** The evidence of one handshake. */
export class KeyEvidence {
  /** Server: set when the application had no key for the identity. */
  identityIsUnknown = false;
  /** Whether the keys come from a pre-shared one. */
  usesPsk = true;
  /** Whether an earlier flight of ours had to be sent again. */
  sawLoss = false;
  readonly #role: DtlsRole;
  #unopenedRecords = 0;
  #hasChangeCipherSpec = false;
  #hasKeys = false;
  /** Expiries of the flight timer since both keys and the peer's ChangeCipherSpec were there. */
  #expiries = 0;
  /** Client: whether records that do not open came since our flight was sent again, and how often in a row. */
  #isUnopenedInInterval = false;
  #intervalsWithUnopened = 0;
  /** Whether the peer sent its last flight again since our timer expired last, and how often in a row it did. */
  #peerRepeatedInInterval = false;
  #intervalsWithRepetition = 0;

  constructor(role: DtlsRole) {
    this.#role = role;
  }

  /** Whether the peer's ChangeCipherSpec has come. */
  get hasChangeCipherSpec(): boolean {
    return this.#hasChangeCipherSpec;
  }

  /** Client: how long a server may say nothing after our Finished. */
  get patience(): number {
    return this.sawLoss ? patience.afterLoss : patience.usual;
  }

  /**
   * Server: whether something speaks against the client's key or identity, however the handshake ends. The same for an
   * identity that is unknown and for a wrong key, before a Finished and after it.
   */
  get speaksAgainstKey(): boolean {
    return this.usesPsk && this.#unopenedRecords > 0;
  }

  /** A protected handshake record could not be opened. */
  noteUnopenedRecord(): void {
    this.#unopenedRecords++;
    this.#isUnopenedInInterval = true;
  }

  noteChangeCipherSpec(): void {
    this.#hasChangeCipherSpec = true;
    this.#expiries = 0;
  }

  /** The keys of epoch 1 are there. */
  noteKeys(): void {
    this.#hasKeys = true;
    this.#expiries = 0;
  }

  /** The peer sent a message again. */
  notePeerRepeated(): void {
    this.#peerRepeatedInInterval = true;
  }

  /**
   * Counts an expiry of the flight timer. Not to be told of those while the application is waited for.
   *
   * @param isFinishedSent Whether our own Finished is out, that is a client's flight 5.
   * @returns what to end the handshake for: `bad-finished`, to be told by decrypt_error, or `no-answer`, after one more
   *          transmission.
   */
  noteTimerExpired(isFinishedSent: boolean): 'bad-finished' | 'no-answer' | undefined {
    const isFirst = this.#expiries === 0;
    if (this.#hasKeys && this.#hasChangeCipherSpec) this.#expiries++;
    this.#intervalsWithUnopened =
      this.#isUnopenedInInterval && !isFirst ? this.#intervalsWithUnopened + 1 : 0;
    this.#isUnopenedInInterval = false;
    const isBad =
      this.#role === 'client'
        ? this.#intervalsWithUnopened >= intervalsForBadFinished
        : this.#expiries >= expiriesForBadFinished && this.#unopenedRecords > 0;
    if (isBad) return 'bad-finished';
    this.#intervalsWithRepetition = this.#peerRepeatedInInterval ? this.#intervalsWithRepetition + 1 : 0;
    this.#peerRepeatedInInterval = false;
    const intervals = this.usesPsk && !this.sawLoss ? intervalsForWrongKey : intervalsForLostFlight;
    return isFinishedSent && this.#intervalsWithRepetition >= intervals ? 'no-answer' : undefined;
  }

  /** The failure for a verdict of `noteTimerExpired`, or for a server that says nothing at all any more. */
  failure(verdict: 'bad-finished' | 'no-answer' | 'silence'): HandshakeFailure {
    const records = `${this.#unopenedRecords} protected handshake record(s) of the peer could not be opened`;
    if (!this.usesPsk) {
      // Both have shown their keys: what does not fit is the handshake itself.
      return verdict === 'bad-finished'
        ? { cause: 'transcript-mismatch', detail: records }
        : { cause: 'peer-silent', detail: 'the peer says nothing new after our Finished' };
    }
    if (this.#role === 'client') {
      const details = {
        'bad-finished': records,
        'no-answer': 'the server answers our Finished with nothing but its last flight again',
        silence: 'the server fell silent after our Finished',
      };
      return { cause: 'identity-or-key', detail: details[verdict] };
    }
    return this.identityIsUnknown
      ? { cause: 'unknown-identity', detail: 'there is no key for the identity the client sent' }
      : { cause: 'psk-mismatch', detail: `the client has another key for its identity: ${records}` };
  }

  /** The same failure, or what a server knows better than the alert or the silence of its client tells. */
  refine(failure: HandshakeFailure): HandshakeFailure {
    const isVague = failure.cause === 'peer-silent' || failure.cause === 'alert-received';
    const hasEvidence = this.#unopenedRecords > 0 || this.identityIsUnknown;
    if (this.#role === 'client' || !isVague || !hasEvidence) return failure;
    return { ...failure, ...this.failure('bad-finished') };
  }
}
