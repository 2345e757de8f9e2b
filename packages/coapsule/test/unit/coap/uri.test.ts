/**
 * CoAP URIs: RFC 7252 §6 and Appendix B.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import {
  type CoapScheme,
  type CoapUri,
  composeUri,
  defaultPort,
  parseCoapUri,
  uriOptions,
} from '../../../src/core/coap/uri.ts';
import { type DecodeFault, isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { hex, printedOptions, readVectors } from './vectors.ts';

function parsed(text: string): CoapUri {
  const uri = parseCoapUri(text);
  assert.ok(!isDecodeFault(uri), `${text}: ${JSON.stringify(uri)}`);
  return uri;
}

function refused(text: string): DecodeFault {
  const fault = parseCoapUri(text);
  assert.ok(isDecodeFault(fault), `parsed: ${text}`);
  assert.equal(fault.layer, 'uri');
  return fault;
}

/** Composes the URI of the options of a request sent to where the URI itself says. */
function normalized(text: string): string {
  const uri = parsed(text);
  const composed = composeUri(uriOptions(uri), uri.scheme, uri.host, uri.port);
  assert.ok(typeof composed === 'string');
  return composed;
}

describe('RFC 7252 Appendix B', () => {
  const { examples } = readVectors<{
    examples: {
      destination_ip: string;
      destination_port: number;
      options: [string, string][];
      uri: string;
    }[];
  }>('rfc7252-appendix-b-uri-examples.json');

  for (const { destination_ip, destination_port, options, uri } of examples) {
    const destination = { host: destination_ip.replace(/[[\]]/g, ''), port: destination_port };

    it(`${uri} is decomposed into its options`, () => {
      const expected = printedOptions(options).entries();
      assert.deepEqual(uriOptions(parsed(uri), destination).entries(), expected);
    });

    it(`${uri} is composed from its options`, () => {
      const composed = composeUri(printedOptions(options), 'coap', destination.host, destination.port);
      // The RFC prints "//" of a query encoded, but its own step 8 (§6.5) leaves a slash as it is.
      assert.equal(composed, uri.replace('?%2F%2F', '?//'));
    });
  }
});

