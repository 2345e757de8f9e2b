/**
 * The story behind the tools: letters, a locked box, and a hospital; with the words one has to know and questions to check oneself.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { Card, Page } from '../parts/pieces.tsx';
import { base } from '../shell/location.ts';
import { views } from '../shell/views.ts';
import { words } from '../wording.ts';

const text = words.story;

export default function Story() {
  return (
    <Page title={words.views.story.title} lead={text.lead}>
      <div class="cards">
        {text.chapters.map(({ title, paragraphs }) => (
          <Card key={title} title={title}>
            {paragraphs.map((paragraph) => (
              <p key={paragraph}>{paragraph}</p>
            ))}
          </Card>
        ))}
        <Card title={text.tools}>
          <ul class="index">
            {views
              .filter(({ group, path }) => group === 'learn' && path !== 'learn')
              .map(({ path, title, about }) => (
                <li key={path}>
                  <a href={base + path}>{title}</a> <span>{about}</span>
                </li>
              ))}
          </ul>
        </Card>
        <Card title={text.glossary}>
          <dl>
            {text.terms.map(([term, meaning]) => (
              <div key={term}>
                <dt>
                  <strong>{term}</strong>
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
        </Card>
        <Card title={text.exercises} wide>
          <ol>
            {text.questions.map((question) => (
              <Exercise key={question.ask} {...question} />
            ))}
          </ol>
        </Card>
      </div>
    </Page>
  );
}

function Exercise({ ask, answers, right, why }: (typeof text.questions)[number]) {
  const given = useSignal<number | undefined>(undefined);
  return (
    <li>
      <p>{ask}</p>
      <div class="button-row">
        {answers.map((answer, index) => (
          <button
            key={answer}
            type="button"
            aria-pressed={given.value === index}
            onClick={() => {
              given.value = index;
            }}
          >
            {answer}
          </button>
        ))}
      </div>
      <p role="status">
        {given.value === undefined ? '' : `${given.value === right ? text.right : text.wrong} ${why}`}
      </p>
    </li>
  );
}
