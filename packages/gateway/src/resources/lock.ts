/**
 * A lock: `lock` and `unlock` are commands, `locked` and `unlocked` its states.
 */
import { Code, changed, content, expectPreconditions, failure, type Resource } from 'coapsule';
import type { KeptText } from './kept-text.ts';
import { acceptedFormat, ContentFormat } from './negotiation.ts';

const states: Readonly<Record<string, string>> = { lock: 'locked', unlock: 'unlocked' };

/** The state of a lock that nobody has used. */
export const firstLockState = 'locked';

/** The resource; who may use it is decided around it. `onChange` is told of a new state. */
export function lock(state: KeptText, onChange: () => void): Resource {
  return {
    get: (request) => content(state.text, { contentFormat: acceptedFormat(request, [ContentFormat.text]) }),
    put: async (request) => {
      const next = Object.hasOwn(states, request.text()) ? states[request.text()] : undefined;
      if (next === undefined) return failure(Code.BadRequest, 'send lock or unlock');
      expectPreconditions(request, { exists: true });
      let isOther = false;
      await state.change((before) => {
        isOther = next !== before;
        return next;
      });
      if (isOther) onChange();
      return changed();
    },
    observable: true,
    attributes: { rt: 'lock', ct: ContentFormat.text, title: 'coaps only' },
    conditional: true,
    maxBodyBytes: 64,
  };
}
