import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adviseSleep } from '../../src/advice/deep-sleep.ts';

for (const [what, question, approach, isRecommended] of [
  [
    'no deep sleep: one association is kept open',
    { deepSleep: false, dtlsRequired: true, retainedBytes: 0 },
    'keep-association-open',
    true,
  ],
  [
    'deep sleep without DTLS: OSCORE',
    { deepSleep: true, dtlsRequired: false, retainedBytes: 0 },
    'oscore',
    true,
  ],
  [
    'deep sleep with DTLS and 256 bytes: the association is saved',
    { deepSleep: true, dtlsRequired: true, retainedBytes: 256 },
    'saved-association',
    true,
  ],
  [
    'deep sleep with DTLS and 255 bytes: a handshake at each wake, not recommended',
    { deepSleep: true, dtlsRequired: true, retainedBytes: 255 },
    'handshake-every-wake',
    false,
  ],
  [
    'no security: for the laboratory',
    { deepSleep: true, dtlsRequired: false, retainedBytes: 0, secured: false },
    'laboratory-only',
    false,
  ],
] as const) {
  test(what, () => {
    const advice = adviseSleep(question);
    assert.deepEqual([advice.approach, advice.isRecommended], [approach, isRecommended]);
  });
}
