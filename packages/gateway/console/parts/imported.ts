/**
 * Code that few views need, loaded when the first of them is shown.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** The module; undefined until it has come. @param load The same whenever the component is drawn. */
export function useImported<T>(load: () => Promise<T>): T | undefined {
  const loaded = useSignal<T | undefined>(undefined);
  useEffect(() => {
    let isGone = false;
    load().then((module) => {
      if (!isGone) loaded.value = module;
    });
    return () => {
      isGone = true;
    };
  }, [load, loaded]);
  return loaded.value;
}
