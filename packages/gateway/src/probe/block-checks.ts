/**
 * Block-wise transfers: each block size of Block2, going on with block 1, Block1 where writing is allowed, and Q-Block2.
 *
 * RFC 7959 §2, RFC 9177 §4. BERT is a matter of connections: `transport-checks.ts`.
 *
 * @module
 */

import { blockSize, Code, decodeBlock, encodeBlock, maxSzx, OptionNumber } from 'coapsule/message';
import { type Finding, found, rule, type Subject } from './finding.ts';
import { writingObstacle } from './method-checks.ts';
import { answerText, ask, type ProbeCheck, type ProbeContext, saysNothing } from './probe-check.ts';
import type { Answer, ProbeSteps } from './probe-step.ts';

/** See the module comment. */
export const blockChecks: readonly ProbeCheck[] = [
  { group: 'blocks', run: block2Checks },
  { group: 'blocks', run: block1Check },
  { group: 'blocks', run: qBlockCheck },
];

function* block2Checks(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const findings: Finding[] = [];
  let smallest: number | undefined;
  for (let szx = maxSzx; szx >= 0; szx--) {
    const answer = yield* askForBlock(context, 0, szx);
    const finding = judgeBlock2(szx, answer);
    findings.push(finding);
    if (finding.result === 'supported') smallest = szx;
    // Neither the body nor the option will be another one for the smaller sizes.
    if (answer.kind !== 'response' || answer.code !== Code.Content) {
      for (let rest = szx - 1; rest >= 0; rest--) {
        findings.push(
          found(block2Subject(rest), finding.result === 'absent' ? 'absent' : 'unknown', 'as above'),
        );
      }
      break;
    }
  }
  if (smallest !== undefined) {
    const answer = yield* askForBlock(context, 1, smallest);
    findings.push(judgeNext(smallest, answer));
  }
  return findings;
}

function askForBlock(context: ProbeContext, num: number, szx: number): ProbeSteps<Answer> {
  const value = encodeBlock({ num, more: false, szx });
  return ask(context, { options: [{ number: OptionNumber.Block2, value }] });
}

function block2Subject(szx: number): Subject {
  const size = blockSize(szx);
  return {
    check: `block2-${size}`,
    title: `responses in blocks of ${size} bytes`,
    rule: rule(7959, '2.4'),
  };
}

/** What the response to a request for block 0 of this size says. */
function judgeBlock2(szx: number, answer: Answer): Finding {
  const subject = block2Subject(szx);
  const text = answerText(answer);
  if (answer.kind !== 'response') return found(subject, 'unknown', text);
  if (answer.code === Code.BadOption) return found(subject, 'absent', text);
  if (answer.code !== Code.Content) return found(subject, 'unknown', text);
  const size = blockSize(szx);
  const { length } = answer.payload;
  const value = answer.options.first(OptionNumber.Block2);
  if (length > size) {
    return found(subject, 'violates', `${text}: more than the ${size} that were asked for`);
  }
  if (value === undefined) {
    return found(subject, 'unknown', `${text}: all of it fits one block; name a longer resource in the URI`);
  }
  const block = decodeBlock(value);
  if (block === undefined || block.num !== 0 || block.szx > szx) {
    const seen =
      block === undefined ? 'a Block2 that cannot be' : `block ${block.num} of ${blockSize(block.szx)}`;
    return found(subject, 'violates', `${text}: ${seen}`);
  }
  if (block.more && length !== blockSize(block.szx)) {
    return found(subject, 'violates', `${text}: a block that is not the last has to be full`);
  }
  const got = blockSize(block.szx);
  if (got < size) return found(subject, 'absent', `the peer goes down to blocks of ${got} bytes, as it may`);
  return found(subject, 'supported', `${text}${block.more ? ', more follow' : ', the only one'}`);
}

function judgeNext(szx: number, answer: Answer): Finding {
  const subject = {
    check: 'block2-next',
    title: 'goes on with block 1',
    rule: rule(7959, '2.4'),
  };
  const text = `${answerText(answer)} for block 1 of ${blockSize(szx)} bytes`;
  if (answer.kind !== 'response' || answer.code !== Code.Content) {
    // A body of one block has no second one, which is answered with 4.xx.
    return found(subject, 'unknown', text);
  }
  const block = decodeBlock(answer.options.first(OptionNumber.Block2) ?? new Uint8Array(4));
  return block?.num === 1
    ? found(subject, 'supported', text)
    : found(
        subject,
        'violates',
        `${text}: ${block === undefined ? 'no Block2 in it' : `it is block ${block.num}`}`,
      );
}

function* block1Check(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = { check: 'block1', title: 'requests in blocks', rule: rule(7959, '2.3', 'MAY') };
  const obstacle = writingObstacle(context);
  if (obstacle !== undefined) return [found(subject, 'unknown', obstacle)];
  const szx = 2;
  // The rest never comes: a server that puts bodies together has nothing to carry out.
  const answer = yield* ask(context, {
    code: Code.Put,
    options: [{ number: OptionNumber.Block1, value: encodeBlock({ num: 0, more: true, szx }) }],
    payload: new Uint8Array(blockSize(szx)).fill(0x2e),
  });
  const text = answerText(answer);
  if (answer.kind !== 'response' || saysNothing(answer)) return [found(subject, 'unknown', text)];
  const block = answer.options.first(OptionNumber.Block1);
  if (answer.code === Code.Continue || (block !== undefined && answer.code !== Code.BadOption)) {
    return [found(subject, 'supported', text)];
  }
  return [found(subject, answer.code === Code.BadOption ? 'absent' : 'unknown', text)];
}

function* qBlockCheck(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = {
    check: 'q-block2',
    title: 'responses in sets of blocks (Q-Block2)',
    rule: rule(9177, '4.1', 'MAY'),
  };
  if (context.transport !== 'udp' && context.transport !== 'dtls') {
    return [found(subject, 'unknown', 'not tried: Q-Block is for datagrams')];
  }
  const answer = yield* ask(context, {
    options: [{ number: OptionNumber.QBlock2, value: encodeBlock({ num: 0, more: false, szx: maxSzx }) }],
  });
  const text = answerText(answer);
  if (answer.kind !== 'response' || saysNothing(answer)) return [found(subject, 'unknown', text)];
  if (answer.code === Code.BadOption) return [found(subject, 'absent', text)];
  if (answer.options.has(OptionNumber.QBlock2))
    return [found(subject, 'supported', `${text}, with Q-Block2`)];
  if (answer.code !== Code.Content) return [found(subject, 'unknown', text)];
  return [
    context.known.refusesUnknownOptions === true && !answer.options.has(OptionNumber.Block2)
      ? found(subject, 'supported', `${text}: the option is critical, and was taken; the body fits one block`)
      : found(subject, 'unknown', `${text}, without Q-Block2`),
  ];
}
