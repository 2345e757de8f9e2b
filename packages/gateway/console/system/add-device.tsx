/**
 * The wizard that adds a device.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type { ApiProblem, DeviceWithSecret, NewCredential } from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { SelectField, TextField } from '../parts/fields.tsx';
import { Card, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { base } from '../shell/location.ts';
import { words } from '../wording.ts';
import { deviceAddress } from './device-address.ts';
import { MadeCredential } from './made-credential.tsx';

const text = words.devices;

type Kind = NewCredential['kind'] | 'psk-own';

/** First its inputs, then what came of them. */
export function AddDevice() {
  const id = useSignal('');
  const kind = useSignal<Kind>('psk');
  const detail = useSignal('');
  const rules = useSignal('');
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const made = useSignal<DeviceWithSecret | undefined>(undefined);
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const given = rules.value.split('\n').flatMap((line) => line.trim() || []);
    const outcome = await ask('POST /api/devices', {
      body: {
        id: id.value,
        credential: credentialOf(kind.value, detail.value.trim()),
        ...(given.length > 0 && { rules: given }),
      },
    });
    if (outcome.isOk) {
      made.value = outcome.value;
      problem.value = undefined;
    } else problem.value = outcome.problem;
  };
  return (
    <Page title={text.addTitle} lead={<a href={`${base}devices`}>{text.back}</a>}>
      {made.value === undefined ? (
        <form class="card" onSubmit={add}>
          <TextField
            label={text.id}
            value={id.value}
            hint={text.idHint}
            onChange={(value) => {
              id.value = value;
            }}
          />
          <SelectField<Kind>
            label={text.kind}
            value={kind.value}
            options={(['psk', 'psk-own', 'oscore', 'rpk', 'x509'] as const).map(
              (one) => [one, text.kinds[one]] as const,
            )}
            onChange={(value) => {
              kind.value = value;
            }}
          />
          {kind.value !== 'psk' && kind.value !== 'oscore' && (
            <TextField
              label={text.details[kind.value]}
              lines={kind.value === 'psk-own' ? 1 : 6}
              value={detail.value}
              onChange={(value) => {
                detail.value = value;
              }}
            />
          )}
          <TextField
            label={text.rules}
            lines={3}
            value={rules.value}
            hint={text.rulesHint}
            onChange={(value) => {
              rules.value = value;
            }}
          />
          <button type="submit" class="primary" disabled={id.value === ''}>
            {text.addNow}
          </button>
          <Problem of={problem.value} />
        </form>
      ) : (
        <Card title={made.value.device.id} wide>
          <Notice kind="good" live>
            {text.addedNow(made.value.device.id)}
          </Notice>
          <MadeCredential made={made.value} />
          <a href={base + deviceAddress(made.value.device.id)}>{text.toDevice}</a>
        </Card>
      )}
    </Page>
  );
}

function credentialOf(kind: Kind, detail: string): NewCredential {
  switch (kind) {
    case 'psk-own':
      return { kind: 'psk', keyHex: detail.replaceAll(/[\s:]/g, '') };
    case 'rpk':
      return detail.startsWith('-----') ? { kind, publicKeyPem: detail } : { kind, fingerprint: detail };
    case 'x509':
      return { kind, certificatePem: detail };
    case 'psk':
      return { kind };
    case 'oscore':
      return { kind };
  }
}
