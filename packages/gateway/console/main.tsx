/**
 * The console: begins everything.
 *
 * @module
 */

import 'uplot/dist/uPlot.min.css';
import './style/style.css';
import { render } from 'preact';
import { findSession, goOnAfterReturn } from './gateway/link.ts';
import { App } from './shell/app.tsx';
import { followLinks } from './shell/location.ts';
import { listenForPalette } from './shell/palette.tsx';
import { applyTheme } from './shell/theme.ts';

applyTheme();
followLinks();
listenForPalette();
goOnAfterReturn();
void findSession();
render(<App />, document.getElementById('app') as HTMLElement);
