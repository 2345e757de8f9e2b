/**
 * The associations of the gateway in its data folder: the library's `AssociationStore` on the gateway's store.
 *
 * Writes go through the same group commits as readings, in order, so that a reading is never durable before what
 * recognises its record when it is replayed. What an earlier process left is used only where its key still counts:
 * the stamp of each (device-directory.ts) is compared first.
 *
 * Each change is in the queue of the store when its call returns: what the library asks for later comes after it.
 */
import {
  type AssociationStore,
  ipAddress,
  type KeptAssociation,
  type PeerAddress,
  type RememberedRequest,
  type RequestToRemember,
  type ResumableAssociation,
  type SuspendedAssociation,
} from 'coapsule';
import type { Log } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { ResumedRow } from '../store/association-row.ts';
import type { Store } from '../store/store.ts';
import type { DeviceDirectory } from './device-directory.ts';

/** What the storage works with. */
export interface StorageContext {
  readonly store: Pick<Store, 'changeAssociation' | 'resumeAssociations' | 'beginRequest' | 'finishRequest'>;
  readonly directory: Pick<DeviceDirectory, 'areCurrent'>;
  readonly clock: WallClock;
  readonly log: Log;
  /** Which of the gateway's sockets and lines it is for: `coaps`, `coaps 1` of worker 1, or the URI of a line. */
  readonly endpoint: string;
  /** As many are taken over at most, those heard last. */
  readonly maxCount?: number | undefined;
  /** Others whose associations it takes over: those of workers that are no more. */
  readonly andOf?: () => Promise<readonly string[]>;
}

/** A device that was silent for longer shakes hands again: its keys should not be kept for ever. */
const maxAgeMs = 30 * 24 * 3_600_000;

/** As many as the library holds at a time, unless it is told otherwise; about 80 MB on the disk. */
export const defaultMaxSessions = 150_000;

/** See the module comment. */
export class AssociationStorage implements AssociationStore {
  readonly #context: StorageContext;

  constructor(context: StorageContext) {
    this.#context = context;
  }

  async *resume(ahead: number): AsyncGenerator<readonly ResumableAssociation[]> {
    const { store, clock, log, endpoint: own, andOf, maxCount = defaultMaxSessions } = this.#context;
    let [count, stored] = [0, 0];
    const limits = { nowMs: clock(), maxAgeMs, maxCount };
    for (const endpoint of [own, ...((await andOf?.()) ?? [])]) {
      for await (const rows of store.resumeAssociations({ endpoint, ahead, ...limits })) {
        const resumable = await this.#resumable(rows);
        count += resumable.length;
        stored += rows.length;
        yield resumable;
      }
    }
    if (stored > 0) log.detail(1, `${count} of ${stored} secured associations go on without a handshake`);
  }

  add(kept: KeptAssociation): Promise<void> {
    const { store, clock, endpoint } = this.#context;
    const { authentication, address, certificateExpiresAt } = kept;
    return store.changeAssociation({
      kind: 'add',
      nowMs: clock(),
      row: {
        name: kept.name,
        endpoint,
        host: address.host,
        port: address.port,
        // Views of datagrams would take all of their buffer along to the worker.
        identity: kept.identity.slice(),
        authentication: authentication.kind,
        credential: credentialOf(authentication)?.slice(),
        keyStamp: String(kept.context),
        expiresAtMs: certificateExpiresAt?.getTime(),
        state: kept.state.slice(),
        reserved: kept.reserved,
        edge: kept.edge,
      },
    });
  }

  reserve(name: string, upTo: number): Promise<void> {
    return this.#context.store.changeAssociation({ kind: 'reserve', name, upTo });
  }

  setEdge(name: string, edge: number): Promise<void> {
    const { store, clock } = this.#context;
    return store.changeAssociation({ kind: 'edge', name, edge, nowMs: clock() });
  }

  async rememberRequest(
    association: string,
    { messageId, token, lifetimeMs }: RequestToRemember,
  ): Promise<RememberedRequest | undefined> {
    const { store, clock } = this.#context;
    const request = { association, messageId, token, lifetimeMs, nowMs: clock() };
    const outcome = await store.beginRequest(request);
    if (outcome === 'no-association') throw new Error('a request came over an association that is not kept');
    return outcome === 'new' ? undefined : outcome;
  }

  setAnswer(association: string, { messageId, token }: RequestToRemember, answer: Uint8Array): Promise<void> {
    return this.#context.store.finishRequest({ association, messageId, token }, answer);
  }

  async suspend(associations: readonly SuspendedAssociation[]): Promise<void> {
    const { store } = this.#context;
    await Promise.all(
      associations.map(({ name, address: { host, port }, state, next, edge }) =>
        store.changeAssociation({ kind: 'suspend', name, host, port, state: state.slice(), next, edge }),
      ),
    );
  }

  remove(name: string): Promise<void> {
    return this.#context.store.changeAssociation({ kind: 'remove', name });
  }

  /** Without those that were made with a key that does not count any more: they are forgotten. */
  async #resumable(rows: readonly ResumedRow[]): Promise<readonly ResumableAssociation[]> {
    const { directory } = this.#context;
    const areCurrent = await directory.areCurrent(
      rows.map(({ identity, keyStamp }) => ({ identity: identityText(identity), stamp: keyStamp })),
    );
    const resumable: ResumableAssociation[] = [];
    const removals: Promise<void>[] = [];
    for (const [i, row] of rows.entries()) {
      const authentication = authenticationOf(row);
      if (authentication === undefined || !areCurrent[i]) removals.push(this.remove(row.name));
      else resumable.push(resumed(row, authentication));
    }
    await Promise.all(removals);
    return resumable;
  }
}

function resumed(row: ResumedRow, authentication: KeptAssociation['authentication']): ResumableAssociation {
  const { name, identity, keyStamp, expiresAtMs, state, writeFrom, reserved, edge, exact } = row;
  return {
    ...{ name, identity, authentication, state, writeFrom, reserved, edge, exact },
    address: peerAddress(row),
    context: keyStamp,
    certificateExpiresAt: expiresAtMs === undefined ? undefined : new Date(expiresAtMs),
    // The stamp is that of the same key, raw public key or certificate.
    reviewed: true,
  };
}

/** Whoever is at the other end of a line has the address of the line, which is no IP address. */
function peerAddress({ host, port }: ResumedRow): PeerAddress {
  return host.startsWith('serial:') ? { key: host, host, port } : ipAddress(host, port);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** As the library names identities. */
function identityText(identity: Uint8Array): string {
  try {
    return utf8.decode(identity);
  } catch {
    return `0x${Buffer.from(identity).toString('hex')}`;
  }
}

function credentialOf(authentication: KeptAssociation['authentication']): Uint8Array | undefined {
  switch (authentication.kind) {
    case 'x509':
      return authentication.certificate;
    case 'raw-public-key':
      return authentication.publicKey;
    case 'psk':
    case 'none':
      return undefined;
  }
}

function authenticationOf({
  authentication: kind,
  credential,
}: ResumedRow): KeptAssociation['authentication'] | undefined {
  if (kind === 'psk' || kind === 'none') return { kind };
  if (credential === undefined) return undefined;
  if (kind === 'x509') return { kind, certificate: credential };
  return kind === 'raw-public-key' ? { kind, publicKey: credential } : undefined;
}
