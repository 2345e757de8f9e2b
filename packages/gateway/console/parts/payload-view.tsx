/**
 * A payload by its Content-Format: text, JSON, CBOR in diagnostic notation, SenML as a table, links as a list, pictures; and as bytes.
 *
 * Whatever a device sends is text here, never markup: nothing of it is run or loaded.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { decodeLinkFormat, isDecodeFault } from 'coapsule/message';
import { decodeSenmlCbor, decodeSenmlJson, type ResolvedRecord, resolveSenml } from 'coapsule/senml';
import { useEffect, useMemo } from 'preact/hooks';
import { words } from '../wording.ts';
import { figure } from './figures.ts';
import { fromHex, toHex } from './hex-text.ts';
import { useImported } from './imported.ts';
import { DataTable, Notice } from './pieces.tsx';
import { Plot } from './plot.tsx';
import { shown, shownLines } from './shown.ts';
import { dateAndTime } from './times.ts';

/** What is looked at. */
interface Payload {
  readonly bytes: Uint8Array;
  /** The same. */
  readonly payloadHex: string;
  readonly format: string;
  readonly onLink: ((target: string) => void) | undefined;
}

/** Rendered as far as it can be, and as it came. */
export function PayloadView({
  payloadHex,
  formatName,
  onLink,
}: {
  readonly payloadHex: string;
  readonly formatName: string | null;
  /** Goes to the target of a link. */
  readonly onLink?: ((target: string) => void) | undefined;
}) {
  const bytes = fromHex(payloadHex) ?? new Uint8Array();
  if (bytes.length === 0) return <p>{words.payload.none}</p>;
  const payload = { bytes, payloadHex, format: formatName ?? '', onLink };
  return (
    <>
      <Rendered {...payload} />
      <details>
        <summary>{words.payload.raw(bytes.length)}</summary>
        <pre>{shownLines(textOf(bytes))}</pre>
        <pre>{toHex(bytes.subarray(0, longestHex), ' ')}</pre>
        {bytes.length > longestHex && <p class="hint">{words.bytes.cut(longestHex)}</p>}
      </details>
    </>
  );
}

const longestHex = 2048;

function Rendered(payload: Payload) {
  const { bytes, format } = payload;
  if (format.startsWith('image/')) return <Picture {...payload} />;
  if (format.includes('link-format')) return <Links {...payload} />;
  if (format.includes('senml')) return <Senml {...payload} />;
  if (format.includes('cbor')) return <CborText {...payload} />;
  if (format.includes('json')) return <pre>{shownLines(prettyJson(textOf(bytes)))}</pre>;
  return <pre>{shownLines(textOf(bytes))}</pre>;
}

function Links({ bytes, onLink }: Payload) {
  const links = decodeLinkFormat(textOf(bytes));
  if (isDecodeFault(links)) return <Notice kind="warning">{links.reason}</Notice>;
  return (
    <DataTable
      caption={words.payload.links}
      head={words.payload.linkHead}
      rows={links.map(({ target, attributes }) => [
        onLink === undefined ? (
          target
        ) : (
          <button key="target" type="button" class="bare" onClick={() => onLink(target)}>
            {shown(target)}
          </button>
        ),
        attributes.map(([name, value]) => (value === undefined ? name : `${name}=${value}`)).join('; '),
      ])}
    />
  );
}

function Senml({ bytes, format }: Payload) {
  const records = format.includes('cbor') ? decodeSenmlCbor(bytes) : decodeSenmlJson(bytes);
  const resolved = isDecodeFault(records) ? records : resolveSenml(records);
  if (isDecodeFault(resolved)) return <Notice kind="warning">{resolved.reason}</Notice>;
  const hasTimes = resolved.some(({ time }) => time !== 0);
  return (
    <>
      <SenmlPlot records={resolved} />
      <DataTable
        caption="SenML"
        head={hasTimes ? words.payload.senmlHead : words.payload.senmlHead.slice(0, 3)}
        rows={resolved.map(({ name, value, unit, sum, time }) => [
          name,
          value instanceof Uint8Array ? words.payload.bytes(value.length) : String(value ?? sum ?? ''),
          unit ?? '',
          ...(hasTimes ? [time === 0 ? '' : timeText(time)] : []),
        ])}
      />
    </>
  );
}

/** RFC 8428 §4.5.3: less than 2^28 is seconds from now; more is since 1970. */
function timeText(time: number): string {
  return time < 2 ** 28 ? `${figure(time)} s` : dateAndTime(time * 1000);
}

/** Numbers over time, where names come more than once; each unit has a plot of its own. */
function SenmlPlot({ records }: { readonly records: readonly ResolvedRecord[] }) {
  const numbers = records.filter(({ value }) => typeof value === 'number');
  const times = [...new Set(numbers.map(({ time }) => time))].sort((one, other) => one - other);
  if (times.length < 2) return null;
  const isAbsolute = (times[0] ?? 0) >= 2 ** 28;
  const units = [...new Set(numbers.map(({ unit }) => unit ?? ''))].slice(0, 4);
  return (
    <>
      {units.map((unit) => {
        const own = numbers.filter((one) => (one.unit ?? '') === unit);
        const names = [...new Set(own.map(({ name }) => name))].slice(0, 8);
        return (
          <Plot
            key={unit}
            title={words.payload.senmlPlot(unit)}
            xLabel={isAbsolute ? '' : words.payload.secondsFromNow}
            yLabel={unit}
            isTime={isAbsolute}
            x={times}
            lines={names.map((name, colour) => ({
              ...{ label: name, colour },
              values: times.map((at) => {
                const found = own.find((one) => one.name === name && one.time === at);
                return typeof found?.value === 'number' ? found.value : null;
              }),
            }))}
          />
        );
      })}
    </>
  );
}

/** The writer of diagnostic notation comes when it is needed. */
function CborText({ bytes, payloadHex }: Payload) {
  const writer = useImported(diagnostic);
  const text = useMemo(
    () => (writer === undefined ? '' : diagnosticText(writer, bytes)),
    [writer, payloadHex],
  );
  return <pre>{shownLines(text)}</pre>;
}

const diagnostic = () => import('cbor2/diagnostic');

function diagnosticText({ diagnose }: Awaited<ReturnType<typeof diagnostic>>, bytes: Uint8Array): string {
  try {
    return diagnose(bytes, { maxDepth: 32 });
  } catch (error) {
    return words.payload.notCbor(error instanceof Error ? error.message : String(error));
  }
}

function Picture({ bytes, payloadHex, format }: Payload) {
  const address = useSignal('');
  useEffect(() => {
    // As a picture alone: a script in an SVG does not run there.
    const made = URL.createObjectURL(new Blob([Uint8Array.from(bytes)], { type: format }));
    address.value = made;
    return () => URL.revokeObjectURL(made);
  }, [format, payloadHex, address]);
  return address.value === '' ? null : (
    <img src={address.value} alt={words.payload.picture(figure(bytes.length))} />
  );
}

function prettyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
