/**
 * Keeps what is typed in as a credential with a name, in the store of the gateway, and removes those that are there. No key comes back.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type { ApiProblem, NamedCredentialView } from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { CheckField, TextField } from '../parts/fields.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { words } from '../wording.ts';
import type { TypedProtection } from './explorer-credential.tsx';
import type { Written } from './explorer-input.ts';

const text = words.explorer;

/** For admins. */
export function KeptCredentials({
  named,
  typed,
  onKept,
  onRemoved,
}: {
  readonly named: readonly NamedCredentialView[];
  /** Undefined where nothing is typed in. */
  readonly typed: (() => Written<TypedProtection>) | undefined;
  readonly onKept: (name: string) => void;
  readonly onRemoved: (name: string) => void;
}) {
  const name = useSignal('');
  const target = useSignal('');
  const forOperators = useSignal(false);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const keep = async (): Promise<void> => {
    const written = typed?.();
    if (written === undefined) return;
    if ('fault' in written) {
      problem.value = { code: 'invalid', message: written.fault };
      return;
    }
    const outcome = await ask('POST /api/explorer/credentials', {
      body: {
        ...{ name: name.value.trim(), ...written.value },
        ...(target.value.trim() !== '' && { target: target.value.trim() }),
        ...(forOperators.value && { forOperators: true }),
      },
    });
    problem.value = outcome.isOk ? undefined : outcome.problem;
    if (!outcome.isOk) return;
    name.value = '';
    target.value = '';
    forOperators.value = false;
    onKept(outcome.value.name);
  };
  const remove = async (one: string): Promise<void> => {
    const outcome = await ask('DELETE /api/explorer/credentials/{name}', { path: { name: one } });
    problem.value = outcome.isOk ? undefined : outcome.problem;
    if (outcome.isOk) onRemoved(one);
  };
  return (
    <details open={typed !== undefined && named.length === 0}>
      <summary>{text.kept(named.length)}</summary>
      {typed === undefined ? (
        <p class="hint">{text.keepHow}</p>
      ) : (
        <>
          <TextField
            label={text.keepName}
            value={name.value}
            onChange={(value) => {
              name.value = value;
            }}
          />
          <TextField
            label={text.keepTarget}
            value={target.value}
            hint={text.keepTargetHint}
            onChange={(value) => {
              target.value = value;
            }}
          />
          <CheckField
            label={text.keepForOperators}
            value={forOperators.value}
            onChange={(value) => {
              forOperators.value = value;
            }}
          />
          <button type="button" disabled={name.value.trim() === ''} onClick={keep}>
            {text.keepNow}
          </button>
        </>
      )}
      <Problem of={problem.value} />
      {named.length > 0 && (
        <ul class="plain-list">
          {named.map((one) => (
            <li key={one.name}>
              <strong>{shown(one.name)}</strong> <span class="hint">{shown(one.about)}</span>{' '}
              <button type="button" class="danger" onClick={() => void remove(one.name)}>
                {text.removeKept(one.name)}
              </button>
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
