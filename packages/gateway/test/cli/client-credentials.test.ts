import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ClientOptions } from 'coapsule';
import { Code } from 'coapsule/message';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { libraryError, type Run, response, run } from './recorded-environment.ts';

const uri = 'coaps://h/a';

/** A folder with certificates and raw public keys, and a way to make requests with them. */
async function credentials(t: TestContext) {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  for (const args of [
    ['ca', 'CA', '--out', at('ca')],
    ['cert', 'sensor-7', '--ca', at('ca.pem'), '--out', at('own')],
    ['rpk', 'sensor-7', '--out', at('raw')],
  ]) {
    const { exitCode, stderr } = await run(['keys', ...args]);
    assert.equal(exitCode, 0, stderr);
  }
  const write = (name: string, text: string): string => {
    writeFileSync(at(name), text, { mode: 0o600 });
    return at(name);
  };
  const get = (...args: string[]): Promise<Run> =>
    run(['get', uri, ...args], { answers: [response(Code.Content)] });
  const options = async (...args: string[]): Promise<ClientOptions> => {
    const { exitCode, stderr, clientOptions } = await get(...args);
    assert.equal(exitCode, 0, stderr);
    const { trace: _, ...rest } = clientOptions as ClientOptions;
    return rest;
  };
  const bytes = (name: string): Buffer => readFileSync(at(name));
  return { at, write, get, options, bytes };
}

test('-c, -j and -C are the certificate, its key and whom to trust', async (t) => {
  const { at, options, bytes } = await credentials(t);
  const given = await options('-c', at('own.pem'), '-j', at('own.key'), '-C', at('ca.pem'));
  assert.deepEqual(given.certificate, { chain: bytes('own.pem'), privateKey: bytes('own.key') });
  assert.deepEqual(given.trustAnchors, bytes('ca.pem'));
  assert.equal(given.dangerouslySkipVerification, undefined);
  assert.equal(given.psk, undefined);
});

test('the key may be in the file of the certificate, and without -C the library decides whom to trust', async (t) => {
  const { write, options, bytes } = await credentials(t);
  const both = write('both.pem', `${bytes('own.pem')}${bytes('own.key')}`);
  const given = await options('-c', both);
  assert.deepEqual(given.certificate, { chain: readFileSync(both), privateKey: readFileSync(both) });
  assert.equal('trustAnchors' in given, false);
});

test('-C alone trusts without an own credential, and "system" stands for the usual authorities', async (t) => {
  const { at, options, bytes } = await credentials(t);
  assert.deepEqual(await options('-C', at('ca.pem')), { trustAnchors: bytes('ca.pem') });
  assert.deepEqual(await options('-C', 'system'), { trustAnchors: 'system' });
});

test('-M and --peer-rpk are raw public keys, the one of the server by file or fingerprint', async (t) => {
  const { at, options, bytes } = await credentials(t);
  const own = { rawPublicKey: { privateKey: bytes('raw.key') } };
  assert.deepEqual(await options('-M', at('raw.key'), '--peer-rpk', at('raw.pub')), {
    ...own,
    peerPublicKeys: bytes('raw.pub'),
  });
  const fingerprint = `sha256:${'0f'.repeat(32)}`;
  assert.deepEqual(await options('-M', at('raw.key'), '--peer-rpk', fingerprint), {
    ...own,
    peerPublicKeys: fingerprint,
  });
});

test('--insecure says loudly what it means', async (t) => {
  const { get } = await credentials(t);
  const { clientOptions, stderr } = await get('--insecure');
  assert.equal(clientOptions?.dangerouslySkipVerification, true);
  assert.match(stderr, /warning: THE SERVER IS NOT VERIFIED \(--insecure\)/);
});

test('--cid, --cid LENGTH and --no-cid choose the connection id, and --cid never takes the URI for a length', async (t) => {
  const { options } = await credentials(t);
  const psk = ['-u', 'id', '-k', 'MySecret16ByteK!'];
  assert.equal((await options(...psk, '--cid', '4')).connectionId, 4);
  assert.equal((await options(...psk, '--no-cid')).connectionId, 'off');
  assert.equal((await options(...psk)).connectionId, undefined);
  const { requests } = await run(['get', '--cid', ...psk, '--cid', uri], {
    answers: [response(Code.Content)],
  });
  assert.equal(requests[0]?.uri, uri);
  const tooLong = await run(['get', uri, '--cid', '21']);
  assert.equal(tooLong.exitCode, 64);
});

