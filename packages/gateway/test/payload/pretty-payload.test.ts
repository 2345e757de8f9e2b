import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeSenmlCbor } from 'coapsule/senml';
import { encodeDiagnostic } from '../../src/payload/cbor-diagnostic.ts';
import { prettyPayload } from '../../src/payload/pretty-payload.ts';
import { senmlShorthand } from '../../src/payload/senml-shorthand.ts';
import { commandWords } from '../../src/text/command-words.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a payload for people', () => {
  test('JSON is written level by level, and its numbers keep their digits', () => {
    const json =
      '{"id":12345678901234567890123,"list":[1.0,2,"x,y:{"],"inner":{"text":"0123456789012345678901234567890123456789"}}';
    assert.equal(
      prettyPayload(utf8(json), 50),
      '{\n  "id": 12345678901234567890123,\n  "list": [1.0, 2, "x,y:{"],\n  "inner": {"text": "0123456789012345678901234567890123456789"}\n}',
    );
  });

  test('JSON of a hundred thousand levels is shown as it came', () => {
    for (const levels of [65, 5000, 100_000]) {
      const json = `${'['.repeat(levels)}1${']'.repeat(levels)}`;
      assert.equal(prettyPayload(utf8(json), 50), json);
    }
    const json = `${'['.repeat(64)}1${']'.repeat(64)}`;
    assert.equal(prettyPayload(utf8(json), 50).replace(/\s+/g, ''), json);
  });

  test('what fits a line of 80 characters to the last of them stays on it', () => {
    const fits = `[${'1'.repeat(36)}, ${'2'.repeat(40)}]`;
    assert.equal(fits.length, 80);
    assert.equal(prettyPayload(utf8(fits), 50), fits);
    const tooLong = fits.replace('1', '11');
    assert.equal(prettyPayload(utf8(tooLong), 50).split('\n').length, 4);
  });

  test('CBOR is diagnostic notation', () => {
    const bytes = encodeDiagnostic('{1: h\'0102\', "a": [_ 1.5, 2_1]}') as Uint8Array;
    assert.equal(prettyPayload(bytes, 60), '{1: h\'0102\', "a": [_ 1.5, 2_1]}');
  });

  test('links stand one to a line', () => {
    assert.equal(prettyPayload(utf8('</a>;rt="x",</b>;ct=40'), 40), '</a>;rt="x"\n</b>;ct=40');
  });

  test('SenML has a record to a line, with whole names and times, in JSON and CBOR', () => {
    const rows = 'urn:a:on  true      2023-11-14T22:13:15.000Z\nurn:a:t   22.5 Cel  2023-11-14T22:13:20.000Z';
    const json = '[{"bn":"urn:a:","bt":1.7e9,"n":"t","u":"Cel","v":22.5},{"n":"on","vb":true,"t":-5}]';
    assert.equal(prettyPayload(utf8(json), 110), rows);
    const cbor = encodeSenmlCbor([
      { baseName: 'urn:a:', baseTime: 1.7e9, name: 't', unit: 'Cel', value: 22.5 },
      { name: 'on', value: true, time: -5 },
    ]);
    assert.equal(prettyPayload(cbor, 112), rows);
  });

  test('bytes are digits', () => {
    const line = '0000  00 01 02 41 ff                                   ...A.';
    assert.equal(prettyPayload(Uint8Array.of(0, 1, 2, 0x41, 0xff), 42), line);
    assert.equal(prettyPayload(Uint8Array.of(0, 1, 2, 0x41, 0xff), undefined), line);
  });

  test('nothing of it steers the terminal, in any format', () => {
    for (const format of [undefined, 0, 40, 50, 60, 110, 112]) {
      for (const text of ['a\u001b[2Jb\tc\nd', '"\u001b"', '</\u009b2J>', '[{"n":"a","vs":"\u001b[1m"}]'])
        assert.doesNotMatch(
          prettyPayload(utf8(text), format),
          /[^\P{Cc}\n\t]/u,
          `${format} ${JSON.stringify(text)}`,
        );
    }
    assert.equal(prettyPayload(utf8('a\u001b[2Jb\tc\nd'), 0), 'a\\u{1b}[2Jb\tc\nd');
  });

  test('what is not in its form is shown as it is', () => {
    assert.equal(prettyPayload(utf8('{"a":'), 50), '{"a":');
    assert.equal(prettyPayload(utf8('not links'), 40), 'not links');
    assert.match(prettyPayload(Uint8Array.of(0x82, 0x01), 60), /^0000 {2}82 01 /);
  });
});

describe('readings in short', () => {
  for (const [text, record] of [
    ['temp=22.5 Cel', { name: 'temp', unit: 'Cel', value: 22.5 }],
    ['temp=-1e3', { name: 'temp', value: -1000 }],
    ['rh=40%RH', { name: 'rh', unit: '%RH', value: 40 }],
    ['on=true', { name: 'on', value: true }],
    ['state=half open', { name: 'state', value: 'half open' }],
    ['code="12"', { name: 'code', value: '12' }],
  ] as const) {
    test(text, () => assert.deepEqual(senmlShorthand(text), record));
  }

  test('a name of other characters is refused', () => {
    for (const text of ['temp', '=1', '-a=1', 'a b=1'])
      assert.equal(typeof senmlShorthand(text), 'string', text);
  });
});

test('words of a command: quotes hold together, and nothing is expanded', () => {
  assert.deepEqual(commandWords(`a 'b  c' "d \\" $e" f\\ g '' $(rm -rf *); # h`), [
    'a',
    'b  c',
    'd " $e',
    'f g',
    '',
    '$(rm',
    '-rf',
    '*);',
    '#',
    'h',
  ]);
  assert.deepEqual(commandWords('get /a # why', true), ['get', '/a']);
  assert.deepEqual(commandWords('a "b'), { offset: 2, reason: 'the closing " is missing' });
});
