/**
 * CON or NON: what fits a message, and what it does to energy and reliability, over all losses.
 *
 * @module
 */

import { type MessagePurpose, messagePurposes } from 'coapsule/message';
import { adviseMessageType, radioAssumption } from '../../src/advice/message-type.ts';
import { deliveryOdds } from '../../src/figures/delivery-odds.ts';
import { amplification, retransmissionSchedule } from '../../src/figures/retransmission-schedule.ts';
import { Inputs, NumberField, RadioField, SelectField } from '../parts/fields.tsx';
import { figure, percent } from '../parts/figures.ts';
import { Card, DataTable, Figures, Notice, Page } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { urlState } from '../shell/location.ts';
import { choice, number } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const schema = {
  purpose: choice<MessagePurpose>(messagePurposes, 'telemetry'),
  acceptable: number(0, 50, 5),
  loss: number(0, 40, 10),
  priority: choice(['battery', 'balanced', 'reliability'], 'balanced'),
};

const text = words.messageType;
const losses = Array.from({ length: 41 }, (_, loss) => loss);

export default function MessageTypeAdvisor() {
  const [state, set] = urlState(schema);
  const advice = adviseMessageType({
    purpose: state.purpose,
    priority: state.priority,
    acceptableLoss: state.acceptable / 100,
    networkLoss: state.loss / 100,
  });
  const { odds } = advice;
  const schedule = retransmissionSchedule();
  const traffic = amplification(state.loss / 100);
  return (
    <Page title={words.views.messageType.title} lead={text.lead}>
      <div class="tool">
        <Inputs title={words.tool.inputs}>
          <SelectField
            label={text.purpose}
            value={state.purpose}
            options={schema.purpose.choices.map((one) => [one, text.purposes[one]] as const)}
            onChange={(purpose) => set({ purpose })}
          />
          <NumberField
            label={text.acceptable}
            unit="%"
            slides
            value={state.acceptable}
            range={schema.acceptable}
            onChange={(acceptable) => set({ acceptable })}
          />
          <NumberField
            label={text.loss}
            unit="%"
            slides
            value={state.loss}
            range={schema.loss}
            onChange={(loss) => set({ loss })}
          />
          <RadioField
            label={text.priority}
            value={state.priority}
            options={schema.priority.choices.map((one) => [one, text.priorities[one]] as const)}
            onChange={(priority) => set({ priority })}
          />
        </Inputs>
        <div class="results">
          <Card title={text.advice}>
            <p class="verdict" role="status">
              {advice.type}
            </p>
            <p>{advice.reason}</p>
            {advice.warnings.map((warning) => (
              <Notice key={warning} kind="warning">
                {warning}
              </Notice>
            ))}
            <Figures
              of={[
                [text.delivered, percent(advice.delivered, 3)],
                [text.isAcceptable, advice.isLossAcceptable ? words.yes : words.no],
              ]}
            />
          </Card>
          <Card title={text.reliability}>
            <Figures
              of={[
                [text.nonArrives, percent(odds.nonConfirmableDelivered, 3)],
                [text.conArrives, percent(odds.confirmableDelivered, 5)],
                [text.conAcknowledged, percent(odds.confirmableAcknowledged, 4)],
                [text.transmissions, figure(odds.transmissions, 3)],
              ]}
            />
            <Plot
              title={text.reliabilityPlot}
              xLabel={text.loss}
              yLabel="%"
              x={losses}
              mark={state.loss}
              tableEvery={5}
              lines={[
                line(text.nonArrives, 1, (loss) => 100 * deliveryOdds(loss).nonConfirmableDelivered),
                line(text.conArrives, 0, (loss) => 100 * deliveryOdds(loss).confirmableDelivered),
                line(
                  text.conAcknowledged,
                  3,
                  (loss) => 100 * deliveryOdds(loss).confirmableAcknowledged,
                  [6, 4],
                ),
              ]}
            />
          </Card>
          <Card title={text.energy}>
            <p>{text.energyLead(radioAssumption.sendMs, radioAssumption.listenMs)}</p>
            <Figures
              of={[
                [text.radioTime, `× ${figure(advice.radioTimeOverNonConfirmable)}`],
                [text.messages, `× ${figure(advice.messagesOverNonConfirmable, 2)}`],
              ]}
            />
            <Plot
              title={text.energyPlot}
              xLabel={text.loss}
              yLabel={text.times}
              x={losses}
              mark={state.loss}
              tableEvery={5}
              lines={[
                line(text.radioTime, 0, (loss) => ratio(loss).radioTimeOverNonConfirmable),
                line(text.messages, 2, (loss) => ratio(loss).messagesOverNonConfirmable, [6, 4]),
              ]}
            />
          </Card>
          <Card title={text.printed}>
            <DataTable
              caption={text.printed}
              head={words.tool.printedHead}
              rows={[
                [
                  text.giveUp,
                  text.giveUpPrinted,
                  text.seconds(
                    figure(schedule.givesUpMs.shortest / 1000),
                    figure(schedule.givesUpMs.longest / 1000),
                  ),
                  text.giveUpReason,
                ],
                [
                  text.amplified,
                  text.amplifiedPrinted,
                  text.amplifiedRight(
                    figure(amplification(0.2).requestsLost, 2),
                    figure(amplification(0.2).bothLost, 2),
                  ),
                  text.amplifiedReason(traffic.most),
                ],
                [text.battery, text.batteryPrinted, text.batteryRight, text.batteryReason],
              ]}
            />
          </Card>
        </div>
      </div>
    </Page>
  );
}

function ratio(loss: number) {
  return adviseMessageType({ purpose: 'telemetry', networkLoss: loss });
}

function line(label: string, colour: number, of: (loss: number) => number, dash?: readonly number[]) {
  return {
    ...{ label, colour, values: losses.map((loss) => of(loss / 100)) },
    ...(dash !== undefined && { dash }),
  };
}
