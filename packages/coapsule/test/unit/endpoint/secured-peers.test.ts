import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AssociationId, AssociationInfo } from '../../../src/core/dtls/dtls-layer.ts';
import { SecuredPeers, securedPeerKey } from '../../../src/core/endpoint/secured-peers.ts';
import type { Instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/index.ts';

const address = ipAddress('192.0.2.1', 5684);
const ids = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => (first + index) as AssociationId);

/** Peers of associations that are all established, but those in `closed`. */
function peers({ most, closed = new Set() }: { most: number; closed?: ReadonlySet<AssociationId> }) {
  let asked = 0;
  const held = new SecuredPeers((association) => {
    asked++;
    if (closed.has(association)) return undefined;
    const info: Partial<AssociationInfo> = {
      established: true,
      address,
      maxDataLength: 1200,
      lastActivity: asked as Instant,
    };
    return info as AssociationInfo;
  }, most);
  return { held, asked: () => asked };
}

describe('peers of DTLS associations', () => {
  it('as many as are held are found in turns without being made anew', () => {
    const { held, asked } = peers({ most: 100 });
    const first = ids(1, 100).map((id) => held.ofAssociation(id, address));
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(
        ids(1, 100).map((id, index) => held.ofAssociation(id, address) === first[index]),
        first.map(() => true),
      );
    }
    assert.equal(asked(), 100);
  });

  it('one for which there is no room takes the place of one that was not heard since', () => {
    const { held } = peers({ most: 4 });
    const [one, two, ...rest] = ids(1, 4).map((id) => held.ofAssociation(id, address));
    for (const id of ids(5, 4)) held.ofAssociation(id, address);
    for (const peer of rest) peer.heardAt = 1_000_000 as Instant;
    assert.ok(one && two);
    assert.notEqual(held.ofAssociation(1 as AssociationId, address), one);
    assert.notEqual(held.ofAssociation(2 as AssociationId, address), two);
  });

  it('those that speak are seldom made anew while many others come and go', () => {
    const { held, asked } = peers({ most: 64 });
    for (const id of ids(100, 2000)) {
      held.ofAssociation(id, address);
      for (const speaking of ids(1, 8)) held.ofAssociation(speaking, address).heardAt = (id * 1e6) as Instant;
    }
    const madeAnew = asked() - 2008;
    // The hand is around each 56 peers, and takes at most one of those that it meets side by side.
    assert.ok(madeAnew <= 2000 / 56, `${madeAnew} times`);
  });

  it('what does not follow from an association is not given up', () => {
    const { held } = peers({ most: 4 });
    const unproved = held.ofAssociation(1 as AssociationId, address);
    unproved.isAddressUnproved = true;
    const guessed = held.ofAssociation(2 as AssociationId, address);
    guessed.guesses = 1;
    for (const id of ids(10, 500)) held.ofAssociation(id, address);
    assert.equal(held.ofAssociation(1 as AssociationId, address), unproved);
    assert.equal(held.withKey(securedPeerKey(2 as AssociationId)), guessed);
  });

  it('more is not held than was said, however they speak', () => {
    const { held, asked } = peers({ most: 32 });
    for (const id of ids(1, 1000)) held.ofAssociation(id, address).heardAt = 1e9 as Instant;
    const before = asked();
    for (const id of ids(1, 1000).reverse()) held.ofAssociation(id, address);
    assert.ok(asked() - before >= 1000 - 32, `${asked() - before} of 1,000 were made anew`);
  });

  it('a peer is found by its key, and made by it where it was given up', () => {
    const { held } = peers({ most: 4 });
    const peer = held.ofAssociation(7 as AssociationId, address);
    assert.equal(held.withKey('dtls:7'), peer);
    for (const id of ids(10, 50)) held.ofAssociation(id, address);
    assert.deepEqual(held.withKey('dtls:7')?.association, 7);
    assert.equal(held.withKey('192.0.2.1:5684'), undefined);
  });

  it('a closed association has no peer any more, also when it was the one found last', () => {
    const closed = new Set<AssociationId>();
    const { held } = peers({ most: 4, closed });
    const association = 3 as AssociationId;
    const peer = held.ofAssociation(association, address);
    closed.add(association);
    assert.equal(held.forget(association, address), peer);
    assert.equal(held.withKey('dtls:3'), undefined);
  });
});
