/**
 * Handshake message types by number and name (RFC 5246 §7.4, RFC 6347 §4.3.2).
 *
 * @module
 */

/** The types this library sends or has to recognise. */
export const HandshakeType = {
  HelloRequest: 0,
  ClientHello: 1,
  ServerHello: 2,
  HelloVerifyRequest: 3,
  NewSessionTicket: 4,
  Certificate: 11,
  ServerKeyExchange: 12,
  CertificateRequest: 13,
  ServerHelloDone: 14,
  CertificateVerify: 15,
  ClientKeyExchange: 16,
  Finished: 20,
} as const;

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(HandshakeType).map(([name, value]) => [value, name]),
);

/** The name the RFC uses, such as `ServerHello`, or `handshake type 99`. */
export function handshakeTypeName(type: number): string {
  return names.get(type) ?? `handshake type ${type}`;
}
