/**
 * What is known about an established association, as it is kept and as it is told.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { type AssociationFacts, type AssociationTable, maxContentLength } from './association-table.ts';
import type { CipherSuiteName } from './cipher-suites.ts';
import type { PeerAuthentication } from './credentials.ts';
import type { Connected, DtlsDiscardReason, DtlsRole } from './dtls-output.ts';
import type { Established } from './handshake/handshake-outcome.ts';
import { recordOverheadOf } from './record/epoch-keys.ts';

/** What can be told about an established association. */
export interface EstablishedInfo {
  readonly address: PeerAddress;
  /** Whether the peer is known to receive at the address its records come from (RFC 9146 §6). */
  readonly addressValidated: boolean;
  readonly role: DtlsRole;
  /** PSK: the client's identity, on either side. Else what the verification of the peer said, or empty. */
  readonly identity: Uint8Array;
  readonly authentication: PeerAuthentication;
  readonly suite: CipherSuiteName;
  readonly extendedMasterSecret: boolean;
  /** Whether an earlier session went on. */
  readonly resumed: boolean;
  /** In bytes, of records to us and of ours; without the field none were negotiated (RFC 9146). */
  readonly connectionIdLengths?: { readonly own: number; readonly peer: number };
  /** Application protocol (RFC 7301). */
  readonly protocol?: string;
  /** server_name of the ClientHello (RFC 6066 §3). */
  readonly serverName?: string;
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
  const { identity, extendedMasterSecret, authentication, resumed, ...facts } = table.facts(slot);
  const { protocol, serverName } = facts;
  return {
    kind: 'connected',
    association: table.id(slot),
    address: table.address(slot),
    role: table.role(slot),
    identity,
    suite: table.suite(slot).name,
    extendedMasterSecret,
    authentication,
    resumed,
    ...(facts.hasConnectionIds
      ? { connectionIdLengths: { own: table.ownIdLength(slot), peer: table.peerIdLength(slot) } }
      : {}),
    ...(protocol === undefined ? {} : { protocol }),
    ...(serverName === undefined ? {} : { serverName }),
  };
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
  const facts = table.facts(slot);
  const overhead = recordOverheadOf(table.suite(slot), table.peerIdLength(slot));
  const { identity, authentication, extendedMasterSecret, resumed, protocol, serverName } = facts;
  return {
    address: table.address(slot),
    addressValidated,
    role: table.role(slot),
    identity,
    authentication,
    suite: table.suite(slot).name,
    extendedMasterSecret,
    resumed,
    ...(facts.hasConnectionIds
      ? { connectionIdLengths: { own: table.ownIdLength(slot), peer: table.peerIdLength(slot) } }
      : {}),
    ...(protocol === undefined ? {} : { protocol }),
    ...(serverName === undefined ? {} : { serverName }),
    recordOverhead: overhead,
    maxDataLength: Math.max(0, Math.min(mtu - overhead, maxContentLength(table, slot))),
    lastActivity: table.lastActivity(slot),
    discarded,
  };
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
  return identity.length > 0 && equalBytes(table.facts(slot).identity, identity);
}
