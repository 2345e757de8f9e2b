import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerInfo, PeerSecurity } from 'coapsule';
import { AssociationReview } from '../../src/gateway/association-review.ts';

type Secured = Extract<PeerSecurity, { kind: 'dtls' }>;

/** A listener with associations that go when they are told to, and a directory that can fail. */
function scene() {
  const live = new Map<string, Secured>();
  const stamps = new Map<string, string>();
  const retries: (() => void)[] = [];
  const errors: unknown[] = [];
  let fault: Error | undefined;
  const review = new AssociationReview({
    directory: {
      areCurrent: async (held) => {
        if (fault) throw fault;
        return held.map(({ identity, stamp }) => stamps.get(identity) === stamp);
      },
    },
    listeners: [
      {
        peers: () => [...live.values()],
        disconnect: (which) => {
          const gone = [...live.values()].filter((one) => typeof which === 'function' && which(one));
          for (const { association } of gone) live.delete(association);
          return gone.length;
        },
      },
    ],
    onError: (error) => errors.push(error),
    later: (action) => {
      retries.push(action);
      return () => retries.splice(retries.indexOf(action), 1);
    },
  });
  const connect = (association: string, identity: string, context: string): PeerInfo => {
    const authentication = { kind: 'psk' };
    const security = { kind: 'dtls', identity, association, context, authentication } as Secured;
    live.set(association, security);
    return { address: { key: '', host: '', port: 0 }, transport: 'udp', security };
  };
  return {
    review,
    stamps,
    connect,
    retries,
    errors,
    live: () => [...live.keys()],
    fail: (error: Error | undefined) => {
      fault = error;
    },
  };
}

/** Lets everything that waits for no timer happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('of two associations of one identity only the one under the old key is ended', async () => {
  const { review, stamps, connect, live } = scene();
  stamps.set('dev', 'store:1 2');
  connect('old', 'dev', 'store:1 1');
  connect('new', 'dev', 'store:1 2');
  review.all();
  await settled();
  assert.deepEqual(live(), ['new']);
});

test('an association whose handshake began before the revocation is ended at its birth', async () => {
  const { review, stamps, connect, live } = scene();
  stamps.set('dev', 'store:1 2');
  review.all();
  await settled();
  review.one(connect('late', 'dev', 'store:1 1'));
  await settled();
  assert.deepEqual(live(), []);
});

test('a revocation that the store cannot judge now is judged later, and not forgotten', async () => {
  const { review, connect, live, fail, retries, errors } = scene();
  fail(new Error('disk'));
  connect('a', 'gone', 'store:1 1');
  review.all();
  review.one(connect('b', 'gone', 'store:1 1'));
  await settled();
  assert.deepEqual([live(), retries.length, errors.length], [['a', 'b'], 1, 2]);
  fail(undefined);
  retries[0]?.();
  await settled();
  assert.deepEqual([live(), retries.length], [[], 0]);
});

test('a stopped review tries no more', async () => {
  const { review, connect, fail, retries } = scene();
  fail(new Error('disk'));
  connect('a', 'gone', 'store:1 1');
  review.all();
  await settled();
  review.stop();
  assert.equal(retries.length, 0);
});
