/**
 * The sans-IO DTLS 1.2 layer, for programs that bring their own sockets: public subpath `coapsule/dtls`.
 *
 * @module
 */

export { AlertDescription, alertName } from './core/dtls/alert.ts';
export {
  type CipherSuite,
  type CipherSuiteName,
  cipherSuites,
  suiteById,
  suiteByName,
} from './core/dtls/cipher-suites.ts';
export type { CheckedDtlsConfig, DtlsConfig } from './core/dtls/dtls-config.ts';
export { type AssociationInfo, type DtlsInput, DtlsLayer } from './core/dtls/dtls-layer.ts';
export type {
  AssociationId,
  CloseReason,
  DtlsDiscardReason,
  DtlsOutput,
  DtlsRole,
  HandshakeTrace,
} from './core/dtls/dtls-output.ts';
export type { PskAnswer } from './core/dtls/handshake/handshake-context.ts';
export type { HandshakeFailure, HandshakeFailureCause } from './core/dtls/handshake/handshake-failure.ts';
export { DtlsObserver } from './core/dtls/observer/dtls-observer.ts';
export type {
  ObservedDatagram,
  ObservedFragment,
  ObservedRecord,
  ObservedSide,
  ObserverSecrets,
  UnreadableReason,
} from './core/dtls/observer/observed-record.ts';
export { recordOverhead } from './core/dtls/record-overhead.ts';
