/**
 * What the store's façade and its worker thread say to each other.
 *
 * Plain values only: they cross the thread boundary by structured clone.
 */

import type { MessagePort } from 'node:worker_threads';
import type { Registration } from '../directory/registration.ts';
import type { Representation, SleepyChange, SleepyCommand } from '../sleepy/sleepy-command.ts';
import type { BucketPage, BucketQuestion, DownsampleOutcome, DownsampleTask } from './aggregate-table.ts';
import type { AssociationChange, ResumeRequest } from './association-table.ts';
import type {
  Device,
  DeviceChanges,
  DeviceCredential,
  DevicePage,
  HomedDevice,
  KeyVersion,
} from './device-table.ts';
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
import type { ResumedPage } from './resumed-page.ts';
import type { SharedState } from './shared-state-table.ts';
import type { KeptState, StateChange } from './state-table.ts';
import type { StoreFaultCode } from './store-fault.ts';

/** One write. Writes become durable in their order, or together. */
export type WriteTask =
  | RecordTask
  | AssociationTask
  | RequestTask
  | AnswerTask
  | OscoreTask
  | OverlapTask
  | RegistrationTask
  | OutboxTask
  | HomedDevicesTask
  | RemovedHomedTask
  | SharedStateTask
  | StateTask
  | SleepyTask;

/** A change of a kept association. */
export interface AssociationTask {
  readonly kind: 'association';
  readonly change: AssociationChange;
}

/** A device uses its new credential, with which the one before ends. */
export interface OverlapTask {
  readonly kind: 'ended-overlap';
  readonly ended: EndedOverlap;
}

/** New edges of an OSCORE context. */
export interface OscoreTask {
  readonly kind: 'oscore';
  readonly change: OscoreChange;
}

/** A change of the Resource Directory. */
export interface RegistrationTask {
  readonly kind: 'registration';
  readonly change: RegistrationChange;
}

/** A change of what resources keep. */
export interface StateTask {
  readonly kind: 'state';
  readonly change: StateChange;
}

/** The message broker has these readings. */
export interface OutboxTask {
  readonly kind: 'outbox';
  readonly sent: readonly number[];
}

/** Devices of other gateways, as they are there. */
export interface HomedDevicesTask {
  readonly kind: 'homed-devices';
  readonly devices: readonly HomedDevice[];
}

/** Devices that another gateway does not have any more. */
export interface RemovedHomedTask {
  readonly kind: 'removed-homed';
  readonly home: string;
  readonly ids: readonly string[];
}

/** How far this gateway is with others. */
export interface SharedStateTask {
  readonly kind: 'shared-state';
  readonly state: SharedState;
}

/** Changes of what is kept of devices that sleep, all or none. */
export interface SleepyTask {
  readonly kind: 'sleepy';
  readonly changes: readonly SleepyChange[];
}

/** One reading and the request it came in. */
export interface RecordTask {
  readonly kind: 'reading';
  readonly reading: Reading;
  readonly request: RequestFingerprint | undefined;
  readonly terms: RecordTerms;
}

/** A request whose handler is about to begin. */
export interface RequestTask {
  readonly kind: 'request';
  readonly request: BegunRequest;
}

/** The answer of a request that began. */
export interface AnswerTask {
  readonly kind: 'answer';
  readonly request: RequestName;
  readonly answer: Uint8Array;
}

/** What became of one write: of a change of an association or context whether it was there, of devices which were refused. */
export type WriteOutcome = RecordOutcome | RequestOutcome | boolean | readonly string[] | undefined;

