/**
 * What is in a DTLS record, by name (RFC 5246 §6.2.1, §7.4).
 *
 * @module
 */

import type { ObservedRecord } from 'coapsule/dtls';

const handshakeNames: Readonly<Record<number, string>> = {
  0: 'HelloRequest',
  1: 'ClientHello',
  2: 'ServerHello',
  3: 'HelloVerifyRequest',
  4: 'NewSessionTicket',
  11: 'Certificate',
  12: 'ServerKeyExchange',
  13: 'CertificateRequest',
  14: 'ServerHelloDone',
  15: 'CertificateVerify',
  16: 'ClientKeyExchange',
  20: 'Finished',
};

/** The names of what a record holds; an encrypted handshake message is a Finished, as none else is encrypted (RFC 5246 §7.4.9). */
export function recordName({ recordType, fragments, epoch }: ObservedRecord): readonly string[] {
  switch (recordType) {
    case 20:
      return ['ChangeCipherSpec'];
    case 21:
      return ['Alert'];
    case 22:
      if (epoch > 0) return ['Finished'];
      return fragments.map(({ type }) => handshakeNames[type] ?? `handshake message ${type}`);
    default:
      return ['ApplicationData'];
  }
}
