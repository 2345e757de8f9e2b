/**
 * Links of `/.well-known/core` as a tree by their paths, with their attributes.
 *
 * @module
 */

import type { LinkView } from '../../src/console/api-types.ts';
import { Empty } from '../parts/pieces.tsx';
import { shown } from '../parts/shown.ts';
import { words } from '../wording.ts';
import { attributesText, type LinkNode, linkTree } from './link-nodes.ts';

/** Chooses the address of a resource. */
export function LinkTree({
  links,
  uri,
  onChoose,
}: {
  readonly links: readonly LinkView[];
  /** Of the server that was asked. */
  readonly uri: string;
  readonly onChoose: (uri: string) => void;
}) {
  if (links.length === 0) return <Empty>{words.explorer.noResources}</Empty>;
  return <Nodes nodes={linkTree(links)} uri={uri} onChoose={onChoose} />;
}

function Nodes({
  nodes,
  uri,
  onChoose,
}: {
  readonly nodes: readonly LinkNode[];
  readonly uri: string;
  readonly onChoose: (uri: string) => void;
}) {
  return (
    <ul class="tree">
      {nodes.map(({ segment, link, children }) => (
        <li key={segment}>
          {link === undefined ? (
            <span>/{shown(segment)}</span>
          ) : (
            <button type="button" class="bare" onClick={() => onChoose(resolved(link.target, uri))}>
              /{shown(segment)} <span class="hint">{shown(attributesText(link))}</span>
            </button>
          )}
          {children.length > 0 && <Nodes nodes={children} uri={uri} onChoose={onChoose} />}
        </li>
      ))}
    </ul>
  );
}

/** A target by the server it was found at. */
function resolved(target: string, uri: string): string {
  if (!target.startsWith('/')) return target;
  const server = /^[a-z+]+:\/\/[^/?#]*/i.exec(uri)?.[0] ?? '';
  return server + target;
}
