/** Records of fast-check as engines give them: with the prototype of all objects, which `deepEqual` looks at. */
import * as fc from 'fast-check';

/** An object whose properties are made by these. */
export function plain<T>(model: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model as { [K in keyof T]: fc.Arbitrary<T[K]> }, {
    noNullPrototype: true,
  }) as fc.Arbitrary<T>;
}
