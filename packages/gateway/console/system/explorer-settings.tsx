/**
 * Inputs of the explorer that few requests need: conditions and options by name, a proxy, and how messages go.
 *
 * @module
 */

import type { ComponentChildren } from 'preact';
import { CheckField, NumberField, SelectField, TextField } from '../parts/fields.tsx';
import { words } from '../wording.ts';
import { type ExplorerState, explorerSchema } from './explorer-request.ts';

interface Settings {
  readonly state: ExplorerState;
  readonly set: (change: Partial<ExplorerState>) => void;
}

const text = words.explorer;

/** If-Match, ETag, If-None-Match, Uri-Host, Size1, and a proxy. */
export function ConditionFields({ state, set }: Settings) {
  const isUsed =
    [state.ifMatch, state.etag, state.uriHost, state.size1, state.proxy].some((one) => one !== '') ||
    state.ifNoneMatch;
  return (
    <Folded title={text.conditions} isOpen={isUsed}>
      <TextField
        label={text.ifMatch}
        value={state.ifMatch}
        hint={text.ifMatchHint}
        onChange={(ifMatch) => set({ ifMatch })}
      />
      <TextField
        label={text.etag}
        value={state.etag}
        hint={text.etagHint}
        onChange={(etag) => set({ etag })}
      />
      <CheckField
        label={text.ifNoneMatch}
        value={state.ifNoneMatch}
        onChange={(ifNoneMatch) => set({ ifNoneMatch })}
      />
      <TextField
        label={text.uriHost}
        value={state.uriHost}
        hint={text.uriHostHint}
        onChange={(uriHost) => set({ uriHost })}
      />
      <TextField
        label={text.size1}
        value={state.size1}
        hint={text.size1Hint}
        onChange={(size1) => set({ size1 })}
      />
      <TextField
        label={text.proxy}
        value={state.proxy}
        hint={text.proxyHint}
        onChange={(proxy) => set({ proxy })}
      />
      {state.proxy !== '' && (
        <SelectField
          label={text.proxyForm}
          value={state.proxyForm}
          options={[
            ['Proxy-Uri', 'Proxy-Uri'],
            ['Proxy-Scheme', 'Proxy-Scheme'],
          ]}
          onChange={(proxyForm) => set({ proxyForm })}
        />
      )}
    </Folded>
  );
}

/** Loss, duplicates, retransmission, token, and what comes after the answer. */
export function MessageFields({ state, set }: Settings) {
  const isUsed =
    state.loss > 0 || !state.retransmits || state.duplicates || state.hasToken || state.listen > 0;
  return (
    <Folded title={text.messages} isOpen={isUsed || state.cancelBy === 'RST'}>
      <CheckField
        label={text.retransmits}
        value={state.retransmits}
        onChange={(retransmits) => set({ retransmits })}
      />
      <CheckField
        label={text.duplicates}
        value={state.duplicates}
        onChange={(duplicates) => set({ duplicates })}
      />
      <NumberField
        label={text.loss}
        unit="%"
        value={state.loss}
        range={explorerSchema.loss}
        hint={text.lossHint}
        onChange={(loss) => set({ loss })}
      />
      <CheckField label={text.hasToken} value={state.hasToken} onChange={(hasToken) => set({ hasToken })} />
      {state.hasToken && (
        <TextField
          label={text.token}
          value={state.token}
          hint={text.tokenHint}
          onChange={(token) => set({ token })}
        />
      )}
      <NumberField
        label={text.listen}
        unit="s"
        value={state.listen}
        range={explorerSchema.listen}
        hint={text.listenHint}
        onChange={(listen) => set({ listen })}
      />
      <SelectField
        label={text.cancelBy}
        value={state.cancelBy}
        options={[
          ['GET', text.cancels.GET],
          ['RST', text.cancels.RST],
        ]}
        onChange={(cancelBy) => set({ cancelBy })}
      />
    </Folded>
  );
}

/** Inputs that are folded away, until they are used. */
export function Folded({
  title,
  isOpen,
  children,
}: {
  readonly title: string;
  readonly isOpen: boolean;
  readonly children: ComponentChildren;
}) {
  return (
    <details open={isOpen}>
      <summary>{title}</summary>
      {children}
    </details>
  );
}
