/**
 * Plots as inline SVG: lines over time, bars, stacked bars. Colours are classes c0 … c4 of the page.
 *
 * @module
 */

const width = 760;
const height = 220;
const margin = { left: 64, right: 12, top: 12, bottom: 28 } as const;
const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };

/** Text as it may stand in HTML and in attributes. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Series over time. @param points for each slice the value of each series */
export function linePlot(
  points: readonly (readonly number[])[],
  names: readonly string[],
  end: string,
): string {
  const most = Math.max(1, ...points.flat());
  const step = inner.width / Math.max(1, points.length - 1);
  const lines = names.map((_, series) => {
    const path = points.map(
      (values, slice) => `${(margin.left + slice * step).toFixed(1)},${y(values[series] ?? 0, most)}`,
    );
    return `<polyline class="line c${series}" points="${path.join(' ')}"/>`;
  });
  const labels = `<text x="${margin.left}" y="${height - 8}">0</text><text x="${width - margin.right}" y="${height - 8}" text-anchor="end">${escaped(end)}</text>`;
  return figure(`${axes(most)}${lines.join('')}${labels}`, names);
}

/** One bar for each value. */
export function barPlot(
  bars: readonly { readonly label: string; readonly value: number }[],
  unit: string,
): string {
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const step = inner.width / Math.max(1, bars.length);
  const drawn = bars.map(({ label, value }, index) => {
    const x = margin.left + index * step;
    const top = y(value, most);
    const bar = `<rect class="bar c0" x="${(x + 1).toFixed(1)}" y="${top}" width="${Math.max(1, step - 2).toFixed(1)}" height="${(margin.top + inner.height - Number(top)).toFixed(1)}"><title>${escaped(`${value} at ${label} ${unit}`)}</title></rect>`;
    const isLabelled = index % Math.max(1, Math.ceil(bars.length / 12)) === 0;
    const text = `<text x="${(x + step / 2).toFixed(1)}" y="${height - 8}" text-anchor="middle">${escaped(label)}</text>`;
    return isLabelled ? bar + text : bar;
  });
  return figure(`${axes(most)}${drawn.join('')}`, [unit]);
}

/** Shares of a whole, one line for each group. */
export function stackedBars(
  groups: readonly { readonly label: string; readonly parts: readonly number[] }[],
  names: readonly string[],
): string {
  const most = Math.max(1, ...groups.map(({ parts }) => sum(parts)));
  const rowHeight = 28;
  const total = groups.length * rowHeight + 8;
  const left = 140;
  const room = width - left - 90;
  const rows = groups.map(({ label, parts }, row) => {
    let x = left;
    const drawn = parts.map((part, index) => {
      const wide = (Math.max(0, part) / most) * room;
      const rect = `<rect class="bar c${index}" x="${x.toFixed(1)}" y="${row * rowHeight + 6}" width="${wide.toFixed(1)}" height="18"><title>${escaped(`${names[index]}: ${part.toLocaleString('en-US')}`)}</title></rect>`;
      x += wide;
      return rect;
    });
    const middle = row * rowHeight + 19;
    return `<text x="${left - 8}" y="${middle}" text-anchor="end">${escaped(label)}</text>${drawn.join('')}<text x="${(x + 6).toFixed(1)}" y="${middle}">${sum(parts).toLocaleString('en-US')}</text>`;
  });
  return figure(rows.join(''), names, total);
}

function axes(most: number): string {
  const bottom = margin.top + inner.height;
  const label = (value: number): string =>
    `<text x="${margin.left - 6}" y="${Number(y(value, most)) + 4}" text-anchor="end">${Math.round(value).toLocaleString('en-US')}</text>`;
  return `<path class="axis" fill="none" d="M${margin.left} ${margin.top}V${bottom}H${width - margin.right}"/>${label(0)}${label(most)}`;
}

function y(value: number, most: number): string {
  return (margin.top + inner.height * (1 - value / most)).toFixed(1);
}

function figure(content: string, names: readonly string[], tall: number = height): string {
  const legend = names.map(
    (name, index) =>
      `<svg width="12" height="12" aria-hidden="true"><rect class="bar c${index}" width="12" height="12"/></svg> ${escaped(name)}`,
  );
  return `<p>${legend.join(' &#160; ')}</p><svg viewBox="0 0 ${width} ${tall}" width="${width}" height="${tall}" role="img">${content}</svg>`;
}

function sum(parts: readonly number[]): number {
  return parts.reduce((all, part) => all + part, 0);
}