/** What the worker can be asked, with the type of its answer. */
export interface StoreQuestions {
  /** All in one transaction; the answer comes after the commit. */
  readonly write: {
    readonly ask: readonly WriteTask[];
    readonly answer: readonly WriteOutcome[];
  };
  /** In a transaction of its own. */
  readonly resume: { readonly ask: ResumeRequest; readonly answer: ResumedPage };
  readonly latest: { readonly ask: string; readonly answer: Reading | undefined };
  /** Of several paths at once, in their order. */
  readonly latestOf: {
    readonly ask: readonly string[];
    readonly answer: readonly (Reading | undefined)[];
  };
  readonly pathsBelow: {
    readonly ask: { readonly prefix: string; readonly limit: number };
    readonly answer: readonly string[];
  };
  readonly series: { readonly ask: SeriesQuestion; readonly answer: readonly Series[] };
  readonly measurements: { readonly ask: MeasurementQuestion; readonly answer: MeasurementPage };
  readonly buckets: { readonly ask: BucketQuestion; readonly answer: BucketPage };
  readonly extent: {
    readonly ask: number;
    readonly answer: { readonly firstMs: number; readonly lastMs: number } | undefined;
  };
  /** In a transaction of its own. */
  readonly downsample: { readonly ask: DownsampleTask; readonly answer: DownsampleOutcome };
  readonly device: { readonly ask: string; readonly answer: Device | undefined };
  readonly deviceByFingerprint: { readonly ask: string; readonly answer: Device | undefined };
  readonly keyVersions: {
    readonly ask: readonly string[];
    readonly answer: readonly (KeyVersion | undefined)[];
  };
  /** The first of these fingerprints that is denied. */
  readonly denied: { readonly ask: readonly string[]; readonly answer: string | undefined };
  /** When the next overlap of two credentials is over. */
  readonly overlapEnd: { readonly ask: number; readonly answer: number | undefined };
  readonly oscoreEdges: { readonly ask: string; readonly answer: OscoreEdges | undefined };
  readonly devices: { readonly ask: undefined; readonly answer: readonly Device[] };
  readonly credentialKinds: { readonly ask: undefined; readonly answer: readonly DeviceCredential['kind'][] };
  readonly devicePage: { readonly ask: DevicePage; readonly answer: readonly HomedDevice[] };
  readonly homedDevice: { readonly ask: string; readonly answer: HomedDevice | undefined };
  /** Those under OSCORE, and the mark behind what has changed by then. */
  readonly oscoreDevices: {
    readonly ask: undefined;
    readonly answer: { readonly devices: readonly Device[]; readonly mark: number };
  };
  readonly deviceChanges: {
    readonly ask: { readonly mark: number; readonly limit: number };
    readonly answer: DeviceChanges;
  };
  readonly deviceChangeMark: { readonly ask: undefined; readonly answer: number };
  readonly readingsAfter: { readonly ask: ReadingsAfter; readonly answer: ReadingsPage };
  readonly newestRequestMs: { readonly ask: undefined; readonly answer: number };
  readonly sharedState: { readonly ask: string; readonly answer: string | undefined };
  readonly outbox: { readonly ask: OutboxQuestion; readonly answer: readonly OutboxEntry[] };
  readonly outboxSize: { readonly ask: undefined; readonly answer: OutboxSize };
  readonly registrations: { readonly ask: undefined; readonly answer: readonly Registration[] };
  /** By the beginning of their names. */
  readonly states: { readonly ask: string; readonly answer: readonly KeptState[] };
  readonly sleepyCommands: { readonly ask: undefined; readonly answer: readonly SleepyCommand[] };
  readonly representation: {
    readonly ask: { readonly device: string; readonly path: string };
    readonly answer: Representation | undefined;
  };
  readonly associationEndpoints: { readonly ask: undefined; readonly answer: readonly string[] };
  /** One more client, that asks over a port of its own; only the first one closes the store. */
  readonly connect: { readonly ask: MessagePort; readonly answer: undefined };
  readonly close: { readonly ask: undefined; readonly answer: undefined };
}

/** Façade → worker. */
export type ToWorker = {
  [K in keyof StoreQuestions]: {
    readonly question: number;
    readonly kind: K;
    readonly ask: StoreQuestions[K]['ask'];
  };
}[keyof StoreQuestions];

/** A StoreFault as plain values. */
export interface FaultValue {
  readonly code: StoreFaultCode;
  readonly message: string;
  readonly nextStep: string;
}

/** Worker → façade. */
export type FromWorker =
  | { readonly kind: 'opened'; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly fault: FaultValue }
  | { readonly kind: 'answer'; readonly question: number; readonly answer: unknown }
  | { readonly kind: 'fault'; readonly question: number; readonly fault: FaultValue }
  | { readonly kind: 'devices-changed' }
  /** For the first client alone. */
  | { readonly kind: 'overlap-ended'; readonly ended: EndedOverlap };
