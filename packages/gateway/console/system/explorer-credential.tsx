/**
 * As whom the explorer asks. What is typed in here is in no address and in no history.
 *
 * @module
 */

import type { Signal } from '@preact/signals';
import type { CredentialNames, ExplorerRequest } from '../../src/console/api-types.ts';
import { mayAct } from '../gateway/link.ts';
import { Inputs, SelectField, TextField } from '../parts/fields.tsx';
import { toHex } from '../parts/hex-text.ts';
import { words } from '../wording.ts';

/** What is typed in, of all kinds. */
export interface TypedCredential {
  readonly identity: string;
  readonly key: string;
  readonly privateKey: string;
  readonly serverKey: string;
  readonly certificate: string;
  readonly authority: string;
}

/** Nothing yet. */
export const newTypedCredential: TypedCredential = {
  ...{ identity: '', key: '', privateKey: '', serverKey: '', certificate: '', authority: '' },
};

const text = words.explorer;

/** @param as `''`, `psk`, `rpk`, `x509`, `device:ID` or `proxy:PATTERN`. */
export function credentialOf(as: string, typed: TypedCredential): Pick<ExplorerRequest, 'credential'> {
  const [, place = '', name = ''] = /^(device|proxy):(.*)$/s.exec(as) ?? [];
  if (place === 'device') return { credential: { kind: 'device', id: name } };
  if (place === 'proxy') return { credential: { kind: 'proxy', pattern: name } };
  switch (as) {
    case 'psk':
      return { credential: { kind: 'psk', identity: typed.identity, keyHex: keyHexOf(typed.key) } };
    case 'rpk':
      return { credential: { kind: 'rpk', privateKeyPem: typed.privateKey, serverKey: typed.serverKey } };
    case 'x509':
      return {
        credential: {
          kind: 'x509',
          authorityPem: typed.authority,
          ...(typed.certificate !== '' && { certificatePem: typed.certificate }),
          ...(typed.privateKey !== '' && { privateKeyPem: typed.privateKey }),
        },
      };
    default:
      return {};
  }
}

/** `hex:` before digits, as on the command line; else the letters are the key. */
function keyHexOf(key: string): string {
  return key.startsWith('hex:') ? key.slice(4) : toHex(new TextEncoder().encode(key));
}

/** The choice, and the fields of what is chosen. */
export function CredentialFields({
  as,
  onChoose,
  typed,
  names,
}: {
  readonly as: string;
  readonly onChoose: (as: string) => void;
  readonly typed: Signal<TypedCredential>;
  readonly names: CredentialNames['credentials'];
}) {
  const field = (name: keyof TypedCredential) => ({
    value: typed.value[name],
    onChange: (value: string) => {
      typed.value = { ...typed.value, [name]: value };
    },
  });
  return (
    <Inputs title={text.credentialTitle}>
      <SelectField
        label={text.credential}
        value={as}
        options={[
          ['', text.noCredential],
          ['psk', text.typedCredential],
          ['rpk', text.typedRpk],
          ['x509', text.typedCertificate],
          ...(mayAct('admin')
            ? names.map(({ id, kind }) =>
                kind === 'proxy'
                  ? ([`proxy:${id}`, text.asProxy(id)] as const)
                  : ([`device:${id}`, text.asDevice(id, kind)] as const),
              )
            : []),
        ]}
        onChange={onChoose}
      />
      {as === 'psk' && (
        <>
          <TextField label={text.identity} {...field('identity')} />
          <TextField label={text.key} type="password" hint={text.keyHint} {...field('key')} />
        </>
      )}
      {as === 'rpk' && (
        <>
          <TextField
            label={text.privateKeyPem}
            lines={3}
            hint={text.noPrivateKeys}
            {...field('privateKey')}
          />
          <TextField label={text.serverKey} lines={3} {...field('serverKey')} />
        </>
      )}
      {as === 'x509' && (
        <>
          <TextField label={text.authorityPem} lines={3} {...field('authority')} />
          <TextField
            label={text.certificatePem}
            lines={3}
            hint={text.certificateHint}
            {...field('certificate')}
          />
          <TextField
            label={text.privateKeyPem}
            lines={3}
            hint={text.noPrivateKeys}
            {...field('privateKey')}
          />
        </>
      )}
    </Inputs>
  );
}
