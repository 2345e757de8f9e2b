/**
 * The wizard that adds a device.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type { ApiProblem, DeviceWithSecret, NewCredential } from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { NumberField, SelectField, TextField } from '../parts/fields.tsx';
import { Card, Copyable, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { base } from '../shell/location.ts';
import { words } from '../wording.ts';
import { deviceAddress } from './device-address.ts';
import { canMakeKeys, issuedCertificate, newDeviceKeys } from './device-keys.ts';
import type { Written } from './explorer-input.ts';
import type { DeviceFiles } from './firmware-snippets.ts';
import { MadeCredential } from './made-credential.tsx';
import { TextFileField } from './text-file-field.tsx';

const text = words.devices;

const kinds = ['psk', 'psk-text', 'psk-own', 'oscore', 'rpk-new', 'rpk', 'x509-new', 'x509'] as const;

type Kind = (typeof kinds)[number];

/** What is made, and which files of it are to be saved. */
interface Prepared {
  readonly credential: NewCredential;
  readonly files?: DeviceFiles;
}

const dayRange = { least: 1, most: 3650 } as const;

/** First its inputs, then what came of them. */
export function AddDevice() {
  const id = useSignal('');
  const kind = useSignal<Kind>('psk');
  const detail = useSignal('');
  const authority = useSignal({ certificatePem: '', privateKeyPem: '', days: 365 });
  const rules = useSignal('');
  const isBusy = useSignal(false);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const made = useSignal<
    { readonly device: DeviceWithSecret; readonly files: DeviceFiles | undefined } | undefined
  >(undefined);
  const prepared = async (): Promise<Written<Prepared>> => {
    if (kind.value !== 'rpk-new' && kind.value !== 'x509-new')
      return { value: { credential: credentialOf(kind.value, detail.value.trim()) } };
    const { publicKey, ...files } = await newDeviceKeys();
    if (kind.value === 'rpk-new')
      return { value: { credential: { kind: 'rpk', publicKeyPem: files.publicKeyPem }, files } };
    const certificate = await issuedCertificate(authority.value, {
      ...{ commonName: id.value, publicKey, days: authority.value.days },
    });
    if ('fault' in certificate) return certificate;
    const certificatePem = certificate.value;
    return { value: { credential: { kind: 'x509', certificatePem }, files: { ...files, certificatePem } } };
  };
  const add = async (): Promise<void> => {
    isBusy.value = true;
    try {
      const given = rules.value.split('\n').flatMap((line) => line.trim() || []);
      const ready = await prepared();
      if ('fault' in ready) {
        problem.value = { code: 'invalid', message: ready.fault };
        return;
      }
      const { credential, files } = ready.value;
      const outcome = await ask('POST /api/devices', {
        body: { id: id.value, credential, ...(given.length > 0 && { rules: given }) },
      });
      problem.value = outcome.isOk ? undefined : outcome.problem;
      if (!outcome.isOk) return;
      made.value = { device: outcome.value, files };
      // It has served.
      authority.value = { certificatePem: '', privateKeyPem: '', days: 365 };
    } finally {
      isBusy.value = false;
    }
  };
  const isMadeHere = kind.value === 'rpk-new' || kind.value === 'x509-new';
  if (made.value !== undefined) {
    const { device, files } = made.value;
    return (
      <Page title={text.addTitle} lead={<a href={`${base}devices`}>{text.back}</a>}>
        <Card title={device.device.id} wide>
          <Notice kind={device.snippets.missing === null ? 'good' : 'info'} live>
            {device.snippets.missing === null
              ? text.addedNow(device.device.id)
              : text.addedOnly(device.device.id)}
          </Notice>
          <MadeCredential made={device} files={files} />
          <a href={base + deviceAddress(device.device.id)}>{text.toDevice}</a>
        </Card>
      </Page>
    );
  }
  return (
    <Page title={text.addTitle} lead={<a href={`${base}devices`}>{text.back}</a>}>
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
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
          hint={text.kindHints[kind.value]}
          options={kinds.map((one) => [one, text.kinds[one]] as const)}
          onChange={(value) => {
            kind.value = value;
          }}
        />
        {(kind.value === 'psk-own' || kind.value === 'rpk' || kind.value === 'x509') && (
          <TextField
            label={text.details[kind.value]}
            lines={kind.value === 'psk-own' ? 1 : 6}
            value={detail.value}
            onChange={(value) => {
              detail.value = value;
            }}
          />
        )}
        {isMadeHere && !canMakeKeys() && (
          <>
            <Notice kind="warning">{text.noKeysHere}</Notice>
            <Copyable
              label="coapsule"
              text={
                kind.value === 'rpk-new'
                  ? `coapsule keys rpk ${id.value || 'sensor-7'}\n`
                  : `coapsule keys cert ${id.value || 'sensor-7'} --ca ca.pem\n`
              }
            />
          </>
        )}
        {kind.value === 'x509-new' && canMakeKeys() && (
          <>
            <TextFileField
              label={text.authorityCertificate}
              value={authority.value.certificatePem}
              onChange={(certificatePem) => {
                authority.value = { ...authority.value, certificatePem };
              }}
            />
            <TextFileField
              label={text.authorityKey}
              hint={text.authorityKeyHint}
              value={authority.value.privateKeyPem}
              onChange={(privateKeyPem) => {
                authority.value = { ...authority.value, privateKeyPem };
              }}
            />
            <NumberField
              label={text.days}
              value={authority.value.days}
              range={dayRange}
              onChange={(days) => {
                authority.value = { ...authority.value, days };
              }}
            />
          </>
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
        <button
          type="submit"
          class="primary"
          disabled={id.value === '' || isBusy.value || (isMadeHere && !canMakeKeys())}
        >
          {text.addNow}
        </button>
        <Problem of={problem.value} />
      </form>
    </Page>
  );
}

function credentialOf(kind: Exclude<Kind, 'rpk-new' | 'x509-new'>, detail: string): NewCredential {
  switch (kind) {
    case 'psk-own':
      return { kind: 'psk', keyHex: detail.replaceAll(/[\s:]/g, '') };
    case 'rpk':
      return detail.startsWith('-----') ? { kind, publicKeyPem: detail } : { kind, fingerprint: detail };
    case 'x509':
      return { kind, certificatePem: detail };
    case 'psk':
      return { kind };
    case 'psk-text':
      return { kind: 'psk', asText: true };
    case 'oscore':
      return { kind };
  }
}
