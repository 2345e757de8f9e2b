import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { repeatedSuite, spreadSuites } from '../../src/cli/cipher-suite-option.ts';
import {
  blockSizeValue,
  contentFormatValue,
  hexText,
  keyValue,
  messageOptionValue,
  percentValue,
  secondsValue,
  tokenValue,
} from '../../src/cli/option-values.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('values of options', () => {
  const taken: readonly [string, (text: string) => unknown, string, unknown][] = [
    ['a key is text', keyValue, 'MySecret16ByteK!', bytes('MySecret16ByteK!')],
    ['a key is hex behind 0x', keyValue, '0x00fF', Uint8Array.of(0, 255)],
    ['a key may look like a number', keyValue, '007', bytes('007')],
    ['a content format is a number', contentFormatValue, '50', 50],
    ['a content format is a name', contentFormatValue, 'application/json', 'application/json'],
    ['an option is number and text', messageOptionValue, '15,a=b,c', { number: 15, value: 'a=b,c' }],
    [
      'an option is number and hex',
      messageOptionValue,
      '4,0x0102',
      { number: 4, value: Uint8Array.of(1, 2) },
    ],
    ['an option may be empty', messageOptionValue, '5', { number: 5, value: '' }],
    ['a token is hex', tokenValue, 'cafe', Uint8Array.of(0xca, 0xfe)],
    ['a token may be empty', tokenValue, '', new Uint8Array()],
    ['a token has up to 8 bytes', tokenValue, '0x0102030405060708', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    ['a block size is a power of two', blockSizeValue, '64', 64],
    ['seconds may have a fraction', secondsValue, '0.5', 0.5],
    ['a loss is a percentage', percentValue, '10', 0.1],
    ['a loss may have the sign', percentValue, '100%', 1],
  ];
  for (const [sentence, parse, text, value] of taken)
    test(sentence, () => assert.deepEqual(parse(text), value));

  const refused: readonly [string, (text: string) => unknown, string][] = [
    ['an empty key', keyValue, ''],
    ['0x without digits as a key', keyValue, '0x'],
    ['0x with an odd number of digits as a key', keyValue, '0xabc'],
    ['0x with other characters as a key', keyValue, '0xzz'],
    ['a content format above 65535', contentFormatValue, '65536'],
    ['a content format of no name', contentFormatValue, 'yaml'],
    ['an option without number', messageOptionValue, 'x,1'],
    ['an option with odd hex', messageOptionValue, '4,0x1'],
    ['a token of 9 bytes', tokenValue, '010203040506070809'],
    ['a token that is not hex', tokenValue, 'xy'],
    ['a block size that is no power of two', blockSizeValue, '48'],
    ['a block size under 16', blockSizeValue, '8'],
    ['a block size over 1024', blockSizeValue, '2048'],
    ['no time at all', secondsValue, '0'],
    ['text as seconds', secondsValue, 'soon'],
    ['more loss than there is', percentValue, '101'],
    ['nothing as loss', percentValue, ''],
  ];
  for (const [sentence, parse, text] of refused) {
    test(`${sentence} is refused`, () =>
      assert.throws(() => parse(text), { code: 'commander.invalidArgument' }));
  }

  test('hex text is lower case with leading zeros', () =>
    assert.equal(hexText(Uint8Array.of(0, 10, 255)), '000aff'));
});

describe('--suite', () => {
  test('takes names of IANA and of OpenSSL, in any case, with or without TLS_, several with commas', () => {
    const expected = ['TLS_PSK_WITH_AES_128_CCM_8'];
    for (const text of ['TLS_PSK_WITH_AES_128_CCM_8', 'psk_with_aes_128_ccm_8', 'PSK-AES128-CCM8']) {
      assert.deepEqual(repeatedSuite(text), expected);
    }
    assert.deepEqual(
      repeatedSuite('PSK-AES128-CCM,ECDHE-PSK-CHACHA20-POLY1305', ['TLS_PSK_WITH_AES_128_CCM_8']),
      [
        'TLS_PSK_WITH_AES_128_CCM_8',
        'TLS_PSK_WITH_AES_128_CCM',
        'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256',
      ],
    );
    assert.throws(() => repeatedSuite('TLS_NULL'), /Known suites: TLS_PSK_WITH_AES_128_CCM_8/);
  });

  test('several names behind one --suite do not swallow the URI', () => {
    assert.deepEqual(
      spreadSuites(['get', '--suite', 'PSK-AES128-CCM8', 'TLS_B', 'TLS_C', 'coaps://h', '-v']),
      ['get', '--suite', 'PSK-AES128-CCM8', '--suite', 'TLS_B', '--suite', 'TLS_C', 'coaps://h', '-v'],
    );
    assert.deepEqual(spreadSuites(['get', 'TLS_A', '--suite', 'TLS_B']), [
      'get',
      'TLS_A',
      '--suite',
      'TLS_B',
    ]);
    assert.deepEqual(spreadSuites(['--suite', 'TLS_B', '--suite', 'TLS_C', 'u']), [
      '--suite',
      'TLS_B',
      '--suite',
      'TLS_C',
      'u',
    ]);
  });

  test('a content format may go without its type', () => {
    assert.equal(contentFormatValue('json'), 'application/json');
    assert.equal(contentFormatValue('text'), 'text/plain');
    assert.equal(contentFormatValue('senml+cbor'), 'application/senml+cbor');
    assert.throws(() => contentFormatValue('jsonn'), { message: /^Give a number or a registered name/ });
  });
});
