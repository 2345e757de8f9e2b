/**
 * What aiocoap-client reads, read the same: its credentials map in both forms, by its own loader, and CBOR diagnostic notation by
 * the parser that it uses (cbor-diag).
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCredentialsMap } from '../../src/cli/credentials-map.ts';
import { encodeDiagnostic } from '../../src/payload/cbor-diagnostic.ts';
import { peerPython, peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';

const loader = `
import json, sys, cbor2, cbor_diag
from aiocoap.credentials import CredentialsMap
text = open(sys.argv[1]).read()
data = json.loads(text) if sys.argv[1].endswith('.json') else cbor2.loads(cbor_diag.diag2cbor(text))
m = CredentialsMap()
m.load_from_dict(data)
out = {}
for uri in sys.argv[2:]:
    for pattern, value in sorted(m.items(), key=lambda one: len(one[0]), reverse=True):
        if m._wildcard_match(uri, pattern):
            if hasattr(value, 'as_dtls_psk'):
                identity, key = value.as_dtls_psk()
                out[uri] = [identity.hex(), key.hex()]
            elif hasattr(value, 'as_ssl_params'):
                out[uri] = [value.as_ssl_params()['cafile']]
            else:
                out[uri] = [value.basedir]
            break
print(json.dumps(out))
`;

const uris = ['coaps://a/x', 'coaps://b/x', 'coaps://b/deep/x', 'coaps+tcp://c/x', 'coap://d/x'];

peerTest('a credentials map of aiocoap means the same to both', ['aiocoap'], async (t) => {
  const folder = temporaryFolder(t);
  const context = join(folder, 'context');
  mkdirSync(context);
  const settings = {
    'sender-id_hex': '01',
    'recipient-id_hex': '02',
    secret_ascii: 'secret',
    algorithm: 'AES-CCM-16-64-128',
  };
  writeFileSync(join(context, 'settings.json'), JSON.stringify(settings));
  const json = JSON.stringify({
    'coaps://a/*': ':label',
    ':label': { dtls: { psk: { hex: '00-ff:01 02' }, 'client-identity': { ascii: 'id a' } } },
    'coaps://b/*': { dtls: { psk: { ascii: 'secret b' }, 'client-identity': { hex: '6964' } } },
    'coaps://b/deep/*': { dtls: { psk: { ascii: 'deep' }, 'client-identity': { ascii: 'deep' } } },
    'coaps+tcp://c/*': { tlscert: { certfile: join(folder, 'ca.pem') } },
    'coap://d/*': { oscore: { basedir: context } },
  });
  const diag = `{ "coaps://a/*": {"dtls": {"psk": h'00ff', "client-identity": 'id'}}, / and / "coaps://b/*": {"dtls": {"psk": b64'AQI=', "client-identity": 'b'}} }`;
  for (const [name, text] of [
    ['map.json', json],
    ['map.diag', diag],
  ] as const) {
    const path = join(folder, name);
    writeFileSync(path, text);
    const read = await run(t, peerPython, ['-c', loader, path, ...uris]);
    assert.equal(read.code, 0, read.output);
    const map = parseCredentialsMap(text, path);
    const ours = Object.fromEntries(
      uris.flatMap((uri) => {
        const { identity, key, ca, oscore } = map.find(uri) ?? {};
        if (identity === undefined || key === undefined)
          return (ca ?? oscore) === undefined ? [] : [[uri, [ca ?? oscore]]];
        return [[uri, [Buffer.from(identity).toString('hex'), Buffer.from(key).toString('hex')]]];
      }),
    );
    assert.deepEqual(ours, JSON.parse(read.stdout.toString()));
    assert.equal(Object.keys(ours).length, name === 'map.json' ? 5 : 3);
  }
});

const notations = [
  '[1, -2, 1.5, "ü", h\'00ff\', true, null, undefined]',
  '{"a": 1, 2: [3, {"b": simple(99)}], -1: 100000.0}',
  '[_ 1, [2, 3], {_ "a": 1}]',
  "(_ h'0102', h'03')",
  '(_ "strea", "ming")',
  '0("2013-03-21T20:04:00Z")',
  '24(<<1, [2]>>)',
  "b64'AQIDBA'",
  '18446744073709551616',
  '[1_1, 1.5_3, "a"_0]',
  '[NaN, Infinity, -Infinity, -0.0, 5.960464477539063e-8]',
  '/ comment / 1',
];

peerTest('diagnostic notation gives the same bytes to both', ['aiocoap'], async (t) => {
  const program = 'import sys, cbor_diag\nfor text in sys.argv[1:]: print(cbor_diag.diag2cbor(text).hex())';
  const theirs = await run(t, peerPython, ['-c', program, ...notations]);
  assert.equal(theirs.code, 0, theirs.output);
  const ours = notations.map((text) => {
    const encoded = encodeDiagnostic(text);
    return encoded instanceof Uint8Array ? Buffer.from(encoded).toString('hex') : encoded.reason;
  });
  assert.deepEqual(ours, theirs.stdout.toString().trim().split('\n'));
});
