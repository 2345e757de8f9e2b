/**
 * The start: what is here, in two groups.
 *
 * @module
 */

import { isLoggedIn } from '../gateway/link.ts';
import { Card, Notice, Page } from '../parts/pieces.tsx';
import { words } from '../wording.ts';
import { base } from './location.ts';
import { views } from './views.ts';

export default function Home() {
  return (
    <Page title={words.views.home.title} lead={words.home.lead}>
      {!isLoggedIn.value && <Notice kind="info">{words.home.loginHint}</Notice>}
      <div class="cards">
        {(['system', 'learn'] as const).map((group) => (
          <Card key={group} title={words.shell.groups[group]}>
            <ul class="index">
              {views
                .filter((view) => view.group === group)
                .map(({ path, title, about }) => (
                  <li key={path}>
                    <a href={base + path}>{title}</a> <span>{about}</span>
                  </li>
                ))}
            </ul>
          </Card>
        ))}
      </div>
    </Page>
  );
}
