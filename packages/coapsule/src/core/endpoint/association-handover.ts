/**
 * Associations that leave an endpoint and come back to one, with what CoAP needs of them: the Message IDs and tokens
 * that were used (RFC 7252 §4.4, RFC 9175 §4.2).
 *
 * @module
 */

import { applicationStateLength, numbersOfAssociation } from '../dtls/association-state.ts';
import type { AssociationId, DtlsLayer, ImportOptions, ImportRefusal } from '../dtls/dtls-layer.ts';
import { ByteReader } from '../foundation/byte-reader.ts';
import { ByteWriter } from '../foundation/byte-writer.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { securedPeerKey } from './secured-peers.ts';

/** A kept association as a clean end leaves it. */
export interface SuspendedState {
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly state: Uint8Array;
  /** Next write sequence number. */
  readonly next: number;
  /** Right edge of the replay window; -1 when nothing was received. */
  readonly edge: number;
}

/** What goes into a copy. */
export interface CopyOptions {
  readonly generation: number;
  /** First write sequence number that whoever takes the copy may use; those before belong to this process. */
  readonly writeFrom?: number;
}

/** Ends an association silently and returns it as bytes; `undefined` when there is no such association. */
export function exportAssociation(
  layers: EndpointLayers,
  association: AssociationId,
  generation: number,
): Uint8Array | undefined {
  const info = layers.dtls?.association(association);
  if (layers.dtls === undefined || !info?.established) return undefined;
  const application = applicationState(layers, association, info.address, 0);
  return layers.dtls.keeping.exportAssociation(association, { generation, application });
}

/** An association as bytes for the time after a crash of this process, with numbers that it will not have used. */
export function copyAssociation(
  layers: EndpointLayers,
  association: AssociationId,
  { generation, writeFrom }: CopyOptions,
): Uint8Array | undefined {
  const { dtls } = layers;
  const info = dtls?.association(association);
  if (dtls === undefined || !info?.established) return undefined;
  const next = dtls.keeping.nextWriteSequence(association) ?? 0;
  const application = applicationState(
    layers,
    association,
    info.address,
    Math.max(0, (writeFrom ?? next) - next),
  );
  return dtls.keeping.stateOf(association, {
    generation,
    application,
    ...(writeFrom === undefined ? {} : { writeFrom }),
  });
}

/** Goes on with an association; see `DtlsLayer.importAssociation`. */
export function importAssociation(
  layers: EndpointLayers & { readonly dtls: DtlsLayer },
  state: Uint8Array,
  address: PeerAddress,
  options: ImportOptions,
  now: Instant,
): AssociationId | ImportRefusal {
  const { dtls, messages, exchanges } = layers;
  const association = dtls.importAssociation(state, address, options, now);
  if (typeof association === 'string') return association;
  const { writeSequence, application } = numbersOfAssociation(state);
  const reader = new ByteReader(application);
  // No message and no token without a record: so many were used at most.
  const skipped = (options.writeFrom ?? writeSequence) - writeSequence;
  const key = securedPeerKey(association);
  // After a crash the ID of the first ping must be one that nobody can know.
  const [messageId, token] = [reader.u16(), reader.u48()];
  if (options.crashedAt === undefined) messages.continueMessageIds(key, (messageId + skipped) % 65_536, now);
  exchanges.continueTokens(key, token + skipped);
  return association;
}

/** Ends all kept associations silently, for the next process. Returns those whose values are exact. */
export function suspendAssociations(layers: EndpointLayers): SuspendedState[] {
  const { dtls } = layers;
  if (dtls === undefined) return [];
  return dtls.keeping.keptNumbers().flatMap(({ association, next, edge, isInDoubt }) => {
    const address = dtls.association(association)?.address;
    const state = exportAssociation(layers, association, 0);
    if (isInDoubt || state === undefined || address === undefined) return [];
    return [{ association, address, state, next, edge }];
  });
}

function applicationState(
  { messages, exchanges, peers }: EndpointLayers,
  association: AssociationId,
  address: PeerAddress,
  skipped: number,
): Uint8Array {
  const { key } = peers.ofAssociation(association, address);
  return new ByteWriter(applicationStateLength)
    .u16((messages.nextMessageId(key) + skipped) % 65_536)
    .u48(exchanges.nextToken(key) + skipped)
    .finish();
}
