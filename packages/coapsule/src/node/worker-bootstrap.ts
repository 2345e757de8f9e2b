/**
 * The first module of a worker thread that shares ports: joins it to the others, then runs the module that was asked for.
 *
 * @module
 */

import { workerData } from 'node:worker_threads';
import { joinWorkers } from './own-worker.ts';
import type { WorkerBegin } from './worker-threads.ts';

const { module, place, data, port } = workerData as WorkerBegin;
const link = joinWorkers(place, data, port);
await import(module);
link.ready();
