/**
 * OSCORE ends that are killed (SIGKILL) at random moments, many times: no Partial IV is used twice, no request is carried out
 * twice, and each life goes on after one Echo at most (RFC 8613 §7.5, Appendix B.1).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

const lives = process.env['COAPSULE_LONG'] === '1' ? 1_000 : 50;
/** From the first line of a life to its end. */
const longestMs = 30;
const script = join(import.meta.dirname, 'oscore-life.ts');

/** Lives one after the other, each killed a random time after its first line; all lines that they wrote. */
async function live(t: TestContext, role: 'sender' | 'recipient'): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'oscore-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [state, log] = [join(folder, 'state'), join(folder, 'log')];
  const random = new SeededRandom(8613);
  const size = (): number => statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  for (let life = 0; life < lives; life++) {
    const before = size();
    const number = String(life * 1_000_000);
    const child = spawn(
      process.execPath,
      ['--conditions=@coapsule/source', script, role, state, log, number],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    const ended = once(child, 'exit');
    while (size() === before && child.exitCode === null) await sleep(1);
    await sleep(random.integer(longestMs));
    assert.equal(child.exitCode, null, 'it ended by itself');
    child.kill('SIGKILL');
    await ended;
  }
  return readFileSync(log, 'utf8').trimEnd().split('\n');
}

test(`a sender that is killed ${lives} times uses no Partial IV twice`, async (t) => {
  const used = await live(t, 'sender');
  t.diagnostic(`${used.length} Partial IVs`);
  assert.ok(used.length >= lives);
  assert.equal(new Set(used).size, used.length);
});

test(`a recipient that is killed ${lives} times carries out no request twice, and none that came before`, async (t) => {
  const lines = await live(t, 'recipient');
  const carriedOut = lines.filter((line) => line.startsWith('carried out '));
  t.diagnostic(`${carriedOut.length} requests carried out`);
  assert.ok(carriedOut.length >= lives / 2, `${carriedOut.length} requests`);
  assert.equal(new Set(carriedOut).size, carriedOut.length);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('no service')),
    [],
    'the second request of a life is served at the latest',
  );
});
