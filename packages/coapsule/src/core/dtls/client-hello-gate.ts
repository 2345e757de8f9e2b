/**
 * The door of a server: ClientHellos get in when their cookie came back; others are answered without keeping
 * anything (RFC 6347 §4.2.1), one for each datagram, so that nobody gets more datagrams than he sent.
 *
 * What makes a cookie good is in `handshake/cookie-exchange.ts`; handshakes begin in `dtls-layer.ts`.
 *
 * @module
 */

import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { AlertDescription } from './alert.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { DtlsDiscardReason, DtlsOutput, HandshakeTrace } from './dtls-output.ts';
import { CookieSource } from './handshake/cookie.ts';
import { decideCookie, type ReceivedFirstFragment, readClientHello } from './handshake/cookie-exchange.ts';
import type { HandshakeFailure } from './handshake/handshake-failure.ts';
import type { RecordView } from './record/demultiplex.ts';
import { ProtocolVersion } from './record/record-header.ts';

/** Reads ClientHellos and answers those without a good cookie. */
export class ClientHelloGate {
  readonly #cookies: CookieSource;
  readonly #emit: (output: DtlsOutput) => void;
  readonly #onRefused: (address: PeerAddress, failure: HandshakeFailure, now: Instant) => void;
  #hasAnswered = false;

  constructor(
    crypto: CryptoProvider,
    random: RandomSource,
    config: Pick<CheckedDtlsConfig, 'cookieSecretLifetimeMs'>,
    emit: (output: DtlsOutput) => void,
    onRefused: (address: PeerAddress, failure: HandshakeFailure, now: Instant) => void,
  ) {
    this.#cookies = new CookieSource(crypto, random, config.cookieSecretLifetimeMs);
    this.#emit = emit;
    this.#onRefused = onRefused;
  }

  /** A new datagram begins. */
  beginDatagram(): void {
    this.#hasAnswered = false;
  }

  /**
   * Reads a record that holds a ClientHello, or part of one.
   *
   * @returns a hello whose cookie is good; `later-fragment` when only an earlier record can tell; `undefined` when
   *          the record is done with.
   */
  admit(
    address: PeerAddress,
    record: RecordView,
    now: Instant,
  ): ReceivedFirstFragment | 'later-fragment' | undefined {
    const hello = readClientHello(record);
    if (hello === 'later-fragment') return hello;
    if (hello === 'malformed' || hello === 'incomplete') {
      this.#discard(
        address,
        hello === 'malformed' ? 'malformed-handshake-message' : 'incomplete-client-hello',
      );
      return undefined;
    }
    const decision = decideCookie(this.#cookies, address, record, hello, now);
    if (decision.kind === 'begin') return hello;
    if (decision.kind === 'ignore') {
      this.#discard(address, 'incomplete-client-hello');
      return undefined;
    }
    if (this.#hasAnswered) {
      this.#discard(address, 'handshake-limit');
      return undefined;
    }
    this.#hasAnswered = true;
    const received = record.datagram.length;
    this.#trace(address, 'received', 'ClientHello', 1, hello, received);
    const sent = decision.datagram.length;
    if (decision.is === 'HelloVerifyRequest') {
      this.#trace(address, 'sent', 'HelloVerifyRequest', 2, hello, sent);
    } else {
      this.#trace(address, 'sent', 'alert protocol_version', undefined, hello, sent);
      this.#discard(address, 'client-version-too-old');
      const version = hello.start.version === ProtocolVersion.Dtls10 ? 'DTLS 1.0' : 'no DTLS known here';
      const detail = `the client speaks nothing newer than ${version} (version 0x${hello.start.version.toString(16)})`;
      const alertSent = AlertDescription.ProtocolVersion;
      this.#onRefused(address, { cause: 'version-too-old', detail, alertSent }, now);
    }
    this.#emit({ kind: 'transmit', address, datagram: decision.datagram });
    return undefined;
  }

  /** The same of a record that was admitted and has waited for its turn since. */
  admitted(record: RecordView): ReceivedFirstFragment | 'later-fragment' | undefined {
    const hello = readClientHello(record);
    return hello === 'malformed' || hello === 'incomplete' ? undefined : hello;
  }

  #discard(address: PeerAddress, reason: DtlsDiscardReason): void {
    this.#emit({ kind: 'discarded', address, reason });
  }

  #trace(
    address: PeerAddress,
    direction: 'sent' | 'received',
    name: string,
    flight: number | undefined,
    hello: ReceivedFirstFragment,
    bytes: number,
  ): void {
    const trace: HandshakeTrace = {
      kind: 'handshake-trace',
      address,
      role: 'server',
      direction,
      name,
      epoch: 0,
      retransmit: false,
      reordered: false,
      datagram: { bytes },
    };
    this.#emit(flight === undefined ? trace : { ...trace, flight, messageSeq: hello.messageSeq });
  }
}