describe('RFC 7252 §6.3', () => {
  it('equivalent URIs cause the same options and have one normal form', () => {
    for (const uri of [
      'coap://example.com:5683/~sensors/temp.xml',
      'coap://EXAMPLE.com/%7Esensors/temp.xml',
      'coap://EXAMPLE.com:/%7esensors/temp.xml',
    ]) {
      assert.equal(normalized(uri), 'coap://example.com/~sensors/temp.xml');
    }
  });

  it('an empty path is the path "/"', () => {
    for (const uri of ['coap://h', 'coap://h/']) {
      assert.deepEqual(parsed(uri).path, []);
      assert.equal(normalized(uri), 'coap://h/');
    }
  });

  it('IP literals are in the recommended form of RFC 5952', () => {
    const forms: [string, string][] = [
      ['2001:DB8:0:0:0:0:2:1', '2001:db8::2:1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['::1', '::1'],
      ['1::', '1::'],
      ['2001:0db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['::ffff:c000:201', '::ffff:192.0.2.1'],
      ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ];
    for (const [text, expected] of forms) assert.equal(parsed(`coap://[${text}]`).host, expected);
  });
});

describe('RFC 7252 §6.4: decomposing', () => {
  it('the parts of a URI', () => {
    assert.deepEqual(parsed('CoAPs://Example.COM:1234/a/b%20c?x=1&%26'), {
      scheme: 'coaps',
      host: 'example.com',
      port: 1234,
      path: ['a', 'b c'],
      query: ['x=1', '&'],
      hostIsIpLiteral: false,
    });
  });

  it('step 1: a URI that is not absolute fails', () => {
    for (const uri of ['', '/a', '//h/a', 'h', 'a/b:c']) assert.equal(refused(uri).offset, 0, uri);
  });

  it('step 2: dot segments are resolved before percent-decoding', () => {
    const paths: [string, string[]][] = [
      ['/a/b/c/./../../g', ['a', 'g']],
      ['/..', []],
      ['/../a', ['a']],
      ['/a/..', []],
      ['/a/.', ['a', '']],
      ['/a/b/..', ['a', '']],
      ['/./a', ['a']],
      ['/...', ['...']],
      ['/.a', ['.a']],
    ];
    for (const [path, segments] of paths) assert.deepEqual(parsed(`coap://h${path}`).path, segments, path);
  });

  it('step 3: another scheme fails, letter case of the scheme does not matter', () => {
    for (const uri of ['http://h/', 'coa://h/', 'coapss://h', '://h', 'toString://h']) refused(uri);
    assert.equal(parsed('COAPS://h').scheme, 'coaps');
  });

  it('step 4: a fragment fails', () => {
    assert.equal(refused('coap://h/a#b').offset, 10);
    refused('coap://h/#');
    refused('coap://h?a#b');
  });

  it('step 5: a host name makes a Uri-Host, lower case and percent-decoded', () => {
    const host = (uri: string): string | undefined => uriOptions(parsed(uri)).text(OptionNumber.UriHost);
    assert.equal(host('coap://EXAMPLE.com'), 'example.com');
    assert.equal(host('coap://%E3%81%93.example'), 'こ.example');
    // First to lower case, then decoded: an encoded capital letter stays one.
    assert.equal(host('coap://%41B'), 'Ab');
    assert.equal(host('coap://192.0.2.1'), undefined);
    assert.equal(host('coap://[::1]'), undefined);
  });

  it('step 5: an IP literal that is not the destination makes a Uri-Host', () => {
    const host = (uri: string, destination: string): string | undefined =>
      uriOptions(parsed(uri), { host: destination, port: 5683 }).text(OptionNumber.UriHost);
    assert.equal(host('coap://192.0.2.1', '192.0.2.2'), '192.0.2.1');
    assert.equal(host('coap://[2001:db8::1]', '2001:db8::2'), '[2001:db8::1]');
    assert.equal(host('coap://[2001:db8::1]', '2001:DB8:0::1'), undefined);
    assert.equal(host('coap://[::ffff:192.0.2.1]', '192.0.2.1'), undefined);
    assert.equal(host('coap://192.0.2.1', '::ffff:192.0.2.1'), undefined);
    assert.equal(host('coap://[fe80::1%25eth0]', 'fe80::1%eth0'), undefined);
    assert.equal(host('coap://[fe80::1%25eth0]', 'fe80::1%eth1'), '[fe80::1]');
  });

  it('step 6: an empty or missing port is the default port of the scheme', () => {
    assert.equal(parsed('coap://h').port, 5683);
    assert.equal(parsed('coap://h:').port, 5683);
    assert.equal(parsed('coaps://h:/').port, 5684);
    assert.equal(parsed('coap://h:0').port, 0);
    assert.equal(parsed('coap://h:0005').port, 5);
    assert.equal(parsed('coap://[::1]:65535').port, 65_535);
  });

  it('step 6: what is no port fails', () => {
    for (const uri of [
      'coap://h:65536',
      'coap://h:-1',
      'coap://h:x',
      'coap://h:1:2',
      'coap://[::1]x',
      'coap://[::1]1',
    ]) {
      refused(uri);
    }
  });

  it('step 7: a Uri-Port is made when the port is not that of the destination', () => {
    const uri = parsed('coap://192.0.2.1:61616/');
    assert.equal(uriOptions(uri).has(OptionNumber.UriPort), false);
    assert.equal(uriOptions(uri, { host: '192.0.2.1', port: 5683 }).uint(OptionNumber.UriPort), 61_616);
  });

  it('step 8: each segment makes a Uri-Path, also empty ones', () => {
    assert.deepEqual(parsed('coap://h/a//b/').path, ['a', '', 'b', '']);
    assert.deepEqual(parsed('coap://h//').path, ['', '']);
    assert.deepEqual(parsed('coap://h/%2F').path, ['/']);
    assert.deepEqual(parsed("coap://h/a+b;c=1,2@x:y!$'()*").path, ["a+b;c=1,2@x:y!$'()*"]);
  });

  it('step 9: each argument makes a Uri-Query, also empty ones', () => {
    assert.deepEqual(parsed('coap://h?a=1&b').query, ['a=1', 'b']);
    assert.deepEqual(parsed('coap://h/?&').query, ['', '']);
    assert.deepEqual(parsed('coap://h/?').query, ['']);
    assert.deepEqual(parsed('coap://h/').query, []);
    assert.deepEqual(parsed('coap://h/?a?b/c').query, ['a?b/c']);
    assert.deepEqual(parsed('coap://h?a/b').path, []);
  });

  it('§6.1: a URI with missing authority or empty host is invalid', () => {
    for (const uri of ['coap:', 'coap:/a', 'coap:a', 'coap://', 'coap:///a', 'coap://:5683', 'coap://?a'])
      refused(uri);
  });

  it('§6.1: there is no user information', () => {
    assert.equal(refused('coap://user@h/').offset, 11);
    assert.equal(refused('coap://user:pw@h/').offset, 14);
  });

  it('§5.10.1: a segment that percent-decoding makes "." or ".." is refused', () => {
    for (const segment of ['%2e', '%2E%2e', '.%2E'])
      assert.equal(refused(`coap://h/a/${segment}/b`).offset, 11);
  });

  it('§5.10: host, segments and arguments above 255 bytes are refused', () => {
    const long = 'ä'.repeat(128);
    const encoded = encodeURIComponent(long);
    assert.equal(parsed(`coap://h/${'a'.repeat(255)}`).path[0]?.length, 255);
    assert.equal(refused(`coap://h/a/${encoded}`).offset, 11);
    assert.equal(refused(`coap://h/?a&${encoded}`).offset, 12);
    assert.equal(refused(`coap://${'a'.repeat(256)}/`).offset, 7);
  });

  it('characters that must be percent-encoded are refused at their offset', () => {
    assert.equal(refused('coap://h/a b').offset, 10);
    assert.equal(refused('coap://h/a/ü').offset, 11);
    assert.equal(refused('coap://h/?x&[').offset, 12);
    assert.equal(refused('coap://h\\x/').offset, 8);
    assert.equal(refused('coap://h/a%2').offset, 10);
    assert.equal(refused('coap://h/a%zz').offset, 10);
  });

  it('percent-encodings that are not UTF-8 are refused', () => {
    for (const bytes of ['%FF', '%C3', '%ED%A0%80', '%C0%80']) refused(`coap://h/${bytes}`);
  });

  it('what is no IPv6 address or zone is refused between brackets', () => {
    for (const literal of [
      '',
      '1',
      '1.2.3.4',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '12345::',
      'g::',
      '::1.2.3.256',
      '::1.2.3.4:5',
      '1.2.3.4::',
      'v1.x',
      'fe80::1%',
      'fe80::1%25',
      'fe80::1%41',
      'fe80::1%25a b',
    ]) {
      refused(`coap://[${literal}]/`);
    }
    refused('coap://[::1/');
  });

  it('a zone identifier is kept with its letter case; a bare "%" is accepted where it is clear', () => {
    assert.equal(parsed('coap://[FE80::1%25Eth0]/').host, 'fe80::1%Eth0');
    assert.equal(parsed('coap://[fe80::1%wlan0]/').host, 'fe80::1%wlan0');
    assert.equal(parsed('coap://[fe80::1%25a%2Db]/').host, 'fe80::1%a-b');
  });

  it('a zone identifier that holds a percent sign is composed to the same URI', () => {
    assert.equal(parsed('coap://[fe80::1%25a%25b]/').host, 'fe80::1%a%b');
    assert.equal(normalized('coap://[fe80::1%25a%25b]/'), 'coap://[fe80::1%25a%25b]/');
  });

  it('numbers with dots that are no IPv4 address are names', () => {
    for (const host of ['1.2.3', '256.1.1.1', '01.2.3.4', '1.2.3.4.5']) {
      assert.equal(parsed(`coap://${host}`).hostIsIpLiteral, false);
    }
    assert.equal(parsed('coap://255.0.0.1').hostIsIpLiteral, true);
  });

  it('a percent-encoded IPv4 address is an address', () => {
    assert.deepEqual(parsed('coap://127%2E0.0.%31'), parsed('coap://127.0.0.1'));
  });

  it('every scheme has its default port', () => {
    const ports: [CoapScheme, number][] = [
      ['coap', 5683],
      ['coaps', 5684],
      ['coap+tcp', 5683],
      ['coaps+tcp', 5684],
      ['coap+ws', 80],
      ['coaps+ws', 443],
    ];
    for (const [scheme, port] of ports) {
      assert.equal(defaultPort(scheme), port);
      assert.equal(parsed(`${scheme}://h/`).port, port);
      assert.equal(normalized(`${scheme}://h:${port}/`), `${scheme}://h/`);
    }
  });
});

function partsWithoutHost({ scheme, port, path, query }: CoapUri): Partial<CoapUri> {
  return { scheme, port, path, query };
}

describe('RFC 7252 §6.5: composing', () => {
  const compose = (options: OptionSet): string | DecodeFault =>
    composeUri(options, 'coap', '192.0.2.1', 5683);

  it('percent-encoding uses uppercase letters', () => {
    assert.equal(compose(new OptionSet().add(11, 'ÿ/')), 'coap://192.0.2.1/%C3%BF%2F');
  });

  it('a path keeps unreserved, sub-delims, ":" and "@"; a query also "/" and "?" but not "&"', () => {
    const kept = "aZ09-._~!$'()*+,;=:@";
    assert.equal(
      compose(new OptionSet().add(11, `${kept}&/?#[]%`).add(15, `${kept}&/?#[]%`)),
      `coap://192.0.2.1/${kept}&%2F%3F%23%5B%5D%25?${kept}%26/?%23%5B%5D%25`,
    );
  });

  it('host and port of the destination stand in for Uri-Host and Uri-Port', () => {
    const options = new OptionSet();
    assert.equal(composeUri(options, 'coap', '2001:DB8::1', 5683), 'coap://[2001:db8::1]/');
    assert.equal(composeUri(options, 'coap', 'fe80::1%eth0', 5683), 'coap://[fe80::1%25eth0]/');
    assert.equal(composeUri(options, 'coaps', '192.0.2.1', 5683), 'coaps://192.0.2.1:5683/');
    assert.equal(composeUri(new OptionSet().add(7, 5684), 'coaps', '192.0.2.1', 1), 'coaps://192.0.2.1/');
  });

  it('a Uri-Host is taken when it is a host, with other than ASCII characters encoded', () => {
    const hosts: [string, string][] = [
      ['example.net', 'example.net'],
      ['こ.example', '%E3%81%93.example'],
      ['a%20b', 'a%20b'],
      ['[2001:DB8::1]', '[2001:db8::1]'],
      ['192.0.2.9', '192.0.2.9'],
    ];
    for (const [host, text] of hosts) assert.equal(compose(new OptionSet().add(3, host)), `coap://${text}/`);
  });

  it('a Uri-Host that is no host fails', () => {
    for (const host of [
      '',
      'a b',
      'a/b',
      'a:1',
      'user@h',
      '[::g]',
      '[::1',
      'a%2',
      'a?b',
      '2001:db8::1',
      'a%ff',
    ]) {
      assert.ok(isDecodeFault(compose(new OptionSet().add(3, host))), host);
    }
    assert.ok(isDecodeFault(compose(new OptionSet().add(3, hex('ff')))));
  });

  it('options that decomposing never makes fail: dot segments, text that is not UTF-8, a port above 65535', () => {
    for (const options of [
      new OptionSet().add(11, '.'),
      new OptionSet().add(11, '..'),
      new OptionSet().add(11, hex('ff')),
      new OptionSet().add(15, hex('ff')),
      new OptionSet().add(7, 65_536),
    ]) {
      assert.ok(isDecodeFault(compose(options)));
    }
  });

  it('composing and decomposing are each other’s inverse', () => {
    const part = fc.string({ unit: 'grapheme', maxLength: 10 });
    const paths = fc
      .array(part, { maxLength: 4 })
      .filter(
        (path) => !(path.length === 1 && path[0] === '') && !path.includes('.') && !path.includes('..'),
      );
    fc.assert(
      fc.property(
        fc.constantFrom('example.com', '192.0.2.1', '2001:db8::1', 'fe80::1%eth0'),
        fc.integer({ min: 0, max: 65_535 }),
        paths,
        fc.array(part, { maxLength: 4 }),
        (host, port, path, query) => {
          const hostIsIpLiteral = host !== 'example.com';
          const uri: CoapUri = { scheme: 'coaps', host, port, path, query, hostIsIpLiteral };
          const text = composeUri(uriOptions(uri), 'coaps', host, port);
          assert.ok(typeof text === 'string');
          assert.deepEqual(parsed(text), uri);
          assert.equal(normalized(text), text);
        },
      ),
      { seed: 3986, numRuns: 500 },
    );
  });

  it('every text is parsed or refused, and a parsed one is composed to a URI with the same parts', () => {
    const piece = fc.constantFrom(
      'coap',
      '://',
      '/',
      '?',
      '&',
      '%',
      '%41',
      '%FF',
      '.',
      '..',
      '[',
      ']',
      ':',
      '::1',
      'h',
      '5',
      '@',
      '#',
      'ü',
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      fc.array(piece, { maxLength: 12 }).map((pieces) => `coap://h${pieces.join('')}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const uri = parseCoapUri(text);
        if (isDecodeFault(uri)) {
          assert.ok(uri.offset >= 0 && uri.offset <= text.length);
          return;
        }
        const composed = composeUri(uriOptions(uri), uri.scheme, uri.host, uri.port);
        if (isDecodeFault(composed)) {
          // Percent-decoding can make a host that §6.5 step 2 does not take back.
          assert.equal(composed.reason, 'Uri-Host is not a host');
          return;
        }
        assert.deepEqual(partsWithoutHost(parsed(composed)), partsWithoutHost(uri));
      }),
      { seed: 3986, numRuns: 3000 },
    );
  });
});
