/** Which resource serves a path. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Resource, ResourceTree } from '../../src/api/resource-tree.ts';

function treeOf(...paths: readonly string[]): { readonly tree: ResourceTree; at: (path: string) => string } {
  const tree = new ResourceTree();
  const names = new Map<Resource | undefined, string>([[undefined, 'nothing']]);
  for (const path of paths) {
    const resource: Resource = {};
    tree.add(path, resource);
    names.set(resource, path);
  }
  return { tree, at: (path) => names.get(tree.find(path)) ?? assert.fail() };
}

test('the longest of what serves all below a path does, but an exact path before all', () => {
  const { tree, at } = treeOf('/a/*', '/a/b/c/*', '/a/b', '/longer-than-all/x');
  assert.equal(at('/a/b'), '/a/b');
  assert.equal(at('/a/b/'), '/a/*');
  assert.equal(at('/a/b/c'), '/a/*');
  assert.equal(at('/a/b/c/'), '/a/b/c/*');
  assert.equal(at('/a/b/c/d/e'), '/a/b/c/*');
  assert.equal(at('/a/b/cd/e'), '/a/*');
  assert.equal(at('/a'), 'nothing');
  assert.equal(at('/ab/c'), 'nothing');
  assert.equal(at('/'), 'nothing');
  tree.remove('/a/b/c/*');
  assert.equal(at('/a/b/c/d'), '/a/*');
});

test('what serves all serves a path of any length', () => {
  const { at } = treeOf('/*', '/exact');
  assert.deepEqual(['/', '/a', '//', '/a/b/c', '/exact'].map(at), ['/*', '/*', '/*', '/*', '/exact']);
});

test('to look for a path of 60,000 segments costs no more look-ups than one of a few', (t) => {
  const { at } = treeOf('/sensors/*', '/sensors/indoor/*');
  const get = t.mock.method(Map.prototype, 'get');
  const lookUps = (path: string): number => {
    get.mock.resetCalls();
    at(path);
    return get.mock.callCount();
  };
  const short = lookUps(`/sensors${'/a'.repeat(20)}`);
  assert.equal(lookUps(`/sensors${'/a'.repeat(60_000)}`), short);
  assert.ok(lookUps('/'.repeat(60_000)) <= '/sensors/indoor'.length + 3);
});
