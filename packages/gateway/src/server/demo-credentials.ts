/**
 * The published sample keys: usable with `--demo` only, in memory only, and warned about everywhere else.
 */

/** Identities and keys that `--demo` accepts; everybody knows them. */
const demoCredentials: readonly { readonly identity: string; readonly key: string }[] = [
  { identity: 'sensor-042', key: 'MySecret16ByteK!' },
  { identity: 'sensor-043', key: 'AnotherKey16Byt!' },
];

/** The same, with the keys as bytes. */
export const demoKeys: readonly { readonly identity: string; readonly key: Uint8Array }[] =
  demoCredentials.map(({ identity, key }) => ({ identity, key: new TextEncoder().encode(key) }));

/** The PSK identity hint of the demo. */
export const demoHint = 'CoAP';

const sampleKeys: readonly string[] = [...demoCredentials.map(({ key }) => key), 'esp32c3_key'];

/** What is unsafe about a key, as a half sentence without the key; undefined when nothing is. */
export function weaknessOf(key: Uint8Array): string | undefined {
  if (sampleKeys.some((sample) => Buffer.from(sample).equals(key))) {
    return 'is a published sample key that everybody knows';
  }
  if (key.length < 16) {
    return `has ${key.length} ${key.length === 1 ? 'byte' : 'bytes'}; under 16 it can be guessed from a recorded handshake`;
  }
  return undefined;
}
