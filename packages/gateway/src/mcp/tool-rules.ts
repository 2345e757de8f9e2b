/**
 * The bounds that the user set when the server was started.
 *
 * @module
 */

import type { AllowedTargets } from './allowed-targets.ts';

/** What the user allowed when the server was started. */
export interface ToolRules {
  readonly targets: AllowedTargets;
  readonly allowWrite: boolean;
  /** Credentials map for all verbs. */
  readonly credentials?: string;
  /** Folder whose captures may be read. */
  readonly captures?: string;
  /** Data folder of a gateway whose devices may be listed. */
  readonly data?: string;
}

/** For refusals. */
export const readOnly = 'this server is read-only: the user can start it with --allow-write';
