/**
 * Paths that are accepted: order, extras, several candidates, all algorithms, trust anchors of every kind; and the bound
 * for the work of the search. What is refused is in bad-chains.test.ts.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import type { PublicKey } from '../../../src/core/foundation/crypto-provider.ts';
import { type PathVerdict, validatePath } from '../../../src/core/x509/path-validation.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import {
  type CertificateWish,
  type Issued,
  issue,
  issueRoot,
  keyPair,
  type SignatureName,
} from '../../x509/certificate-factory.ts';
import * as write from '../../x509/der-writer.ts';
import { anchor, judge, make, now } from './three-certificates.ts';

function subjects(verdict: PathVerdict): string[] {
  if (!verdict.accepted) assert.fail(`${verdict.cause}: ${verdict.detail}`);
  return verdict.path.map(({ subject }) => subject.text);
}

const whole = ['CN=device,O=Acme', 'CN=Sub,O=Acme', 'CN=Root,O=Acme'];

suite('paths that are accepted', () => {
  test('the path goes from the leaf to the trust anchor, and tells the earliest end of a validity', () => {
    const verdict = judge({
      ca: { notAfter: new Date('2030-05-06T07:08:09Z') },
      leaf: { notAfter: new Date('2031-01-01') },
    });
    assert.deepEqual(subjects(verdict), whole);
    assert.ok(verdict.accepted);
    assert.equal(verdict.expiresAtMs, Date.UTC(2030, 4, 6, 7, 8, 9));
  });

  test('both ends of a validity are within it', () => {
    const leaf = { notBefore: new Date(now - 1000), notAfter: new Date(now + 1000) };
    for (const nowMs of [now - 1000, now + 1000]) assert.ok(judge({ leaf, nowMs }).accepted);
    for (const nowMs of [now - 1001, now + 1001]) assert.ok(!judge({ leaf, nowMs }).accepted);
    assert.ok(!judge({ nowMs: Number.NaN }).accepted);
  });

  test('certificates may come in any order, twice, and with others between', () => {
    const low = (made: { ca: Issued }): Issued => issue({ subject: 'CN=Low', issuer: made.ca, ca: true });
    const extra = issueRoot('CN=Elsewhere');
    const verdict = judge({
      shown: (made) => {
        const issuer = low(made);
        const leaf = issue({ subject: 'CN=device', issuer });
        return [leaf.der, extra.der, made.root.der, made.ca.der, made.ca.der, leaf.der, issuer.der];
      },
    });
    assert.deepEqual(subjects(verdict), ['CN=device', 'CN=Low', 'CN=Sub,O=Acme', 'CN=Root,O=Acme']);
  });

  test('an authorityKeyIdentifier may name issuer and serial number besides, or nothing', () => {
    const issuerName = write.explicit(1, write.explicit(4, write.sequence()));
    const serial = write.implicit(2, Uint8Array.of(1));
    for (const value of [write.sequence(issuerName, serial), write.sequence()]) {
      const extensions = [{ oid: '2.5.29.35', value }];
      assert.ok(judge({ leaf: { keyIdentifiers: false, extensions } }).accepted);
    }
  });

  test('a malformed certificate that no path needs does no harm', () => {
    const shown = ({ leaf, ca }: { leaf: Issued; ca: Issued }): Uint8Array[] => [leaf.der, noBytes, ca.der];
    assert.deepEqual(subjects(judge({ shown })), whole);
  });

  test('an intermediate CA may be the trust anchor, also when its own issuer is unknown', () => {
    assert.deepEqual(subjects(judge({ trusted: ({ ca }) => [ca.der] })), whole.slice(0, 2));
  });

  test('a leaf among the trust anchors is trusted alone, without the CA that issued it', () => {
    const verdict = judge({ trusted: ({ leaf }) => [leaf.der], shown: ({ leaf }) => [leaf.der] });
    assert.deepEqual(subjects(verdict), whole.slice(0, 1));
  });

  test('a leaf that only looks like the pinned one is not trusted', () => {
    const pinned = issue({ subject: 'CN=device' });
    const twin = issue({ subject: 'CN=device', keys: pinned.keys, serialNumber: 1 });
    const verdict = judge({ trusted: () => [pinned.der], shown: () => [twin.der] });
    assert.ok(!verdict.accepted);
    // The pinned one has the right key and a good signature over its twin, but is no CA.
    assert.equal(verdict.cause, 'certificate-usage');
  });

  test('a trust anchor of version 1 can be an issuer', () => {
    assert.deepEqual(subjects(judge({ root: { fields: { version: noBytes, extensions: noBytes } } })), whole);
  });

  test('a device certificate of version 1 among the trust anchors vouches for itself, and for no other device', () => {
    const elsewhere = issueRoot('CN=Private CA');
    const fields = { version: noBytes, extensions: noBytes };
    const [one, two] = ['CN=sensor-a', 'CN=sensor-b'].map((subject) =>
      issue({ subject, issuer: elsewhere, fields }),
    ) as [Issued, Issued];
    const trusted = (): Uint8Array[] => [one.der, two.der];
    assert.deepEqual(subjects(judge({ shown: () => [one.der], trusted })), ['CN=sensor-a']);
    const forged = issue({ subject: 'CN=sensor-b', issuer: one, keyIdentifiers: false });
    const verdict = judge({ shown: () => [forged.der], trusted });
    assert.ok(!verdict.accepted);
    assert.equal(verdict.cause, 'certificate-usage');
    assert.match(
      verdict.detail,
      /^CN=sensor-a is a certificate of version 1 that does not sign itself: no CA$/,
    );
  });

  test('nor does one of version 1 whose names only look as if it signed itself', () => {
    const fields = { version: noBytes, extensions: noBytes };
    const issuedByNamesake = issue({ subject: 'CN=Root', issuer: issueRoot('CN=Root'), fields });
    const leaf = issue({ subject: 'CN=leaf', issuer: issuedByNamesake, keyIdentifiers: false });
    const verdict = judge({ shown: () => [leaf.der], trusted: () => [issuedByNamesake.der] });
    assert.equal(verdict.accepted || verdict.cause, 'certificate-usage');
  });

  test('chains of ten certificates are validated', () => {
    const root = issueRoot();
    const chain: Issued[] = [root];
    for (let i = 0; i < 9; i++)
      chain.push(issue({ subject: `CN=${i}`, issuer: chain[i] as Issued, ca: true }));
    chain.push(issue({ subject: 'CN=leaf', issuer: chain[9] as Issued }));
    const shown = chain
      .slice(1)
      .reverse()
      .map(({ der }) => der);
    assert.equal(subjects(judge({ shown: () => shown, trusted: () => [root.der] })).length, 11);
  });

  test('self-issued CAs do not count for the path length (RFC 5280 §4.2.1.9)', () => {
    const root = issueRoot('CN=Root', { ca: 0 });
    const renewed = issue({ subject: 'CN=Root', issuer: root, ca: 0 });
    const leaf = issue({ subject: 'CN=leaf', issuer: renewed });
    const shown = (): Uint8Array[] => [leaf.der, renewed.der];
    assert.equal(subjects(judge({ shown, trusted: () => [root.der] })).length, 3);
  });
});

suite('several candidates', () => {
  const keys = keyPair();
  const old = issueRoot('CN=Root', { keys, notAfter: new Date('2022-01-01') });
  const renewed = issueRoot('CN=Root', { keys });
  const foreign = issueRoot('CN=Root');
  const leaf = issue({ subject: 'CN=leaf', issuer: renewed });

  test('an expired root beside the renewed one with the same key does no harm', () => {
    for (const trusted of [
      [old, renewed, foreign],
      [foreign, renewed, old],
    ]) {
      const verdict = judge({ shown: () => [leaf.der], trusted: () => trusted.map(({ der }) => der) });
      assert.deepEqual(subjects(verdict), ['CN=leaf', 'CN=Root']);
    }
  });

  test('without key identifiers too', () => {
    const bare: Partial<CertificateWish> = { keyIdentifiers: false };
    const [one, two] = [issueRoot('CN=Root', bare), issueRoot('CN=Root', bare)];
    const shown = (): Uint8Array[] => [issue({ subject: 'CN=leaf', issuer: two, ...bare }).der];
    assert.equal(subjects(judge({ shown, trusted: () => [one.der, two.der] })).length, 2);
  });

  test('a cross-signed CA is followed to the root that is known', () => {
    const [known, unknown] = [issueRoot('CN=Known'), issueRoot('CN=Unknown')];
    const ca = { subject: 'CN=CA', keys: keyPair(), ca: true };
    const byUnknown = issue({ ...ca, issuer: unknown });
    const byKnown = issue({ ...ca, issuer: known });
    const end = issue({ subject: 'CN=leaf', issuer: byKnown });
    const shown = (): Uint8Array[] => [end.der, byUnknown.der, unknown.der, byKnown.der];
    assert.deepEqual(subjects(judge({ shown, trusted: () => [known.der] })), [
      'CN=leaf',
      'CN=CA',
      'CN=Known',
    ]);
  });

  test('the failure that is told is that of the path which came closest to a trust anchor', () => {
    const verdict = judge({
      shown: () => [leaf.der],
      trusted: () => [foreign.der, old.der],
    });
    assert.ok(!verdict.accepted);
    assert.equal(verdict.cause, 'certificate-expired');
    assert.match(verdict.detail, /^CN=Root expired on 2022-01-01/);
  });

  test('certificates that could be put together in many ways cost at most 20 signature checks', () => {
    let checks = 0;
    const counting = (key: PublicKey | undefined): PublicKey | undefined =>
      key && {
        ...key,
        verify(...given) {
          checks++;
          return key.verify(...given);
        },
      };
    // Every one of them has the key and the name of every other one.
    const issuer = issueRoot('CN=Loop', { keys });
    const loop = Array.from({ length: 9 }, (_, serialNumber) =>
      issue({ subject: 'CN=Loop', keys, issuer, ca: true, serialNumber }),
    );
    const verdict = validatePath({
      chain: [leafBelow(issuer), ...loop.map(({ der }) => der)],
      anchors: [anchor(foreign.der)],
      nowMs: now,
      purpose: 'server',
      crypto: { digest: nodeCrypto.digest, publicKey: (spki) => counting(nodeCrypto.publicKey(spki)) },
    });
    assert.ok(!verdict.accepted);
    assert.equal(verdict.cause, 'unknown-ca');
    assert.ok(checks <= 20, `${checks} checks`);
  });

  test('no name with the same key comes twice in a path, so twins of a CA make no detours', () => {
    const root = issueRoot('CN=Known');
    const ca = { subject: 'CN=CA', keys, ca: true } as const;
    const byRoot = issue({ ...ca, issuer: root });
    const twins = [1, 2, 3].map((serialNumber) => issue({ ...ca, issuer: byRoot, serialNumber }));
    const end = issue({ subject: 'CN=leaf', issuer: byRoot });
    const shown = (): Uint8Array[] => [end.der, ...twins.map(({ der }) => der), byRoot.der];
    assert.deepEqual(subjects(judge({ shown, trusted: () => [root.der] })), ['CN=leaf', 'CN=CA', 'CN=Known']);
  });

  test('name constraints of CAs without a path to a trust anchor are not worked through', () => {
    const count = 250;
    const subtrees = {
      permitted: { uri: Array(count).fill('b') },
      excluded: { uri: Array(count).fill('b') },
    };
    const wish = {
      subject: 'CN=X',
      keys,
      ca: true,
      keyIdentifiers: false,
      nameConstraints: subtrees,
    } as const;
    const issuers = [1, 2, 3, 4].map((serialNumber) => issue({ ...wish, serialNumber }));
    const leaf = issue({
      subject: 'CN=device',
      issuer: issuers[0] as Issued,
      keyIdentifiers: false,
      names: { uri: Array(count).fill('a://a') },
    });
    const before = process.cpuUsage();
    const verdict = judge({ shown: () => [leaf.der, ...issuers.map(({ der }) => der)] });
    const { user, system } = process.cpuUsage(before);
    assert.equal(verdict.accepted || verdict.cause, 'unknown-ca');
    // Four keys and their checks; it was a third of a second.
    assert.ok(user + system < 100_000, `${user + system} µs`);
  });

  test('more names than a validation compares with name constraints are refused', () => {
    const names = (count: number) => ({ dns: Array.from({ length: count }, (_, i) => `n${i}.example.com`) });
    const nameConstraints = { permitted: { dns: [...names(150).dns, 'example.com'] } };
    assert.ok(judge({ ca: { nameConstraints }, leaf: { names: names(50) } }).accepted);
    const verdict = judge({ ca: { nameConstraints }, leaf: { names: names(150) } });
    assert.ok(!verdict.accepted);
    assert.equal(verdict.cause, 'certificate-unsupported');
    assert.match(verdict.detail, /has too many names for the name constraints of CN=Sub,O=Acme/);
  });

  function leafBelow(issuer: Issued): Uint8Array {
    return issue({ subject: 'CN=leaf', issuer }).der;
  }
});

suite('algorithms', () => {
  const rows: readonly [ca: Parameters<typeof keyPair>[0], algorithms: readonly SignatureName[]][] = [
    ['P-256', ['ecdsa-sha256', 'ecdsa-sha384', 'ecdsa-sha512']],
    ['P-384', ['ecdsa-sha256', 'ecdsa-sha384', 'ecdsa-sha512']],
    ['ed25519', ['ed25519']],
    [
      'rsa-2048',
      ['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'rsa-pss-sha256', 'rsa-pss-sha384', 'rsa-pss-sha512'],
    ],
  ];
  for (const [type, algorithms] of rows) {
    for (const algorithm of algorithms) {
      test(`${algorithm} by a CA with a key of ${type}`, () => {
        assert.ok(judge({ ca: { keys: keyPair(type) }, leaf: { algorithm } }).accepted);
      });
    }
  }
});

test('the deny list is asked for every certificate of the path, the trust anchor too', () => {
  const asked: string[] = [];
  const denied = ({ subject }: { subject: { text: string } }): boolean => {
    asked.push(subject.text);
    return false;
  };
  judge({ denied });
  assert.deepEqual(asked, whole);
});

test('no bit of a certificate can be changed without the chain being refused, and nothing throws', () => {
  const { root, ca, leaf } = make();
  const anchors = [anchor(root.der)];
  const question = { anchors, nowMs: now, purpose: 'server', crypto: nodeCrypto } as const;
  assert.ok(validatePath({ chain: [leaf.der, ca.der], ...question }).accepted);
  for (const [which, der] of [leaf.der, ca.der].entries()) {
    for (let bit = 0; bit < der.length * 8; bit += 3) {
      const changed = der.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      const chain = which === 0 ? [changed, ca.der] : [leaf.der, changed];
      const verdict = validatePath({ chain, ...question });
      assert.ok(!verdict.accepted, `bit ${bit} of certificate ${which + 1}`);
    }
  }
});
