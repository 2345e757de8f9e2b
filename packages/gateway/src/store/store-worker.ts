/**
 * The worker thread that owns the gateway's database: node:sqlite is synchronous, and a commit waits for the disk.
 *
 * It answers one question after the other and commits each `record` question as one transaction. It also notices
 * when another process (`coapsule device`) has written, by PRAGMA data_version, which costs no disk access.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type OpenDatabase, openDatabase } from './database.ts';
import { DeviceTable } from './device-table.ts';
import { ReadingTable, type RecordOutcome } from './reading-table.ts';
import { storeFaultOf } from './store-fault.ts';
import type { FaultValue, FromWorker, RecordTask, ToWorker } from './store-protocol.ts';

/** Where the façade tells the worker to work. */
export interface StoreWorkerData {
  readonly path: string;
  /** How often to look for writes of other processes. */
  readonly watchIntervalMs: number;
}

const port = parentPort;
if (port === null) throw new Error('store-worker.ts runs as a worker thread only');
const { path, watchIntervalMs } = workerData as StoreWorkerData;
const tell = (message: FromWorker): void => port.postMessage(message);

let opened: OpenDatabase | undefined;
try {
  opened = openDatabase(path, { create: true, asGateway: true });
} catch (error) {
  tell({ kind: 'refused', fault: faultValueOf(error) });
  port.close();
}
if (opened !== undefined) serve(opened);

function serve(store: OpenDatabase): void {
  const { database } = store;
  const readings = new ReadingTable(database);
  const devices = new DeviceTable(database);
  const dataVersion = database.prepare('PRAGMA data_version');
  let seenVersion = readDataVersion();
  const watch = setInterval(() => {
    try {
      const version = readDataVersion();
      if (version === seenVersion) return;
      seenVersion = version;
      tell({ kind: 'devices-changed' });
    } catch {
      // The next question meets the same fault and reports it.
    }
  }, watchIntervalMs);

  port?.on('message', (message: ToWorker) => {
    try {
      tell({ kind: 'answer', question: message.question, answer: answer(message) });
    } catch (error) {
      tell({ kind: 'fault', question: message.question, fault: faultValueOf(error) });
    }
    if (message.kind === 'close') port?.close();
  });
  tell({ kind: 'opened', warnings: store.folder.warnings });

  function answer(message: ToWorker): unknown {
    switch (message.kind) {
      case 'record':
        return recordAll(message.ask);
      case 'latest':
        return readings.latest(message.ask);
      case 'pathsBelow':
        return readings.pathsBelow(message.ask.prefix, message.ask.limit);
      case 'device':
        return devices.find(message.ask);
      case 'devices':
        return devices.all();
      case 'close':
        clearInterval(watch);
        store.close();
        return undefined;
    }
  }

  function recordAll(tasks: readonly RecordTask[]): readonly RecordOutcome[] {
    // IMMEDIATE: wait for another writer at the start, never fail in the middle.
    database.exec('BEGIN IMMEDIATE');
    try {
      const newest = tasks.reduce((latest, { reading }) => Math.max(latest, reading.receivedAtMs), 0);
      readings.purge(newest);
      const outcomes = tasks.map(({ reading, request, terms }) => readings.record(reading, request, terms));
      database.exec('COMMIT');
      return outcomes;
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  function readDataVersion(): number {
    return (dataVersion.get() as { data_version: number }).data_version;
  }
}

function faultValueOf(error: unknown): FaultValue {
  const { code, message, nextStep } = storeFaultOf(error, path);
  return { code, message, nextStep };
}
