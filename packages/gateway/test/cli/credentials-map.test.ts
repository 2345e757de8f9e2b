import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCredentialsMap } from '../../src/cli/credentials-map.ts';

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);
const short = (identity: string): object => ({ identity, key: 'a key' });

/** The identity found for a URI in a map. */
function identityFor(uri: string, map: object): string | undefined {
  return text(parseCredentialsMap(JSON.stringify(map), 'c.json').find(uri)?.identity);
}

describe('credentials files', () => {
  test('a serial line is its device, however it is encoded, and its rate; the device keeps its case', () => {
    const map = {
      'coaps+serial://ttyUSB0/*': short('zero'),
      'coaps+serial://%2Ftmp%2Fa:9600/*': short('slow'),
      'coaps+serial://*/*': short('any'),
    };
    assert.equal(identityFor('coaps+serial://ttyUSB0:115200/a', map), 'zero');
    assert.equal(identityFor('coaps+serial://%2Fdev%2FttyUSB0/a', map), 'zero');
    assert.equal(identityFor('coaps+serial://ttyusb0:115200/a', map), 'any');
    assert.equal(identityFor('coaps+serial://%2ftmp%2fa:9600/x', map), 'slow');
    assert.equal(identityFor('coaps://ttyUSB0/a', map), undefined);
  });

  test('the form of aiocoap, with keys in ascii and hex', () => {
    const map = {
      'coaps://a/*': { dtls: { psk: { ascii: 'secret' }, 'client-identity': { ascii: 'id' } } },
      'coaps://b/*': { dtls: { psk: { hex: '00ff' }, 'client-identity': { hex: '6964' } } },
    };
    const credentials = parseCredentialsMap(JSON.stringify(map), 'c.json');
    assert.deepEqual(credentials.find('coaps://a/x'), {
      identity: new TextEncoder().encode('id'),
      key: new TextEncoder().encode('secret'),
    });
    assert.deepEqual(credentials.find('coaps://b/x'), {
      identity: Uint8Array.of(0x69, 0x64),
      key: Uint8Array.of(0, 255),
    });
  });

  test('the rest of aiocoap: separators in hex, references, null, a certificate, and the file in diagnostic notation', () => {
    const map = {
      'coaps://a/*': ':label',
      ':label': { dtls: { psk: { hex: '00-ff:01 02' }, 'client-identity': { ascii: 'id' } } },
      'coaps://b/*': null,
      'coaps+tcp://c/*': { tlscert: { certfile: 'c.pem' } },
      'coap://d/*': { 'edhoc-oscore': { suite: 2 } },
    };
    const credentials = parseCredentialsMap(JSON.stringify(map), '/maps/c.json');
    assert.deepEqual(credentials.find('coaps://a/x')?.key, Uint8Array.of(0, 255, 1, 2));
    assert.equal(credentials.find('coaps://b/x'), undefined);
    assert.deepEqual(credentials.find('coaps+tcp://c/x'), { ca: '/maps/c.pem' });
    assert.throws(() => credentials.find('coap://d/x'), /"edhoc-oscore" is not known here/);
    const diag = `{ "coaps://a/*": {"dtls": {"psk": h'00ff', "client-identity": 'id'}}, / and / "coap://b/*": {"oscore": {"basedir": "b"}} }`;
    const read = parseCredentialsMap(diag, '/maps/c.diag');
    assert.deepEqual(read.find('coaps://a/x'), {
      identity: Uint8Array.of(0x69, 0x64),
      key: Uint8Array.of(0, 255),
    });
    assert.deepEqual(read.find('coap://b/x'), { oscore: '/maps/b' });
    assert.throws(() => parseCredentialsMap('{"TopSecret" 1}', 'c.diag'), {
      message: 'c.diag is not CBOR in diagnostic notation (character 14)',
    });
  });

  test('the short form takes a key in text, or in hex behind 0x', () => {
    const map = JSON.stringify({ 'coaps://a/*': { identity: 'id', key: '0x00ff' } });
    assert.deepEqual(parseCredentialsMap(map, 'c.json').find('coaps://a/')?.key, Uint8Array.of(0, 255));
  });

  test('the most specific pattern wins, in any order', () => {
    const map = {
      'coaps://h/*': short('host'),
      '*': short('all'),
      'coaps://h/a/*': short('path'),
      'coaps://*/a/b': short('b'),
    };
    assert.equal(identityFor('coaps://h/x', map), 'host');
    assert.equal(identityFor('coaps://other/x', map), 'all');
    assert.equal(identityFor('coaps://h/a/b', map), 'path');
    assert.equal(identityFor('coaps://i/a/b', map), 'b');
  });

  test('a default port, the case of scheme and host, and a missing path make no difference', () => {
    const map = { 'coaps://Server:5684/*': short('id') };
    for (const uri of ['coaps://server/x', 'COAPS://SERVER:5684/x', 'coaps://server'])
      assert.equal(identityFor(uri, map), 'id');
    assert.equal(identityFor('coaps://server:5683/x', map), undefined);
    assert.equal(
      identityFor('coaps://[2001:DB8::1]/x', { 'coaps://[2001:db8::1]:5684/*': short('v6') }),
      'v6',
    );
  });

  test('characters with a meaning in regular expressions have none', () => {
    assert.equal(identityFor('coaps://aXb/', { 'coaps://a.b/*': short('id') }), undefined);
    assert.equal(identityFor('coaps://h/a?b=(c', { 'coaps://h/a?b=(c': short('id') }), 'id');
  });

  test('a * stays in its part of the URI, so that no other host gets the credential', () => {
    for (const [pattern, uri] of [
      ['coaps://*.example.com/*', 'coaps://evil.org/x.example.com/'],
      ['coaps://*.example.com/*', 'coaps://evil.org?.example.com/'],
      ['coaps://*.example.com/*', 'coaps://example.com/'],
      ['coaps://*.example.com/*', 'coaps://a.example.com:9/'],
      ['coaps://*.example.com/*', 'coaps://evilexample.com/'],
      ['coaps://*.example.com', 'coaps://evil.org/x.example.com'],
      ['coaps://server/*', 'coaps://server.evil/x'],
      ['coaps://server/*', 'coaps://server@evil/x'],
      ['coaps://server/*', 'coaps://server:9/x'],
      ['coaps://*:5684/*', 'coaps://server:9/x'],
      ['coaps://*/x', 'coaps://server/y?/x'],
      ['coaps://*', 'coap://server/'],
    ] as const) {
      assert.equal(identityFor(uri, { [pattern]: short('id') }), undefined, `${pattern} ${uri}`);
    }
    for (const [pattern, uri] of [
      ['coaps://*.example.com/*', 'coaps://a.example.com/x'],
      ['coaps://*.example.com/*', 'coaps://a.b.EXAMPLE.com:5684/'],
      ['coaps://*.example.com:*/*', 'coaps://a.example.com:9/x'],
      ['coaps://server:*/*', 'coaps://server:9/x'],
      ['coaps://server:*/*', 'coaps://server/x?y=/z'],
      ['coaps://*', 'coaps://server:9/x?y'],
      ['coaps://*/*', 'coaps://[2001:db8::1]:9/x'],
      ['coaps://*.example.com./*', 'coaps://a.example.com./'],
      ['*', 'coaps://anything/'],
    ] as const) {
      assert.equal(identityFor(uri, { [pattern]: short('id') }), 'id', `${pattern} ${uri}`);
    }
  });

  test('a * for a part of a name or an address is refused, with the pattern', () => {
    for (const pattern of [
      'coaps://server*',
      'coaps://ser*er/*',
      'coaps://10.0.0.*/*',
      'coaps://*.0.0.1/*',
      'coaps://*.0.0.1./*',
      'coaps://[2001:db8::*]/*',
      'coaps://*.*.com/*',
      'coaps://a:5*/*',
      'coap*://a/*',
      '*://a/*',
      'coaps://*./*',
      'coaps://*../*',
      'coaps://user@server/*',
      'server/*',
    ]) {
      assert.throws(
        () => identityFor('coaps://h/', { [pattern]: short('id') }),
        (error: { message: string; exitCode: number }) =>
          error.exitCode === 64 && error.message.includes(`"${pattern}"`),
        pattern,
      );
    }
  });

  test('a text stands for the entry of that name', () => {
    assert.equal(identityFor('coaps://a/', { 'coaps://a/*': ':lab', ':lab': short('shared') }), 'shared');
    assert.throws(() => identityFor('coaps://a/', { 'coaps://a/*': ':lab' }), /there is no entry ":lab"/);
  });

  test('an OSCORE context stands as in aiocoap, or as a name, alone or with what secures the way', () => {
    const map = {
      'coap://a/*': { oscore: { basedir: '/x' } },
      'coap://b/*': { oscore: 'b.oscore' },
      'coaps://c/*': { oscore: { basedir: 'c' }, ...short('c') },
      'coap://d/*': { oscore: {} },
    };
    const credentials = parseCredentialsMap(JSON.stringify(map), '/maps/c.json');
    assert.deepEqual(credentials.find('coap://a/x'), { oscore: '/x' });
    assert.deepEqual(credentials.find('coap://b/x'), { oscore: '/maps/b.oscore' });
    assert.equal(credentials.find('coaps://c/x')?.oscore, '/maps/c');
    assert.equal(text(credentials.find('coaps://c/x')?.identity), 'c');
    assert.throws(() => credentials.find('coap://d/x'), /"oscore" is \{"basedir": folder\}/);
  });

  test('an entry without a pre-shared key is refused when it is the one, and ignored when it is not', () => {
    const map = { 'coaps://a/*': { edhoc: {} }, 'coaps://b/*': short('b') };
    assert.throws(() => identityFor('coaps://a/', map), {
      message: /"coaps:\/\/a\/\*": it has no credential/,
      exitCode: 64,
    });
    assert.equal(identityFor('coaps://b/', map), 'b');
  });

  test('text that is not JSON is refused by position, without showing what stands there', () => {
    const broken = '{"coaps://a/*": {"identity": "id", "key": "TopSecret" "x"}}';
    assert.throws(
      () => parseCredentialsMap(broken, 'c.json'),
      (error: Error) =>
        /^c\.json is not JSON \(position \d+/.test(error.message) && !error.message.includes('TopSecret'),
    );
    assert.throws(() => parseCredentialsMap('[]', 'c.json'), /not a JSON object/);
  });
});
