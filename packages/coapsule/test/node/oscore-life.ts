/**
 * One life of an OSCORE end, for tests that kill it: protects, or verifies, until it is killed.
 *
 * oscore-life.ts sender STATE LOG            each Partial IV that it uses, a line each
 * oscore-life.ts recipient STATE LOG NUMBER  each request that it carries out; it replays to itself all that it ever got
 *
 * What is in the log is there when the process is killed: the kernel has it. NUMBER is where the client of this life begins.
 */

import { existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { toHex } from '../../src/core/foundation/bytes.ts';
import type { OscoreContent } from '../../src/core/oscore/plaintext.ts';
import { protectRequest } from '../../src/core/oscore/protect-request.ts';
import { unusedContext } from '../../src/core/oscore/security-context.ts';
import { OscoreFile } from '../../src/node/oscore-file.ts';
import { content, getRequest, protectedRequest, restarted, verdictOf } from '../unit/oscore/contexts.ts';

const [role = '', statePath = '', logPath = '', number = '0'] = process.argv.slice(2);
const log = openSync(logPath, 'a');
// The one before was killed: its lock is of no interest here.
const store = new OscoreFile(statePath, `${statePath}.lock`);
const record = (await store.load()) ?? unusedContext;

async function send(): Promise<never> {
  const context = restarted('client', record, { senderBatch: 8 });
  for (;;) {
    const outcome = protectRequest(context, getRequest);
    if (outcome.kind === 'store-first') {
      await store.save(outcome.record);
      context.stored(outcome.record);
    } else if (outcome.kind === 'protected') {
      writeSync(log, `${toHex(outcome.message.options.first(OptionNumber.Oscore) as Uint8Array)}\n`);
    }
  }
}

/** A recorded request: its OSCORE option and its ciphertext. */
function recorded(message: OscoreContent): string {
  return `sent ${toHex(message.options.first(OptionNumber.Oscore) as Uint8Array)} ${toHex(message.payload)}`;
}

function replayed(line: string): OscoreContent {
  const [, option = '', payload = ''] = line.split(' ');
  return {
    ...content(2, [[OptionNumber.Oscore, Buffer.from(option, 'hex')]]),
    payload: Buffer.from(payload, 'hex'),
  };
}

async function receive(): Promise<never> {
  const context = restarted('server', record, { recipientStep: 8, senderBatch: 1000 }, Number(number));
  const client = restarted(
    'client',
    { ...unusedContext, senderEdge: Number(number) },
    { senderBatch: 2 ** 30 },
  );
  context.stored({ senderEdge: 2 ** 40, recipientEdge: 0 });
  const carryOut = async (message: OscoreContent, from: string): Promise<string> => {
    const verdict = verdictOf(context, message);
    if (verdict.kind === 'store-first') {
      await store.save(verdict.record);
      context.stored(verdict.record);
    }
    if (verdict.kind === 'store-first' || verdict.kind === 'verified') {
      writeSync(log, `carried out ${from}\n`);
      return 'done';
    }
    return verdict.kind;
  };
  const before = existsSync(logPath) ? readFileSync(logPath, 'utf8').split('\n') : [];
  for (const line of before.filter((one) => one.startsWith('sent '))) {
    await carryOut(replayed(line), line.slice(5));
  }
  for (let asked = 0; ; asked++) {
    const echo = asked === 1 && !context.window.synchronized ? [context.echo] : [];
    const options = OptionSet.from(getRequest.options.entries());
    for (const value of echo) options.add(OptionNumber.Echo, value);
    const { message } = protectedRequest(client, { ...getRequest, options });
    writeSync(log, `${recorded(message)}\n`);
    const outcome = await carryOut(message, recorded(message).slice(5));
    if (asked === 1 && outcome !== 'done') writeSync(log, `no service: ${outcome}\n`);
  }
}

await (role === 'sender' ? send() : receive());
