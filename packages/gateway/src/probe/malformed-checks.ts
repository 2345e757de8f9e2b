/**
 * Input that breaks the rules of its format, the reaction that the RFC asks for, and whether the peer still lives after it.
 *
 * RFC 7252 §3, §4.1, §4.2; RFC 7959 §2.2; RFC 8974 §2; RFC 6347 §4.1.2.7. Only on demand: a device that cannot take it may
 * need a hand at its power switch. After each piece the peer is asked for a sign of life, and with the first that it does not
 * give all ends.
 *
 * @module
 */

import { Code, codeText, OptionNumber } from 'coapsule/message';
import { encodeHello, record } from './client-hello.ts';
import { dtlsOffer } from './dtls-checks.ts';
import { type Finding, found, type ProbeResult, type Rule, rule, type Subject } from './finding.ts';
import { messageBytes, messageTypeOf, repliesTo } from './message-bytes.ts';
import { ping } from './message-checks.ts';
import type { ProbeCheck, ProbeContext } from './probe-check.ts';
import { datagramStep, type ProbeSteps } from './probe-step.ts';
import { readServerFlight } from './server-flight.ts';

/** See the module comment. */
export const malformedChecks: readonly ProbeCheck[] = [
  { group: 'malformed', run: messages },
  { group: 'malformed', run: records },
];

/** What the RFC asks for. */
type Reaction =
  | { readonly kind: 'silence' }
  | { readonly kind: 'reset' }
  /** A Reset, or an answer of who knows longer tokens (RFC 8974). */
  | { readonly kind: 'reset-or-answer' }
  | { readonly kind: 'code'; readonly code: number };

/** One piece of bad input. */
interface BadMessage {
  readonly check: string;
  readonly title: string;
  readonly rule: Rule;
  readonly asks: Reaction;
  /** @param id Message ID, where it has one. */
  readonly bytes: (id: number, context: ProbeContext) => Uint8Array;
}

const reset: Reaction = { kind: 'reset' };
const silence: Reaction = { kind: 'silence' };
const formatError = rule(7252, '4.2');
/** Of an option of one byte: delta 11 is Uri-Path. */
const pathOption = Uint8Array.of(0xb1, 0x61);

const badMessages: readonly BadMessage[] = [
  {
    check: 'truncated-header',
    title: 'a header of 3 bytes',
    rule: rule(7252, '3'),
    asks: silence,
    bytes: (id) => messageBytes({ type: 'CON', code: Code.Get, messageId: id }).subarray(0, 3),
  },
  ...[0, 2, 3].map(
    (version): BadMessage => ({
      check: `version-${version}`,
      title: `version ${version}`,
      rule: rule(7252, '3'),
      asks: silence,
      bytes: (id) => messageBytes({ version, type: 'CON', code: Code.Get, messageId: id, rest: pathOption }),
    }),
  ),
  ...[9, 10, 11, 12, 13, 14].map(
    (tokenLength): BadMessage => ({
      check: `token-length-${tokenLength}`,
      title: `token length ${tokenLength}`,
      rule: rule(7252, '3'),
      asks: { kind: 'reset-or-answer' },
      bytes: (id, context) => longToken(id, tokenLength, context),
    }),
  ),
  {
    check: 'token-length-15',
    title: 'token length 15',
    rule: rule(8974, '2.1'),
    asks: reset,
    bytes: (id, { random }) =>
      messageBytes({ type: 'CON', code: Code.Get, messageId: id, tokenLength: 15, token: random(15) }),
  },
  {
    check: 'truncated-token',
    title: 'a token that is cut off',
    rule: formatError,
    asks: reset,
    bytes: (id, { random }) =>
      messageBytes({ type: 'CON', code: Code.Get, messageId: id, tokenLength: 8, token: random(3) }),
  },
  {
    check: 'truncated-option',
    title: 'an option that is cut off',
    rule: formatError,
    asks: reset,
    bytes: (id) =>
      messageBytes({ type: 'CON', code: Code.Get, messageId: id, rest: Uint8Array.of(0xb9, 0x61) }),
  },
  {
    check: 'reserved-option-delta',
    title: 'an option delta of 15',
    rule: rule(7252, '3.1'),
    asks: reset,
    bytes: (id) =>
      messageBytes({ type: 'CON', code: Code.Get, messageId: id, rest: Uint8Array.of(0xf1, 0x61) }),
  },
  {
    check: 'reserved-option-length',
    title: 'an option length of 15',
    rule: rule(7252, '3.1'),
    asks: reset,
    bytes: (id) =>
      messageBytes({ type: 'CON', code: Code.Get, messageId: id, rest: Uint8Array.of(0xbf, 0x61) }),
  },
  {
    check: 'payload-marker-alone',
    title: 'a payload marker without a payload',
    rule: rule(7252, '3'),
    asks: reset,
    bytes: (id) => messageBytes({ type: 'CON', code: Code.Get, messageId: id, rest: Uint8Array.of(0xff) }),
  },
  {
    check: 'empty-with-bytes',
    title: 'an empty message with bytes behind it',
    rule: rule(7252, '4.1'),
    asks: reset,
    bytes: (id) => messageBytes({ type: 'CON', code: 0, messageId: id, rest: Uint8Array.of(0xff, 0x61) }),
  },
  {
    check: 'empty-with-token',
    title: 'an empty message with a token',
    rule: rule(7252, '4.1'),
    asks: reset,
    bytes: (id, { random }) => messageBytes({ type: 'CON', code: 0, messageId: id, token: random(4) }),
  },
  ...[1, 6, 7].map(
    (codeClass): BadMessage => ({
      check: `code-class-${codeClass}`,
      title: `a code of the reserved class ${codeClass}`,
      rule: formatError,
      asks: reset,
      bytes: (id) => messageBytes({ type: 'CON', code: (codeClass << 5) | 1, messageId: id }),
    }),
  ),
  {
    check: 'stray-response',
    title: 'a Confirmable response that nobody asked for',
    rule: rule(7252, '5.3.2', 'SHOULD'),
    asks: reset,
    bytes: (id, { random }) =>
      messageBytes({ type: 'CON', code: Code.Content, messageId: id, token: random(8) }),
  },
  {
    check: 'stray-acknowledgement',
    title: 'an acknowledgement of nothing',
    rule: formatError,
    asks: silence,
    bytes: (id) => messageBytes({ type: 'ACK', code: 0, messageId: id }),
  },
  {
    check: 'block-size-7',
    title: 'a Block2 with the reserved size 7',
    rule: rule(7959, '2.2'),
    asks: { kind: 'code', code: Code.BadRequest },
    bytes: (id, context) => blockRequest(id, context, Uint8Array.of(7)),
  },
  {
    check: 'block-too-long',
    title: 'a Block2 of 4 bytes',
    rule: rule(7252, '5.4.3'),
    asks: { kind: 'code', code: Code.BadOption },
    bytes: (id, context) => blockRequest(id, context, Uint8Array.of(1, 0, 0, 0)),
  },
];

