import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changed, Server } from 'coapsule';
import { ownedElsewhere, type ResourceShape, ServedResources } from '../../src/gateway/served-resources.ts';

test('a request that another worker serves is remembered where its association is, before it is passed on', () => {
  const served = new ServedResources(new Server(), ({ resource }) => resource);
  const shapes: ResourceShape[] = [];
  served.onChange = (_path, shape) => {
    if (shape !== undefined) shapes.push(shape);
  };
  const resource = { put: () => changed(), effectsInStore: true, maxBodyBytes: 7 };
  served.add({ path: '/sensors/*', protection: 'guarded', resource });
  const [shape = assert.fail()] = shapes;
  const elsewhere = ownedElsewhere(shape).resource;
  assert.deepEqual(
    [elsewhere.oneOwner, elsewhere.effectsInStore, elsewhere.maxBodyBytes, typeof elsewhere.put],
    [true, false, 7, 'function'],
  );
});
