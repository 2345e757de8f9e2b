/**
 * What a check is given, and how it asks: types, and the request that answers an Echo by itself.
 *
 * @module
 */

import {
  Code,
  codeName,
  codeText,
  encodeMessage,
  type OptionEntry,
  OptionNumber,
  OptionSet,
} from 'coapsule/message';
import type { Finding, ProbeGroup } from './finding.ts';
import { messageId } from './message-bytes.ts';
import { type Answer, askStep, type ProbeSteps } from './probe-step.ts';

/** How the URI says that the peer is spoken to. */
export type ProbeTransport = 'udp' | 'dtls' | 'tcp' | 'tls' | 'ws' | 'wss';

/** What is known of the peer so far; checks write into it for later ones. */
export interface Knowledge {
  /** Value of the Echo option that it asked back for. */
  echo: Uint8Array | undefined;
  /** Whether it refuses critical options that it does not know, and so honours conditions it does not understand. */
  refusesUnknownOptions: boolean | undefined;
  /** Whether somebody speaks DTLS on its port: undefined until it was tried. */
  hasDtls: boolean | undefined;
}

/** What a check is given. */
export interface ProbeContext {
  readonly transport: ProbeTransport;
  /** Uri-Host and the like, Uri-Path and Uri-Query of what the URI names. */
  readonly target: readonly OptionEntry[];
  /** Path as text, for evidence. */
  readonly path: string;
  /** The same with the path /.well-known/core. */
  readonly linkList: readonly OptionEntry[];
  /** Whether methods that change something may be tried on the target. */
  readonly mayWrite: boolean;
  /** Name for server_name; undefined for a literal address. */
  readonly serverName: string | undefined;
  readonly known: Knowledge;
  random(length: number): Uint8Array;
}

/** One check: pure, but for what it yields and what it learns. */
export interface ProbeCheck {
  readonly group: ProbeGroup;
  run(context: ProbeContext): ProbeSteps<readonly Finding[]>;
}

/** A request with what a check wants to vary. */
export interface Question {
  readonly code?: number;
  /** Without: those of the target. */
  readonly where?: readonly OptionEntry[];
  readonly options?: readonly OptionEntry[];
  readonly payload?: Uint8Array;
  readonly token?: Uint8Array;
}

const noBytes = new Uint8Array(0);

/** Asks; a peer that wants a proof of our address first gets it (RFC 9175 §2.4), and only its answer after that counts. */
export function* ask(context: ProbeContext, question: Question = {}): ProbeSteps<Answer> {
  const { known, target } = context;
  const { code = Code.Get, where = target, options = [], payload = noBytes, token } = question;
  const step = {
    code,
    payload,
    ...(token !== undefined && { token }),
  };
  const answer = yield* askStep({ ...step, options: [...where, ...options] });
  if (answer.kind !== 'response') return answer;
  const echo = answer.options.first(OptionNumber.Echo);
  // It may come with any response (RFC 9175 §2.3); with 4.01 it is asked back for.
  known.echo = echo ?? known.echo;
  if (echo === undefined || answer.code !== Code.Unauthorized) return answer;
  return yield* askStep({
    ...step,
    options: [...where, ...options, { number: OptionNumber.Echo, value: echo }],
  });
}

/** GET /.well-known/core as bytes, with a token of one byte. */
export function linkListRequest({ random, linkList }: ProbeContext): Uint8Array {
  return encodeMessage({
    type: 'CON',
    code: Code.Get,
    messageId: messageId(random(2)),
    token: random(1),
    options: OptionSet.from(linkList),
    payload: noBytes,
  });
}

/** An answer in words. */
export function answerText(answer: Answer): string {
  switch (answer.kind) {
    case 'response': {
      const name = codeName(answer.code);
      const { length } = answer.payload;
      return `${codeText(answer.code)}${name === undefined ? '' : ` ${name}`}${length === 0 ? '' : `, ${length} bytes`}`;
    }
    case 'reset':
      return 'Reset';
    case 'acknowledged':
      return 'an acknowledgement, and no response';
    case 'silence':
      return 'no answer';
    case 'unreachable':
    case 'not-sent':
      return answer.reason;
  }
}

/** Whether nothing can be said about what was asked for: nothing came, or it may not be asked for by us. */
export function saysNothing(answer: Answer): boolean {
  if (answer.kind === 'response') return answer.code === Code.Unauthorized || answer.code === Code.Forbidden;
  return answer.kind === 'silence' || answer.kind === 'unreachable' || answer.kind === 'not-sent';
}
