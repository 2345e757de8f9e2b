/**
 * Response Code Reference: filtered by category, searched in all columns; each code can be tried.
 *
 * @module
 */

import { findResponseCodes, type ResponseCodeClass } from '../../src/advice/response-codes.ts';
import { ask } from '../gateway/api.ts';
import { isLoggedIn } from '../gateway/link.ts';
import { useResource } from '../gateway/resource.ts';
import { CheckField, Inputs, SelectField, TextField } from '../parts/fields.tsx';
import { Card, CodeChip, DataTable, Notice, Page } from '../parts/pieces.tsx';
import { base, urlState } from '../shell/location.ts';
import { choice, flag, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { type OwnServers, ownServers, trialOf, usualServers, whyNoTrial } from './code-trials.ts';

const schema = {
  category: choice(['all', '2', '4', '5'], 'all'),
  search: textParameter('', 100),
  registered: flag(false),
};

const text = words.codes;

export default function ResponseCodeReference() {
  const [state, set] = urlState(schema);
  const { found, of } = findResponseCodes({
    ...(state.category !== 'all' && { class: Number(state.category) as ResponseCodeClass }),
    search: state.search,
    all: state.registered,
  });
  const servers = useOwnServers();
  return (
    <Page title={words.views.codes.title} lead={text.lead}>
      <Inputs title={words.tool.inputs}>
        <SelectField
          label={text.category}
          value={state.category}
          options={schema.category.choices.map((one) => [one, text.categories[one]] as const)}
          onChange={(category) => set({ category })}
        />
        <TextField
          label={text.search}
          type="search"
          value={state.search}
          placeholder={text.placeholder}
          onChange={(search) => set({ search })}
        />
        <CheckField
          label={text.registered}
          value={state.registered}
          onChange={(registered) => set({ registered })}
        />
      </Inputs>
      <section class="card">
        <h2>
          <output>{text.shown(found.length, of)}</output>
        </h2>
        <p>{text.trialsLead}</p>
        {found.length === 0 ? (
          <Notice kind="info">{text.nothing(state.search)}</Notice>
        ) : (
          <DataTable
            caption={words.views.codes.title}
            head={text.head}
            rows={found.map(({ text: code, name, http, description, example }) => [
              <CodeChip key="code" code={code} />,
              name,
              http,
              description,
              example,
              <TrialLink key="trial" code={code} servers={servers} />,
            ])}
          />
        )}
      </section>
      <Card title={text.tipTitle}>
        <p>{text.tip}</p>
      </Card>
    </Page>
  );
}

/** Where the gateway of this console really is, for those who may know it. */
function useOwnServers(): OwnServers {
  const isKnown = isLoggedIn.value;
  const { state } = useResource(
    (signal) =>
      isKnown
        ? ask('GET /api/gateway', { signal })
        : Promise.resolve({ isOk: true, value: undefined } as const),
    isKnown ? 'own' : 'none',
  );
  const endpoints = state.value.value?.endpoints;
  return endpoints === undefined ? usualServers : ownServers(endpoints);
}

function TrialLink({ code, servers }: { readonly code: string; readonly servers: OwnServers }) {
  const trial = trialOf(code, servers);
  if (trial === undefined) return <span>{whyNoTrial(code)}</span>;
  return (
    <>
      <a href={`${base}explorer?${new URLSearchParams(trial.inputs)}`} aria-label={text.tryCode(code)}>
        {text.tryIt}
      </a>
      {trial.hint !== undefined && <p class="hint">{trial.hint}</p>}
    </>
  );
}
