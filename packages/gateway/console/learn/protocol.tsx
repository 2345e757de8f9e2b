/**
 * CoAP, HTTP or MQTT: the criteria that hold, and which protocol meets the largest share of its own.
 *
 * @module
 */

import {
  adviseProtocol,
  protocolCriteria,
  protocolCriterionNames,
} from '../../src/advice/protocol-choice.ts';
import { CheckField, Inputs } from '../parts/fields.tsx';
import { percent } from '../parts/figures.ts';
import { Card, Empty, Notice, Page } from '../parts/pieces.tsx';
import { urlState } from '../shell/location.ts';
import { words as wordList } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const schema = { true: wordList(protocolCriterionNames) };

const text = words.protocol;

export default function ProtocolChooser() {
  const [{ true: met }, set] = urlState(schema);
  const advice = adviseProtocol(met);
  return (
    <Page title={words.views.protocol.title} lead={text.lead}>
      <div class="tool">
        <Inputs title={words.tool.inputs}>
          {Object.entries(protocolCriteria).map(([protocol, criteria]) => (
            <fieldset key={protocol} class="field">
              <legend>{protocol}</legend>
              {[...criteria].map(([name, about]) => (
                <CheckField
                  key={name}
                  label={about}
                  value={met.includes(name)}
                  onChange={(isTrue) =>
                    set({ true: isTrue ? [...met, name] : met.filter((one) => one !== name) })
                  }
                />
              ))}
            </fieldset>
          ))}
          <button type="button" onClick={() => set({ true: [] })}>
            {text.clear}
          </button>
        </Inputs>
        <div class="results">
          <Card title={text.advice}>
            {advice.protocols.length === 0 ? (
              <Empty>{text.nothing}</Empty>
            ) : (
              <p class="verdict" role="status">
                {advice.protocols.join(` ${text.and} `)}
              </p>
            )}
            {advice.hints.map((hint) => (
              <Notice key={hint} kind="info">
                {hint}
              </Notice>
            ))}
          </Card>
          <Card title={text.scores}>
            {advice.scores.map(({ protocol, share, reasons }) => (
              <section key={protocol}>
                <h3>
                  {protocol}: {percent(share, 0)}
                </h3>
                <meter min={0} max={1} value={share} aria-label={text.shareOf(protocol)} />
                <ul>
                  {reasons.map((reason) => (
                    <li key={reason}>{reason}</li>
                  ))}
                </ul>
              </section>
            ))}
          </Card>
        </div>
      </div>
    </Page>
  );
}
