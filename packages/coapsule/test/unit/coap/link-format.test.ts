/**
 * The CoRE Link Format: RFC 6690.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeLinkFormat,
  encodeLinkFormat,
  filterLinks,
  type Link,
  linkAttribute,
} from '../../../src/core/coap/link-format.ts';
import { ApiMisuseError, type DecodeFault, isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { readVectors } from './vectors.ts';

function decoded(text: string): Link[] {
  const links = decodeLinkFormat(text);
  assert.ok(!isDecodeFault(links), JSON.stringify(links));
  return links;
}

function refused(text: string): DecodeFault {
  const fault = decodeLinkFormat(text);
  assert.ok(isDecodeFault(fault), `decoded: ${text}`);
  assert.equal(fault.layer, 'link-format');
  return fault;
}

const { examples } = readVectors<{ examples: { request: string | null; link_format: string }[] }>(
  'rfc6690-link-format.json',
);

describe('RFC 6690 §5', () => {
  for (const [index, { link_format: text }] of examples.entries()) {
    it(`example ${index + 1} is decoded and encoded back to the same text`, () => {
      assert.equal(encodeLinkFormat(decoded(text)), text);
    });
  }

  it('the links of the sixth example', () => {
    assert.deepEqual(decoded(examples[5]?.link_format ?? ''), [
      {
        target: '/sensors',
        attributes: [
          ['ct', '40'],
          ['title', 'Sensor Index'],
        ],
      },
      {
        target: '/sensors/temp',
        attributes: [
          ['rt', 'temperature-c'],
          ['if', 'sensor'],
        ],
      },
      {
        target: '/sensors/light',
        attributes: [
          ['rt', 'light-lux'],
          ['if', 'sensor'],
        ],
      },
      {
        target: 'http://www.example.com/sensors/t123',
        attributes: [
          ['anchor', '/sensors/temp'],
          ['rel', 'describedby'],
        ],
      },
      {
        target: '/t',
        attributes: [
          ['anchor', '/sensors/temp'],
          ['rel', 'alternate'],
        ],
      },
    ]);
  });

  it('a query matches all links of its example, as the RFC shows them', () => {
    for (const { request, link_format: text } of examples) {
      const query = request?.split('?')[1];
      if (query === undefined) continue;
      const links = decoded(text);
      assert.deepEqual(filterLinks(links, [query]), links);
    }
  });
});

describe('decodeLinkFormat', () => {
  it('an empty document has no links', () => {
    assert.deepEqual(decoded(''), []);
    assert.deepEqual(decoded(' \r\n'), []);
  });

  it('commas, semicolons and angle brackets inside quoted strings and targets do not end a link', () => {
    assert.deepEqual(decoded('</a,b;c>;title="x,y;<z>",</d>'), [
      { target: '/a,b;c', attributes: [['title', 'x,y;<z>']] },
      { target: '/d', attributes: [] },
    ]);
  });

  it('a backslash in a quoted string makes the next character literal', () => {
    assert.equal(linkAttribute(decoded('<>;title="a\\"b\\\\c\\d"')[0] as Link, 'title'), 'a"b\\cd');
  });

  it('attributes without a value, with a token and with a quoted string are told apart by nothing but value', () => {
    assert.deepEqual(decoded('</a>;obs;ct=0;rt="";title*=UTF-8\'\'a%20b')[0]?.attributes, [
      ['obs', undefined],
      ['ct', '0'],
      ['rt', ''],
      ['title*', "UTF-8''a%20b"],
    ]);
  });

  it('white space around separators is skipped', () => {
    assert.deepEqual(decoded(' </a> ;\r\n rt = "x" , </b>\n'), [
      { target: '/a', attributes: [['rt', 'x']] },
      { target: '/b', attributes: [] },
    ]);
  });

  it('a second rt, if, sz, rel or title of a link is ignored, other attributes may repeat', () => {
    for (const name of ['rt', 'if', 'sz', 'rel', 'title']) {
      assert.deepEqual(decoded(`</a>;${name}="1";${name}="2"`)[0]?.attributes, [[name, '1']]);
    }
    assert.equal(decoded('</a>;x=1;x=2')[0]?.attributes.length, 2);
  });

  it('a very large sz is kept as text', () => {
    const size = '9'.repeat(100);
    assert.equal(linkAttribute(decoded(`</a>;sz=${size}`)[0] as Link, 'sz'), size);
  });

  it('what is not link format is refused with the offset of the first wrong character', () => {
    const wrong: [string, number][] = [
      ['/a', 0],
      ['<', 1],
      ['</a', 3],
      ['</a b>', 3],
      ['</a>,', 5],
      ['</a>,,</b>', 5],
      ['</a></b>', 4],
      ['</a>;', 5],
      ['</a>;=1', 5],
      ['</a>;*=1', 5],
      ['</a>;rt=', 8],
      ['</a>;rt=,', 8],
      ['</a>;rt="x', 8],
      ['</a>;rt="x\\"', 8],
      ['</a>;rt="x"y', 11],
      ['</a>;rt=x y', 10],
    ];
    for (const [text, offset] of wrong) assert.equal(refused(text).offset, offset, text);
  });
});

describe('encodeLinkFormat', () => {
  it('numbers are bare, tokens of hreflang and starred names are bare, all else is quoted', () => {
    const attributes: Link['attributes'] = [
      ['ct', '40'],
      ['sz', '0'],
      ['ct', '40 50'],
      ['rt', '5'],
      ['hreflang', 'de'],
      ['title*', "UTF-8''x"],
      ['if', 'a b'],
      ['ver', '1.0'],
      ['obs', undefined],
      ['x', ''],
    ];
    assert.equal(
      encodeLinkFormat([{ target: '/a', attributes }]),
      '</a>;ct=40;sz=0;ct="40 50";rt="5";hreflang=de;title*=UTF-8\'\'x;if="a b";ver="1.0";obs;x=""',
    );
  });

  it('refuses targets and names that cannot be written, and rt, if or sz given twice', () => {
    const links: Link[] = [
      { target: '/a>', attributes: [] },
      { target: '/a b', attributes: [] },
      { target: '/a', attributes: [['', '1']] },
      { target: '/a', attributes: [['a;b', '1']] },
      {
        target: '/a',
        attributes: [
          ['rt', '1'],
          ['rt', '2'],
        ],
      },
    ];
    for (const link of links) assert.throws(() => encodeLinkFormat([link]), ApiMisuseError);
  });

  it('decode(encode(links)) is the links', () => {
    const name = fc.stringMatching(/^[a-z0-9!#$&+\-.^_`|~]{1,8}\*?$/);
    const value = fc.option(fc.string({ unit: 'binary' }), { nil: undefined });
    const fields = {
      target: fc.stringMatching(/^[!#-;=?-[\]^-~äß😀]{0,20}$/u),
      attributes: fc.uniqueArray(fc.tuple(name, value), {
        selector: ([attribute]) => attribute,
        maxLength: 5,
      }),
    };
    const links = fc.array(fc.record(fields, { noNullPrototype: true }), { maxLength: 5 });
    fc.assert(
      fc.property(links, (expected) => {
        assert.deepEqual(decoded(encodeLinkFormat(expected)), expected);
      }),
      { seed: 6690 },
    );
  });

  it('every text is decoded or refused, and what is decoded survives encoding', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/a',
      ';',
      ',',
      '=',
      '"',
      '\\',
      ' ',
      'rt',
      'ct',
      '40',
      '*',
      '\0',
      'ä',
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const links = decodeLinkFormat(text);
        if (isDecodeFault(links)) assert.ok(links.offset <= text.length);
        else assert.deepEqual(decoded(encodeLinkFormat(links)), links);
      }),
      { seed: 6690, numRuns: 2000 },
    );
  });
});

describe('RFC 6690 §4.1: query filtering', () => {
  const links = decoded(
    '</foo>;rt="light-lux core.sen-light";if="sensor";foo="bar",</foobar>;ct="40 50";title="a b",</x>;foo=barley;obs',
  );
  const targets = (...queries: string[]): string[] => filterLinks(links, queries).map((link) => link.target);

  it('?href=/foo matches the link to /foo only', () => assert.deepEqual(targets('href=/foo'), ['/foo']));

  it('?href=/foo* matches every link that starts with /foo', () =>
    assert.deepEqual(targets('href=/foo*'), ['/foo', '/foobar']));

  it('?foo=bar matches the exact value', () => assert.deepEqual(targets('foo=bar'), ['/foo']));

  it('?foo=bar* matches a value that starts with bar', () =>
    assert.deepEqual(targets('foo=bar*'), ['/foo', '/x']));

  it('?foo=* matches a link that has an attribute foo', () =>
    assert.deepEqual(targets('foo=*'), ['/foo', '/x']));

  it('each value of a list is a separate attribute', () => {
    assert.deepEqual(targets('rt=core.sen-light'), ['/foo']);
    assert.deepEqual(targets('rt=core*'), ['/foo']);
    assert.deepEqual(targets('rt=light-lux core.sen-light'), []);
    assert.deepEqual(targets('ct=50'), ['/foobar']);
  });

  it('a value that is no list is matched as a whole', () => {
    assert.deepEqual(targets('title=a b'), ['/foobar']);
    assert.deepEqual(targets('title=b'), []);
  });

  it('values are compared bitwise', () => assert.deepEqual(targets('foo=BAR'), []));

  it('an attribute without a value exists', () => assert.deepEqual(targets('obs=*'), ['/x']));

  it('a query without "=" asks for the attribute to be there', () =>
    assert.deepEqual(targets('foo'), ['/foo', '/x']));

  it('several queries must all match, none matches all', () => {
    assert.deepEqual(targets('href=/foo*', 'foo=bar'), ['/foo']);
    assert.deepEqual(targets(), ['/foo', '/foobar', '/x']);
  });

  it('an attribute that no link has matches nothing', () => assert.deepEqual(targets('none=*'), []));
});