test('an encrypted key takes its passphrase from a file', async (t) => {
  const { at, write, options } = await credentials(t);
  const passphrase = write('passphrase', 'open sesame\n');
  const given = await options('-c', at('own.pem'), '-j', at('own.key'), '--passphrase-file', passphrase);
  assert.equal(given.certificate?.passphrase, 'open sesame');
});

test('a private key that others can read is warned about', async (t) => {
  const { at, get } = await credentials(t);
  chmodSync(at('own.key'), 0o644);
  assert.match(
    (await get('-c', at('own.pem'), '-j', at('own.key'))).stderr,
    /own\.key can be read by others/,
  );
});

test('-j without a certificate, and files that are not there, say what to do', async (t) => {
  const { at, get } = await credentials(t);
  const alone = await get('-j', at('own.key'));
  assert.equal(alone.exitCode, 64);
  assert.match(alone.stderr, /name the certificate with -c FILE/);
  const missing = await get('-c', at('none.pem'));
  assert.equal(missing.exitCode, 1);
  assert.match(missing.stderr, /cannot use .*none\.pem: there is no such file/);
});

test('a credentials map has certificates and raw public keys, beside it and only for its patterns', async (t) => {
  const { write, options, bytes, get, at } = await credentials(t);
  const map = write(
    'map.json',
    JSON.stringify({
      'coaps://h/*': { cert: 'own.pem', 'private-key': 'own.key', ca: 'ca.pem' },
      'coaps://raw/*': { rpk: 'raw.key', 'peer-rpk': 'raw.pub' },
      'coaps://bad/*': { cert: 7 },
      'coaps://empty/*': {},
    }),
  );
  const given = await options('--credentials', map);
  assert.deepEqual(given.certificate, { chain: bytes('own.pem'), privateKey: bytes('own.key') });
  assert.deepEqual(given.trustAnchors, bytes('ca.pem'));
  const psk = await options('--credentials', map, '-u', 'id', '-k', 'MySecret16ByteK!');
  assert.equal(psk.certificate, undefined);
  assert.deepEqual(psk.trustAnchors, bytes('ca.pem'));
  const careless = await options('--credentials', map, '--insecure');
  assert.equal(careless.trustAnchors, undefined);
  assert.ok(careless.certificate !== undefined);
  const raw = await run(['get', 'coaps://raw/', '--credentials', map], { answers: [response(Code.Content)] });
  assert.deepEqual(raw.clientOptions?.peerPublicKeys, readFileSync(at('raw.pub')));
  for (const [host, expected] of [
    ['bad', /"cert" is the name of a file/],
    ['empty', /it has no credential/],
  ] as const) {
    const { exitCode, stderr } = await run(['get', `coaps://${host}/`, '--credentials', map]);
    assert.equal(exitCode, 64);
    assert.match(stderr, expected);
  }
  assert.equal((await get('--credentials', write('none.json', '{}'))).exitCode, 7);
});

test('a coap URI uses none of them, and says so', async (t) => {
  const { at } = await credentials(t);
  const { clientOptions, stderr } = await run(['get', 'coap://h/a', '-C', at('ca.pem')], {
    answers: [response(Code.Content)],
  });
  assert.equal(clientOptions?.trustAnchors, undefined);
  assert.match(stderr, /a coap URI is not secured/);
});

test('a failed handshake names the option that is the next step', async () => {
  for (const [cause, expected] of [
    ['unknown-ca', /-C FILE/],
    ['name-mismatch', /--sni/],
    ['unknown-public-key', /--peer-rpk/],
    ['no-extended-master-secret', /--no-ems/],
  ] as const) {
    const error = libraryError('ERR_HANDSHAKE', 'it failed', { handshake: { cause } });
    const { exitCode, stderr } = await run(['get', uri, '-C', 'system'], { answers: [error] });
    assert.equal(exitCode, 7);
    assert.match(stderr, expected);
  }
});

