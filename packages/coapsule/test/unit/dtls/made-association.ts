/**
 * Associations made by hand, without a handshake, for tests of what happens after one.
 *
 * @module
 */

import { type CipherSuite, suiteByName } from '../../../src/core/dtls/cipher-suites.ts';
import { checkDtlsConfig, type DtlsConfig } from '../../../src/core/dtls/dtls-config.ts';
import type { AssociationId, DtlsOutput, DtlsRole } from '../../../src/core/dtls/dtls-output.ts';
import { EstablishedAssociations } from '../../../src/core/dtls/established-associations.ts';
import type { Established } from '../../../src/core/dtls/handshake/handshake-outcome.ts';
import { OwnConnectionIds } from '../../../src/core/dtls/own-connection-ids.ts';
import { splitRecords } from '../../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys, type EpochKeys } from '../../../src/core/dtls/record/epoch-keys.ts';
import { isOpenFault, type OpenedRecord, openRecord } from '../../../src/core/dtls/record/open-record.ts';
import { ContentType } from '../../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../../src/core/dtls/record/seal-record.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { after, type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

/** How an association is to be. */
export interface MadeOptions {
  readonly suite?: Partial<CipherSuite>;
  readonly role?: DtlsRole;
  readonly identity?: string;
  readonly address?: PeerAddress;
  /** Of the layer under test, in records to it. */
  readonly own?: Uint8Array;
  /** Of its peer, in records of the layer. */
  readonly peer?: Uint8Array;
  readonly returnRoutabilityCheck?: boolean;
  readonly peerRecordSizeLimit?: number;
}

/** The address that associations have when nothing else is said. */
export const home: PeerAddress = ipAddress('192.0.2.1', 40_000);

/** The associations of a layer, and the peers that write to them. */
export class MadeAssociations {
  readonly outputs: DtlsOutput[] = [];
  readonly table: EstablishedAssociations;
  readonly connectionIds = new OwnConnectionIds(new SeededRandom(5));
  now: Instant = instant(0);
  #next = 1;

  constructor(config: Partial<DtlsConfig> = {}) {
    this.table = new EstablishedAssociations({
      config: checkDtlsConfig(config),
      crypto: nodeCrypto,
      random: new SeededRandom(6),
      connectionIds: this.connectionIds,
      keepsClientsAlive: false,
      emit: (output) => this.outputs.push(output),
    });
  }

  add(options: MadeOptions = {}): MadePeer {
    const suite = { ...(suiteByName('TLS_PSK_WITH_AES_128_CCM_8') as CipherSuite), ...options.suite };
    const { own = noBytes, peer = noBytes, address = home } = options;
    const association = this.#next++;
    const keys = (fill: number, connectionId: Uint8Array): EpochKeys =>
      createEpochKeys(
        nodeCrypto,
        suite,
        new Uint8Array(suite.keyLength).fill(fill + 16 * association),
        new Uint8Array(suite.fixedIvLength).fill(fill),
        connectionId,
      );
    const [read, write] = [keys(1, own), keys(2, peer)];
    this.table.add(
      { association, address, role: options.role ?? 'server' },
      establishedBy(suite, read, write, options),
      this.now,
    );
    return new MadePeer(this, association, address, read, write);
  }

  pass(ms: number): void {
    this.now = after(this.now, ms);
    this.table.handleTimeout(this.now);
  }

  all<Kind extends DtlsOutput['kind']>(kind: Kind): Extract<DtlsOutput, { kind: Kind }>[] {
    return this.outputs.filter(
      (output): output is Extract<DtlsOutput, { kind: Kind }> => output.kind === kind,
    );
  }

  /** What came out since the last call. */
  take(): DtlsOutput[] {
    return this.outputs.splice(0);
  }
}

function establishedBy(
  suite: CipherSuite,
  read: EpochKeys,
  write: EpochKeys,
  { identity = '', own, peer, returnRoutabilityCheck, peerRecordSizeLimit }: MadeOptions,
): Established {
  const random = new Uint8Array(32);
  const certificateTypes = { client: 'x509', server: 'x509' } as const;
  return {
    kind: 'established',
    parameters: {
      suite,
      clientRandom: random,
      serverRandom: random,
      extendedMasterSecret: true,
      connectionIds:
        own === undefined && peer === undefined ? undefined : { own: own ?? noBytes, peer: peer ?? noBytes },
      returnRoutabilityCheck: returnRoutabilityCheck ?? false,
      recordSizeLimits: { peer: peerRecordSizeLimit ?? 2 ** 14, own: 2 ** 14 },
      protocol: undefined,
      serverName: undefined,
      certificateTypes,
      session: { sessionId: noBytes, isTicketPromised: false, resumed: undefined },
    },
    identity: encodeUtf8(identity),
    authentication: { kind: 'psk' },
    masterSecret: new Uint8Array(48),
    resumed: false,
    read,
    write,
    window: { highest: -1, recent: 0, older: 0 },
    writeSequence: 1,
    writeSequenceEpoch0: 0,
    peerMessageSeq: 3,
    finalFlight: undefined,
    held: [],
  };
}

/** The other side of one association. */
export class MadePeer {
  readonly association: AssociationId;
  readonly #made: MadeAssociations;
  readonly #read: EpochKeys;
  readonly #write: EpochKeys;
  /** Where its records come from. */
  address: PeerAddress;
  nextSequence = 1;

  constructor(
    made: MadeAssociations,
    association: AssociationId,
    address: PeerAddress,
    read: EpochKeys,
    write: EpochKeys,
  ) {
    this.#made = made;
    this.association = association;
    this.address = address;
    // What one side reads, the other writes.
    this.#write = read;
    this.#read = write;
  }

  /** The slot, while the association lives. */
  get info(): ReturnType<EstablishedAssociations['info']> {
    return this.#made.table.info(this.association);
  }

  sealed(content: Uint8Array, contentType: ContentType = ContentType.ApplicationData): Uint8Array {
    return sealRecord(this.#write, contentType, 1, this.nextSequence++, content);
  }

  /** Gives a datagram to the layer; the reasons of what it discarded. */
  give(datagram: Uint8Array, from: PeerAddress = this.address): (string | undefined)[] {
    const { table, now } = this.#made;
    const { records } = splitRecords(datagram.slice(), this.#write.connectionId.length);
    return records.map((record) => {
      const slot = table.slotFor(record, from);
      if (slot === undefined) return 'no slot';
      const reason = table.receive(slot, record, from, now);
      if (reason !== undefined) table.discard(slot, from, reason, now);
      return reason;
    });
  }

  /** Sends data of so many bytes. */
  say(length: number, from: PeerAddress = this.address): void {
    this.give(this.sealed(new Uint8Array(length)), from);
  }

  open(datagram: Uint8Array): OpenedRecord | undefined {
    const { records } = splitRecords(datagram.slice(), this.#read.connectionId.length);
    const opened = records[0] && openRecord(this.#read, records[0]);
    return opened === undefined || isOpenFault(opened) ? undefined : opened;
  }
}
