/**
 * Chains that are refused, each with its own cause, and beside each the twin that differs in nothing but the fault and is
 * accepted (RFC 5280 §6; robustness class D21).
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { BadChain } from './bad-chains/bad-chain.ts';
import { constraints } from './bad-chains/constraints.ts';
import { malformed } from './bad-chains/malformed.ts';
import { revoked } from './bad-chains/revoked.ts';
import { signatures } from './bad-chains/signatures.ts';
import { unknownIssuers } from './bad-chains/unknown-issuers.ts';
import { unsupported } from './bad-chains/unsupported.ts';
import { usages } from './bad-chains/usages.ts';
import { validity } from './bad-chains/validity.ts';
import { judge } from './three-certificates.ts';

const groups: Readonly<Record<string, readonly BadChain[]>> = {
  validity,
  usages,
  constraints,
  signatures,
  'unknown issuers': unknownIssuers,
  'what is not supported': unsupported,
  'the deny list': revoked,
  'malformed certificates': malformed,
};

for (const [name, chains] of Object.entries(groups)) {
  suite(`bad chains: ${name}`, () => {
    for (const { sentence, cause, detail, bad, good } of chains) {
      test(`D21: ${sentence}: refused with ${cause}, and its good twin is accepted`, () => {
        const verdict = judge(bad);
        if (verdict.accepted) assert.fail('accepted');
        assert.equal(verdict.cause, cause, verdict.detail);
        assert.match(verdict.detail, detail);
        const twin = judge(good);
        assert.ok(twin.accepted, twin.accepted ? '' : `${twin.cause}: ${twin.detail}`);
      });
    }
  });
}

test('there are more than 100 bad chains', () => {
  assert.ok(Object.values(groups).flat().length > 100);
});
