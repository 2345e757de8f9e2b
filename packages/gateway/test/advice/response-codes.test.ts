import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findResponseCodes, responseCodes } from '../../src/advice/response-codes.ts';

const texts = (filter: Parameters<typeof findResponseCodes>[0]): readonly string[] =>
  findResponseCodes(filter).found.map(({ text }) => text);

describe('the reference of response codes', () => {
  test('shows 17, which are 5 of success, 8 of the client and 4 of the server', () => {
    assert.equal(findResponseCodes({}).found.length, 17);
    assert.deepEqual(
      ([2, 4, 5] as const).map((one) => findResponseCodes({ class: one }).found.length),
      [5, 8, 4],
    );
  });

  test('shows ten more when all registered ones are asked for', () => {
    const all = texts({ all: true });
    assert.equal(all.length, 27);
    const rare = ['2.31', '4.02', '4.06', '4.09', '4.12', '4.22', '4.29', '5.02', '5.05', '5.08'];
    assert.deepEqual(
      rare.filter((text) => !all.includes(text)),
      [],
    );
    assert.equal(findResponseCodes({ all: true }).of, 27);
  });

  test('4.04 finds 4.04 alone', () => assert.deepEqual(texts({ search: '4.04' }), ['4.04']));

  test('2.0 finds 2.01 to 2.05', () => {
    assert.deepEqual(texts({ search: '2.0' }), ['2.01', '2.02', '2.03', '2.04', '2.05']);
  });

  test('case and space do not matter, and all columns are searched', () => {
    assert.ok(texts({ search: '  NOT FOUND ' }).includes('4.04'));
    assert.deepEqual(texts({ search: 'Not Modified' }), ['2.03']);
    assert.deepEqual(texts({ search: 'converter' }), ['5.00']);
  });

  test('class and search count together', () => {
    assert.deepEqual(texts({ class: 5, search: '4.04' }), []);
    assert.deepEqual(findResponseCodes({ class: 5, search: '4.04' }).of, 17);
  });

  test('each has a name, a text for HTTP, a description and an example', () => {
    for (const { text, name, http, description, example } of responseCodes) {
      assert.match(text, /^[245]\.\d\d$/);
      for (const column of [name, http, description, example]) assert.notEqual(column, '');
    }
  });
});
