/**
 * The requests that were made since this view was opened; each can be looked at again.
 *
 * @module
 */

import type { ExplorerResult } from '../../src/console/api-types.ts';
import { milliseconds } from '../parts/figures.ts';
import { CodeChip, DataTable } from '../parts/pieces.tsx';
import { timeOfDay } from '../parts/times.ts';
import { words } from '../wording.ts';

/** One. */
export interface LoggedExchange {
  readonly atMs: number;
  readonly method: string;
  readonly uri: string;
  readonly result: ExplorerResult;
}

const most = 50;

/** The list with one more, no longer than it may be. Pure function. */
export function withExchange(
  list: readonly LoggedExchange[],
  exchange: LoggedExchange,
): readonly LoggedExchange[] {
  return [...list.slice(-most + 1), exchange];
}

/** The newest first. */
export function ExchangeLog({
  exchanges,
  onChoose,
}: {
  readonly exchanges: readonly LoggedExchange[];
  readonly onChoose: (exchange: LoggedExchange) => void;
}) {
  const { logHead, logShow } = words.explorer;
  return (
    <DataTable
      caption={words.explorer.log(exchanges.length)}
      head={logHead}
      rows={[...exchanges].reverse().map((exchange) => {
        const { atMs, method, uri, result } = exchange;
        return [
          timeOfDay(atMs),
          method,
          uri,
          result.response === null ? words.explorer.noAnswer : <CodeChip code={result.response.code} />,
          milliseconds(result.elapsedMs),
          <button key="show" type="button" onClick={() => onChoose(exchange)}>
            {logShow}
          </button>,
        ];
      })}
    />
  );
}
