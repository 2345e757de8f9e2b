/**
 * Sessions: associations and connections with all that is known of them, handshakes and why they failed, who observes.
 *
 * @module
 */

import { ask } from '../gateway/api.ts';
import { mayAct } from '../gateway/link.ts';
import { useResource } from '../gateway/resource.ts';
import { figure, milliseconds, orDash, percent } from '../parts/figures.ts';
import { Card, DataTable, Empty, Page, PageButtons } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { base, urlState } from '../shell/location.ts';
import { text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { deviceAddress } from './device-address.ts';
import { ago } from './durations.ts';
import { HandshakeList } from './handshake-list.tsx';

const schema = { after: textParameter('', 500) };

const text = words.sessions;

export default function Sessions() {
  const [state, set] = urlState(schema);
  const { state: found } = useResource(
    (signal) => ask('GET /api/associations', { signal, query: { after: state.after, limit: 100 } }),
    state.after,
    3000,
  );
  const observations = useResource(
    (signal) => ask('GET /api/observations', { signal }),
    'observations',
    3000,
  );
  const { value, problem } = found.value;
  const { value: observed, problem: observedProblem } = observations.state.value;
  return (
    <Page title={words.views.sessions.title} lead={text.lead}>
      <Card title={text.associations}>
        <Problem of={problem} />
        {value !== undefined && value.associations.length === 0 ? (
          <Empty>{text.empty}</Empty>
        ) : (
          value !== undefined && (
            <DataTable
              caption={text.associations}
              head={text.head}
              rows={value.associations.map((one) => [
                one.identity === '' ? (
                  text.nobody
                ) : (
                  <a key="identity" href={base + deviceAddress(one.identity)}>
                    {shown(one.identity)}
                  </a>
                ),
                one.address,
                `${one.scheme}, ${one.suite}`,
                orDash(one.epoch),
                orDash(one.connectionId, ({ own, peer }) => `${own}/${peer}`),
                ago(one.ageSeconds),
                orDash(one.idleSeconds, ago),
                orDash(
                  one.bytesReceived,
                  (received) => `${figure(received)} / ${figure(one.bytesSent ?? 0)}`,
                ),
                orDash(one.roundTripMs, milliseconds),
                orDash(one.lossRate, percent),
                one.observations,
              ])}
            />
          )
        )}
        <PageButtons after={state.after} next={value?.next} onGo={(after) => set({ after })} />
      </Card>
      {mayAct('operate') && (
        <Card title={text.handshakes}>
          <HandshakeList />
        </Card>
      )}
      <Card title={text.observers}>
        <Problem of={observedProblem} />
        {observed !== undefined && (
          <>
            <p>{text.observations(observed.total)}</p>
            {observed.peers.length > 0 && (
              <DataTable
                caption={text.observers}
                head={text.observerHead}
                rows={observed.peers.map(({ identity, address, scheme, observations: count }) => [
                  identity === '' ? text.nobody : identity,
                  address,
                  scheme,
                  count,
                ])}
              />
            )}
            {observed.resources.length > 0 && (
              <DataTable
                caption={text.observed}
                head={text.observedHead}
                rows={observed.resources.map(({ resource, observers, sequence }) => [
                  resource,
                  observers,
                  orDash(sequence),
                ])}
              />
            )}
          </>
        )}
      </Card>
    </Page>
  );
}
