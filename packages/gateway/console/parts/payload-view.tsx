/**
 * A payload by its Content-Format: text, JSON, CBOR in diagnostic notation, SenML as a table, links as a list, pictures; and as bytes.
 *
 * Whatever a device sends is text here, never markup: nothing of it is run or loaded.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { decodeLinkFormat, isDecodeFault } from 'coapsule/message';
import { decodeSenmlCbor, decodeSenmlJson, resolveSenml } from 'coapsule/senml';
import { useEffect, useMemo } from 'preact/hooks';
import { words } from '../wording.ts';
import { figure } from './figures.ts';
import { fromHex } from './hex-text.ts';
import { useImported } from './imported.ts';
import { DataTable, Notice } from './pieces.tsx';
import { shownLines } from './shown.ts';

/** What is looked at. */
interface Payload {
  readonly bytes: Uint8Array;
  /** The same. */
  readonly payloadHex: string;
  readonly format: string;
}

/** Rendered as far as it can be, and as it came. */
export function PayloadView({
  payloadHex,
  formatName,
}: {
  readonly payloadHex: string;
  readonly formatName: string | null;
}) {
  const bytes = fromHex(payloadHex) ?? new Uint8Array();
  if (bytes.length === 0) return <p>{words.payload.none}</p>;
  const payload = { bytes, payloadHex, format: formatName ?? '' };
  return (
    <>
      <Rendered {...payload} />
      <details>
        <summary>{words.payload.raw(bytes.length)}</summary>
        <pre>{shownLines(textOf(bytes))}</pre>
      </details>
    </>
  );
}

function Rendered(payload: Payload) {
  const { bytes, format } = payload;
  if (format.startsWith('image/')) return <Picture {...payload} />;
  if (format.includes('link-format')) return <Links bytes={bytes} />;
  if (format.includes('senml')) return <Senml {...payload} />;
  if (format.includes('cbor')) return <CborText {...payload} />;
  if (format.includes('json')) return <pre>{shownLines(prettyJson(textOf(bytes)))}</pre>;
  return <pre>{shownLines(textOf(bytes))}</pre>;
}

function Links({ bytes }: { readonly bytes: Uint8Array }) {
  const links = decodeLinkFormat(textOf(bytes));
  if (isDecodeFault(links)) return <Notice kind="warning">{links.reason}</Notice>;
  return (
    <DataTable
      caption={words.payload.links}
      head={words.payload.linkHead}
      rows={links.map(({ target, attributes }) => [
        target,
        attributes.map(([name, value]) => (value === undefined ? name : `${name}=${value}`)).join('; '),
      ])}
    />
  );
}

function Senml({ bytes, format }: Payload) {
  const records = format.includes('cbor') ? decodeSenmlCbor(bytes) : decodeSenmlJson(bytes);
  const resolved = isDecodeFault(records) ? records : resolveSenml(records);
  if (isDecodeFault(resolved)) return <Notice kind="warning">{resolved.reason}</Notice>;
  return (
    <DataTable
      caption="SenML"
      head={words.payload.senmlHead}
      rows={resolved.map(({ name, value, unit, sum }) => [
        name,
        value instanceof Uint8Array ? words.payload.bytes(value.length) : String(value ?? sum ?? ''),
        unit ?? '',
      ])}
    />
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
