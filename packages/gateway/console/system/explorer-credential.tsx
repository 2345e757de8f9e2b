/**
 * As whom the explorer asks, and what protects a request end to end. What is typed in here is in no address and in no history.
 *
 * @module
 */

import type { Signal } from '@preact/signals';
import type { CredentialNames, ExplorerRequest, NewNamedCredential } from '../../src/console/api-types.ts';
import { mayAct } from '../gateway/link.ts';
import { CheckField, Inputs, SelectField, TextField } from '../parts/fields.tsx';
import { toHex } from '../parts/hex-text.ts';
import { words } from '../wording.ts';
import type { Written } from './explorer-input.ts';
import { KeptCredentials } from './kept-credentials.tsx';
import { TextFileField } from './text-file-field.tsx';

/** What is typed in, of all kinds. */
export interface TypedFields {
  readonly identity: string;
  readonly key: string;
  readonly privateKey: string;
  readonly serverKey: string;
  readonly certificate: string;
  readonly authority: string;
  readonly context: string;
  readonly firstNumber: string;
}

/** Nothing yet. */
export const newTypedFields: TypedFields = {
  ...{ identity: '', key: '', privateKey: '', serverKey: '', certificate: '', authority: '' },
  ...{ context: '', firstNumber: '' },
};

const text = words.explorer;

/** What is typed in, without what names a credential that is kept. */
export type TypedProtection = Pick<NewNamedCredential, 'proof' | 'oscore'>;

/** @param as `psk`, `rpk` or `x509`; nothing else is typed in. */
function typedProtection(as: string, oscore: boolean, typed: TypedFields): Written<TypedProtection> {
  const context = oscore ? contextOf(typed) : undefined;
  if (context !== undefined && 'fault' in context) return context;
  const proof = proofOf(as, typed);
  return {
    value: {
      ...(proof !== undefined && { proof }),
      ...(context !== undefined && { oscore: context.value }),
    },
  };
}

/** @param as `''`, `psk`, `rpk`, `x509`, `named:NAME`, `device:ID` or `proxy:PATTERN`. */
export function credentialOf(
  as: string,
  oscore: boolean,
  typed: TypedFields,
): Written<Pick<ExplorerRequest, 'credential' | 'oscore'>> {
  const typedIn = typedProtection(as, oscore, typed);
  if ('fault' in typedIn) return typedIn;
  const { proof, oscore: context } = typedIn.value;
  const [, place = '', name = ''] = /^(named|device|proxy):(.*)$/s.exec(as) ?? [];
  const credential =
    place === 'named'
      ? ({ kind: 'named', name } as const)
      : place === 'device'
        ? ({ kind: 'device', id: name } as const)
        : place === 'proxy'
          ? ({ kind: 'proxy', pattern: name } as const)
          : proof;
  return {
    value: {
      ...(credential !== undefined && { credential }),
      ...(context !== undefined && { oscore: context }),
    },
  };
}

function proofOf(as: string, typed: TypedFields): NewNamedCredential['proof'] {
  switch (as) {
    case 'psk':
      return { kind: 'psk', identity: typed.identity, keyHex: keyHexOf(typed.key) };
    case 'rpk':
      return { kind: 'rpk', privateKeyPem: typed.privateKey, serverKey: typed.serverKey };
    case 'x509':
      return {
        kind: 'x509',
        authorityPem: typed.authority,
        ...(typed.certificate !== '' && { certificatePem: typed.certificate }),
        ...(typed.privateKey !== '' && { privateKeyPem: typed.privateKey }),
      };
    default:
      return undefined;
  }
}

function contextOf({
  context,
  firstNumber,
}: TypedFields): Written<NonNullable<NewNamedCredential['oscore']>> {
  if (context.trim() === '') return { fault: text.contextMissing };
  if (!/^\d{1,13}$/.test(firstNumber.trim())) return { fault: text.firstNumberMissing };
  return { value: { contextText: context, firstNumber: Number(firstNumber) } };
}

/** `hex:` before digits, as on the command line; else the letters are the key. */
function keyHexOf(key: string): string {
  return key.startsWith('hex:') ? key.slice(4) : toHex(new TextEncoder().encode(key));
}

/** The choice, and the fields of what is chosen. */
export function CredentialFields({
  as,
  onChoose,
  oscore,
  onOscore,
  typed,
  names,
  onChange,
}: {
  readonly as: string;
  readonly onChoose: (as: string) => void;
  readonly oscore: boolean;
  readonly onOscore: (oscore: boolean) => void;
  readonly typed: Signal<TypedFields>;
  readonly names: CredentialNames;
  /** Credentials were added or removed. */
  readonly onChange: () => void;
}) {
  const { named, credentials } = names;
  const field = (name: keyof TypedFields) => ({
    value: typed.value[name],
    onChange: (value: string) => {
      typed.value = { ...typed.value, [name]: value };
    },
  });
  const chosen = named.find(({ name }) => as === `named:${name}`);
  const isTyped = as === 'psk' || as === 'rpk' || as === 'x509' || oscore;
  return (
    <Inputs title={text.credentialTitle}>
      <SelectField
        label={text.credential}
        value={as}
        options={[
          ['', text.noCredential],
          ...named.map((one) => [`named:${one.name}`, text.asNamed(one.name, namedKind(one))] as const),
          ['psk', text.typedCredential],
          ['rpk', text.typedRpk],
          ['x509', text.typedCertificate],
          ...credentials.map(({ id, kind }) =>
            kind === 'proxy'
              ? ([`proxy:${id}`, text.asProxy(id)] as const)
              : ([`device:${id}`, text.asDevice(id, kind)] as const),
          ),
        ]}
        {...(chosen !== undefined && { hint: text.aboutNamed(chosen.about, chosen.target) })}
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
          <TextFileField
            label={text.privateKeyPem}
            lines={3}
            hint={text.noPrivateKeys}
            {...field('privateKey')}
          />
          <TextFileField label={text.serverKey} lines={3} {...field('serverKey')} />
        </>
      )}
      {as === 'x509' && (
        <>
          <TextFileField label={text.authorityPem} lines={3} {...field('authority')} />
          <TextFileField
            label={text.certificatePem}
            lines={3}
            hint={text.certificateHint}
            {...field('certificate')}
          />
          <TextFileField
            label={text.privateKeyPem}
            lines={3}
            hint={text.noPrivateKeys}
            {...field('privateKey')}
          />
        </>
      )}
      {chosen?.oscore !== true && (
        <CheckField label={text.oscore} value={oscore} hint={text.oscoreHint} onChange={onOscore} />
      )}
      {oscore && chosen?.oscore !== true && (
        <>
          <TextFileField label={text.context} lines={6} hint={text.contextHint} {...field('context')} />
          <TextField label={text.firstNumber} hint={text.firstNumberHint} {...field('firstNumber')} />
        </>
      )}
      {mayAct('admin') && (
        <KeptCredentials
          named={named}
          typed={isTyped ? () => typedProtection(as, oscore, typed.value) : undefined}
          onKept={(name) => {
            // Kept in the gateway now, and nowhere else.
            typed.value = newTypedFields;
            onOscore(false);
            onChoose(`named:${name}`);
            onChange();
          }}
          onRemoved={(name) => {
            if (as === `named:${name}`) onChoose('');
            onChange();
          }}
        />
      )}
    </Inputs>
  );
}

/** Such as `raw public key, OSCORE`. */
function namedKind({ proof, oscore }: CredentialNames['named'][number]): string {
  return [...(proof === null ? [] : [words.devices.securities[proof]]), ...(oscore ? ['OSCORE'] : [])].join(
    ', ',
  );
}
