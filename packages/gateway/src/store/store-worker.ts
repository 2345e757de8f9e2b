/**
 * The worker thread that owns the gateway's database: node:sqlite is synchronous, and a commit waits for the disk.
 *
 * It answers one question after the other, of all its clients, and commits each `write` question as one transaction. It also notices
 * when another process (`coapsule device`) has written, by PRAGMA data_version, which costs no disk access.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { MasterKeySource } from '../vault/master-key.ts';
import { AggregateTable } from './aggregate-table.ts';
import { AssociationTable } from './association-table.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { DeniedTable } from './denied-table.ts';
import { DeviceTable } from './device-table.ts';
import { MeasurementTable } from './measurement-table.ts';
import { OscoreTable } from './oscore-table.ts';
import { OutboxTable } from './outbox-table.ts';
import { PreviousTable } from './previous-table.ts';
import { ReadingTable } from './reading-table.ts';
import { RegistrationTable } from './registration-table.ts';
import { RequestTable } from './request-table.ts';
import { SharedStateTable } from './shared-state-table.ts';
import { SleepyTable } from './sleepy-table.ts';
import { StateTable } from './state-table.ts';
import { storeFaultOf } from './store-fault.ts';
import type { FaultValue, FromWorker, ToWorker, WriteOutcome, WriteTask } from './store-protocol.ts';
import { inTransaction } from './transaction.ts';

/** Where the façade tells the worker to work. */
export interface StoreWorkerData {
  readonly path: string;
  /** How often to look for writes of other processes. */
  readonly watchIntervalMs: number;
  /** What opens the secrets. */
  readonly masterKey: MasterKeySource;
}

const port = parentPort;
if (port === null) throw new Error('store-worker.ts runs as a worker thread only');
const { path, watchIntervalMs, masterKey } = workerData as StoreWorkerData;
const tell = (message: FromWorker): void => port.postMessage(message);
/** Other threads that ask. */
const clients = new Set<MessagePort>();

let opened: OpenDatabase | undefined;
try {
  opened = openDatabase(path, { create: true, asGateway: true, masterKey });
} catch (error) {
  tell({ kind: 'refused', fault: faultValueOf(error) });
  port.close();
}
if (opened !== undefined) serve(opened);

