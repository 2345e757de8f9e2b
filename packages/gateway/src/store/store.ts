/**
 * The gateway's store as promises: readings with their deduplication records, devices, and kept associations.
 *
 * The work is done in store-worker.ts, which is asked over store-link.ts. Writes are committed in groups (group-commit.ts): a promise
 * of `record` or `changeAssociation` fulfils after the commit, never before; what was asked for earlier is then durable too.
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type { Registration } from '../directory/registration.ts';
import type { Credentials, DeviceKeeping } from '../keeping/credentials.ts';
import type { ReadingKeeping } from '../keeping/readings.ts';
import type { RegistrationKeeping } from '../keeping/registrations.ts';
import type { StoreLoad } from '../operations/thread-statistics.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { Representation, SleepyChange, SleepyCommand } from '../sleepy/sleepy-command.ts';
import type { MasterKeySource } from '../vault/master-key.ts';
import type { BucketPage, BucketQuestion, DownsampleOutcome, DownsampleTask } from './aggregate-table.ts';
import type { ResumedRow } from './association-row.ts';
import type { AssociationChange, ResumeRequest } from './association-table.ts';
import type { Device, DeviceChanges, DeviceCredential, HomedDevice, KeyVersion } from './device-table.ts';
import { GroupCommit, type WriteLimits, waitingSize } from './group-commit.ts';
import type { MeasurementPage, MeasurementQuestion, Series, SeriesQuestion } from './measurement-table.ts';
import type { OscoreChange, OscoreEdges } from './oscore-table.ts';
import type { OutboxEntry, OutboxQuestion, OutboxSize } from './outbox-table.ts';
import type { EndedOverlap } from './previous-table.ts';
import type {
  Reading,
  ReadingsAfter,
  ReadingsPage,
  RecordOutcome,
  RecordTerms,
  RequestFingerprint,
} from './reading-table.ts';
import type { RegistrationChange } from './registration-table.ts';
import type { BegunRequest, RequestName, RequestOutcome } from './request-table.ts';
import { type ResumedPage, type ResumeMark, rowsOfPage } from './resumed-page.ts';
import type { SharedState } from './shared-state-table.ts';
import type { KeptState, StateChange } from './state-table.ts';
import { StoreFault } from './store-fault.ts';
import { StoreLink, startWorker, storeClosed } from './store-link.ts';
import type { StoreQuestions } from './store-protocol.ts';

/** What an owner of the store may set. Writes that find no place are refused with `overloaded`. */
export interface StoreOptions extends WriteLimits {
  /** Called when another process has written, at most this interval later. */
  readonly onDevicesChanged?: () => void;
  /** Called once when the store ended by itself; every later call fails. */
  readonly onFailed?: (fault: StoreFault) => void;
  /** A device has used its new credential, and the one before has ended with that; not told to `connect`. */
  readonly onOverlapEnded?: (ended: EndedOverlap) => void;
  /** Is told what the operator should know, after the start too. */
  readonly onWarning?: (text: string) => void;
  readonly watchIntervalMs?: number;
  /** Questions that may wait for an answer; more are refused with `overloaded`. */
  readonly maxWaitingReads?: number;
  /** What opens the secrets; beside the data unless said otherwise. */
  readonly masterKey?: MasterKeySource | undefined;
}

/** Devices in one page: an answer that is made in a few milliseconds. */
const devicesAtOnce = 500;

/** Associations that are given to the caller in one go: what is done with them should keep nobody waiting. */
const resumedAtOnce = 1000;

/** Associations that are taken over in one transaction: each waits for the disk. Of the first ones the caller waits for the whole page. */
const takenOverAtOnce = 4000;
const takenOverFirst = 500;

