/**
 * The bridge to MQTT and the proxies: whether they work, what waits, what goes where.
 *
 * @module
 */

import { ask } from '../gateway/api.ts';
import { useResource } from '../gateway/resource.ts';
import { figure } from '../parts/figures.ts';
import { Card, DataTable, Empty, Figures, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { words } from '../wording.ts';

const text = words.bridge;

export default function Bridge() {
  return (
    <Page title={words.views.bridge.title} lead={text.lead}>
      <div class="cards">
        <Card title={text.bridge}>
          <BridgeState />
        </Card>
        <Card title={text.proxy}>
          <ProxyState />
        </Card>
      </div>
    </Page>
  );
}

function BridgeState() {
  const { state } = useResource((signal) => ask('GET /api/bridge', { signal }), 'bridge', 3000);
  const { value, problem } = state.value;
  if (value === undefined) return <Problem of={problem} />;
  if (!value.isConfigured) {
    return (
      <Empty>
        <p>{text.noBridge}</p>
        <pre>{text.bridgeCommand}</pre>
      </Empty>
    );
  }
  return (
    <>
      <Problem of={problem} />
      <Notice kind={value.isConnected ? 'good' : 'bad'}>
        {value.isConnected ? text.connected(value.broker ?? '') : text.disconnected(value.broker ?? '')}
      </Notice>
      <Figures
        of={[
          [text.outbox, figure(value.outboxEntries)],
          [text.outboxBytes, `${figure(value.outboxBytes)} B`],
        ]}
      />
      {value.topics !== null && (
        <DataTable
          caption={text.topics}
          head={text.topicHead}
          rows={value.topics.examples.map(({ path, topic }) => [path, topic])}
        />
      )}
    </>
  );
}

function ProxyState() {
  const { state } = useResource((signal) => ask('GET /api/proxy', { signal }), 'proxy', 3000);
  const { value, problem } = state.value;
  if (value === undefined) return <Problem of={problem} />;
  const { forward, reverse, answers } = value;
  if (forward === null && reverse.length === 0) {
    return (
      <Empty>
        <p>{text.noProxy}</p>
        <pre>{text.proxyCommand}</pre>
      </Empty>
    );
  }
  return (
    <>
      <Problem of={problem} />
      {forward !== null && <p>{text.forward(forward.targets.join(', '))}</p>}
      {reverse.length > 0 && (
        <DataTable
          caption={text.reverse}
          head={text.reverseHead}
          rows={reverse.map(({ path, target }) => [path, target])}
        />
      )}
      <Figures
        of={(Object.keys(answers) as (keyof typeof answers)[]).map((name) => [
          text.answers[name],
          figure(answers[name]),
        ])}
      />
    </>
  );
}
