/**
 * Which protection: the five questions in their order, what the tree leaves out, and what tells the modes apart.
 *
 * @module
 */

import { adviseSecurity, securityFactors } from '../../src/advice/security-mode.ts';
import {
  comparedSuites,
  dtlsBytes,
  madeSenderIdBytes,
  oscoreBytes,
} from '../../src/figures/protection-sizes.ts';
import { CheckField, Inputs } from '../parts/fields.tsx';
import { Card, DataTable, Notice, Page } from '../parts/pieces.tsx';
import { urlState } from '../shell/location.ts';
import { flag } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const schema = {
  sensitive: flag(true),
  pki: flag(false),
  keys: flag(true),
  proxies: flag(false),
  headroom: flag(false),
  sleep: flag(false),
};

const text = words.security;

const oscoreContexts = [
  ['short', { senderIdLength: 0 }],
  ['one', { senderIdLength: 1 }],
  ['made', { senderIdLength: madeSenderIdBytes, sequenceNumber: 256 }],
  ['long', { senderIdLength: 1, aead: 'AES-CCM-16-128-128' }],
] as const;

export default function SecuritySelector() {
  const [state, set] = urlState(schema);
  const advice = adviseSecurity({
    sensitiveData: state.sensitive,
    publicKeyInfrastructure: state.pki,
    keysAtManufacture: state.keys,
    untrustedProxies: state.proxies,
    littleHeadroom: state.headroom,
    deepSleep: state.sleep,
  });
  return (
    <Page title={words.views.security.title} lead={text.lead}>
      <div class="tool">
        <Inputs title={words.tool.inputs}>
          {(Object.keys(schema) as (keyof typeof schema)[]).map((name) => (
            <CheckField
              key={name}
              label={text.questions[name]}
              value={state[name]}
              onChange={(value) => set({ [name]: value })}
            />
          ))}
        </Inputs>
        <div class="results">
          <Card title={text.advice}>
            <p class="verdict" role="status">
              {words.modes[advice.mode]}
            </p>
            <p>{advice.reason}</p>
            {advice.warnings.map((warning) => (
              <Notice key={warning} kind="warning">
                {warning}
              </Notice>
            ))}
          </Card>
          <Card title={text.path}>
            <ol>
              {advice.steps.map(({ question, answer }) => (
                <li key={question}>
                  {question} <strong>{answer ? words.yes : words.no}</strong>
                </li>
              ))}
              <li>
                <strong>{words.modes[advice.mode]}</strong>
              </li>
            </ol>
          </Card>
          <Card title={text.factors}>
            <DataTable
              caption={text.factors}
              head={text.factorHead}
              rows={securityFactors.map(({ factor, plain, psk, certificate, oscore }) => [
                factor,
                plain,
                psk,
                certificate,
                oscore,
              ])}
            />
          </Card>
          <Card title={text.overheads}>
            <p>{text.overheadsLead}</p>
            <DataTable
              caption={text.overheads}
              head={text.overheadHead}
              rows={[
                ...comparedSuites.map((suite) => [suite, text.perMessage(dtlsBytes(suite))]),
                ...oscoreContexts.map(([name, sending]) => {
                  const { request, response, notification } = oscoreBytes(sending);
                  return [text.oscoreContexts[name], text.oscoreOverhead(request, response, notification)];
                }),
              ]}
            />
            <Notice kind="info">{text.printedOverhead}</Notice>
          </Card>
        </div>
      </div>
    </Page>
  );
}
