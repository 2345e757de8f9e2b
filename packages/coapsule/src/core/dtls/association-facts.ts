/**
 * What is known about an established association, as it is kept and as it is told.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import { type AssociationFacts, type AssociationTable, maxContentLength } from './association-table.ts';
import type { Connected, DtlsDiscardReason, DtlsRole } from './dtls-output.ts';
import type { Established } from './handshake/handshake-outcome.ts';
import { recordOverheadOf } from './record/epoch-keys.ts';

/** What the handshake said of an association, and where it is. */
type HandshakeFacts = Omit<Connected, 'kind' | 'association' | 'imported' | 'replaced'>;

/** What can be told about an established association. */
export interface EstablishedInfo extends HandshakeFacts {
  /** Whether the peer is known to receive at the address its records come from (RFC 9146 §6). */
  readonly addressValidated: boolean;
  /** Bytes a record to the peer has more than its content. */
  readonly recordOverhead: number;
  /** Most bytes of application data in a record that the peer takes and that fits the MTU. */
  readonly maxDataLength: number;
  readonly lastActivity: Instant;
  /** Records that were for this association and had no effect, by reason. */
  readonly discarded: Readonly<Partial<Record<DtlsDiscardReason, number>>>;
}

/** What an association keeps of its handshake. */
export function associationFacts({ parameters, ...result }: Established): AssociationFacts {
  return {
    identity: result.identity,
    authentication: result.authentication,
    resumed: result.resumed,
    extendedMasterSecret: parameters.extendedMasterSecret,
    hasConnectionIds: parameters.connectionIds !== undefined,
    returnRoutabilityCheck: parameters.returnRoutabilityCheck,
    peerRecordSizeLimit: parameters.recordSizeLimits.peer,
    protocol: parameters.protocol,
    serverName: parameters.serverName,
  };
}

/** The output that tells of an association. */
export function associationConnected(table: AssociationTable, slot: number): Connected {
  return { kind: 'connected', association: table.id(slot), ...handshakeFacts(table, slot) };
}

/** What the table has of an association, with what it does not know itself. */
export function establishedInfo(
  table: AssociationTable,
  slot: number,
  {
    mtu,
    addressValidated,
    discarded,
  }: Pick<EstablishedInfo, 'addressValidated' | 'discarded'> & { readonly mtu: number },
): EstablishedInfo {
  const overhead = recordOverheadOf(table.suite(slot), table.peerIdLength(slot));
  return {
    ...handshakeFacts(table, slot),
    addressValidated,
    recordOverhead: overhead,
    maxDataLength: Math.max(0, Math.min(mtu - overhead, maxContentLength(table, slot))),
    lastActivity: table.lastActivity(slot),
    discarded,
  };
}

function handshakeFacts(table: AssociationTable, slot: number): HandshakeFacts {
  const terms = table.terms(slot);
  const told: { -readonly [Key in keyof HandshakeFacts]: HandshakeFacts[Key] } = {
    address: table.address(slot),
    role: table.role(slot),
    identity: table.identity(slot),
    suite: terms.suite.name,
    extendedMasterSecret: terms.extendedMasterSecret,
    authentication: terms.authentication,
    resumed: terms.resumed,
  };
  // Without a spread, which costs more than the rest: each request of a client asks.
  if (terms.hasConnectionIds) {
    told.connectionIdLengths = { own: table.ownIdLength(slot), peer: table.peerIdLength(slot) };
  }
  if (terms.protocol !== undefined) told.protocol = terms.protocol;
  if (terms.serverName !== undefined) told.serverName = terms.serverName;
  return told;
}

/**
 * Whether a handshake at the address of an association takes its place (RFC 6347 §4.2.8). It does not, when a NAT gave
 * the port of one device to another: then the first one is still found by its connection id (RFC 9146 §1).
 *
 * @param role Ours in the handshake.
 * @param identity Of the peer that shook hands; an empty one says nothing.
 */
export function isReplacedBy(
  table: AssociationTable,
  slot: number,
  role: DtlsRole,
  identity: Uint8Array,
): boolean {
  if (role === 'client' || table.role(slot) === 'client') return true;
  if (table.ownIdLength(slot) === 0) return true;
  return identity.length > 0 && equalBytes(table.identity(slot), identity);
}
