/**
 * What came of a request of the explorer: the response, what passed on the way with every byte, and the same as commands.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type { ExplorerResponse, ExplorerResult, LadderStep } from '../../src/console/api-types.ts';
import { FieldsAndBytes } from '../parts/fields-and-bytes.tsx';
import { figure, milliseconds } from '../parts/figures.ts';
import { PayloadView } from '../parts/payload-view.tsx';
import { Card, CodeChip, Copyable, DataTable, Figures, Notice } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { base } from '../shell/location.ts';
import { words } from '../wording.ts';
import { exchangeFacts, handshakeStep } from './exchange-facts.ts';

const text = words.explorer;

/** What a response can be gone on with. */
export interface ResponseUses {
  /** Asks next time with this ETag. */
  readonly onEtag: (etagHex: string) => void;
  /** Changes only this version. */
  readonly onIfMatch: (etagHex: string) => void;
  /** Goes to a path or an address. */
  readonly onGo: (target: string) => void;
}

/** Of one exchange. */
export function ResultShown({
  result,
  uses,
}: {
  readonly result: ExplorerResult;
  readonly uses: ResponseUses;
}) {
  const { response, problem, elapsedMs, ladder, isLadderCut, commands } = result;
  const facts = exchangeFacts(ladder);
  return (
    <>
      <Card title={text.response}>
        <Problem of={problem} />
        {response !== null && (
          <>
            <p class="verdict" role="status">
              <CodeChip code={response.code} /> {response.codeName}
            </p>
            <p>
              {response.explanation} {text.took(figure(elapsedMs))}{' '}
              <a href={`${base}learn/codes?search=${encodeURIComponent(response.code)}`}>
                {text.codeMeaning}
              </a>
            </p>
            <PayloadView
              payloadHex={response.payloadHex}
              formatName={response.contentFormatName}
              onLink={uses.onGo}
            />
            {response.isPayloadCut && <Notice kind="info">{text.payloadCut}</Notice>}
            <NextSteps response={response} {...uses} />
            {response.options.length > 0 && (
              <DataTable
                caption={text.optionsOfResponse}
                head={text.optionHead}
                rows={response.options.map(({ name, number, value, valueHex }) => [
                  ...[name, String(number), value, valueHex === '' ? '' : `0x${valueHex}`],
                ])}
              />
            )}
          </>
        )}
        <Figures
          of={[
            ...(facts.type === null ? [] : [[text.type, facts.type] as const]),
            ...(facts.messageId === null ? [] : [[text.messageId, facts.messageId] as const]),
            ...(facts.token === null ? [] : [[text.token, facts.token] as const]),
            [text.messagesSent, text.messagesOf(facts.sent, facts.sentBytes)],
            [text.messagesReceived, text.messagesOf(facts.received, facts.receivedBytes)],
            ...(facts.retransmissions === 0
              ? []
              : [[text.retransmissions, String(facts.retransmissions)] as const]),
          ]}
        />
      </Card>
      <Card title={text.ladder}>
        <Ladder steps={ladder} />
        {isLadderCut && <Notice kind="info">{text.ladderCut}</Notice>}
      </Card>
      {commands.length > 0 && (
        <Card title={text.commands}>
          {commands.map(({ tool, command, notes }) => (
            <div key={tool}>
              <Copyable label={tool} text={command} />
              {notes.map((note) => (
                <p key={note} class="hint">
                  {shown(note)}
                </p>
              ))}
            </div>
          ))}
        </Card>
      )}
    </>
  );
}

/** What a response leads to: its version, or the place that was made. */
function NextSteps({
  response: { etagHex, options },
  onEtag,
  onIfMatch,
  onGo,
}: { readonly response: ExplorerResponse } & ResponseUses) {
  const segments = options.flatMap(({ name, value }) => (name === 'Location-Path' ? [value] : []));
  const queries = options.flatMap(({ name, value }) => (name === 'Location-Query' ? [value] : []));
  const location =
    segments.length + queries.length === 0
      ? ''
      : `/${segments.map(encodeURIComponent).join('/')}${queries.length === 0 ? '' : `?${queries.map(encodeURIComponent).join('&')}`}`;
  if (etagHex === null && location === '') return null;
  return (
    <div class="button-row">
      {etagHex !== null && (
        <>
          <button type="button" onClick={() => onEtag(etagHex)}>
            {text.askWithEtag}
          </button>
          <button type="button" onClick={() => onIfMatch(etagHex)}>
            {text.changeThisVersion}
          </button>
        </>
      )}
      {location !== '' && (
        <button type="button" onClick={() => onGo(location)}>
          {text.goTo(shown(location))}
        </button>
      )}
    </div>
  );
}

/** Messages from side to side, with the time between them; each opens with its fields and bytes. */
export function Ladder({ steps }: { readonly steps: readonly LadderStep[] }) {
  const chosen = useSignal(-1);
  return (
    <>
      <div class="ladder-head" aria-hidden="true">
        <span>{text.ladderSides[0]}</span>
        <span>{text.ladderSides[1]}</span>
      </div>
      <ol class="steps ladder">
        {steps.map((step, index) => (
          <Step
            key={`${index} ${step.atMs}`}
            step={step}
            sinceMs={step.atMs - (steps[index - 1]?.atMs ?? 0)}
            isOpen={chosen.value === index}
            onToggle={() => {
              chosen.value = chosen.value === index ? -1 : index;
            }}
          />
        ))}
      </ol>
    </>
  );
}

const sides: Readonly<Record<LadderStep['kind'], string>> = {
  ...{ sent: 'client', retransmission: 'client', lost: 'client lost' },
  ...{ received: 'server', handshake: 'between', note: 'between' },
};

function Step({
  step: { kind, text: what, atMs, bytesHex, fields },
  sinceMs,
  isOpen,
  onToggle,
}: {
  readonly step: LadderStep;
  readonly sinceMs: number;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}) {
  // Flights go from side to side as messages do; lines about the whole stand between.
  const step =
    kind === 'handshake' || what.startsWith('* ')
      ? handshakeStep(what)
      : { side: sides[kind], text: `${text.kinds[kind]} ${what}` };
  return (
    <li class={kind === 'handshake' ? `${step.side} flight` : step.side}>
      <span class="when">
        {milliseconds(atMs)}
        {sinceMs >= 1 && <span class="hint"> +{figure(sinceMs)}</span>}
      </span>
      {bytesHex === null ? (
        <span>{shown(step.text)}</span>
      ) : (
        <button type="button" class="bare" aria-expanded={isOpen} onClick={onToggle}>
          {shown(step.text)}
        </button>
      )}
      {isOpen && bytesHex !== null && (
        <div class="detail">
          <FieldsAndBytes bytesHex={bytesHex} fields={fields} />
        </div>
      )}
    </li>
  );
}
