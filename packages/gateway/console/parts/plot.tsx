/**
 * Lines over an axis (uPlot, loaded when the first plot is shown), with the same numbers as a table for who sees no picture.
 *
 * @module
 */

import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { theme } from '../shell/theme.ts';
import { words } from '../wording.ts';
import { figure } from './figures.ts';
import { DataTable } from './pieces.tsx';
import { dateAndTime, day, timeOfDay } from './times.ts';

/** One line. */
export interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
  /** Which of the eight colours of the style sheet. */
  readonly colour: number;
  /** Broken, so that it is told apart without colours. */
  readonly dash?: readonly number[];
}

interface PlotProps {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: readonly number[];
  readonly lines: readonly Line[];
  /** A place on the x axis to mark. */
  readonly mark?: number;
  /** The x axis is seconds since 1970. */
  readonly isTime?: boolean;
  /** Ends of the y axis; by what there is, where they are left out. */
  readonly yRange?: readonly [number, number];
  /** The rows of the table: every so many points. */
  readonly tableEvery?: number;
}

/** A picture and its table. */
export function Plot(props: PlotProps) {
  const { title, xLabel, x, lines, isTime = false, tableEvery = 1 } = props;
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<{ readonly plot: uPlot; readonly shape: string } | undefined>(undefined);
  const shape = JSON.stringify([
    ...[theme.value, title, props.mark, props.yRange],
    lines.map(({ label, colour, dash }) => [label, colour, dash]),
  ]);
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    let isGone = false;
    let watcher: ResizeObserver | undefined;
    import('uplot').then(({ default: UPlot }) => {
      const element = box.current;
      if (isGone || element === null) return;
      const plot = new UPlot(optionsFor(props, element), latest.current, element);
      drawn.current = { plot, shape };
      watcher = new ResizeObserver(() =>
        plot.setSize({ width: element.clientWidth, height: heightOf(element) }),
      );
      watcher.observe(element);
    });
    return () => {
      isGone = true;
      watcher?.disconnect();
      drawn.current?.plot.destroy();
      drawn.current = undefined;
    };
  }, [shape]);

  useEffect(() => {
    if (drawn.current?.shape === shape) drawn.current.plot.setData(data);
  });

  const rows = x.flatMap((at, index) =>
    index % tableEvery === 0
      ? [
          [
            isTime ? timeOfDay(1000 * at) : figure(at),
            ...lines.map(({ values }) => (values[index] == null ? '' : figure(values[index], 3))),
          ],
        ]
      : [],
  );
  return (
    <figure class="plot">
      <figcaption>{title}</figcaption>
      <div ref={box} class="plot-box" role="img" aria-label={words.plot.picture(title)} />
      <details>
        <summary>{words.plot.asTable}</summary>
        <DataTable
          caption={title}
          head={[xLabel === '' ? words.plot.x(isTime) : xLabel, ...lines.map(({ label }) => label)]}
          rows={rows}
        />
      </details>
    </figure>
  );
}

function optionsFor(
  { lines, xLabel, yLabel, mark, isTime = false, yRange }: PlotProps,
  element: HTMLElement,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name);
  const axis = {
    stroke: colour('--text-soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
    font: '12px system-ui',
    labelFont: '12px system-ui',
  };
  return {
    width: element.clientWidth,
    height: heightOf(element),
    cursor: { drag: { setScale: false } },
    scales: {
      x: { time: isTime },
      ...(yRange !== undefined && { y: { range: [...yRange] as [number, number] } }),
    },
    axes: [
      { ...axis, ...(xLabel !== '' && { label: xLabel }), ...(isTime && { values: timesOfAxis, space: 80 }) },
      { ...axis, label: yLabel, size: 60 },
    ],
    series: [
      {
        label: xLabel === '' ? words.plot.x(isTime) : xLabel,
        ...(isTime && {
          value: (_: uPlot, at: number | null) => (at === null ? '' : dateAndTime(1000 * at)),
        }),
      },
      ...lines.map(({ label, colour: number, dash }) => ({
        label,
        stroke: colour(`--series-${number}`),
        width: 2,
        ...(dash !== undefined && { dash: [...dash] }),
      })),
    ],
    hooks: {
      draw: [
        (plot) => {
          if (mark === undefined) return;
          const at = plot.valToPos(mark, 'x', true);
          plot.ctx.save();
          plot.ctx.strokeStyle = colour('--accent');
          plot.ctx.setLineDash([4, 4]);
          plot.ctx.beginPath();
          plot.ctx.moveTo(at, plot.bbox.top);
          plot.ctx.lineTo(at, plot.bbox.top + plot.bbox.height);
          plot.ctx.stroke();
          plot.ctx.restore();
        },
      ],
    },
  };
}

/** Its own have twelve hours, and the month before the day. */
function timesOfAxis(_: uPlot, at: number[], _axis: number, _space: number, step: number): string[] {
  return at.map((seconds) => (step < 86_400 ? timeOfDay : day)(1000 * seconds));
}

function heightOf(element: HTMLElement): number {
  return Math.max(160, Math.min(280, element.clientWidth * 0.5));
}
