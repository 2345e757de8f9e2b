/**
 * The least that everybody who speaks CoAP does: answer a request and a ping, refuse what it does not know.
 *
 * RFC 7252 §4.2, §4.3, §5.4.1, §5.8. All of it is well formed: what is not is in `malformed-checks.ts`.
 *
 * @module
 */

import { Code } from 'coapsule/message';
import { type Finding, found, rule, type Subject } from './finding.ts';
import { messageBytes, messageId, messageTypeOf, repliesTo } from './message-bytes.ts';
import { answerText, ask, type ProbeCheck, type ProbeContext, saysNothing } from './probe-check.ts';
import { type Answer, datagramStep, type ProbeSteps } from './probe-step.ts';

/** Critical, and of the range for experiments, which nobody may rely on (RFC 7252 §12.2). */
const unknownCriticalOption = 65_001;
/** Elective, of the same range. */
const unknownElectiveOption = 65_000;
/** 0.31: not assigned. */
const unknownMethod = 0x1f;

/** See the module comment. */
export const messageChecks: readonly ProbeCheck[] = [
  { group: 'messages', run: requestCheck },
  { group: 'messages', run: pingCheck },
  { group: 'messages', run: unknownOptionChecks },
  { group: 'messages', run: unknownMethodCheck },
];

function* requestCheck(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = { check: 'request', title: `GET ${context.path}`, rule: rule(7252, '5.8.1', 'MUST') };
  const answer = yield* ask(context);
  const result =
    answer.kind === 'response'
      ? 'supported'
      : answer.kind === 'reset' || answer.kind === 'acknowledged'
        ? 'violates'
        : 'unknown';
  return [found(subject, result, answerText(answer))];
}

/** An Empty Confirmable message, and the Reset that it provokes. */
export function* ping(
  context: ProbeContext,
): ProbeSteps<'reset' | 'acknowledged' | 'other' | 'silence' | 'refused'> {
  // A datagram may be lost: two that are told apart.
  for (let attempt = 0; attempt < 2; attempt++) {
    const id = messageId(context.random(2));
    const { received, unreachable } = yield* datagramStep({
      to: 'link',
      datagrams: [messageBytes({ type: 'CON', code: 0, messageId: id })],
      isFresh: false,
      isEnough: (replies) => repliesTo(replies, id).length > 0,
    });
    const [reply] = repliesTo(received, id);
    if (reply !== undefined) {
      const type = messageTypeOf(reply);
      return type === 'RST' ? 'reset' : type === 'ACK' ? 'acknowledged' : 'other';
    }
    if (unreachable !== undefined) return 'refused';
  }
  return 'silence';
}

function* pingCheck(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  if (context.transport !== 'udp' && context.transport !== 'dtls') return [];
  const subject = { check: 'ping', title: 'ping: an empty Confirmable message', rule: rule(7252, '4.2') };
  const seen = yield* ping(context);
  switch (seen) {
    case 'reset':
      return [found(subject, 'supported', 'Reset')];
    case 'acknowledged':
    case 'other':
      return [found(subject, 'violates', 'answered, but not with a Reset')];
    case 'silence':
      return [found(subject, 'unknown', 'no answer')];
    case 'refused':
      return [found(subject, 'unknown', 'nobody listens there')];
  }
}

function* unknownOptionChecks(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const critical: Subject = {
    check: 'unknown-critical-option',
    title: `refuses a critical option that it does not know (${unknownCriticalOption})`,
    rule: rule(7252, '5.4.1'),
  };
  const elective: Subject = {
    check: 'unknown-elective-option',
    title: `ignores an elective option that it does not know (${unknownElectiveOption})`,
    rule: rule(7252, '5.4.1'),
  };
  const plain = yield* ask(context);
  const refused = yield* askUnknownOption(context);
  const ignored = yield* ask(context, {
    options: [{ number: unknownElectiveOption, value: Uint8Array.of(1) }],
  });
  const isRefused = refused.kind === 'response' && refused.code === Code.BadOption;
  return [
    found(
      critical,
      isRefused ? 'supported' : saysNothing(refused) ? 'unknown' : 'violates',
      isRefused ? answerText(refused) : `${answerText(refused)}; 4.02 Bad Option is asked for`,
    ),
    found(elective, ignoredResult(plain, ignored), answerText(ignored)),
  ];
}

/** GET with a critical option that nobody knows; what it tells of the peer is kept. */
export function* askUnknownOption(context: ProbeContext): ReturnType<typeof ask> {
  const options = [{ number: unknownCriticalOption, value: Uint8Array.of(1) }];
  const answer = yield* ask(context, { options });
  if (answer.kind !== 'response') return answer;
  if (answer.code === Code.BadOption) context.known.refusesUnknownOptions = true;
  else if (answer.code < Code.BadRequest) context.known.refusesUnknownOptions = false;
  return answer;
}

function ignoredResult(plain: Answer, withOption: Answer): Finding['result'] {
  if (plain.kind !== 'response' || withOption.kind === 'silence' || withOption.kind === 'not-sent')
    return 'unknown';
  if (withOption.kind === 'response' && withOption.code === plain.code) return 'supported';
  const isRefusal =
    withOption.kind === 'reset' || (withOption.kind === 'response' && withOption.code === Code.BadOption);
  return isRefusal ? 'violates' : 'unknown';
}

function* unknownMethodCheck(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = {
    check: 'unknown-method',
    title: 'refuses a method that does not exist (0.31)',
    rule: rule(7252, '5.8'),
  };
  const answer = yield* ask(context, { code: unknownMethod });
  const isRefused = answer.kind === 'response' && answer.code === Code.MethodNotAllowed;
  return [
    found(
      subject,
      isRefused ? 'supported' : saysNothing(answer) ? 'unknown' : 'violates',
      isRefused ? answerText(answer) : `${answerText(answer)}; 4.05 Method Not Allowed is asked for`,
    ),
  ];
}
