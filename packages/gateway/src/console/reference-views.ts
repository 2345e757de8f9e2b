/**
 * What things mean: response codes, and what a diagnosis finds.
 */
import { responseCodes } from '../advice/response-codes.ts';
import { findingExplanations } from '../diagnosis/finding.ts';
import type { Handlers } from './console-api.ts';

/** The handlers. */
export function referenceHandlers(): Pick<Handlers, 'GET /api/codes' | 'GET /api/explanations'> {
  return {
    'GET /api/codes': () => ({ codes: responseCodes }),
    'GET /api/explanations': () => ({
      findings: Object.entries(findingExplanations).map(([kind, explanation]) => ({ kind, ...explanation })),
    }),
  };
}
