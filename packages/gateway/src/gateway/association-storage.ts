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
import type { ResumedRow } from '../store/association-table.ts';
import type { Store } from '../store/store.ts';
import type { DeviceDirectory } from './device-directory.ts';

/** What the storage works with. */
export interface StorageContext {
  readonly store: Pick<Store, 'changeAssociation' | 'resumeAssociations' | 'beginRequest' | 'finishRequest'>;
  readonly directory: Pick<DeviceDirectory, 'isCurrent'>;
  readonly clock: WallClock;
  readonly log: Log;
  /** Which of the gateway's sockets and lines it is for: `coaps`, or the URI of a line. */
  readonly endpoint: string;
}

/** A device that was silent for longer shakes hands again: its keys should not be kept for ever. */
const maxAgeMs = 30 * 24 * 3_600_000;

/** About 10 MB on the disk. */
const maxCount = 20_000;

/** Keys that are compared at the same time: the store answers from another thread. */
const comparedAtOnce = 500;

/** See the module comment. */
export class AssociationStorage implements AssociationStore {
  readonly #context: StorageContext;

  constructor(context: StorageContext) {
    this.#context = context;
  }

  async resume(ahead: number): Promise<readonly ResumableAssociation[]> {
    const { store, clock, log, endpoint } = this.#context;
    const nowMs = clock();
    const rows = await store.resumeAssociations({ endpoint, ahead, nowMs, maxAgeMs, maxCount });
    const resumable: ResumableAssociation[] = [];
    for (let start = 0; start < rows.length; start += comparedAtOnce) {
      const group = rows.slice(start, start + comparedAtOnce);
      const compared = await Promise.all(group.map((row) => this.#resumable(row)));
      for (const [i, association] of compared.entries()) {
        if (association !== undefined) resumable.push(association);
        else await this.remove((group[i] as ResumedRow).name);
      }
    }
    if (rows.length > 0) {
      log.detail(1, `${resumable.length} of ${rows.length} secured associations go on without a handshake`);
    }
    return resumable;
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

  /** Undefined for one that was made with a key that does not count any more. */
  async #resumable(row: ResumedRow): Promise<ResumableAssociation | undefined> {
    const { name, identity, state, writeFrom, reserved, edge, exact, expiresAtMs } = row;
    const who = identityText(identity);
    const authentication = authenticationOf(row);
    if (authentication === undefined) return undefined;
    if (!(await this.#context.directory.isCurrent(who, row.keyStamp))) return undefined;
    return {
      name,
      address: peerAddress(row),
      identity,
      authentication,
      context: row.keyStamp,
      certificateExpiresAt: expiresAtMs === undefined ? undefined : new Date(expiresAtMs),
      state,
      writeFrom,
      reserved,
      edge,
      exact,
      // The stamp is that of the same key, raw public key or certificate.
      reviewed: true,
    };
  }
}

/** Whoever is at the other end of a line has the address of the line, which is no IP address. */
function peerAddress({ host, port }: ResumedRow): PeerAddress {
  return host.startsWith('serial:') ? { key: host, host, port } : ipAddress(host, port);
}

/** As the library names identities. */
function identityText(identity: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(identity);
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
