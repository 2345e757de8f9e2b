/**
 * The Resource Directory (RFC 9176): registrations with their lifetimes counting down, and lookups.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { LinkView } from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { useResource } from '../gateway/resource.ts';
import { SelectField, TextField } from '../parts/fields.tsx';
import { orDash } from '../parts/figures.ts';
import { Card, DataTable, Empty, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { urlState } from '../shell/location.ts';
import { choice, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { ago } from './durations.ts';
import { attributesText } from './link-nodes.ts';

const schema = {
  search: textParameter('', 200),
  kind: choice(['res', 'ep'], 'res'),
  query: textParameter('', 500),
};

const text = words.directory;

export default function Directory() {
  const [state, set] = urlState(schema);
  /** How far the clock of the gateway is before the one here. */
  const offset = useRef(0);
  const { state: found } = useResource(
    async (signal) => {
      const outcome = await ask('GET /api/directory', {
        signal,
        query: { search: state.search, limit: 200 },
      });
      if (outcome.isOk) offset.current = outcome.value.nowMs - Date.now();
      return outcome;
    },
    state.search,
    5000,
  );
  const { value, problem } = found.value;
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 1000);
    return () => clearInterval(timer);
  }, [now]);
  return (
    <Page title={words.views.directory.title} lead={text.lead}>
      <Card title={text.registrations}>
        <TextField
          label={text.search}
          type="search"
          value={state.search}
          onChange={(search) => set({ search })}
        />
        <Problem of={problem} />
        {value !== undefined && value.registrations.length === 0 ? (
          <Empty>
            <p>{text.empty}</p>
            <pre>{text.emptyCommand}</pre>
          </Empty>
        ) : (
          value !== undefined && (
            <>
              <p>{text.count(value.total)}</p>
              <DataTable
                caption={text.registrations}
                head={text.head}
                rows={value.registrations.map(
                  ({ endpoint, sector, base, owner, expiresAtMs, links, location }) => [
                    sector === '' ? endpoint : `${endpoint} (${sector})`,
                    location,
                    base,
                    orDash(owner),
                    ago((expiresAtMs - now.value - offset.current) / 1000),
                    links.map(linkText).join(', '),
                  ],
                )}
              />
            </>
          )
        )}
      </Card>
      <Card title={text.lookup}>
        <SelectField
          label={text.kind}
          value={state.kind}
          options={[
            ['res', text.resources],
            ['ep', text.endpoints],
          ]}
          onChange={(kind) => set({ kind })}
        />
        <TextField
          label={text.query}
          value={state.query}
          hint={text.queryHint}
          onChange={(query) => set({ query })}
        />
        <Lookup kind={state.kind} query={state.query} />
      </Card>
    </Page>
  );
}

function Lookup({ kind, query }: { readonly kind: 'ep' | 'res'; readonly query: string }) {
  const { state } = useResource(
    (signal) => ask('GET /api/directory/lookup', { signal, query: { kind, query } }),
    `${kind} ${query}`,
  );
  const { value, problem } = state.value;
  return (
    <>
      <Problem of={problem} />
      {value !== undefined && (
        <DataTable
          caption={text.lookup}
          head={words.payload.linkHead}
          rows={value.links.map((link) => [link.target, attributesText(link)])}
        />
      )}
    </>
  );
}

function linkText(link: LinkView): string {
  const attributes = attributesText(link);
  return attributes === '' ? link.target : `${link.target} (${attributes})`;
}
