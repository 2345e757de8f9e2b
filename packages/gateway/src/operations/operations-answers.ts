/**
 * What threads of the gateway ask each other about how they fare: the main thread asks, the workers answer.
 */
import type { Load } from '../overload/admission.ts';
import type { HandshakeReport } from './handshake-log.ts';
import type { ObservedResource } from './observed-resources.ts';
import type { PeersAnswer, PeersQuestion } from './peers-view.ts';
import type { ThreadStatistics } from './thread-statistics.ts';

/** What a thread can be asked, with its answer. */
export interface OperationsQuestions {
  readonly statistics: { readonly ask: undefined; readonly answer: ThreadStatistics };
  /** How loaded it is; unlike statistics, asking changes nothing. */
  readonly load: { readonly ask: undefined; readonly answer: Load };
  /** Its latest handshakes, the newest first. */
  readonly handshakes: { readonly ask: undefined; readonly answer: readonly HandshakeReport[] };
  /** What is observed at its endpoints. */
  readonly observed: { readonly ask: undefined; readonly answer: readonly ObservedResource[] };
  /** Looks at the devices anew, as the store was written; the answer comes when the next request meets what is new. */
  readonly devices: { readonly ask: undefined; readonly answer: undefined };
  /** A page of its secured peers. */
  readonly peers: { readonly ask: PeersQuestion; readonly answer: PeersAnswer };
  /** Observers are told that the gateway stops; the answer comes when they are, or when it took too long. */
  readonly farewell: { readonly ask: undefined; readonly answer: undefined };
}

/** One question as it goes to a worker. */
export type OperationsQuestion = {
  [K in keyof OperationsQuestions]: {
    readonly kind: K;
    readonly ask: OperationsQuestions[K]['ask'];
  };
}[keyof OperationsQuestions];

/** Asks one thread; rejects when there is no answer in time. */
export type AskThread = <K extends keyof OperationsQuestions>(
  kind: K,
  ask: OperationsQuestions[K]['ask'],
) => Promise<OperationsQuestions[K]['answer']>;
