/**
 * The login: by the one-time link of the gateway's start, or by name and password.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { ask } from '../gateway/api.ts';
import { isSessionLost, session } from '../gateway/link.ts';
import { TextField } from '../parts/fields.tsx';
import { Card, Notice, Page } from '../parts/pieces.tsx';
import { words } from '../wording.ts';

/** For who is nobody and wants a view. */
export function Login({ wanted }: { readonly wanted: string }) {
  const name = useSignal('');
  const password = useSignal('');
  const problem = useSignal('');
  const isBusy = useSignal(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    isBusy.value = true;
    const outcome = await ask('POST /api/session/password', {
      body: { name: name.value, password: password.value },
    });
    isBusy.value = false;
    if (outcome.isOk) {
      session.value = outcome.value;
      isSessionLost.value = false;
    } else problem.value = [outcome.problem.message, outcome.problem.nextStep].filter(Boolean).join(' ');
  };
  return (
    <Page title={words.login.title} lead={words.login.lead(wanted)}>
      {isSessionLost.value && (
        <Notice kind="warning" live>
          {words.login.lost}
        </Notice>
      )}
      <div class="cards">
        <Card title={words.login.byPassword}>
          <form onSubmit={submit}>
            <TextField
              label={words.login.name}
              value={name.value}
              autocomplete="username"
              onChange={(value) => {
                name.value = value;
              }}
            />
            <TextField
              label={words.login.password}
              type="password"
              value={password.value}
              autocomplete="current-password"
              onChange={(value) => {
                password.value = value;
              }}
            />
            <button type="submit" class="primary" disabled={isBusy.value}>
              {words.login.submit}
            </button>
            <div role="alert">{problem.value !== '' && <Notice kind="bad">{problem.value}</Notice>}</div>
          </form>
        </Card>
        <Card title={words.login.byLink}>
          <p>{words.login.linkHelp}</p>
          <p>{words.login.userHelp}</p>
          <pre>{words.login.userCommand}</pre>
        </Card>
      </div>
    </Page>
  );
}
