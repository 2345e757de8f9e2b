/**
 * Suite × credential × connection ids × resumption × record sizes × MTU, our client with our server: both connect, data
 * passes both ways, and both say the same about what was agreed on.
 *
 * The short form takes each pair of values of two columns at least once; COAPSULE_LONG=1 the whole product.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type CipherSuiteName, cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import type { PublicKeyType } from '../../src/core/foundation/crypto-provider.ts';
import { certificateCredentials, rawPublicKeyCredentials, withoutClientProof } from './dtls-credentials.ts';
import { closeAssociation, DtlsPair, sensorIdentity } from './dtls-pair.ts';

const long = process.env['COAPSULE_LONG'] === '1';

/** One suite with what both sides prove themselves with. */
interface Proof {
  readonly name: string;
  readonly suite: CipherSuiteName;
  readonly sides?: readonly [client: EndpointCredentials, server: EndpointCredentials];
}

const idLengths = ['off', 0, 1, 8, 20] as const;
const columns = {
  proof: cipherSuites.flatMap(({ name, keyExchange }): readonly Proof[] => {
    if (keyExchange === 'PSK' || keyExchange === 'ECDHE_PSK') return [{ name, suite: name }];
    const types: readonly PublicKeyType[] =
      keyExchange === 'ECDHE_RSA' ? ['rsa'] : ['ec-secp256r1', 'ec-secp384r1', 'ed25519'];
    return types.flatMap((type) =>
      [rawPublicKeyCredentials, certificateCredentials].flatMap((make) => {
        const sides = [make('client', type), make('server', type)] as const;
        const what = `${name}, ${make === certificateCredentials ? 'X.509' : 'RPK'} ${type}`;
        return [
          { name: `${what}, both sides`, suite: name, sides },
          { name: `${what}, server only`, suite: name, sides: withoutClientProof(...sides) },
        ];
      }),
    );
  }),
  clientId: idLengths,
  serverId: idLengths,
  resumption: ['off', 'session-id', 'ticket'] as const,
  recordSizes: [
    [16_384, 16_384],
    [512, 16_384],
    [64, 1024],
  ] as const,
  mtu: [128, 256, 512, 1232] as const,
};

type Columns = typeof columns;
type Row = { readonly [Name in keyof Columns]: Columns[Name][number] };
const names = Object.keys(columns) as (keyof Columns)[];

suite('suite × credential × connection ids × resumption × record sizes × MTU', () => {
  const rows = long ? product() : pairwise();
  for (const keyExchange of ['PSK', 'ECDHE_PSK', 'ECDHE_ECDSA', 'ECDHE_RSA'] as const) {
    const own = rows.filter(({ proof }) => proof.suite.startsWith(`TLS_${keyExchange}_WITH_`));
    test(`${keyExchange}: all connect, data passes both ways, both sides agree on the same`, (context) => {
      assert.ok(own.length >= 25, `${own.length} combinations`);
      context.diagnostic(`${own.length} combinations`);
      for (const row of own) connects(row);
    });
  }

  test('the short form has every pair of values', () => {
    const short = pairwise();
    for (const [i, first] of names.entries()) {
      for (const second of names.slice(i + 1)) {
        const pairs = new Set(short.map((row) => `${valueKey(first, row)} ${valueKey(second, row)}`));
        assert.equal(pairs.size, columns[first].length * columns[second].length, `${first} × ${second}`);
      }
    }
  });
});