test('coapsule client takes the same files, verifies unless -n says otherwise, and says so loudly', async (t) => {
  const { at, bytes } = await credentials(t);
  const client = (...args: string[]): Promise<Run> =>
    run(['client', ...args, uri], { answers: [response(Code.Content)] });
  const { clientOptions } = await client('-c', at('own.pem'), '-j', at('own.key'), '-C', at('ca.pem'));
  assert.deepEqual(clientOptions?.certificate, { chain: bytes('own.pem'), privateKey: bytes('own.key') });
  assert.deepEqual(clientOptions?.trustAnchors, [bytes('ca.pem')]);
  const roots = await client('-C', at('ca.pem'), '-R', at('own.pem'));
  assert.deepEqual(roots.clientOptions?.trustAnchors, [bytes('ca.pem'), bytes('own.pem')]);
  const careless = await client('-n', '-M', at('raw.key'));
  assert.deepEqual(careless.clientOptions?.rawPublicKey, { privateKey: bytes('raw.key') });
  assert.equal(careless.clientOptions?.dangerouslySkipVerification, true);
  assert.match(careless.stderr, /THE SERVER IS NOT VERIFIED \(-n\)/);
  const unclear = await client('-M', at('raw.key'));
  assert.match(unclear.stderr, /cannot say which raw public key is the server's\n.*--peer-rpk/);
  assert.equal(unclear.exitCode, 1);
});

test('a file that is not what its option is for is named with the option, what it holds and what to do', async (t) => {
  const { at, write, get } = await credentials(t);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secret = { cipher: 'aes-256-cbc', passphrase: 'open sesame' };
  const encrypted = write(
    'encrypted.key',
    `${privateKey.export({ type: 'pkcs8', format: 'pem', ...secret })}`,
  );
  write('wrong', 'sesame\n');
  write('small.key', String(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export(pkcs8)));
  write('public.der', '');
  writeFileSync(at('public.der'), createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['-M', at('raw.pub')], /-M .*raw\.pub: it holds a public key, not a private key\n.*private key to -M/],
    [['-M', at('public.der')], /-M .*public\.der: it holds a public key, not a private key\n/],
    [['-M', write('none', 'x')], /-M .*none: it holds nothing known, not a private key\n/],
    [['-c', at('own.pem')], /-c .*own\.pem: the private key of the certificate is missing\n.*-j FILE/],
    [['-c', at('own.key')], /-c .*own\.key: it holds a private key, not a certificate\n.*this key to -j/],
    [['-c', at('own.pem'), '-j', at('ca.key')], /-j .*ca\.key is not the key of CN=sensor-7, .*own\.pem\n/],
    [['-M', encrypted], /-M .*encrypted\.key: the key is encrypted\n.*--passphrase-file FILE/],
    [['-M', encrypted, '--passphrase-file', at('wrong')], /-M .*encrypted\.key: .*passphrase is wrong/],
    [['-M', at('small.key')], /-M .*small\.key: got rsa of 1024 bits, .*RSA of 2048/],
    [['-C', at('ca.key')], /-C .*ca\.key: it holds a private key, not a certificate\n/],
    [['-C', at('ca.pem'), '--insecure'], /-C says whom to trust, --insecure .*\n.*leave --insecure out/],
    [['--peer-rpk', 'sha256:00'], /--peer-rpk sha256:00: .*64 hexadecimal digits, here are 2\n/],
    [['--peer-rpk', write('text', 'x')], /--peer-rpk .*text: it holds nothing known, not a public key\n/],
  ];
  for (const [args, text] of cases) {
    const { exitCode, stderr } = await get(...args);
    assert.notEqual(exitCode, 0, args.join(' '));
    assert.match(stderr, text);
    assert.doesNotMatch(stderr, /new Client|rawPublicKey|describe|passphrase was|VERB/);
  }
  write('der.key', '');
  writeFileSync(at('der.key'), privateKey.export({ type: 'sec1', format: 'der' }));
  assert.equal((await get('-M', at('der.key'))).exitCode, 0);
});

test('certificates and public keys may be read by others, and a file is warned about once', async (t) => {
  const { at, get, write, bytes } = await credentials(t);
  for (const name of ['own.pem', 'ca.pem', 'raw.pub']) chmodSync(at(name), 0o644);
  const { stderr } = await get('-c', at('own.pem'), '-j', at('own.key'), '-C', at('ca.pem'));
  assert.doesNotMatch(stderr, /can be read/);
  assert.doesNotMatch((await get('-M', at('raw.pub'))).stderr, /can be read/);
  const both = write('both.pem', `${bytes('own.pem')}${bytes('own.key')}`);
  chmodSync(both, 0o644);
  assert.equal((await get('-c', both)).stderr.match(/can be read/g)?.length, 1);
});

const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