/** RFC 8974 §2.1: 9 to 12 as they are, 13 with one byte of length, 14 with two. */
function longToken(id: number, tokenLength: number, { random }: ProbeContext): Uint8Array {
  const extension = tokenLength === 13 ? [0] : tokenLength === 14 ? [0, 0] : [];
  const length = tokenLength === 13 ? 13 : tokenLength === 14 ? 269 : tokenLength;
  return messageBytes({
    type: 'CON',
    code: Code.Get,
    messageId: id,
    tokenLength,
    token: Uint8Array.of(...extension, ...random(length)),
  });
}

/** GET with Block2, for the path of the target. */
function blockRequest(id: number, { target, random, known }: ProbeContext, block: Uint8Array): Uint8Array {
  const options = [
    ...target,
    { number: OptionNumber.Block2, value: block },
    ...(known.echo === undefined ? [] : [{ number: OptionNumber.Echo, value: known.echo }]),
  ];
  return messageBytes({
    type: 'CON',
    code: Code.Get,
    messageId: id,
    token: random(4),
    rest: optionBytes(options),
  });
}

/** RFC 7252 §3.1, in ascending order of numbers; values below 269 bytes. */
function optionBytes(
  options: readonly { readonly number: number; readonly value: Uint8Array }[],
): Uint8Array {
  let before = 0;
  const bytes: number[] = [];
  const nibble = (value: number): number => (value < 13 ? value : value < 269 ? 13 : 14);
  const extension = (value: number): number[] =>
    value < 13 ? [] : value < 269 ? [value - 13] : [(value - 269) >> 8, (value - 269) & 255];
  for (const { number, value } of options.toSorted((a, b) => a.number - b.number)) {
    const delta = number - before;
    before = number;
    bytes.push(
      (nibble(delta) << 4) | nibble(value.length),
      ...extension(delta),
      ...extension(value.length),
      ...value,
    );
  }
  return Uint8Array.from(bytes);
}

function* messages(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  if (context.transport !== 'udp' && context.transport !== 'dtls') {
    const subject = { check: 'malformed', title: 'malformed messages', rule: formatError };
    return [found(subject, 'unknown', 'not tried: they are for datagrams')];
  }
  const findings: Finding[] = [];
  // Random Message IDs could meet each other.
  let id = (context.random(1)[0] ?? 0) << 8;
  for (const bad of badMessages) {
    const current = ++id;
    const received = yield* reactionTo(bad, current, context);
    const [result, text] = judgeReaction(bad.asks, received, current);
    const isAlive = (yield* ping(context)) !== 'silence';
    if (!isAlive) {
      findings.push(found(bad, 'violates', `${text}; it does not answer any more`));
      return findings;
    }
    findings.push(found(bad, result, `${text}; ${askedText(bad.asks)}; it lives on`));
  }
  return findings;
}

