/**
 * What the gateway says is wrong, and what to do.
 *
 * @module
 */

import type { ApiProblem } from '../../src/console/api-types.ts';
import { Notice } from './pieces.tsx';

/** Nothing where there is none. */
export function Problem({ of }: { readonly of: ApiProblem | null | undefined }) {
  if (of == null) return null;
  return (
    <Notice kind={of.code === 'unavailable' ? 'info' : 'bad'} live>
      {of.message}
      {of.nextStep === undefined ? '' : ` ${of.nextStep}`}
    </Notice>
  );
}