suite('unlike credentials', () => {
  const suites: Partial<DtlsConfig> = { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'] };
  const own = { 'raw public key': rawPublicKeyCredentials, certificate: certificateCredentials };
  for (const [clientKind, makeClient] of Object.entries(own)) {
    for (const [serverKind, makeServer] of Object.entries(own)) {
      test(`a client with a ${clientKind} and a server with a ${serverKind} of other keys prove themselves`, () => {
        for (const clientType of ['ec-secp256r1', 'ec-secp384r1', 'ed25519', 'rsa'] as const) {
          for (const serverType of ['ec-secp256r1', 'ec-secp384r1', 'ed25519'] as const) {
            const client = makeClient('client', clientType);
            const server = makeServer('server', serverType);
            const pair = new DtlsPair({
              client: {
                ...suites,
                credentials: { ...client, peerTypes: server.rawPublicKey ? ['raw-public-key'] : ['x509'] },
              },
              server: {
                credentials: { ...server, peerTypes: client.rawPublicKey ? ['raw-public-key'] : ['x509'] },
              },
            });
            connect(pair, `${clientType} ${serverType}`);
            assert.deepEqual(pair.server.all('connected')[0]?.authentication, proofOf(client));
            assert.deepEqual(pair.client.all('connected')[0]?.authentication, proofOf(server));
          }
        }
      });
    }
  }
});

suite('a chain of 4 KB', () => {
  const stride = long ? 1 : 53;
  for (const from of ['server', 'client', 'both'] as const) {
    test(`of the ${from === 'both' ? 'client and the server' : from} crosses every MTU from 128 to 1400`, () => {
      const chain = (side: 'client' | 'server'): EndpointCredentials =>
        certificateCredentials(side, 'ec-secp256r1', from === side || from === 'both' ? 4096 : 0);
      const [client, server] = [chain('client'), chain('server')];
      for (const [side, { certificate }] of [
        ['client', client],
        ['server', server],
      ] as const) {
        const length = certificate?.chain.reduce((sum, { length }) => sum + length, 0) ?? 0;
        if (from === side || from === 'both') assert.ok(length >= 4096 && length < 4200, `${length} bytes`);
      }
      let runs = 0;
      for (let mtu = 128; mtu <= 1400; mtu += mtu + stride > 1400 && mtu < 1400 ? 1400 - mtu : stride) {
        const pair = new DtlsPair({
          conditions: { mtu },
          client: { mtu, credentials: client },
          server: { mtu, credentials: server },
        });
        connect(pair, `MTU ${mtu}`);
        assert.equal(pair.network.droppedForMtu, 0, `MTU ${mtu}`);
        assert.equal(pair.client.when('connected', pair.start), 60, `MTU ${mtu}: nothing was sent twice`);
        runs++;
      }
      assert.ok(runs >= 1273 / stride);
    });
  }
});

function connects({ proof, clientId, serverId, resumption, recordSizes, mtu }: Row): void {
  const what = `${proof.name}, ids ${clientId} ${serverId}, ${resumption}, records ${recordSizes}, MTU ${mtu}`;
  const pair = new DtlsPair({
    conditions: { mtu },
    client: {
      suites: [proof.suite],
      connectionIdLength: clientId,
      resumption,
      maxRecordSize: recordSizes[0],
      mtu,
      ...(proof.sides === undefined ? {} : { credentials: proof.sides[0] }),
    },
    server: {
      connectionIdLength: serverId,
      resumption,
      maxRecordSize: recordSizes[1],
      mtu,
      ...(proof.sides === undefined ? {} : { credentials: proof.sides[1] }),
    },
  });
  for (const resumed of [false, resumption !== 'off']) {
    const firstDatagram = pair.network.sent.length;
    connect(pair, what);
    const [[client], [server]] = [pair.client.all('connected'), pair.server.all('connected')];
    assert.ok(client !== undefined && server !== undefined);
    for (const side of [client, server]) {
      assert.equal(side.suite, proof.suite, what);
      assert.equal(side.extendedMasterSecret, true, what);
      if (!resumed || mustResume(resumption, mtu, proof)) assert.equal(side.resumed, resumed, what);
    }
    assert.equal(client.resumed, server.resumed, what);
    if (proof.sides === undefined) {
      assert.deepEqual([client.identity, server.identity], [sensorIdentity, sensorIdentity], what);
    } else {
      assert.deepEqual(client.authentication, proofOf(proof.sides[1]), what);
      assert.deepEqual(server.authentication, proofOf(proof.sides[0]), what);
    }
    const hasIds = clientId !== 'off' && serverId !== 'off';
    assert.deepEqual(
      client.connectionIdLengths,
      hasIds ? { own: clientId, peer: serverId } : undefined,
      what,
    );
    assert.deepEqual(
      server.connectionIdLengths,
      hasIds ? { own: serverId, peer: clientId } : undefined,
      what,
    );
    assert.equal(pair.network.droppedForMtu, 0, what);
    for (const { from, datagram } of pair.network.sent.slice(firstDatagram)) {
      const isFromClient = from.key === pair.client.address.key;
      const idLength = hasIds ? (isFromClient ? serverId : clientId) : 0;
      for (const { epoch, fragmentLength } of splitRecords(datagram, idLength).records) {
        // 8 bytes of nonce and 16 of tag; with a connection id, the limit is for the inner plaintext (RFC 9146 §5).
        const limit = recordSizes[isFromClient ? 1 : 0] + (epoch > 0 ? 24 : 0);
        if (epoch > 0 || !isFromClient) assert.ok(fragmentLength <= limit, `${what}: ${fragmentLength}`);
      }
    }
    closeAssociation(pair);
  }
}

/**
 * A session that would not fit the first datagram of a ClientHello is left out of it, and there is no ticket with a chain
 * of certificates that would not fit any.
 */
function mustResume(resumption: Row['resumption'], mtu: number, { sides }: Proof): boolean {
  if (resumption === 'session-id') return mtu >= 256;
  const client = sides?.[0];
  if (client?.certificate === undefined && client?.rawPublicKey === undefined) return mtu >= 512;
  return client.certificate === undefined && mtu >= 1232;
}

function connect(pair: DtlsPair, what: string): void {
  pair.connect();
  pair.run(10_000, () => pair.bothConnected);
  assert.ok(pair.bothConnected, `${what}: ${JSON.stringify(failures(pair))}`);
  assert.ok(pair.exchange(), `${what}: data passes`);
}

function failures(pair: DtlsPair): unknown {
  return [pair.client, pair.server].map((node) => node.all('handshake-failed').map(({ failure }) => failure));
}

/** What a side should be known by. */
function proofOf({ certificate, rawPublicKey }: EndpointCredentials): object {
  if (rawPublicKey !== undefined)
    return { kind: 'raw-public-key', publicKey: rawPublicKey.key.publicKey.spki };
  return certificate === undefined ? { kind: 'none' } : { kind: 'x509', certificate: certificate.chain[0] };
}

// Combinations.

function product(): Row[] {
  let rows: Partial<Row>[] = [{}];
  for (const name of names) {
    rows = rows.flatMap((row) => columns[name].map((value) => ({ ...row, [name]: value })));
  }
  return rows as Row[];
}

function valueKey(name: keyof Columns, row: Row): number {
  return (columns[name] as readonly unknown[]).indexOf(row[name]);
}

/**
 * Rows in which every pair of values of two columns occurs: for each pair that is missing, a row with it, filled up with
 * the values that bring the most other missing pairs.
 */
function pairwise(): Row[] {
  const sizes = names.map((name) => columns[name].length);
  const missing = new Set<string>();
  const key = (a: number, x: number, b: number, y: number): string =>
    a < b ? `${a} ${x} ${b} ${y}` : `${b} ${y} ${a} ${x}`;
  for (const [a, size] of sizes.entries()) {
    for (let x = 0; x < size; x++) {
      for (let b = a + 1; b < sizes.length; b++) {
        for (let y = 0; y < (sizes[b] as number); y++) missing.add(key(a, x, b, y));
      }
    }
  }
  const rows: Row[] = [];
  for (const pair of missing) {
    const [a, x, b, y] = pair.split(' ').map(Number) as [number, number, number, number];
    const chosen = new Map([
      [a, x],
      [b, y],
    ]);
    for (const [column, size] of sizes.entries()) {
      if (chosen.has(column)) continue;
      let best = { value: 0, gain: -1 };
      for (let i = 0; i < size; i++) {
        // Begins elsewhere in each row, so that equally good values take turns.
        const value = (i + rows.length) % size;
        let gain = 0;
        for (const [other, its] of chosen) if (missing.has(key(column, value, other, its))) gain++;
        if (gain > best.gain) best = { value, gain };
      }
      chosen.set(column, best.value);
    }
    for (const [one, its] of chosen) {
      for (const [other, value] of chosen) if (one < other) missing.delete(key(one, its, other, value));
    }
    const row = names.map((name, column) => [name, columns[name][chosen.get(column) as number]]);
    rows.push(Object.fromEntries(row) as Row);
  }
  return rows;
}