/** One data folder, held exclusively from `Store.open` to `close`, or the part in it of a thread that `connect`ed. */
export class Store
  implements AsyncDisposable, Credentials, DeviceKeeping, ReadingKeeping, RegistrationKeeping
{
  /** What the operator should know about the data folder. */
  readonly warnings: readonly string[];
  readonly #options: StoreOptions;
  readonly #link: StoreLink;
  readonly #writes: GroupCommit;
  #lifetimes: WallClock | undefined;

  /**
   * Open the store of a data folder, made if it is missing, and claim it for this process.
   *
   * @throws StoreFault (rejects) with the cause and the next step; nothing is then changed.
   */
  static async open(path: string, options: StoreOptions = {}): Promise<Store> {
    const { watchIntervalMs = 250, masterKey = { kind: 'beside' } } = options;
    const { worker, warnings } = await startWorker({ path, watchIntervalMs, masterKey });
    return new Store(worker, warnings, options);
  }

  /**
   * The store that another thread of this process has opened.
   *
   * @param port from its `clientPort`; keeps no thread alive.
   */
  static connect(
    port: MessagePort,
    options: Pick<StoreOptions, 'onDevicesChanged' | 'onWarning'> = {},
  ): Store {
    const store = new Store(port, [], options);
    port.unref();
    return store;
  }

  private constructor(worker: Worker | MessagePort, warnings: readonly string[], options: StoreOptions) {
    this.#options = options;
    this.#link = new StoreLink(worker, {
      onDevicesChanged: () => options.onDevicesChanged?.(),
      onOverlapEnded: (ended) => options.onOverlapEnded?.(ended),
      onEnded: (fault) => {
        this.#writes.end(fault);
        options.onFailed?.(fault);
      },
    });
    this.#writes = new GroupCommit((tasks) => this.#link.ask('write', tasks), options);
    this.warnings = warnings;
  }

  /** From now on the times in which requests may come again go by this clock, and not by that of readings. */
  useLifetimes(clock: WallClock): void {
    this.#lifetimes = clock;
  }

  /** Transactions made durable so far; with many concurrent writes fewer than readings. */
  get commits(): number {
    return this.#writes.commits;
  }

  /** What waits for the store from this thread, and how the commits fare that it asked for. */
  get load(): StoreLoad {
    const writes = this.#writes;
    return {
      commits: writes.commits,
      commitDurations: writes.durations.counts(),
      failedCommits: writes.failedCommits,
      waitingWrites: writes.waiting,
      waitingBytes: writes.waitingBytes,
      waitingReads: this.#link.waiting,
    };
  }

  /** Why the store cannot be used, or could not make durable what was written last; undefined when it can. */
  get fault(): StoreFault | undefined {
    return this.#link.ended ?? this.#writes.latestFault;
  }

  /**
   * Store a reading and the record of its request, durably and once.
   *
   * Fulfils after the commit. A request that was stored before gives the outcome of then, with `repeat`, whatever
   * the terms are; one that they do not allow is not stored.
   */
  record(
    reading: Reading,
    request: RequestFingerprint | undefined,
    terms: RecordTerms = {},
  ): Promise<RecordOutcome> {
    const refused = this.#writes.refusal(waitingSize(reading));
    if (refused !== undefined) return Promise.reject(refused);
    return this.#writes.write({
      kind: 'reading',
      // Views of datagrams: sent to the worker, a view takes all of its buffer along.
      reading: { ...reading, value: reading.value.slice(), ...ownMeasurements(reading) },
      request: request && {
        ...request,
        token: request.token.slice(),
        digest: request.digest.slice(),
        atMs: request.atMs ?? this.#lifetimes?.(),
      },
      terms,
    }) as Promise<RecordOutcome>;
  }

  /**
   * Change what is kept of an association, durably. Fulfils after the commit.
   *
   * Not bounded here: the association itself is, and it asks for one change at a time.
   *
   * @throws StoreFault (rejects) also when the association is not there: who changes it relies on it.
   */
  async changeAssociation(change: AssociationChange): Promise<void> {
    if (await this.#writes.write({ kind: 'association', change })) return;
    throw new StoreFault(
      'failed',
      'an association that should be kept is not in the store',
      'nothing, if it was deleted by hand: its device makes a new handshake after the next start',
    );
  }

  /**
   * Keep new edges of an OSCORE context, durably. Fulfils after the commit. The library asks again with later ones after a
   * failure, and does nothing before.
   *
   * @throws StoreFault (rejects) also when the device has another credential by now.
   */
  async changeOscore(change: OscoreChange): Promise<void> {
    if (await this.#writes.write({ kind: 'oscore', change })) return;
    throw new StoreFault(
      'failed',
      'an OSCORE context that is in use is not in the store any more',
      'nothing, if its device was removed or given another credential',
    );
  }

  /** Remember a request over a kept association before its handler begins, durably, or tell that it is remembered. */
  async beginRequest(request: BegunRequest): Promise<RequestOutcome> {
    return (await this.#writes.write({
      kind: 'request',
      request: { ...request, token: request.token.slice(), nowMs: this.#lifetimes?.() ?? request.nowMs },
    })) as RequestOutcome;
  }

  /** Remember the answer of a request that began, durably. */
  async finishRequest(request: RequestName, answer: Uint8Array): Promise<void> {
    await this.#writes.write({
      kind: 'answer',
      request: { ...request, token: request.token.slice() },
      answer: answer.slice(),
    });
  }

  /** Keep a registration of the Resource Directory, durably. Fulfils after the commit. */
  async keepRegistration(registration: Registration): Promise<void> {
    await this.#changeRegistrations({ kind: 'put', registration });
  }

  /** Forget registrations, durably. Fulfils after the commit. */
  async removeRegistrations(ids: readonly string[]): Promise<void> {
    await this.#changeRegistrations({ kind: 'remove', ids });
  }

  /** Readings that the message broker has not acknowledged, in order. */
  outbox(question: OutboxQuestion): Promise<readonly OutboxEntry[]> {
    return this.#link.ask('outbox', question);
  }

  /** How much the message broker has not acknowledged. */
  outboxSize(): Promise<OutboxSize> {
    return this.#link.ask('outboxSize', undefined);
  }

  /** The message broker has acknowledged these. Fulfils after the commit. */
  async removeFromOutbox(sent: readonly number[]): Promise<void> {
    await this.#writes.write({ kind: 'outbox', sent });
  }

  /** Change what is kept of devices that sleep, all of it or nothing, durably. Fulfils after the commit. */
  async changeSleepy(changes: readonly SleepyChange[]): Promise<void> {
    const refused = this.#writes.refusal();
    if (refused !== undefined) throw refused;
    await this.#writes.write({ kind: 'sleepy', changes });
  }

  /** What a device that sleeps has told last of one of its resources. */
  representation(device: string, path: string): Promise<Representation | undefined> {
    return this.#read('representation', { device, path });
  }

  /** Commands for devices that sleep, those that have reached their end too. */
  sleepyCommands(): Promise<readonly SleepyCommand[]> {
    return this.#link.ask('sleepyCommands', undefined);
  }

  /** What is registered, over or not. */
  registrations(): Promise<readonly Registration[]> {
    return this.#link.ask('registrations', undefined);
  }

  /** Keep, and forget, what resources have; all of it or nothing, durably. Fulfils after the commit. */
  async changeStates(change: StateChange): Promise<void> {
    const refused = this.#writes.refusal();
    if (refused !== undefined) throw refused;
    await this.#writes.write({ kind: 'state', change });
  }

  /** What resources keep, of which the names begin so. */
  states(prefix: string): Promise<readonly KeptState[]> {
    return this.#link.ask('states', prefix);
  }

  async #changeRegistrations(change: RegistrationChange): Promise<void> {
    const refused = this.#writes.refusal();
    if (refused !== undefined) throw refused;
    await this.#writes.write({ kind: 'registration', change });
  }

  /**
   * Take over the associations of an endpoint from an earlier process, some at a time: the next ones are read while the caller
   * works with those before. Each time the event loop has had its turn.
   */
  async *resumeAssociations(
    request: Omit<ResumeRequest, 'after' | 'pageSize'>,
    pageSize: number = takenOverAtOnce,
  ): AsyncGenerator<readonly ResumedRow[]> {
    const { endpoint, ahead } = request;
    const ask = (after: ResumeMark | undefined): Promise<ResumedPage> =>
      this.#link.ask('resume', {
        ...{ ...request, after },
        pageSize: after === undefined ? Math.min(pageSize, takenOverFirst) : pageSize,
      });
    let asked: Promise<ResumedPage> | undefined = ask(undefined);
    while (asked !== undefined) {
      const page: ResumedPage = await asked;
      asked = page.next && ask(page.next);
      // Who stops early hears of no fault any more.
      asked?.catch(() => {});
      if (page.unopened > 0) {
        this.#options.onWarning?.(
          `${page.unopened} kept associations are forgotten: somebody changed or moved their keys in the database; their devices make new handshakes`,
        );
      }
      const rows = rowsOfPage(page, endpoint, ahead);
      for (let start = 0; start < rows.length; start += resumedAtOnce) {
        if (start > 0) await new Promise(setImmediate);
        yield rows.slice(start, start + resumedAtOnce);
      }
    }
  }

  /** The newest reading of a path. */
  latest(path: string): Promise<Reading | undefined> {
    return this.#read('latest', path);
  }

  /** The newest readings of several paths, in their order. */
  latestOf(paths: readonly string[]): Promise<readonly (Reading | undefined)[]> {
    return this.#read('latestOf', paths);
  }

  /** Paths with a reading below `prefix` (ends with `/`), in order; when there are too many, some of each identity. */
  pathsBelow(prefix: string, limit: number): Promise<readonly string[]> {
    return this.#read('pathsBelow', { prefix, limit });
  }

  /** Series of measurements, in the order of their ids. */
  series(question: SeriesQuestion): Promise<readonly Series[]> {
    return this.#read('series', question);
  }

  /** Measurements of some series together, in the order of their time. */
  measurements(question: MeasurementQuestion): Promise<MeasurementPage> {
    return this.#read('measurements', question);
  }

  /** A part of what is known of a series, measurements and aggregates together. */
  buckets(question: BucketQuestion): Promise<BucketPage> {
    return this.#read('buckets', question);
  }

  /** When the first and the last of what is known of a series are. */
  extent(series: number): Promise<{ readonly firstMs: number; readonly lastMs: number } | undefined> {
    return this.#read('extent', series);
  }

  /** One step of what becomes of old measurements. */
  downsample(task: DownsampleTask): Promise<DownsampleOutcome> {
    return this.#link.ask('downsample', task);
  }

  /** A device with its key, as the store holds it now. */
  device(id: string): Promise<Device | undefined> {
    return this.#read('device', id);
  }

  /** The device with a raw public key or certificate of this fingerprint. */
  deviceByFingerprint(fingerprint: string): Promise<Device | undefined> {
    return this.#read('deviceByFingerprint', fingerprint);
  }

  /** Which keys devices have now, in the order of `ids`; undefined for who is none. */
  keyVersions(ids: readonly string[]): Promise<readonly (KeyVersion | undefined)[]> {
    return this.#link.ask('keyVersions', ids);
  }

  /** The first of these fingerprints, of certificates and public keys, that nobody gets in with any more. */
  denied(fingerprints: readonly string[]): Promise<string | undefined> {
    return this.#read('denied', fingerprints);
  }

  /** When the next overlap of two credentials of a device is over. */
  overlapEnd(nowMs: number): Promise<number | undefined> {
    return this.#link.ask('overlapEnd', nowMs);
  }

  /** A device uses its new credential, with which the one before ends. Fulfils after the commit. */
  async endOverlap(ended: EndedOverlap): Promise<void> {
    await this.#writes.write({ kind: 'ended-overlap', ended });
  }

  /** What is kept of the OSCORE context of a device. */
  oscoreEdges(deviceId: string): Promise<OscoreEdges | undefined> {
    return this.#link.ask('oscoreEdges', deviceId);
  }

  /** Which endpoints have associations that can be taken over. */
  associationEndpoints(): Promise<readonly string[]> {
    return this.#link.ask('associationEndpoints', undefined);
  }

  /** For `connect` in another thread: its writes are durable in their order, and all threads see the same. */
  async clientPort(): Promise<MessagePort> {
    const { port1, port2 } = new MessageChannel();
    await this.#link.ask('connect', port1, [port1]);
    return port2;
  }

  /** All devices with their keys, ordered by id. */
  devices(): Promise<readonly Device[]> {
    return this.#link.ask('devices', undefined);
  }

  /** Which kinds of credentials devices have. */
  credentialKinds(): Promise<readonly DeviceCredential['kind'][]> {
    return this.#link.ask('credentialKinds', undefined);
  }

  /** Devices that were added here, some at a time, ordered by id. */
  ownDevices(): AsyncGenerator<readonly HomedDevice[]> {
    return this.#devicePages(false);
  }

  /** Devices of other gateways, some at a time, ordered by id. */
  homedDevices(): AsyncGenerator<readonly HomedDevice[]> {
    return this.#devicePages(true);
  }

  async *#devicePages(ofOthers: boolean): AsyncGenerator<readonly HomedDevice[]> {
    for (let after = ''; ; ) {
      const page = await this.#link.ask('devicePage', { after, limit: devicesAtOnce, ofOthers });
      const last = page.at(-1);
      if (last === undefined) return;
      yield page;
      after = last.device.id;
    }
  }

  /** A device with its home, which is empty for one that was added here. */
  homedDevice(id: string): Promise<HomedDevice | undefined> {
    return this.#link.ask('homedDevice', id);
  }

  /** Keep devices of other gateways, durably; refused is also who has the id of one that was added here. */
  async putDevices(devices: readonly HomedDevice[]): Promise<readonly string[]> {
    return (await this.#writes.write({ kind: 'homed-devices', devices })) as readonly string[];
  }

  /** Forget devices of another gateway, durably. */
  async removeDevices(home: string, ids: readonly string[]): Promise<void> {
    await this.#writes.write({ kind: 'removed-homed', home, ids });
  }

  /** Devices under OSCORE, and the mark for `deviceChanges` behind all that has changed by then. */
  oscoreDevices(): Promise<{ readonly devices: readonly Device[]; readonly mark: number }> {
    return this.#link.ask('oscoreDevices', undefined);
  }

  /** Behind all changes of devices by now. */
  deviceChangeMark(): Promise<number> {
    return this.#link.ask('deviceChangeMark', undefined);
  }

  /** Devices that were changed behind a mark, some at a time; none at the end. */
  deviceChanges(mark: number): Promise<DeviceChanges> {
    return this.#link.ask('deviceChanges', { mark, limit: devicesAtOnce });
  }

  /** Readings in the order in which they were stored. */
  readingsAfter(question: ReadingsAfter): Promise<ReadingsPage> {
    return this.#link.ask('readingsAfter', question);
  }

  /** When the newest request came that is remembered, by the clock of lifetimes; 0 when none is. */
  newestRequestMs(): Promise<number> {
    return this.#link.ask('newestRequestMs', undefined);
  }

  /** What is kept under a name of how far this gateway is with others. */
  sharedState(name: string): Promise<string | undefined> {
    return this.#link.ask('sharedState', name);
  }

  /** Keep it, durably. Fulfils after the commit. */
  async setSharedState(state: SharedState): Promise<void> {
    await this.#writes.write({ kind: 'shared-state', state });
  }

  /** Finish the writes that wait, flush, and give the folder free. */
  async close(): Promise<void> {
    if (this.#link.ended !== undefined) return;
    while (this.#writes.isCommitting) await this.#writes.settled();
    if (this.#link.ended !== undefined) return;
    const fault = storeClosed();
    const closed = this.#link.close(fault);
    this.#writes.end(fault);
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A question that strangers can make somebody ask: bounded in number. */
  #read<K extends keyof StoreQuestions>(
    kind: K,
    ask: StoreQuestions[K]['ask'],
  ): Promise<StoreQuestions[K]['answer']> {
    const { maxWaitingReads = 10_000 } = this.#options;
    if (this.#link.waiting < maxWaitingReads) return this.#link.ask(kind, ask);
    return Promise.reject(
      new StoreFault('overloaded', 'too many reads wait for the store', 'try again later'),
    );
  }
}

function ownMeasurements({ measurements }: Reading): Pick<Reading, 'measurements'> {
  if (measurements === undefined) return {};
  return {
    measurements: measurements.map((one) =>
      one.value instanceof Uint8Array ? { ...one, value: one.value.slice() } : one,
    ),
  };
}
