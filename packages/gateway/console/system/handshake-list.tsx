/**
 * Handshakes of late, and why some failed.
 *
 * @module
 */

import { ask } from '../gateway/api.ts';
import { useResource } from '../gateway/resource.ts';
import { orDash } from '../parts/figures.ts';
import { DataTable } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { timeOfDay } from '../parts/times.ts';
import { words } from '../wording.ts';

const text = words.sessions;

/** The newest first; those that failed with their cause and what to do. */
export function HandshakeList() {
  const { state } = useResource(
    (signal) => ask('GET /api/traffic/handshakes', { signal }),
    'handshakes',
    5000,
  );
  const { value, problem } = state.value;
  return (
    <>
      <Problem of={problem} />
      {value !== undefined &&
        (value.handshakes.length === 0 ? (
          <p>{text.noHandshakes}</p>
        ) : (
          <DataTable
            caption={text.handshakes}
            head={text.handshakeHead}
            rows={value.handshakes.map(({ atMs, address, identity, isOk, cause, nextStep }) => [
              timeOfDay(atMs),
              address,
              orDash(identity),
              <span key="ok" class={`chip ${isOk ? 'good' : 'bad'}`}>
                {isOk ? text.handshakeOk : text.handshakeFailed}
              </span>,
              [cause, nextStep].filter(Boolean).join(' '),
            ])}
          />
        ))}
    </>
  );
}
