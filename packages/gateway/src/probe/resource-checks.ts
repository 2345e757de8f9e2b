/**
 * What a resource offers beyond its representation: Observe, ETag; and whether the peer asks for an Echo.
 *
 * RFC 7641 §3 and §4, RFC 7252 §5.10.6, RFC 9175 §2.
 *
 * @module
 */

import { Code, decodeMessage, isDecodeFault, OptionNumber } from 'coapsule/message';
import { type Finding, found, rule } from './finding.ts';
import { answerText, ask, linkListRequest, type ProbeCheck, type ProbeContext } from './probe-check.ts';
import { datagramStep, type ProbeSteps } from './probe-step.ts';

/** See the module comment. */
export const resourceChecks: readonly ProbeCheck[] = [
  { group: 'observe', run: observe },
  { group: 'etag', run: entityTag },
  { group: 'echo', run: echo },
];

/** A registration, which is taken back at once. */
function* observe(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = {
    check: 'observe',
    title: `${context.path} can be observed`,
    rule: rule(7641, '3.1', 'MAY'),
  };
  const token = context.random(8);
  const registered = yield* ask(context, {
    token,
    options: [{ number: OptionNumber.Observe, value: new Uint8Array(0) }],
  });
  const text = answerText(registered);
  if (registered.kind !== 'response' || registered.code >> 5 !== 2) {
    const isRefused = registered.kind === 'response' && registered.code === Code.BadOption;
    // Observe is elective: nobody may refuse a request for it (RFC 7252 §5.4.1).
    return [found(subject, isRefused ? 'violates' : 'unknown', text)];
  }
  const number = registered.options.uint(OptionNumber.Observe);
  if (number === undefined) {
    return [found(subject, 'absent', `${text}, without Observe; another resource may have it`)];
  }
  const cancelled = yield* ask(context, {
    token,
    options: [{ number: OptionNumber.Observe, value: Uint8Array.of(1) }],
  });
  const cancel = {
    check: 'observe-cancel',
    title: 'an observation can be cancelled',
    rule: rule(7641, '3.6'),
  };
  const isOver = cancelled.kind === 'response' && !cancelled.options.has(OptionNumber.Observe);
  return [
    found(subject, 'supported', `${text}, Observe ${number}`),
    found(
      cancel,
      isOver ? 'supported' : 'unknown',
      isOver
        ? answerText(cancelled)
        : `${answerText(cancelled)}, with Observe: it may be a notification under way`,
    ),
  ];
}

function* entityTag(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = {
    check: 'etag',
    title: `${context.path} has an ETag, and validates it`,
    rule: rule(7252, '5.10.6', 'MAY'),
  };
  const first = yield* ask(context);
  const text = answerText(first);
  if (first.kind !== 'response' || first.code !== Code.Content) return [found(subject, 'unknown', text)];
  const etag = first.options.first(OptionNumber.ETag);
  if (etag === undefined) return [found(subject, 'absent', `${text}, without ETag`)];
  if (etag.length === 0 || etag.length > 8) {
    return [
      found(
        { ...subject, rule: rule(7252, '5.10.6') },
        'violates',
        `an ETag of ${etag.length} bytes; 1 to 8 are allowed`,
      ),
    ];
  }
  const second = yield* ask(context, { options: [{ number: OptionNumber.ETag, value: etag }] });
  if (second.kind !== 'response') return [found(subject, 'unknown', `the same again: ${answerText(second)}`)];
  const again = second.options.first(OptionNumber.ETag);
  const isSame = again !== undefined && hex(again) === hex(etag);
  if (second.code === Code.Valid) {
    if (second.payload.length > 0) {
      return [
        found(
          { ...subject, rule: rule(7252, '5.9.1.3') },
          'violates',
          `${answerText(second)}: a 2.03 has no payload`,
        ),
      ];
    }
    return [
      isSame
        ? found(subject, 'supported', `ETag ${hex(etag)}: 2.03 Valid`)
        : found(
            { ...subject, rule: rule(7252, '5.9.1.3') },
            'violates',
            `2.03 Valid ${again === undefined ? 'without ETag' : `with ETag ${hex(again)}`}, asked for ${hex(etag)}`,
          ),
    ];
  }
  if (second.code === Code.Content && !isSame) {
    return [found(subject, 'unknown', 'the resource changed between two requests: its ETag is another one')];
  }
  return [found(subject, 'absent', `ETag ${hex(etag)} is sent, and not validated: ${answerText(second)}`)];
}

function* echo(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = {
    check: 'echo',
    title: 'gives an Echo to addresses that it does not know',
    rule: rule(9175, '2.6', 'SHOULD'),
  };
  const echo = context.known.echo ?? (yield* echoForStranger(context));
  if (echo === undefined) {
    return [
      found(
        subject,
        'unknown',
        'no answer had an Echo; a peer with small responses needs none, and others may limit them or ping first',
      ),
    ];
  }
  return [
    echo.length >= 1 && echo.length <= 40
      ? found(subject, 'supported', `an Echo of ${echo.length} bytes`)
      : found(
          { ...subject, rule: rule(9175, '2.2.1') },
          'violates',
          `an Echo of ${echo.length} bytes; 1 to 40 are allowed`,
        ),
  ];
}

/** Asked from an address that has answered nothing, not even a ping. */
function* echoForStranger(context: ProbeContext): ProbeSteps<Uint8Array | undefined> {
  if (context.transport !== 'udp') return undefined;
  const request = linkListRequest(context);
  const { received } = yield* datagramStep({
    to: 'udp',
    datagrams: [request],
    isFresh: true,
    isEnough: (replies) => replies.some((reply) => echoIn(reply) !== undefined),
  });
  return received.map(echoIn).find((value) => value !== undefined);
}

function echoIn(reply: Uint8Array): Uint8Array | undefined {
  const message = decodeMessage(reply);
  return isDecodeFault(message) ? undefined : message.options.first(OptionNumber.Echo);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
