/**
 * DTLS 1.2 (RFC 6347) for any number of peers over one socket: handshakes, associations, records.
 *
 * Datagrams and the time go in; datagrams, application data and events come out. A peer is known by its address, or
 * by the connection id in its records (RFC 9146); before its cookie came back nothing is kept about it. What a handshake does is in `handshake/`, what an
 * association keeps in `association-table.ts`. Knows nothing of CoAP, sockets, clocks or key stores.
 *
 * @module
 */

import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ProtocolMachine } from '../foundation/protocol-machine.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import type { EstablishedInfo } from './association-facts.ts';
import type { AssociationKeeping } from './association-keeping.ts';
import type { AssociationTraffic } from './association-traffic.ts';
import type { ImportOptions, ImportRefusal } from './association-transfer.ts';
import { plaintextReasonOf } from './discard-reason.ts';
import { type CheckedDtlsConfig, checkDtlsConfig, type DtlsConfig } from './dtls-config.ts';
import type {
  AssociationId,
  Connected,
  DtlsDiscardReason,
  DtlsOutput,
  DtlsRole,
  SendResult,
} from './dtls-output.ts';
import { EstablishedAssociations } from './established-associations.ts';
import { holdsClientHello } from './handshake/cookie-exchange.ts';
import type { PeerVerdict, PskAnswer } from './handshake/handshake-context.ts';
import { Handshakes } from './handshakes.ts';
import { type ExporterSecret, exportKeyingMaterial } from './key-schedule/exporter.ts';
import { OwnConnectionIds, ownConnectionIdLength } from './own-connection-ids.ts';
import { type RecordView, splitRecords } from './record/demultiplex.ts';
import { ContentType } from './record/record-header.ts';
import { connectionIdOf } from './record/record-steering.ts';

export type { AssociationTraffic } from './association-traffic.ts';
export type { ImportOptions, ImportRefusal } from './association-transfer.ts';
export type { AssociationId, Connected, DtlsOutput } from './dtls-output.ts';
export type { PeerVerdict, PskAnswer } from './handshake/handshake-context.ts';
export type { HandshakeFailure } from './handshake/handshake-failure.ts';

/** What comes in: one datagram and where it came from. The bytes are decrypted where they lie. */
export interface DtlsInput {
  readonly address: PeerAddress;
  readonly datagram: Uint8Array;
}

/** What can be told about an association: all of it once it is established, until then whose it will be. */
export type AssociationInfo =
  | ({ readonly established: true } & EstablishedInfo)
  | { readonly established: false; readonly address: PeerAddress; readonly role: DtlsRole };

/** Of a connection id behind its prefix: enough for all that are in use at a time to differ. */
const leastRandomBytes = 4;

/** The layer. After each call, drain `poll` and ask `nextTimeout`. */
export class DtlsLayer implements ProtocolMachine<DtlsInput, DtlsOutput> {
  readonly config: CheckedDtlsConfig;
  readonly #role: DtlsRole | 'both';
  readonly #crypto: CryptoProvider;
  readonly #handshakes: Handshakes;
  readonly #established: EstablishedAssociations;
  /** As a server, when we are both: a client's own records have none by default. */
  readonly #connectionIdLength: number;
  readonly #connectionIds: OwnConnectionIds;
  readonly #outputs = new OutputQueue<DtlsOutput>();
  readonly #exporterSecrets = new Map<AssociationId, ExporterSecret>();

