/**
 * All checks, in the order they run: each may use what those before it learned.
 *
 * @module
 */

import { amplificationChecks } from './amplification-checks.ts';
import { blockChecks } from './block-checks.ts';
import { dtlsChecks } from './dtls-checks.ts';
import { malformedChecks } from './malformed-checks.ts';
import { messageChecks } from './message-checks.ts';
import { methodChecks } from './method-checks.ts';
import { oscoreChecks } from './oscore-checks.ts';
import type { ProbeCheck } from './probe-check.ts';
import { resourceChecks } from './resource-checks.ts';
import { suiteChecks } from './suite-checks.ts';
import { transportChecks } from './transport-checks.ts';

/** See the module comment. */
export const probeChecks: readonly ProbeCheck[] = [
  ...messageChecks,
  ...methodChecks,
  ...blockChecks,
  ...resourceChecks,
  ...oscoreChecks,
  ...transportChecks,
  ...dtlsChecks,
  ...suiteChecks,
  ...amplificationChecks,
  ...malformedChecks,
];
