/**
 * Application domain configurator: what a deployment should use, and a configuration of the gateway that works as it stands.
 *
 * @module
 */

import { linkProfileNames } from 'coapsule/message';
import {
  adviseDeployment,
  type Deployment,
  type DeploymentDomain,
  deploymentOf,
  deploymentPresets,
} from '../../src/advice/deployment.ts';
import { fleetTraffic } from '../../src/figures/fleet-traffic.ts';
import { reportProtectionBytes } from '../../src/figures/protection-sizes.ts';
import { CheckField, Inputs, NumberField, SelectField } from '../parts/fields.tsx';
import { figure } from '../parts/figures.ts';
import { useImported } from '../parts/imported.ts';
import { Card, Copyable, DataTable, Figures, Notice, Page } from '../parts/pieces.tsx';
import { urlState } from '../shell/location.ts';
import { choice, number, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const domains = Object.keys(deploymentPresets) as readonly DeploymentDomain[];
const ranges = {
  devices: number(1, 1_000_000, 1),
  reportSeconds: number(1, 31_536_000, 1),
  payloadBytes: number(1, 1_000_000, 1),
};

/** What is not as the domain has it; empty where it is. */
const schema = {
  domain: choice<DeploymentDomain>(domains, 'hospital'),
  devices: textParameter('', 10),
  reportSeconds: textParameter('', 10),
  payloadBytes: textParameter('', 10),
  power: choice(['', 'battery', 'mains'], ''),
  link: choice(['', ...linkProfileNames], ''),
  deepSleep: choice(['', '0', '1'], ''),
  sensitiveData: choice(['', '0', '1'], ''),
  publicKeyInfrastructure: choice(['', '0', '1'], ''),
  untrustedProxies: choice(['', '0', '1'], ''),
};

const text = words.deployment;

export default function DeploymentConfigurator() {
  const [state, set] = urlState(schema);
  const flagOf = (value: string): boolean | undefined => (value === '' ? undefined : value === '1');
  const numberOf = (name: keyof typeof ranges): number | undefined => ranges[name].parse(state[name]);
  const changes = {
    ...{
      devices: numberOf('devices'),
      reportSeconds: numberOf('reportSeconds'),
      payloadBytes: numberOf('payloadBytes'),
    },
    ...{
      power: state.power === '' ? undefined : state.power,
      link: state.link === '' ? undefined : state.link,
    },
    deepSleep: flagOf(state.deepSleep),
    sensitiveData: flagOf(state.sensitiveData),
    publicKeyInfrastructure: flagOf(state.publicKeyInfrastructure),
    untrustedProxies: flagOf(state.untrustedProxies),
  };
  const known = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const deployment: Deployment = deploymentOf(state.domain, known);
  const advice = adviseDeployment(deployment);
  const traffic = fleetTraffic({
    devices: deployment.devices,
    periodSeconds: deployment.reportSeconds,
    overheadBytes: reportProtectionBytes(
      advice.mode === 'oscore' ? 'oscore' : advice.mode.startsWith('dtls') ? 'dtls' : 'none',
    ),
    handshakeBytes: 0,
  });
  return (
    <Page title={words.views.deployment.title} lead={text.lead}>
      <div class="tool">
        <Inputs title={words.tool.inputs}>
          <SelectField
            label={text.domain}
            value={state.domain}
            options={domains.map((one) => [one, deploymentPresets[one].title] as const)}
            onChange={(domain) =>
              // A new domain brings what is usual in it.
              set({
                ...(Object.fromEntries(Object.keys(schema).map((name) => [name, ''])) as Partial<
                  typeof state
                >),
                domain,
              })
            }
          />
          {(['devices', 'reportSeconds', 'payloadBytes'] as const).map((name) => (
            <NumberField
              key={name}
              label={text.parts[name]}
              value={deployment[name]}
              range={ranges[name]}
              onChange={(value) => set({ [name]: String(value) })}
            />
          ))}
          <SelectField
            label={text.parts.power}
            value={deployment.power}
            options={(['battery', 'mains'] as const).map((one) => [one, text.powers[one]] as const)}
            onChange={(power) => set({ power })}
          />
          <SelectField
            label={text.parts.link}
            value={deployment.link}
            options={linkProfileNames.map((one) => [one, words.links[one]] as const)}
            onChange={(link) => set({ link })}
          />
          {(['deepSleep', 'sensitiveData', 'publicKeyInfrastructure', 'untrustedProxies'] as const).map(
            (name) => (
              <CheckField
                key={name}
                label={text.parts[name]}
                value={deployment[name]}
                onChange={(value) => set({ [name]: value ? '1' : '0' })}
              />
            ),
          )}
        </Inputs>
        <div class="results">
          <Card title={text.advice}>
            <p class="verdict" role="status">
              {words.modes[advice.mode]}
            </p>
            <p>{advice.mode === advice.security.mode ? advice.security.reason : text.since}</p>
            {advice.warnings.map((warning) => (
              <Notice key={warning} kind="warning">
                {warning}
              </Notice>
            ))}
            <Figures
              of={[
                [text.blocks, text.bytes(advice.blockBytes)],
                ['ACK_TIMEOUT', `${figure(advice.ackTimeoutMs / 1000)} s`],
                [text.uri, advice.uri],
                [text.perSecond, figure(traffic.messagesPerSecond, 3)],
                [text.perDay, figure(traffic.messagesPerDay, 0)],
                [text.overheadPerDay, `${figure(traffic.overheadBytesPerDay / 1e6, 2)} MB`],
              ]}
            />
          </Card>
          <Card title={text.messages}>
            <DataTable
              caption={text.messages}
              head={text.messageHead}
              rows={advice.messages.map(({ what, advice: { type, reason } }) => [what, type, reason])}
            />
          </Card>
          <Card title={text.observe}>
            <p>
              <strong>{text.patterns[advice.observe.pattern]}</strong>
            </p>
            <p>{advice.observe.reason}</p>
          </Card>
          <Card title={text.config}>
            <p>{text.configLead}</p>
            <GatewayFile advice={advice} />
          </Card>
        </div>
      </div>
    </Page>
  );
}

/** The writer of YAML comes with it, when it is needed. */
function GatewayFile({ advice }: { readonly advice: ReturnType<typeof adviseDeployment> }) {
  const writer = useImported(configWriter);
  return writer === undefined ? (
    <p role="status">{words.shell.loading}</p>
  ) : (
    <Copyable label={text.configLabel} text={writer.gatewayConfig(advice)} fileName="gateway.yaml" />
  );
}

const configWriter = () => import('../../src/advice/gateway-config.ts');
