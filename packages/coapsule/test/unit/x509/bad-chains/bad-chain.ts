/**
 * A chain that is refused, and its good twin.
 *
 * @module
 */

import type { CertificateFailureCause } from '../../../../src/core/x509/certificate-failure.ts';
import type { Wishes } from '../three-certificates.ts';

export interface BadChain {
  /** What is wrong with it. */
  readonly sentence: string;
  readonly cause: CertificateFailureCause;
  readonly detail: RegExp;
  readonly bad: Wishes;
  /** Differs in nothing but the fault, and is accepted. */
  readonly good: Wishes;
}