/** What comes back; where something has to, it is sent again when nothing did: it may be lost, and some send few Resets in a second. */
function* reactionTo(
  { bytes, asks }: BadMessage,
  id: number,
  context: ProbeContext,
): ProbeSteps<readonly Uint8Array[]> {
  const datagrams = [bytes(id, context)];
  for (let attempt = 0; ; attempt++) {
    const { received } = yield* datagramStep({
      to: 'link',
      datagrams,
      isFresh: false,
      isEnough: (replies) => repliesTo(replies, id).length > 0,
    });
    if (asks.kind === 'silence' || attempt > 0 || repliesTo(received, id).length > 0) return received;
  }
}

/** What was seen, against what was asked for. */
function judgeReaction(
  asks: Reaction,
  received: readonly Uint8Array[],
  id: number,
): readonly [ProbeResult, string] {
  const [reply] = repliesTo(received, id);
  if (reply === undefined) {
    return [
      asks.kind === 'silence' ? 'supported' : asks.kind === 'code' ? 'unknown' : 'violates',
      'no answer',
    ];
  }
  const type = messageTypeOf(reply);
  const code = reply[1] as number;
  const text = type === 'RST' ? 'Reset' : code === 0 ? 'an empty acknowledgement' : codeText(code);
  switch (asks.kind) {
    case 'silence':
      return ['violates', text];
    case 'reset':
      return [type === 'RST' ? 'supported' : 'violates', text];
    case 'reset-or-answer':
      if (type === 'RST') return ['supported', text];
      return code === 0 ? ['violates', text] : ['supported', `${text}: it knows longer tokens (RFC 8974)`];
    case 'code':
      if (type !== 'RST' && code === asks.code) return ['supported', text];
      return [
        code === Code.Unauthorized || code === Code.Forbidden || (code === 0 && type === 'ACK')
          ? 'unknown'
          : 'violates',
        text,
      ];
  }
}

function askedText(asks: Reaction): string {
  switch (asks.kind) {
    case 'silence':
      return 'silence is asked for';
    case 'reset':
    case 'reset-or-answer':
      return 'a Reset is asked for';
    case 'code':
      return `${codeText(asks.code)} is asked for`;
  }
}

interface BadRecord {
  readonly check: string;
  readonly title: string;
  readonly bytes: (context: ProbeContext) => Uint8Array;
}

const badRecords: readonly BadRecord[] = [
  {
    check: 'garbage-record',
    title: 'a record that is none',
    bytes: ({ random }) => Uint8Array.of(0xff, ...random(47)),
  },
  {
    check: 'truncated-record',
    title: 'a record that is longer than its datagram',
    bytes: (context) => helloRecord(context).subarray(0, 40),
  },
  {
    check: 'truncated-hello',
    title: 'a ClientHello that ends too soon',
    bytes: ({ random }) =>
      record({
        type: 22,
        version: 0xfeff,
        sequence: 0,
        body: [1, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 20, 0xfe, 0xfd, ...random(18)],
      }),
  },
];

function helloRecord(context: ProbeContext): Uint8Array {
  return encodeHello({
    offer: { ...dtlsOffer, serverName: context.serverName },
    random: context.random(32),
    keyShare: context.random(32),
    sequence: 0,
  });
}

function* records(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  if (context.known.hasDtls !== true) return [];
  const findings: Finding[] = [];
  for (const bad of badRecords) {
    const subject: Subject = { ...bad, rule: rule(6347, '4.1.2.7', 'SHOULD') };
    const { received } = yield* datagramStep({
      to: 'dtls',
      datagrams: [bad.bytes(context)],
      isFresh: true,
      isEnough: (replies) => replies.length > 0,
    });
    const { alert } = readServerFlight(received);
    const text = received.length === 0 ? 'no answer' : alert === undefined ? 'an answer' : 'an alert';
    const sign = yield* datagramStep({
      to: 'dtls',
      datagrams: [helloRecord(context)],
      isFresh: true,
      isEnough: (replies) => replies.length > 0,
    });
    if (sign.received.length === 0) {
      findings.push(found(subject, 'violates', `${text}; it does not answer a ClientHello any more`));
      return findings;
    }
    // An alert is allowed, and lets others end handshakes: it is told.
    findings.push(
      found(
        subject,
        received.length === 0 || alert !== undefined ? 'supported' : 'violates',
        `${text}; silence is asked for; it lives on`,
      ),
    );
  }
  return findings;
}
