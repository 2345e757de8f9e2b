/**
 * Goes through a page by Tab alone, as somebody without a mouse does, and tries each control that it comes to.
 *
 * @module
 */

import type { Page } from 'playwright-core';

/** What a walk found. */
export interface Walk {
  /** Controls that were reached. */
  readonly reached: number;
  /** What of them did what its key should do. */
  readonly used: Readonly<Record<string, number>>;
  /** What is wrong, one sentence each. */
  readonly faults: readonly string[];
}

/** What is known of the element that has the focus. */
interface Focused {
  readonly kind: string;
  readonly label: string;
  readonly isNew: boolean;
  readonly isShown: boolean;
  readonly isMarked: boolean;
  readonly state: string;
  readonly options: number;
  readonly isFirst: boolean;
}

/** In the page, as text: it is for the browser, whose names the types of Node do not have. */
const inPage = `(() => {
  const selector = 'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])';
  const isVisible = (one) => one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0;
  const kindOf = (one) => one.localName === 'input' ? one.type : one.localName;
  const labelOf = (one) => kindOf(one) + ' "' + (one.getAttribute('aria-label') ?? one.labels?.[0]?.innerText ?? one.innerText ?? '').trim().slice(0, 60) + '"';
  // Of radio buttons the group is one stop.
  const isStop = (one) => !one.disabled && isVisible(one) &&
    (one.type !== 'radio' || one.checked || document.querySelector('input[name="' + CSS.escape(one.name) + '"]:checked') === null);
  const stops = () => [...document.querySelectorAll(selector)].filter(isStop);
  const reached = new WeakSet();
  const before = new Set(stops());
  const closed = new Set([...document.querySelectorAll('details:not([open])')]);
  const stateOf = (one) => one.type === 'radio'
    ? [...document.querySelectorAll('input[name="' + CSS.escape(one.name) + '"]')].map((each) => each.checked).join()
    : kindOf(one) === 'summary' ? String(one.parentElement.open)
    : one.type === 'checkbox' ? String(one.checked) : one.type === 'file' ? '' : String(one.value ?? '');
  self.walk = {
    focused() {
      const one = document.activeElement;
      if (one === null || one === document.body || one === document.documentElement) return null;
      const isNew = !reached.has(one);
      reached.add(one);
      const style = getComputedStyle(one);
      const box = one.getBoundingClientRect();
      return {
        kind: kindOf(one), label: labelOf(one), isNew,
        isShown: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
        isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        state: stateOf(one), options: one.options?.length ?? 0, isFirst: (one.selectedIndex ?? 0) === 0,
      };
    },
    state: () => stateOf(document.activeElement),
    // The browser takes the focus away from what is disabled when it draws the next time.
    isOn: () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() =>
      resolve(document.activeElement !== document.body && !document.activeElement.disabled)))),
    unreached: () => stops()
      .filter((one) => !reached.has(one) && (before.has(one) || closed.has(one.closest('details'))) && one.type !== 'radio')
      .map(labelOf),
    // What is a control by its role is one by its element, too: others do nothing for Enter and Space.
    posing: () => [...document.querySelectorAll('[role="button"], [role="link"], [role="checkbox"], [role="switch"], [role="tab"]')]
      .filter((one) => isVisible(one) && !one.matches('a[href], button, input')).map(labelOf),
  };
})()`;

/** What key changes which control, and which one changes it back. */
const keys: Readonly<
  Record<string, (focused: Focused) => readonly [there: string, back: string] | undefined>
> = {
  checkbox: () => ['Space', 'Space'],
  radio: () => ['ArrowDown', 'ArrowUp'],
  select: ({ options, isFirst }) =>
    options < 2 ? undefined : isFirst ? ['ArrowDown', 'ArrowUp'] : ['ArrowUp', 'ArrowDown'],
  text: () => ['a', 'Backspace'],
  search: () => ['a', 'Backspace'],
  url: () => ['a', 'Backspace'],
  password: () => ['a', 'Backspace'],
  textarea: () => ['a', 'Backspace'],
  // It stays open, so that the way leads into it.
  summary: ({ state }) => (state === 'true' ? undefined : ['Enter', '']),
};

/** Goes from the beginning of the page to its end. @param pressesButtons Also Enter at each button of the view. */
export async function walkByKeyboard(
  page: Page,
  { pressesButtons = false }: { readonly pressesButtons?: boolean } = {},
): Promise<Walk> {
  await page.evaluate('document.activeElement?.blur(); scrollTo(0, 0)');
  await page.evaluate(inPage);
  const faults: string[] = [];
  const used: Record<string, number> = {};
  let reached = 0;
  const most = 1500;
  for (let steps = 0; ; steps++) {
    await page.keyboard.press('Tab');
    const focused = (await page.evaluate('self.walk.focused()')) as Focused | null;
    // Behind the last control comes the browser itself, or the first one again.
    if (focused === null || (!focused.isNew && reached > 0)) break;
    if (steps > most) {
      faults.push('Tab does not come to an end');
      break;
    }
    reached++;
    if (!focused.isShown) faults.push(`${focused.label} has the focus and is not on the screen`);
    if (!focused.isMarked) faults.push(`${focused.label} has the focus and does not show it`);
    await use(page, focused, pressesButtons, used, faults);
  }
  for (const label of (await page.evaluate('self.walk.unreached()')) as readonly string[])
    faults.push(`${label} is not reached by Tab`);
  for (const label of (await page.evaluate('self.walk.posing()')) as readonly string[])
    faults.push(`${label} is a control by its role alone`);
  return { reached, used, faults };
}

async function use(
  page: Page,
  focused: Focused,
  pressesButtons: boolean,
  used: Record<string, number>,
  faults: string[],
): Promise<void> {
  const { kind, label, state } = focused;
  const count = (): void => {
    used[kind] = (used[kind] ?? 0) + 1;
  };
  if (kind === 'button') {
    const isOfView = (await page.evaluate('document.activeElement.closest("main") !== null')) as boolean;
    if (!pressesButtons || !isOfView) return;
    await page.keyboard.press('Enter');
    if ((await page.evaluate('self.walk.isOn()')) !== true)
      faults.push(`${label} loses the focus when it is pressed`);
    count();
    return;
  }
  if (kind === 'number' || kind === 'range') {
    // At one end of what is allowed only one of the keys does something.
    for (const key of ['ArrowUp', 'ArrowDown']) {
      await page.keyboard.press(key);
      if ((await page.evaluate('self.walk.state()')) !== state) return count();
    }
    faults.push(`${label} is not changed by arrows`);
    return;
  }
  const pair = keys[kind]?.(focused);
  if (pair === undefined) return;
  await page.keyboard.press(pair[0]);
  if ((await page.evaluate('self.walk.state()')) === state)
    faults.push(`${label} is not changed by ${pair[0]}`);
  else count();
  if (pair[1] !== '') await page.keyboard.press(pair[1]);
}
