/**
 * Whether the peer knows OSCORE: a request under a context that nobody has, and one that cannot be read.
 *
 * RFC 8613 §8.2: who knows the option may answer 4.01 to the first and 4.02 to the second; to who does not, it is a
 * critical option that it does not know (RFC 7252 §5.4.1).
 *
 * @module
 */

import { Code, OptionNumber } from 'coapsule/message';
import { type Finding, found, rule } from './finding.ts';
import { askUnknownOption } from './message-checks.ts';
import { answerText, ask, type ProbeCheck, type ProbeContext } from './probe-check.ts';
import type { ProbeSteps } from './probe-step.ts';

/** See the module comment. */
export const oscoreChecks: readonly ProbeCheck[] = [{ group: 'oscore', run: oscore }];

/** Ciphertext and tag of nothing: 24 bytes. */
const ciphertextLength = 24;

function* oscore(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = { check: 'oscore', title: 'OSCORE', rule: rule(8613, '8.2', 'MAY') };
  if (!(yield* isHarmless(context))) {
    const evidence =
      'not tried: the peer was not seen to refuse critical options that it does not know, and could take the request for a plain POST; --allow-write tries it';
    return [found(subject, 'unknown', evidence)];
  }
  // §6.1: flags with a kid and one byte of Partial IV. A kid of 7 bytes at random is nobody's.
  const value = Uint8Array.of(0x09, 0, ...context.random(7));
  const unknown = yield* askProtected(context, value);
  const text = answerText(unknown);
  if (unknown.kind !== 'response') return [found(subject, 'unknown', `${text}; the peer need not answer`)];
  if (unknown.code === Code.BadOption)
    return [found(subject, 'absent', `${text}: it does not know the option`)];
  if (unknown.code !== Code.Unauthorized) {
    return [
      found(
        { ...subject, rule: rule(7252, '5.4.1') },
        'violates',
        `${text}: the option is critical, and was passed over`,
      ),
    ];
  }
  const malformed = {
    check: 'oscore-malformed',
    title: 'refuses an OSCORE option that cannot be read',
    rule: rule(8613, '8.2', 'MAY'),
  };
  // §6.1: n = 6 and 7 are reserved, so are the three upper bits.
  const unreadable = yield* askProtected(context, Uint8Array.of(0xe7));
  const isRefused = unreadable.kind === 'response' && unreadable.code === Code.BadOption;
  const isTaken = unreadable.kind === 'response' && unreadable.code >> 5 === 2;
  return [
    found(subject, 'supported', `${text}: no context for a kid at random`),
    found(malformed, isRefused ? 'supported' : isTaken ? 'violates' : 'unknown', answerText(unreadable)),
  ];
}

/** To who passes the option over, the request is a POST with a payload (§4.1.3.5, RFC 7252 §5.4.1). */
function* isHarmless(context: ProbeContext): ProbeSteps<boolean> {
  const { known, mayWrite } = context;
  if (mayWrite || known.refusesUnknownOptions !== undefined)
    return mayWrite || known.refusesUnknownOptions === true;
  const answer = yield* askUnknownOption(context);
  // Who answers strangers with 4.01 carries nothing out for them.
  const isForNobody = answer.kind === 'response' && answer.code === Code.Unauthorized;
  return isForNobody || context.known.refusesUnknownOptions === true;
}

function* askProtected(context: ProbeContext, value: Uint8Array): ReturnType<typeof ask> {
  // What it is for is inside of the ciphertext; the outer code is POST (§4.1.3.5).
  const where = context.target.filter(
    ({ number }) => number !== OptionNumber.UriPath && number !== OptionNumber.UriQuery,
  );
  return yield* ask(context, {
    code: Code.Post,
    where,
    options: [{ number: OptionNumber.Oscore, value }],
    payload: context.random(ciphertextLength),
  });
}
