/**
 * What the gateway has, asked when a component comes, again every so often, and again when the gateway has come back.
 *
 * @module
 */

import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ApiProblem } from '../../src/console/api-types.ts';
import type { Outcome } from './api.ts';
import { revival } from './link.ts';

/** What is known of it. */
export interface Resource<T> {
  readonly value: T | undefined;
  readonly problem: ApiProblem | undefined;
}

/**
 * Asks, and keeps what came.
 *
 * @param key When it changes it is asked anew.
 * @param everyMs How often; 0 for once.
 */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<Outcome<T>>,
  key: string,
  everyMs = 0,
): { readonly state: Signal<Resource<T>>; readonly reload: () => void } {
  const state = useSignal<Resource<T>>({ value: undefined, problem: undefined });
  const turn = useSignal(0);
  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async (): Promise<void> => {
      try {
        const outcome = await load(gone.signal);
        if (gone.signal.aborted) return;
        state.value = outcome.isOk
          ? { value: outcome.value, problem: undefined }
          : { value: state.peek().value, problem: outcome.problem };
      } catch (error) {
        if (!gone.signal.aborted) throw error;
        return;
      }
      if (everyMs > 0) timer = setTimeout(() => void once(), everyMs);
    };
    void once();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [key, turn.value, revival.value]);
  return {
    state,
    reload: () => {
      turn.value += 1;
    },
  };
}
