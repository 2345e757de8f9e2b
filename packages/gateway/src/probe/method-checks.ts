/**
 * Which methods the peer has.
 *
 * RFC 7252 §5.8, RFC 8132. GET and FETCH change nothing and are always tried. The others are tried only where the user allowed it, with
 * a condition that no resource meets (If-Match with a random ETag, RFC 7252 §5.10.8.1): who honours it changes nothing. A
 * peer that lets unknown critical options pass is not asked, since it would let the condition pass too.
 *
 * @module
 */

import { Code, codeOfMethod, type Method, OptionNumber } from 'coapsule/message';
import { type Finding, found, type ProbeResult, rule, type Subject } from './finding.ts';
import { answerText, ask, type ProbeCheck, type ProbeContext, saysNothing } from './probe-check.ts';
import type { Answer, ProbeSteps } from './probe-step.ts';

const safeMethods: readonly Method[] = ['GET', 'FETCH'];
const changingMethods: readonly Method[] = ['POST', 'PUT', 'PATCH', 'IPATCH', 'DELETE'];

/** See the module comment. */
export const methodChecks: readonly ProbeCheck[] = [{ group: 'methods', run: methods }];

function subjectOf(method: Method): Subject {
  const name = method === 'IPATCH' ? 'iPATCH' : method;
  const is8132 = method === 'FETCH' || method === 'PATCH' || method === 'IPATCH';
  return {
    check: `method-${method.toLowerCase()}`,
    title: name,
    rule: is8132 ? rule(8132, method === 'FETCH' ? '2' : '3', 'MAY') : rule(7252, '5.8', 'MAY'),
  };
}

function* methods(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const method of safeMethods) {
    const answer = yield* ask(context, { code: codeOfMethod(method) });
    findings.push(judged(method, answer, context));
  }
  const obstacle = writingObstacle(context);
  for (const method of changingMethods) {
    if (obstacle !== undefined) {
      findings.push(found(subjectOf(method), 'unknown', obstacle));
      continue;
    }
    const answer = yield* ask(context, {
      code: codeOfMethod(method),
      options: [{ number: OptionNumber.IfMatch, value: context.random(8) }],
    });
    findings.push(judged(method, answer, context));
  }
  return findings;
}

/** Why nothing that may change something is sent. */
export function writingObstacle({ mayWrite, known }: ProbeContext): string | undefined {
  if (!mayWrite)
    return 'not tried: it could change something; --allow-write tries it, on a path made for that';
  return known.refusesUnknownOptions === true
    ? undefined
    : 'not tried: the peer was not seen to refuse critical options that it does not know, so it may not honour a condition either';
}

function judged(method: Method, answer: Answer, { path }: ProbeContext): Finding {
  const subject = subjectOf(method);
  const text = `${answerText(answer)} on ${path}`;
  return found(subject, methodResult(answer), text);
}

/** What an answer says about the method that was asked for. */
function methodResult(answer: Answer): ProbeResult {
  if (answer.kind === 'reset') return 'violates';
  if (answer.kind !== 'response' || saysNothing(answer)) return 'unknown';
  switch (answer.code) {
    case Code.MethodNotAllowed:
    case Code.NotImplemented:
      return 'absent';
    // These are said before the method is looked at.
    case Code.BadOption:
    case Code.NotFound:
    case Code.TooManyRequests:
    case Code.ServiceUnavailable:
      return 'unknown';
    default:
      return 'supported';
  }
}
