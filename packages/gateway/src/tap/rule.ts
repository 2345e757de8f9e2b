/**
 * Rules of a tap: which messages, and what becomes of them.
 *
 * ```
 * rule     = [filter] "=>" action [probability] [seed]
 * action   = "drop" / "pause" / "duplicate" [number "times"] / "delay" duration / "replay" ["after"] duration
 *          / "edit" edits
 * duration = number ("ms" / "s" / "m")
 * probability = "probability" number "%" / "probability" fraction
 * seed     = "seed" number
 * ```
 *
 * @module
 */

import type { Filter, FilterFault } from '../filter/filter.ts';
import { parseFilterTokens } from '../filter/parse-filter.ts';
import { type Token, tokensOf } from '../filter/tokens.ts';
import { type Edit, parseEditTokens } from './edit.ts';

/** What becomes of a message. */
export type Action =
  | { readonly kind: 'drop' | 'pause' }
  | { readonly kind: 'duplicate'; readonly copies: number }
  | { readonly kind: 'delay' | 'replay'; readonly ms: number }
  | { readonly kind: 'edit'; readonly edits: readonly Edit[] };

/** A rule that was parsed. */
export interface Rule {
  /** As it was written. */
  readonly text: string;
  readonly filter: Filter;
  readonly action: Action;
  /** 0 … 1 */
  readonly probability: number;
  readonly seed: number;
}

/** Copies of one message that a rule makes at most. */
const mostCopies = 100;

/** Longest delay: an hour. */
const longestMs = 3_600_000;

/** Parses a rule. */
export function parseRule(text: string): Rule | FilterFault {
  const tokens = tokensOf(text);
  if ('kind' in tokens) return tokens;
  const arrow = tokens.findIndex(({ kind, text: word }) => kind === 'operator' && word === '=>');
  const refuse = (at: Token | undefined, reason: string): FilterFault => ({
    ...{ kind: 'fault', offset: at?.offset ?? text.length, reason },
  });
  if (arrow < 0) return refuse(undefined, 'a rule is FILTER => ACTION, such as path=/temp => drop');
  const filter = parseFilterTokens(tokens.slice(0, arrow), tokens[arrow]?.offset ?? 0);
  if (filter.kind === 'fault') return filter;
  const behind = [...tokens.slice(arrow + 1)];
  const seed = takePair(behind, 'seed');
  const share = takePair(behind, 'probability');
  const probability = share === undefined ? 1 : fractionOf(share.text);
  if (probability === undefined) return refuse(share, 'a probability is a percentage such as 30%, or 0 to 1');
  if (seed !== undefined && !/^\d{1,9}$/.test(seed.text)) return refuse(seed, 'a seed is a whole number');
  const action = actionOf(behind, text.length);
  if (action.kind === 'fault') return action;
  return { text: text.trim(), filter, action, probability, seed: Number(seed?.text ?? 1) };
}

/** Takes `name value` from the end of the words. */
function takePair(tokens: Token[], name: string): Token | undefined {
  const at = tokens.length - 2;
  if (at < 1 || tokens[at]?.kind !== 'word' || tokens[at].text.toLowerCase() !== name) return undefined;
  const value = tokens[at + 1];
  // An edit may end with such a word as its value: `edit payload=seed`.
  if (tokens[at - 1]?.kind === 'operator') return undefined;
  tokens.splice(at, 2);
  return value;
}

function fractionOf(text: string): number | undefined {
  const [, digits, sign] = /^(\d{1,3}(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const value = Number(digits) / (sign === '%' ? 100 : 1);
  return value >= 0 && value <= 1 ? value : undefined;
}

function actionOf(tokens: readonly Token[], end: number): Action | FilterFault {
  const [name, ...rest] = tokens;
  const refuse = (at: Token | undefined, reason: string): FilterFault => ({
    ...{ kind: 'fault', offset: at?.offset ?? end, reason },
  });
  const actions = 'drop, pause, duplicate, delay 2s, replay after 5s or edit payload=…';
  switch (name?.text.toLowerCase()) {
    case 'drop':
    case 'pause': {
      if (rest.length > 0) return refuse(rest[0], `nothing follows ${name.text}`);
      return { kind: name.text.toLowerCase() === 'drop' ? 'drop' : 'pause' };
    }
    case 'duplicate': {
      const [times] = rest;
      const copies = times === undefined ? 1 : Number(times.text);
      if (!Number.isInteger(copies) || copies < 1 || copies > mostCopies)
        return refuse(times, `give how many copies, 1 to ${mostCopies}`);
      const behind = rest.slice(1).find(({ text }) => text !== 'times');
      return behind === undefined
        ? { kind: 'duplicate', copies }
        : refuse(behind, `"${behind.text}" is not expected here`);
    }
    case 'delay':
    case 'replay': {
      const kind = name.text.toLowerCase() === 'delay' ? 'delay' : 'replay';
      const [first, ...more] = rest[0]?.text.toLowerCase() === 'after' ? rest.slice(1) : rest;
      const ms = first === undefined ? undefined : parseDuration(first.text);
      if (ms === undefined)
        return refuse(first, `${kind} needs a time such as 500ms, 2s or 1m, at most an hour`);
      return more.length > 0 ? refuse(more[0], `nothing follows the time`) : { kind, ms };
    }
    case 'edit': {
      const edits = parseEditTokens(rest, end);
      return 'kind' in edits ? edits : { kind: 'edit', edits };
    }
    default:
      return refuse(name, `an action is ${actions}`);
  }
}

/** Milliseconds of a time such as `500ms`, `2s`, `1.5s` or `1m`, up to an hour. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,7}(?:\.\d{1,3})?)(ms|s|m)$/i.exec(text) ?? [];
  if (number === undefined) return undefined;
  const ms = Number(number) * ({ ms: 1, s: 1000, m: 60_000 }[unit.toLowerCase()] ?? 1);
  return ms <= longestMs ? ms : undefined;
}