function serve(store: OpenDatabase): void {
  const { database } = store;
  const outbox = new OutboxTable(database);
  const measurements = new MeasurementTable(database);
  const aggregates = new AggregateTable(database);
  const readings = new ReadingTable(database, outbox, measurements);
  const devices = new DeviceTable(store);
  const associations = new AssociationTable(store);
  const previous = new PreviousTable(store);
  const denied = new DeniedTable(store);
  const requests = new RequestTable(database);
  const contexts = new OscoreTable(store);
  const registrations = new RegistrationTable(database);
  const sleepy = new SleepyTable(database);
  const sharedState = new SharedStateTable(database);
  const states = new StateTable(database);
  const dataVersion = database.prepare('PRAGMA data_version');
  let seenVersion = readDataVersion();
  const watch = setInterval(() => {
    try {
      const version = readDataVersion();
      if (version === seenVersion) return;
      seenVersion = version;
      tellOfDevices();
    } catch {
      // The next question meets the same fault and reports it.
    }
  }, watchIntervalMs);

  const tellOfDevices = (): void => {
    tell({ kind: 'devices-changed' });
    for (const client of clients) client.postMessage({ kind: 'devices-changed' } satisfies FromWorker);
  };

  const attend = (client: Pick<MessagePort, 'on' | 'postMessage'>): void => {
    client.on('message', (message: ToWorker) => {
      const { question } = message;
      let told: FromWorker;
      try {
        told = { kind: 'answer', question, answer: answer(message) };
      } catch (error) {
        told = { kind: 'fault', question, fault: faultValueOf(error) };
      }
      client.postMessage(told);
      // What this process writes itself changes no data_version.
      if (told.kind === 'answer' && message.kind === 'write' && message.ask.some(isOfDevices))
        tellOfDevices();
      if (message.kind === 'write' && told.kind === 'answer') {
        for (const [i, task] of message.ask.entries()) {
          if (task.kind === 'ended-overlap' && (told.answer as readonly WriteOutcome[])[i] === true)
            tell({ kind: 'overlap-ended', ended: task.ended });
        }
      }
      if (message.kind !== 'close') return;
      for (const other of clients) other.close();
      port?.close();
    });
  };
  if (port !== null) attend(port);
  tell({ kind: 'opened', warnings: store.warnings });

  function answer(message: ToWorker): unknown {
    switch (message.kind) {
      case 'write':
        return writeAll(message.ask);
      case 'resume':
        return durably(() => associations.resume(message.ask));
      case 'latest':
        return readings.latest(message.ask);
      case 'latestOf':
        return message.ask.map((path) => readings.latest(path));
      case 'series':
        return measurements.series(message.ask);
      case 'measurements':
        return measurements.page(message.ask);
      case 'buckets':
        return aggregates.buckets(message.ask);
      case 'extent':
        return aggregates.extent(message.ask);
      case 'downsample':
        return durably(() => aggregates.downsample(message.ask));
      case 'pathsBelow':
        return readings.pathsBelow(message.ask.prefix, message.ask.limit);
      case 'device':
        return devices.find(message.ask);
      case 'deviceByFingerprint':
        return devices.findByFingerprint(message.ask);
      case 'keyVersions':
        return devices.keyVersions(message.ask);
      case 'denied':
        return denied.firstOf(message.ask);
      case 'overlapEnd':
        return previous.nextEnd(message.ask);
      case 'oscoreEdges':
        return contexts.edges(message.ask);
      case 'devices':
        return devices.all();
      case 'credentialKinds':
        return devices.kinds();
      case 'devicePage':
        return devices.page(message.ask);
      case 'homedDevice': {
        const home = devices.homeOf(message.ask);
        return home === undefined ? undefined : { home, device: devices.find(message.ask) };
      }
      case 'oscoreDevices':
        // Before the devices: one that changes between is there twice, rather than not at all.
        return { mark: devices.changeMark(), devices: devices.underOscore() };
      case 'deviceChanges':
        return devices.changesAfter(message.ask.mark, message.ask.limit);
      case 'deviceChangeMark':
        return devices.changeMark();
      case 'readingsAfter':
        return readings.after(message.ask);
      case 'newestRequestMs':
        return Math.max(readings.newestRequestMs(), requests.newestMs());
      case 'sharedState':
        return sharedState.find(message.ask);
      case 'outbox':
        return outbox.entries(message.ask);
      case 'outboxSize':
        return outbox.load();
      case 'registrations':
        return registrations.all();
      case 'states':
        return states.below(message.ask);
      case 'sleepyCommands':
        return sleepy.commands();
      case 'representation':
        return sleepy.representation(message.ask.device, message.ask.path);
      case 'associationEndpoints':
        return associations.endpoints();
      case 'connect': {
        const client = message.ask;
        clients.add(client);
        client.on('close', () => clients.delete(client));
        attend(client);
        return undefined;
      }
      case 'close':
        clearInterval(watch);
        store.close();
        return undefined;
    }
  }

  function writeAll(tasks: readonly WriteTask[]): readonly WriteOutcome[] {
    return durably(() => {
      const [newestReading, newestRequest] = tasks.reduce(
        ([reading, request], task) => [
          // One without a record says nothing of the clock of records.
          task.kind === 'reading' && task.request !== undefined
            ? Math.max(reading, task.request.atMs ?? task.reading.receivedAtMs)
            : reading,
          task.kind === 'request' ? Math.max(request, task.request.nowMs) : request,
        ],
        [0, 0],
      );
      if (newestReading > 0) readings.purge(newestReading);
      if (newestRequest > 0) requests.purge(newestRequest);
      return tasks.map(write);
    });
  }

  function write(task: WriteTask): WriteOutcome {
    switch (task.kind) {
      case 'reading':
        return readings.record(task.reading, task.request, task.terms);
      case 'association':
        return associations.apply(task.change);
      case 'oscore':
        return contexts.save(task.change);
      case 'ended-overlap':
        return previous.end(task.ended);
      case 'outbox':
        outbox.remove(task.sent);
        return undefined;
      case 'registration':
        registrations.apply(task.change);
        return undefined;
      case 'homed-devices':
        return devices.putHomed(task.devices);
      case 'removed-homed':
        devices.removeHomed(task.home, task.ids);
        return undefined;
      case 'shared-state':
        sharedState.set(task.state);
        return undefined;
      case 'state':
        states.apply(task.change);
        return undefined;
      case 'sleepy':
        sleepy.apply(task.changes);
        return undefined;
      case 'request':
        return requests.begin(task.request);
      case 'answer':
        requests.finish(task.request, task.answer);
        return undefined;
    }
  }

  function durably<T>(work: () => T): T {
    return inTransaction(database, work, () => readings.rolledBack());
  }

  function readDataVersion(): number {
    return (dataVersion.get() as { data_version: number }).data_version;
  }
}

function isOfDevices({ kind }: WriteTask): boolean {
  return kind === 'homed-devices' || kind === 'removed-homed' || kind === 'ended-overlap';
}

function faultValueOf(error: unknown): FaultValue {
  const { code, message, nextStep } = storeFaultOf(error, path);
  return { code, message, nextStep };
}