  constructor(options: {
    readonly role: DtlsRole | 'both';
    readonly crypto: CryptoProvider;
    readonly random: RandomSource;
    readonly config?: Partial<DtlsConfig>;
  }) {
    this.config = checkDtlsConfig(options.config);
    const length = ownConnectionIdLength(this.config, options.role === 'client' ? 'client' : 'server');
    this.#connectionIdLength = length === 'off' ? 0 : length;
    const { connectionIdPrefix } = this.config;
    const roomForPrefix = Math.max(0, this.#connectionIdLength - leastRandomBytes);
    if (connectionIdPrefix.length > roomForPrefix) {
      throw new ApiMisuseError(
        `connectionIdPrefix: got ${connectionIdPrefix.length} bytes, expected at most ${roomForPrefix}: connectionIdLength less ${leastRandomBytes}`,
      );
    }
    const connectionIds = new OwnConnectionIds(options.random, connectionIdPrefix);
    this.#connectionIds = connectionIds;
    const emit = (output: DtlsOutput): void => this.#emit(output);
    this.#established = new EstablishedAssociations({
      config: this.config,
      crypto: options.crypto,
      random: options.random,
      connectionIds,
      keepsClientsAlive: options.role === 'server',
      emit,
    });
    this.#role = options.role;
    this.#crypto = options.crypto;
    this.#handshakes = new Handshakes({
      role: options.role,
      config: this.config,
      crypto: options.crypto,
      random: options.random,
      established: this.#established,
      connectionIds,
      emit,
      keepExporterSecret: (association, secret) => this.#exporterSecrets.set(association, secret),
    });
  }

  /** How much is kept: associations, handshakes, and bytes of unfinished handshakes. */
  get usage(): {
    readonly associations: number;
    readonly handshakes: number;
    readonly keptBytes: number;
  } {
    const { size: handshakes, keptBytes } = this.#handshakes;
    return { associations: this.#established.size, handshakes, keptBytes };
  }

  /** Whether the first record of a datagram has a connection id that an association, or handshake, here has. */
  hasConnectionIdOf(datagram: Uint8Array): boolean {
    const connectionId = connectionIdOf(datagram, this.#connectionIdLength);
    return connectionId !== undefined && this.#connectionIds.associationWith(connectionId) !== undefined;
  }

  // Commands.

  /**
   * Begins a handshake as a client. An association at the address lives on until the new one takes its place;
   * while a handshake of ours with the address is under way, its id is returned. A layer with both roles may return that of
   * the peer's handshake, or become the server of its own one (`simultaneous-handshakes.ts`).
   *
   * @param options serverName: host name for server_name (RFC 6066 §3); a literal address is not sent.
   * @throws ApiMisuseError when the layer is a server only.
   */
  connect(address: PeerAddress, options: { readonly serverName?: string }, now: Instant): AssociationId {
    if (this.#role === 'server')
      throw new ApiMisuseError("role: got 'server', expected one that can connect");
    return this.#handshakes.connect(address, options.serverName, now);
  }

  /**
   * Sends application data in one record.
   *
   * @param data As many bytes as the peer takes in a record, at most 16384; that the record fits the MTU is the caller's
   *        care. `maxDataLength` of the association keeps both.
   */
  send(association: AssociationId, data: Uint8Array, now: Instant): SendResult {
    this.#established.keeping.noteTime(now);
    return this.#established.send(association, data);
  }

  /**
   * The peer answered something that was sent after its `address-changed` and that it could not guess: a ping with a
   * random Message ID, or an Echo (RFC 9175 §2.3). So it receives there, and the limit on what is sent ends (RFC 9146 §6).
   */
  confirmAddress(association: AssociationId): void {
    this.#established.confirmAddress(association);
  }

  /** Ends an association with close_notify, or a handshake with user_canceled; does nothing for others. */
  close(association: AssociationId, now: Instant, reason: 'local' | 'silent' = 'local'): void {
    if (!this.#handshakes.cancel(association, now)) this.#established.close(association, reason);
  }

  /**
   * Answers a `psk-lookup`. `undefined` means that there is no such identity (server) or credential (client).
   * Does nothing when the handshake is over.
   *
   * @param answer key: 1 … 65535 bytes; any other length counts as `undefined`.
   */
  answerPskLookup(lookup: number, answer: PskAnswer | undefined, now: Instant): void {
    this.#handshakes.answerPskLookup(lookup, answer, now);
  }

  /** Answers a `verify-peer`. Does nothing when the handshake is over. */
  answerPeerVerification(verification: number, verdict: PeerVerdict, now: Instant): void {
    this.#handshakes.answerPeerVerification(verification, verdict, now);
  }

  /** What is known about an association or a handshake under way. */
  association(id: AssociationId): AssociationInfo | undefined {
    const handshake = this.#handshakes.byId(id);
    if (handshake !== undefined) {
      return { address: handshake.address, role: handshake.role, established: false };
    }
    const info = this.#established.info(id);
    return info === undefined ? undefined : { established: true, ...info };
  }

  /** Number of established associations. */
  get size(): number {
    return this.#established.size;
  }

  /** What went by an association; undefined when it is gone. */
  traffic(id: AssociationId, now: Instant): AssociationTraffic | undefined {
    return this.#established.traffic(id, now);
  }

  /** All that are established. */
  associations(): readonly AssociationId[] {
    return this.#established.associations();
  }

  /** What `connected` told of an association, but for `imported` and `replaced`. */
  connected(association: AssociationId): Connected | undefined {
    return this.#established.connected(association);
  }

  /** The newest established association at an address, or else the handshake under way there. */
  associationAt(address: PeerAddress): AssociationId | undefined {
    const slot = this.#established.slotAt(address);
    return slot === undefined ? this.#handshakes.at(address)?.association : this.#established.id(slot);
  }

  /**
   * Exports keying material of an association (RFC 5705).
   *
   * @returns `undefined` when the layer keeps none of it (`exporter` in the settings), the association is not
   *          established or was imported, or its master secret is not bound to its handshake (RFC 7627 §5.4).
   * @throws ApiMisuseError for a label, context or length that cannot be.
   */
  exportKeyingMaterial(
    association: AssociationId,
    label: string,
    context: Uint8Array | undefined,
    length: number,
  ): Uint8Array | undefined {
    const secret = this.#exporterSecrets.get(association);
    return secret && exportKeyingMaterial(this.#crypto, secret, label, context, length);
  }

  /** Associations that outlive this process: how they leave, and what the surroundings stored of them. */
  get keeping(): Omit<AssociationKeeping, 'importAssociation'> {
    return this.#established.keeping;
  }

  /**
   * Goes on with an exported association at an address; its output is `connected` with `imported`. There is no
   * exporter, key log or session ticket for it.
   *
   * @returns its new id, or why it cannot be; never throws for what is in `state`.
   */
  importAssociation(
    state: Uint8Array,
    address: PeerAddress,
    options: ImportOptions,
    now: Instant,
  ): AssociationId | ImportRefusal {
    const association = this.#handshakes.newAssociation();
    const layer = {
      crypto: this.#crypto,
      config: this.config,
      role: this.#role,
      connectionIdLength: this.#connectionIdLength,
    };
    const { keeping } = this.#established;
    return keeping.importAssociation(association, state, address, layer, options, now) ?? association;
  }

  // The machine.

  handle(input: DtlsInput, now: Instant): void {
    const { address, datagram } = input;
    const { records, fault } = splitRecords(datagram, this.#connectionIdLength);
    this.#handshakes.beginDatagram();
    if (datagram.length === 0) this.#discard(address, 'empty-datagram');
    for (const record of records) this.#receive(address, record, now);
    if (fault !== undefined) this.#discard(address, 'malformed-record');
    this.#handshakes.endDatagram(address, now);
  }

  /** The link was interrupted and is there again: the flights of handshakes under way go once more, at once. */
  linkRestored(now: Instant): void {
    this.#handshakes.linkRestored(now);
  }

  handleTimeout(now: Instant): void {
    this.#handshakes.handleTimeout(now);
    this.#established.handleTimeout(now);
    this.#handshakes.takeTurn((address, record) => this.#receive(address, record, now), now);
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#handshakes.nextTimeout(), this.#established.nextTimeout());
  }

  poll(): DtlsOutput | undefined {
    return this.#outputs.shift();
  }

  // Receiving.

  #receive(address: PeerAddress, record: RecordView, now: Instant): void {
    const isShakingHands = this.#handshakes.size > 0 && this.#handshakes.at(address) !== undefined;
    if (record.epoch === 0) {
      if (record.recordType === ContentType.Handshake && holdsClientHello(record)) {
        this.#handshakes.receiveClientHello(address, record, now);
      } else if (isShakingHands) {
        this.#handshakes.receive(address, record, now);
      } else {
        if (record.recordType === ContentType.Handshake) this.#handshakes.repeatFarewell(address, now);
        // RFC 6347 §4.1.2.7: nothing in the clear touches an established association, alerts least of all.
        const isKnown = this.#established.slotAt(address) !== undefined;
        this.#discard(address, isKnown ? plaintextReasonOf(record) : 'no-association');
      }
      return;
    }
    const slot = this.#established.slotFor(record, address);
    if (record.epoch === 1 && slot !== undefined) {
      const fault = this.#established.receive(slot, record, address, now);
      // What the old keys do not open may be meant for the handshake that is to replace them.
      if (fault !== undefined && !isShakingHands) this.#established.discard(slot, address, fault, now);
      if (fault === undefined || !isShakingHands) return;
    }
    if (isShakingHands) this.#handshakes.receive(address, record, now);
    else
      this.#established.discard(
        slot,
        address,
        slot === undefined ? strangeness(record) : 'unknown-epoch',
        now,
      );
  }

  // Outputs.

  #emit(output: DtlsOutput): void {
    if (output.kind === 'closed') {
      this.#exporterSecrets.delete(output.association);
      if (output.reason === 'alert') this.#handshakes.forgetSession(output.association);
    }
    this.#outputs.push(output);
  }

  #discard(address: PeerAddress, reason: DtlsDiscardReason): void {
    this.#emit({ kind: 'discarded', address, reason });
  }
}

/** Why a protected record belongs to no association. */
function strangeness(record: RecordView): DtlsDiscardReason {
  return record.connectionId.length > 0 ? 'unknown-connection-id' : 'no-association';
}
