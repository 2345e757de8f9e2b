/**
 * All views: their addresses, names, who may see them, and where their code is. Each is loaded when it is first gone to.
 *
 * @module
 */

import type { ComponentType } from 'preact';
import type { Role } from '../../src/console/api-types.ts';
import { words } from '../wording.ts';

/** One view. */
export interface View {
  /** Below `/console/`. */
  readonly path: string;
  readonly title: string;
  /** What it is for, in a few words. */
  readonly about: string;
  readonly group: 'start' | 'system' | 'learn';
  /** The least role; `nobody`: without login, since it needs nothing of the gateway. */
  readonly needs: Role | 'nobody';
  readonly load: () => Promise<{ readonly default: ComponentType }>;
}

type Known = Omit<View, 'title' | 'about'> & { readonly name: keyof typeof words.views };

const known: readonly Known[] = [
  {
    ...{ name: 'home', path: '', group: 'start', needs: 'nobody' },
    load: () => import('./home.tsx'),
  },
  ...(
    [
      ['explorer', 'explorer', 'operate', () => import('../system/explorer.tsx')],
      ['devices', 'devices', 'view', () => import('../system/devices.tsx')],
      ['live', 'live', 'view', () => import('../system/live.tsx')],
      ['traffic', 'traffic', 'operate', () => import('../system/traffic.tsx')],
      ['sessions', 'sessions', 'view', () => import('../system/sessions.tsx')],
      ['directory', 'directory', 'view', () => import('../system/directory.tsx')],
      ['bridge', 'bridge', 'view', () => import('../system/bridge.tsx')],
      ['metrics', 'metrics', 'view', () => import('../system/metrics.tsx')],
      ['scenarios', 'scenarios', 'view', () => import('../system/scenarios.tsx')],
    ] as const
  ).map(([name, path, needs, load]) => ({ ...{ name, path, needs, load }, group: 'system' as const })),
  ...(
    [
      ['story', 'learn', () => import('../learn/story.tsx')],
      ['handshake', 'learn/handshake', () => import('../learn/handshake.tsx')],
      ['deployment', 'learn/deployment', () => import('../learn/deployment.tsx')],
      ['codes', 'learn/codes', () => import('../learn/codes.tsx')],
      ['messageType', 'learn/message-type', () => import('../learn/message-type.tsx')],
      ['security', 'learn/security', () => import('../learn/security.tsx')],
      ['protocol', 'learn/protocol', () => import('../learn/protocol.tsx')],
      ['sleep', 'learn/sleep', () => import('../learn/sleep.tsx')],
      ['eavesdropper', 'learn/eavesdropper', () => import('../learn/eavesdropper.tsx')],
    ] as const
  ).map(([name, path, load]) => ({
    ...{ name, path, load },
    ...{ group: 'learn' as const, needs: 'nobody' as const },
  })),
];

/** In the order of the navigation. */
export const views: readonly View[] = known.map(({ name, ...view }) => ({ ...view, ...words.views[name] }));

/** The view at an address, and what the address has behind the view's own: `devices/sensor-7` is the device of that name. */
export function viewAt(path: string): { readonly view: View; readonly rest: string } | undefined {
  const exact = views.find((view) => view.path === path);
  if (exact !== undefined) return { view: exact, rest: '' };
  const within = views.find(({ path: own }) => takesMore.has(own) && path.startsWith(`${own}/`));
  return within && { view: within, rest: path.slice(within.path.length + 1) };
}

/** Views with addresses below their own. */
const takesMore: ReadonlySet<string> = new Set(['devices']);
