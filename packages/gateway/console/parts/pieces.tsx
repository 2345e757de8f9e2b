/**
 * Pieces that views are made of: page, card, notice, figures, tables, what can be copied.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { words } from '../wording.ts';
import { shown, shownInside, shownLines } from './shown.ts';

/** A view: its heading, which gets the focus when the view is gone to, and a sentence about it. */
export function Page({
  title,
  lead,
  children,
}: {
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <article class="page">
      <h1 tabIndex={-1}>{shown(title)}</h1>
      {lead !== undefined && <p class="lead">{lead}</p>}
      {children}
    </article>
  );
}

/** A part of a view, with a heading of its own. */
export function Card({
  title,
  children,
  wide = false,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly wide?: boolean;
}) {
  return (
    <section class={wide ? 'card wide' : 'card'}>
      <h2>{shown(title)}</h2>
      {children}
    </section>
  );
}

/** Something to know. `live`: read aloud when it changes. */
export function Notice({
  kind,
  children,
  live = false,
}: {
  readonly kind: 'good' | 'info' | 'warning' | 'bad';
  readonly children: ComponentChildren;
  readonly live?: boolean;
}) {
  return (
    <div class={`notice ${kind}`} role={live ? 'status' : undefined}>
      <span class="visually-hidden">{words.notices[kind]} </span>
      {shownInside(children)}
    </div>
  );
}

/** Numbers with their names. */
export function Figures({ of }: { readonly of: readonly (readonly [name: string, value: string])[] }) {
  return (
    <dl class="figures">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{shown(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A table that scrolls by itself where the screen is narrow; the first column names the rows. */
export function DataTable({
  caption,
  head,
  rows,
}: {
  readonly caption: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the arrow keys.
    <section class="table-scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {head.map((text) => (
              <th key={text} scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([first, ...rest], row) => (
            <tr key={row}>
              <th scope="row">{shownInside(first)}</th>
              {rest.map((cell, column) => (
                <td key={column}>{shownInside(cell)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A text to copy, such as a command or a file. */
export function Copyable({
  label,
  text,
  fileName,
}: {
  readonly label: string;
  readonly text: string;
  /** With it the text can be saved too. */
  readonly fileName?: string;
}) {
  const state = useSignal<'idle' | 'copied' | 'failed'>('idle');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      state.value = 'copied';
    } catch {
      state.value = 'failed';
    }
  };
  return (
    <figure class="copyable">
      <figcaption>{label}</figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the arrow keys. */}
      <section class="scrolls" tabIndex={0} aria-label={label}>
        <pre>{shownLines(text)}</pre>
      </section>
      <div class="button-row">
        <button type="button" onClick={copy}>
          {words.copy.copy}
        </button>
        {fileName !== undefined && (
          <a
            class="button"
            download={fileName}
            href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}
          >
            {words.copy.save(fileName)}
          </a>
        )}
        <span role="status">
          {state.value === 'idle' ? '' : state.value === 'copied' ? words.copy.copied : words.copy.failed}
        </span>
      </div>
    </figure>
  );
}

/** To the next page of a list, and back to the first. @param next Where the next begins; null: this is the last. */
export function PageButtons({
  after,
  next,
  onGo,
}: {
  /** Where this page begins; empty for the first. */
  readonly after: string;
  readonly next: string | null | undefined;
  readonly onGo: (after: string) => void;
}) {
  return (
    <>
      {next != null && (
        <button type="button" onClick={() => onGo(next)}>
          {words.paging.more}
        </button>
      )}
      {after !== '' && (
        <button type="button" onClick={() => onGo('')}>
          {words.paging.first}
        </button>
      )}
    </>
  );
}

/** A response code, coloured by its class. @param code Such as `4.04`. */
export function CodeChip({ code }: { readonly code: string }) {
  return <span class={`chip ${code < '3' ? 'good' : code < '5' ? 'warning' : 'bad'}`}>{code}</span>;
}

/** Nothing is here yet: what it is for, and how to get the first one. */
export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}
