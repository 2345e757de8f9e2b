import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TraceEvent } from 'coapsule';
import { Code, encodeBlock, encodeMessage, encodeUint, OptionNumber, OptionSet } from 'coapsule/message';
import { BlockProgress } from '../../src/cli/block-progress.ts';
import { ProgressLine } from '../../src/cli/progress-line.ts';
import { showTime } from '../../src/cli/time-progress.ts';
import { TransferProgress } from '../../src/cli/transfer-progress.ts';

/** Standard error that keeps what was written, and a clock that is set. */
class Shown {
  text = '';
  nowMs = 1000;
  readonly timers: (() => void)[] = [];
  readonly stderr: { readonly isTerminal: boolean; write(data: Uint8Array | string): void };
  readonly variables: Readonly<Record<string, string>>;

  constructor(isTerminal = true, variables: Readonly<Record<string, string>> = {}) {
    this.variables = variables;
    this.stderr = {
      isTerminal,
      write: (data) => {
        this.text += String(data);
      },
    };
  }

  readonly wallTimeMs = (): number => this.nowMs;
  readonly after = (_delayMs: number, action: () => void): (() => void) => {
    this.timers.push(action);
    return () => this.timers.splice(this.timers.indexOf(action), 1);
  };
}

/** A block of a response that came, or of a request that leaves. */
function block(num: number, more: boolean, size?: number, isRequest = false): TraceEvent {
  const options = new OptionSet().add(
    isRequest ? OptionNumber.Block1 : OptionNumber.Block2,
    encodeBlock({ num, more, szx: 2 }),
  );
  if (size !== undefined) options.add(isRequest ? OptionNumber.Size1 : OptionNumber.Size2, encodeUint(size));
  const bytes = encodeMessage({
    type: 'CON',
    code: isRequest ? Code.Put : Code.Content,
    messageId: num,
    token: Uint8Array.of(1),
    options,
    payload: new Uint8Array(64),
  });
  return {
    kind: 'message',
    direction: isRequest ? 'sent' : 'received',
    address: { key: '[::1]:5683', host: '::1', port: 5683 },
    secure: false,
    bytes,
  } as TraceEvent;
}

describe('block-wise transfers', () => {
  test('show nothing when they are short', () => {
    const shown = new Shown();
    const progress = new BlockProgress(shown);
    for (let num = 0; num < 50; num++) progress.event(block(num, num < 49));
    assert.equal(shown.text, '');
  });

  test('show bytes and rate, and the bar where the size is known; the line goes with the last block', () => {
    for (const [size, isRequest, line] of [
      [undefined, false, '\r2560 bytes, 2 KiB/s'],
      [6400, false, '\r40 % of 6400 bytes, 2 KiB/s [########............]'],
      [6400, true, '\r40 % of 6400 bytes, 2 KiB/s [########............]'],
    ] as const) {
      const shown = new Shown();
      const progress = new BlockProgress(shown);
      progress.event(block(0, true, size, isRequest));
      shown.nowMs += 1250;
      progress.event(block(39, true, undefined, isRequest));
      assert.equal(shown.text, line);
      progress.event(block(40, true, undefined, isRequest));
      assert.equal(shown.text, line, 'not each block, as they may be fast');
      progress.event(block(99, false, undefined, isRequest));
      assert.equal(shown.text, `${line}\r${' '.repeat(line.length - 1)}\r`);
    }
  });

  test('what comes in the other direction, or is no message, is not counted', () => {
    const shown = new Shown();
    const progress = new BlockProgress(shown);
    const came = block(0, true, 6400, true);
    shown.nowMs += 5000;
    assert.ok(came.kind === 'message');
    progress.event({ ...came, direction: 'received' });
    progress.event({ ...came, direction: 'received', bytes: Uint8Array.of(1, 2, 3) });
    assert.equal(shown.text, '');
  });
});

test('nothing is shown where nobody reads along, nor on a terminal that cannot go back', () => {
  for (const shown of [new Shown(false), new Shown(true, { TERM: 'dumb' })]) {
    const line = new ProgressLine(shown);
    line.show('50 %', 0.5);
    line.end();
    const transfer = new TransferProgress(shown, 100);
    transfer.at(50);
    transfer.end();
    showTime(shown, 10, 'clients')();
    assert.deepEqual([shown.text, shown.timers.length], ['', 0]);
  }
});

test('a line has no colours and no control characters but the carriage return, whatever NO_COLOR says', () => {
  for (const variables of [{}, { NO_COLOR: '1' }]) {
    const shown = new Shown(true, variables);
    const transfer = new TransferProgress(shown, 100);
    for (let bytes = 0; bytes <= 100; bytes += 10) transfer.at(bytes);
    transfer.end();
    assert.match(shown.text, /50 % of 100 bytes \[#{10}\.{10}\]/);
    assert.doesNotMatch(shown.text, /[^\P{Cc}\r]/u);
  }
});

test('time goes on each second until it is ended', () => {
  const shown = new Shown();
  const end = showTime(shown, 10, '4 clients');
  shown.nowMs += 5000;
  shown.timers.shift()!();
  assert.match(shown.text, /\r4 clients: 0 of 10 s \[\.{20}\]\r4 clients: 5 of 10 s \[#{10}\.{10}\]$/);
  end();
  assert.deepEqual(shown.timers, []);
  assert.match(shown.text, /\r +\r$/);
});
