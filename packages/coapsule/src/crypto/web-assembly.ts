/**
 * Instances of the WebAssembly modules of this folder.
 *
 * A module imports nothing: no code outside of it runs, and nothing outside of its own memory can be reached from inside.
 *
 * @module
 */

/** What `WebAssembly` is here; the types of Node do not have it. */
interface WebAssemblyNamespace {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}

/** What a module gives: functions, `Global` objects for places in its memory, and the memory. */
export type Exports<Functions, Place extends string> = Functions & {
  readonly memory: { readonly buffer: ArrayBuffer };
} & Readonly<Record<Place, { readonly value: number }>>;

/**
 * Compiles a module, and makes an instance with memory of its own.
 *
 * @param bytes as base64.
 * @returns what it exports; the caller knows what that is.
 * @throws Error when this Node has no WebAssembly (as with `--jitless`), or none with SIMD.
 */
export function instantiate<Functions, Place extends string>(bytes: string): Exports<Functions, Place> {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyNamespace };
  if (WebAssembly === undefined) throw new Error('this Node has no WebAssembly');
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(bytes, 'base64')));
  return exports as Exports<Functions, Place>;
}

/** The values of places in the memory of a module, and of capacities: bytes. */
export function placesOf<Place extends string>(
  exports: Readonly<Record<Place, { readonly value: number }>>,
  names: readonly Place[],
): Readonly<Record<Place, number>> {
  const values = Object.fromEntries(names.map((name) => [name, exports[name].value]));
  return values as Record<Place, number>;
}
