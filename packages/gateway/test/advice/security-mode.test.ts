import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { adviseSecurity, type SecurityQuestion, securityFactors } from '../../src/advice/security-mode.ts';

const none: SecurityQuestion = {
  sensitiveData: false,
  publicKeyInfrastructure: false,
  keysAtManufacture: false,
  untrustedProxies: false,
  littleHeadroom: false,
};
const facts = Object.keys(none) as (keyof SecurityQuestion)[];

/** All 32 combinations of the five answers. */
const combinations = Array.from({ length: 32 }, (_, bits) =>
  Object.fromEntries(facts.map((fact, index) => [fact, ((bits >> index) & 1) === 1])),
) as unknown as readonly SecurityQuestion[];

describe('the five questions', () => {
  test('of 32 combinations 16 are plain, 8 certificates, 4 key distribution first, 3 OSCORE and 1 DTLS with PSK', () => {
    const counts: Record<string, number> = {};
    for (const combination of combinations) {
      const { mode } = adviseSecurity(combination);
      counts[mode] = (counts[mode] ?? 0) + 1;
    }
    assert.deepEqual(counts, {
      plain: 16,
      'dtls-certificate': 8,
      'key-distribution-first': 4,
      oscore: 3,
      'dtls-psk': 1,
    });
  });

  test('the first answer that decides is the last that is asked', () => {
    for (const combination of combinations) {
      const { sensitiveData, publicKeyInfrastructure, keysAtManufacture, untrustedProxies } = combination;
      const expected = !sensitiveData
        ? 1
        : publicKeyInfrastructure
          ? 2
          : !keysAtManufacture
            ? 3
            : untrustedProxies
              ? 4
              : 5;
      const { steps } = adviseSecurity(combination);
      assert.equal(steps.length, expected);
      assert.deepEqual(
        steps.map(({ answer }) => answer),
        facts.slice(0, expected).map((fact) => combination[fact]),
      );
    }
  });

  test('data that nobody must protect still come with the advice to encrypt', () => {
    assert.match(adviseSecurity(none).warnings.join(), /encrypt anyway/);
  });

  test('certificates and untrusted proxies together are warned about, though the tree never asks', () => {
    const advice = adviseSecurity({
      ...none,
      sensitiveData: true,
      publicKeyInfrastructure: true,
      untrustedProxies: true,
    });
    assert.equal(advice.mode, 'dtls-certificate');
    assert.match(advice.warnings.join(), /OSCORE inside DTLS/);
  });

  test('fewer than 10 bytes of room lead to OSCORE, and to the warning that it needs more than these', () => {
    const advice = adviseSecurity({
      ...none,
      sensitiveData: true,
      keysAtManufacture: true,
      littleHeadroom: true,
    });
    assert.equal(advice.mode, 'oscore');
    assert.match(advice.warnings.join(), /11 and more/);
  });

  test('a device that sleeps deeply is warned of DTLS', () => {
    const question = { ...none, sensitiveData: true, keysAtManufacture: true };
    assert.deepEqual(adviseSecurity(question).warnings, []);
    const advice = adviseSecurity({ ...question, deepSleep: true });
    assert.equal(advice.mode, 'dtls-psk');
    assert.match(advice.warnings.join(), /sleeps/);
  });

  test('eight factors tell the four modes apart', () => {
    assert.equal(securityFactors.length, 8);
    for (const row of securityFactors) for (const text of Object.values(row)) assert.notEqual(text, '');
  });
});
