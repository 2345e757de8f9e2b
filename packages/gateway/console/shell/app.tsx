/**
 * The frame of all views: skip link, banner, navigation, the view itself; and what keeps focus and title right when the view changes.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { type ComponentType, Fragment } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { ask } from '../gateway/api.ts';
import { isLoggedIn, isSilent, mayAct, session } from '../gateway/link.ts';
import { Notice, Page } from '../parts/pieces.tsx';
import { words } from '../wording.ts';
import { base, place } from './location.ts';
import { Login } from './login.tsx';
import { openPalette, Palette } from './palette.tsx';
import { nextTheme, theme } from './theme.ts';
import { type View, viewAt, views } from './views.ts';

/** Everything on the page. */
export function App() {
  const found = viewAt(place.value.view);
  const isLogin = place.value.view === 'login';
  const title = found?.view.title ?? (isLogin ? words.login.title : words.shell.nothingHere);
  const path = found?.view.path;
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${title} · ${words.shell.product}`;
    scrollTo(0, 0);
    // At the start the browser's own focus is right: the skip link comes first.
    if (isFirst.current) isFirst.current = false;
    else document.querySelector<HTMLElement>('main')?.focus();
  }, [path]);
  return (
    <Fragment>
      <a class="skip" href="#main">
        {words.shell.skip}
      </a>
      <Header />
      <Navigation current={path} />
      <main id="main" tabIndex={-1}>
        {isSilent.value && (
          <Notice kind="bad" live>
            {words.gateway.banner}
          </Notice>
        )}
        {isLogin ? (
          <Login wanted={words.views.home.title} />
        ) : found === undefined ? (
          <Page title={words.shell.nothingHere} lead={words.shell.nothingHereLead}>
            <a href={base}>{words.shell.toStart}</a>
          </Page>
        ) : (
          <Guarded view={found.view} />
        )}
      </main>
      <Palette />
    </Fragment>
  );
}

function Header() {
  const menu = (): void => {
    document.querySelector('.shell-nav')?.toggleAttribute('data-open');
  };
  return (
    <header class="shell-header">
      <button type="button" class="menu-button" onClick={menu} aria-controls="navigation">
        {words.shell.menu}
      </button>
      <a class="brand" href={base}>
        {words.shell.product}
      </a>
      <span class="grow" />
      <button type="button" onClick={openPalette} aria-keyshortcuts="Control+K">
        {words.shell.find} <kbd>Ctrl K</kbd>
      </button>
      <button type="button" onClick={nextTheme}>
        {words.shell.themes[theme.value]}
      </button>
      {isLoggedIn.value && (
        <button
          type="button"
          onClick={async () => {
            await ask('DELETE /api/session');
            session.value = null;
          }}
        >
          {words.shell.logOut(session.value?.name ?? '')}
        </button>
      )}
    </header>
  );
}

function Navigation({ current }: { readonly current: string | undefined }) {
  const close = (): void => {
    document.querySelector('.shell-nav')?.removeAttribute('data-open');
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a link inside is what is clicked, by keyboard too.
    <nav class="shell-nav" id="navigation" aria-label={words.shell.navigation} onClick={close}>
      {(['system', 'learn'] as const).map((group) => (
        <Fragment key={group}>
          <h2 id={`nav-${group}`}>{words.shell.groups[group]}</h2>
          <ul aria-labelledby={`nav-${group}`}>
            {views
              .filter((view) => view.group === group)
              .map((view) => (
                <li key={view.path}>
                  <a href={base + view.path} aria-current={view.path === current ? 'page' : undefined}>
                    {view.title}
                  </a>
                </li>
              ))}
          </ul>
        </Fragment>
      ))}
    </nav>
  );
}

/** A view for who may see it; the login for who is nobody. */
function Guarded({ view }: { readonly view: View }) {
  if (view.needs === 'nobody') return <Loaded view={view} />;
  if (session.value === undefined) return <p role="status">{words.shell.loading}</p>;
  if (session.value === null) return <Login wanted={view.title} />;
  if (!mayAct(view.needs)) {
    return (
      <Page title={view.title} lead={view.about}>
        <Notice kind="warning">{words.shell.roleTooLow(view.needs, session.value.role)}</Notice>
      </Page>
    );
  }
  return <Loaded view={view} />;
}

const loaded = new Map<string, ComponentType>();

function Loaded({ view }: { readonly view: View }) {
  const turn = useSignal(0);
  const failed = useSignal(false);
  const Component = loaded.get(view.path);
  useEffect(() => {
    if (loaded.has(view.path)) return;
    failed.value = false;
    view.load().then(
      ({ default: component }) => {
        loaded.set(view.path, component);
        turn.value += 1;
      },
      () => {
        failed.value = true;
      },
    );
  }, [view, failed, turn]);
  // Read, so that this is drawn anew when the code has come.
  void turn.value;
  if (failed.value) return <Notice kind="bad">{words.shell.loadFailed}</Notice>;
  return Component === undefined ? <p role="status">{words.shell.loading}</p> : <Component />;
}
