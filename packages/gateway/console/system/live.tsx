/**
 * Live values: a tree of the latest of everything, with its change and a sparkline; what is chosen is plotted, and stays when it is pinned.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ApiProblem, LiveEvents, LiveValue } from '../../src/console/api-types.ts';
import { addressOf } from '../gateway/api.ts';
import { revival } from '../gateway/link.ts';
import { follow } from '../gateway/streams.ts';
import { TextField } from '../parts/fields.tsx';
import { figure } from '../parts/figures.ts';
import { Card, Empty, Notice, Page } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { urlState } from '../shell/location.ts';
import { text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { groupsOf, joined, type LiveEntries, type LiveEntry, sparkline, withValues } from './live-board.ts';
import { pastValues } from './past-values.ts';

const schema = {
  search: textParameter('', 200),
  /** Keys, one a line. */
  pins: textParameter('', 4000),
  plot: textParameter('', 500),
};

const text = words.live;

/** Rows of the tree that are drawn: beyond it a search has to help. */
const mostRows = 300;

export default function Live() {
  const [state, set] = urlState(schema);
  const entries = useSignal<LiveEntries>(new Map());
  const isCut = useSignal(false);
  const isPaused = useSignal(false);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const waiting = useRef<LiveValue[]>([]);
  useEffect(() => {
    let frame = 0;
    // However many events come, there is one drawing a frame.
    const draw = (): void => {
      frame = 0;
      if (isPaused.peek() || waiting.current.length === 0) return;
      entries.value = withValues(entries.peek(), waiting.current);
      waiting.current = [];
    };
    const take = (values: readonly LiveValue[]): void => {
      waiting.current.push(...values);
      // While it is paused the newest of what comes is kept.
      if (waiting.current.length > mostWaiting) waiting.current = waiting.current.slice(-mostWaiting);
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    const stop = follow<LiveEvents>(addressOf('GET /api/live'), {
      snapshot: ({ values, isCut: cut }) => {
        isCut.value = cut;
        take(values);
      },
      values: ({ values }) => take(values),
      end: (why) => {
        problem.value = why ?? undefined;
      },
    });
    const timer = setInterval(draw, 250);
    return () => {
      stop();
      clearInterval(timer);
      cancelAnimationFrame(frame);
    };
  }, [revival.value, entries, isCut, isPaused, problem]);

  const pins = state.pins.split('\n').filter((key) => key !== '');
  const groups = groupsOf(entries.value, state.search);
  let left = mostRows;
  const drawn = groups.flatMap(([path, of]) => {
    if (left <= 0) return [];
    left -= of.length;
    return [[path, of] as const];
  });
  const plotted = [...new Set([...pins, ...(state.plot === '' ? [] : [state.plot])])].flatMap(
    (key) => entries.value.get(key) ?? [],
  );
  return (
    <Page title={words.views.live.title} lead={text.lead}>
      <Problem of={problem.value} />
      {plotted.length > 0 && (
        <div class="cards">
          {plotted.map((entry) => (
            <Card key={entry.key} title={entry.key.trim()}>
              <Board
                entry={entry}
                isPinned={pins.includes(entry.key)}
                onPin={(isPinned) => {
                  const next = isPinned ? [...pins, entry.key] : pins.filter((key) => key !== entry.key);
                  set({ pins: next.join('\n'), ...(!isPinned && { plot: '' }) });
                }}
              />
            </Card>
          ))}
        </div>
      )}
      <div class="card">
        <div class="button-row">
          <TextField
            label={text.search}
            type="search"
            value={state.search}
            onChange={(search) => set({ search })}
          />
          <button
            type="button"
            aria-pressed={isPaused.value}
            onClick={() => {
              isPaused.value = !isPaused.value;
            }}
          >
            {isPaused.value ? text.goOn : text.pause}
          </button>
        </div>
        <p role="status">{text.count(entries.value.size)}</p>
        {isCut.value && <Notice kind="info">{text.cut}</Notice>}
        {entries.value.size === 0 ? (
          <Empty>
            <p>{text.empty}</p>
            <pre>{text.emptyCommand}</pre>
          </Empty>
        ) : (
          <ul class="tree">
            {drawn.map(([path, of]) => (
              <li key={path} class="live-path">
                <strong class="mono">{shown(path)}</strong>
                <ul class="tree">
                  {of.map((entry) => (
                    <Row key={entry.key} entry={entry} onPlot={() => set({ plot: entry.key })} />
                  ))}
                </ul>
              </li>
            ))}
          </ul>
        )}
        {groups.length > drawn.length && (
          <Notice kind="info">{text.more(groups.length - drawn.length)}</Notice>
        )}
      </div>
    </Page>
  );
}

const mostWaiting = 20_000;

function Row({
  entry: { latest, change, changes, history, key },
  onPlot,
}: {
  readonly entry: LiveEntry;
  readonly onPlot: () => void;
}) {
  const { name, value, unit, identity } = latest;
  return (
    <li class="live-row">
      <button
        type="button"
        class="bare"
        onClick={onPlot}
        disabled={history.length === 0}
        aria-label={`${name === '' ? text.value : shown(name)}: ${text.plotOf(shown(key))}`}
      >
        {name === '' ? text.value : shown(name)}
      </button>
      {/* Of two animations that are the same the other one begins anew; an element of its own for each value is dear. */}
      <span class={changes === 0 ? '' : changes % 2 === 0 ? 'changed' : 'changed again'}>
        {typeof value === 'number' ? figure(value, 3) : shown(String(value))} {shown(unit)}
      </span>
      <span class="hint">
        {change === null || change === 0 ? '' : `${change > 0 ? '+' : ''}${figure(change, 3)}`}{' '}
        {shown(identity ?? '')}
      </span>
      <svg class="sparkline" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
        <path d={sparkline(history)} />
      </svg>
    </li>
  );
}

function Board({
  entry: { history, latest, key },
  isPinned,
  onPin,
}: {
  readonly entry: LiveEntry;
  readonly isPinned: boolean;
  readonly onPin: (isPinned: boolean) => void;
}) {
  const points = useSignal<LiveEntry['history']>([]);
  const newestMs = useRef(Number.NEGATIVE_INFINITY);
  const { path, name } = latest;
  useEffect(() => {
    const gone = new AbortController();
    pastValues(path, name, gone.signal)
      .then((past) => {
        points.value = joined(points.peek(), { past });
      })
      .catch((error: unknown) => {
        if (!gone.signal.aborted) throw error;
      });
    return () => gone.abort();
  }, [path, name, revival.value, points]);
  useEffect(() => {
    const live = history.filter(([atMs]) => atMs > newestMs.current);
    newestMs.current = live.at(-1)?.[0] ?? newestMs.current;
    points.value = joined(points.peek(), { live });
  }, [history, points]);
  return (
    <>
      <button type="button" aria-pressed={isPinned} onClick={() => onPin(!isPinned)}>
        {isPinned ? text.unpin : text.pin}
      </button>
      <Plot
        title={text.plotOf(key)}
        xLabel=""
        yLabel={latest.unit}
        isTime
        x={points.value.map(([atMs]) => atMs / 1000)}
        tableEvery={10}
        lines={[
          {
            label: latest.name === '' ? text.value : latest.name,
            colour: 0,
            values: points.value.map(([, value]) => value),
          },
        ]}
      />
    </>
  );
}
