/**
 * Links of `/.well-known/core` as a tree by their paths, with their attributes in words.
 *
 * @module
 */

import { contentFormatName } from 'coapsule/message';
import { Empty } from '../parts/pieces.tsx';
import { shown } from '../parts/shown.ts';
import { words } from '../wording.ts';
import type { KnownLink } from './known-links.ts';
import { attributesText, type LinkNode, linkTree, otherAttributes } from './link-nodes.ts';

const text = words.explorer;

/** Chooses the address of a resource. */
export function LinkTree({
  links,
  uri,
  chosen,
  onChoose,
}: {
  readonly links: readonly KnownLink[];
  /** Of the server that was asked. */
  readonly uri: string;
  /** The address that is asked next. */
  readonly chosen: string;
  readonly onChoose: (uri: string) => void;
}) {
  if (links.length === 0) return <Empty>{text.noResources}</Empty>;
  const marked = new Set(links.filter(({ isListed }) => !isListed).map(({ target }) => target));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the arrow keys.
    <section class="tree-scroll" tabIndex={0} aria-label={text.resources}>
      <Nodes nodes={linkTree(links)} uri={uri} chosen={chosen} marked={marked} onChoose={onChoose} />
    </section>
  );
}

interface NodesProps {
  readonly nodes: readonly LinkNode[];
  readonly uri: string;
  readonly chosen: string;
  /** Targets that no discovery has listed. */
  readonly marked: ReadonlySet<string>;
  readonly onChoose: (uri: string) => void;
}

function Nodes({ nodes, ...rest }: NodesProps) {
  const { uri, chosen, marked, onChoose } = rest;
  return (
    <ul class="tree">
      {nodes.map(({ segment, link, children }) => (
        <li key={segment}>
          {link === undefined ? (
            <span>/{shown(segment)}</span>
          ) : (
            <button
              type="button"
              class={marked.has(link.target) ? 'bare unlisted' : 'bare'}
              aria-current={resolvedTarget(link.target, uri) === chosen ? 'true' : undefined}
              title={attributesText(link)}
              onClick={() => onChoose(resolvedTarget(link.target, uri))}
            >
              /{shown(segment)} <Attributes link={link} />
              {marked.has(link.target) && <span class="hint">{text.notListed}</span>}
            </button>
          )}
          {children.length > 0 && <Nodes nodes={children} {...rest} />}
        </li>
      ))}
    </ul>
  );
}

/** What a resource is: those that are known in words, the others as they stand. */
function Attributes({ link }: { readonly link: NonNullable<LinkNode['link']> }) {
  const value = (name: string): string | undefined =>
    link.attributes.find((one) => one.name === name)?.value ?? undefined;
  const [title, size] = [value('title'), value('sz')];
  const formats = (value('ct') ?? '').split(/[\s"]+/).filter((one) => /^\d+$/.test(one));
  return (
    <>
      {title !== undefined && <span>{shown(title)} </span>}
      {link.attributes.some(({ name }) => name === 'obs') && <span class="chip good">{text.observable}</span>}{' '}
      {formats.map((format) => (
        <span key={format} class="chip">
          {contentFormatName(Number(format)) ?? format}
        </span>
      ))}{' '}
      {size !== undefined && <span class="chip">{shown(size)} B</span>}
      <span class="hint"> {shown(otherAttributes(link))}</span>
    </>
  );
}

/** A target by the server it was found at. */
export function resolvedTarget(target: string, uri: string): string {
  if (!target.startsWith('/')) return target;
  const server = /^[a-z+]+:\/\/[^/?#]*/i.exec(uri)?.[0] ?? '';
  return server + target;
}
