/**
 * The notifications of an observation: their numbers over time, and as they came.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { figure } from '../parts/figures.ts';
import { fromHex } from '../parts/hex-text.ts';
import { PayloadView } from '../parts/payload-view.tsx';
import { DataTable, Figures } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { timeOfDay } from '../parts/times.ts';
import { words } from '../wording.ts';
import { type Notification, plottedNotifications } from './notification-values.ts';

const text = words.explorer;

/** So many of them in the table. */
const mostRows = 50;

/** The newest first. */
export function Notifications({ of }: { readonly of: readonly Notification[] }) {
  const isWhole = useSignal(false);
  const { x, lines } = plottedNotifications(of, text.value);
  const [first, last] = [of[0], of.at(-1)];
  const seconds = ((last?.atMs ?? 0) - (first?.atMs ?? 0)) / 1000;
  const skipped = of.reduce((sum, one) => sum + one.skipped, 0);
  return (
    <>
      <Figures
        of={[
          [text.notificationRate, seconds === 0 ? '–' : text.perSecond(figure((of.length - 1) / seconds))],
          [text.notificationSequence, last?.sequence === null ? '–' : String(last?.sequence ?? '–')],
          ...(skipped === 0 ? [] : [[text.notificationsSkipped, String(skipped)] as const]),
        ]}
      />
      {lines.length > 0 && x.length > 1 && (
        <Plot
          title={text.notificationPlot}
          xLabel=""
          yLabel=""
          isTime
          x={x}
          lines={lines.map(({ label, values }, colour) => ({ label, values, colour }))}
        />
      )}
      {last !== undefined && (
        <details
          open={isWhole.value}
          onToggle={(event) => {
            isWhole.value = event.currentTarget.open;
          }}
        >
          <summary>{text.lastNotification}</summary>
          {isWhole.value && <PayloadView payloadHex={last.payloadHex} formatName={last.formatName} />}
        </details>
      )}
      <DataTable
        caption={text.notificationPlot}
        head={text.notificationHead}
        rows={of
          .slice(-mostRows)
          .reverse()
          .map(({ atMs, sequence, code, payloadHex }) => [
            timeOfDay(atMs),
            sequence === null ? '' : String(sequence),
            code,
            new TextDecoder().decode(fromHex(payloadHex)).slice(0, 200),
          ])}
      />
    </>
  );
}
