import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { type PutAnswer, RetransmittingClient } from './retransmitting-client.ts';
import { storedTexts, storedValues } from './stored-texts.ts';

const { COAPSULE_LONG } = process.env;
const rounds = COAPSULE_LONG === '1' ? 50 : 5;
const putsInFlight = 16;
const created = 0x41;
const changed = 0x44;

test(`kill -9 during writes loses no acknowledged PUT and stores none twice (${rounds} rounds)`, async (t) => {
  const data = temporaryFolder(t);
  const port = await freeUdpPorts(1);
  let gateway = serve(t, data, port);
  await gateway.ready();
  const client = await RetransmittingClient.open(t, port);

  const answers = new Map<string, PutAnswer>();
  let stopping = false;
  const acknowledgedWaiters: { count: number; resolve: () => void }[] = [];
  const acknowledged = (count: number): Promise<void> =>
    new Promise((resolve) => acknowledgedWaiters.push({ count: answers.size + count, resolve }));

  /** One PUT after the other, each with a payload of its own, until the test stops. */
  const write = async (writer: number): Promise<void> => {
    for (let index = 0; !stopping; index += 1) {
      const text = `${writer}:${index}`;
      answers.set(text, await client.put(`w${writer}`, text));
      for (const waiter of acknowledgedWaiters.splice(0)) {
        if (answers.size >= waiter.count) waiter.resolve();
        else acknowledgedWaiters.push(waiter);
      }
    }
  };
  const writers = Array.from({ length: putsInFlight }, (_, writer) => write(writer));

  let killedInFlight = 0;
  for (let round = 0; round < rounds; round += 1) {
    // Another number each time: the kill meets another point of receiving, committing and answering.
    await acknowledged(20 + ((round * 7) % 31));
    killedInFlight += client.waiting;
    const ended = await gateway.kill('SIGKILL');
    assert.equal(ended.signal, 'SIGKILL');
    gateway = serve(t, data, port);
    await gateway.ready();
  }
  await acknowledged(20);
  stopping = true;
  await Promise.all(writers);
  assert.equal((await gateway.kill('SIGTERM')).code, 0);

  assert.ok(killedInFlight > 0, 'no PUT was under way at any kill: the test shows nothing');
  assert.ok(
    [...answers.values()].some(({ sent }) => sent > 1),
    'no PUT was ever sent again: the test shows nothing',
  );
  for (const [text, { code }] of answers) {
    assert.equal(code, text.endsWith(':0') ? created : changed, text);
  }
  const stored = storedTexts(data);
  assert.deepEqual(
    stored.filter((text, index) => stored.indexOf(text) !== index),
    [],
    'stored twice',
  );
  const storedSet = new Set(stored);
  assert.deepEqual(
    [...answers.keys()].filter((text) => !storedSet.has(text)),
    [],
    'acknowledged and lost',
  );
  assert.deepEqual(
    storedValues(data),
    stored,
    'each reading has its value, and no value is without its reading',
  );
  // Every PUT was answered in the end, so that nothing else may be there either.
  assert.equal(stored.length, answers.size);
});

test('a PUT that was committed, and whose answer the crash swallowed, gets that answer after the restart', async (t) => {
  const data = temporaryFolder(t);
  const port = await freeUdpPorts(1);
  const first = serve(t, data, port);
  await first.ready();
  const client = await RetransmittingClient.open(t, port);
  assert.equal((await client.put('a', 'once')).code, created);
  await first.kill('SIGKILL');
  const second = serve(t, data, port);
  await second.ready();
  // The same message once more, as if its ACK had been lost.
  assert.equal((await client.putAgain()).code, created);
  assert.equal((await client.put('a', 'twice')).code, changed);
  await second.kill('SIGTERM');
  assert.deepEqual(storedTexts(data), ['once', 'twice']);
});

function serve(t: TestContext, data: string, port: number): CoapsuleProcess {
  const endpoints = ['--coap', `127.0.0.1:${port}`, '--coaps', 'off'];
  return new CoapsuleProcess(t, ['serve', '--dangerously-allow-plain-writes', '--data', data, ...endpoints]);
}
