/**
 * X25519 (RFC 7748 §5), in a page. Its time depends on the key, which protects nothing here.
 *
 * @module
 */

const p = 2n ** 255n - 19n;
const a24 = 121_665n;
const basePoint = new Uint8Array(32);
basePoint[0] = 9;

/** The public key of a private one; both 32 bytes. */
export function x25519Public(privateKey: Uint8Array): Uint8Array {
  return multiply(privateKey, basePoint);
}

/** The shared secret, 32 bytes; `undefined` for a value of another length, and where the secret would be all zeros (§6.1). */
export function x25519Secret(privateKey: Uint8Array, peer: Uint8Array): Uint8Array | undefined {
  if (peer.length !== 32) return undefined;
  const secret = multiply(privateKey, peer);
  return secret.every((byte) => byte === 0) ? undefined : secret;
}

/** The Montgomery ladder. */
function multiply(privateKey: Uint8Array, point: Uint8Array): Uint8Array {
  const scalar = privateKey.slice();
  scalar[0]! &= 248;
  scalar[31] = (scalar[31]! & 127) | 64;
  const x1 = toInteger(point) & (2n ** 255n - 1n);
  const k = toInteger(scalar);
  let [x2, z2, x3, z3] = [1n, 0n, x1, 1n];
  let wasSwapped = false;
  for (let bit = 254n; bit >= 0n; bit--) {
    const isSet = ((k >> bit) & 1n) === 1n;
    if (isSet !== wasSwapped) [x2, x3, z2, z3] = [x3, x2, z3, z2];
    wasSwapped = isSet;
    const [a, b, c, d] = [x2 + z2, x2 - z2, x3 + z3, x3 - z3];
    const [aa, bb, da, cb] = [modulo(a * a), modulo(b * b), modulo(d * a), modulo(c * b)];
    const e = aa - bb;
    x3 = modulo((da + cb) ** 2n);
    z3 = modulo(x1 * (da - cb) ** 2n);
    x2 = modulo(aa * bb);
    z2 = modulo(e * (aa + a24 * e));
  }
  if (wasSwapped) [x2, z2] = [x3, z3];
  const result = modulo(x2 * power(z2, p - 2n));
  return Uint8Array.from({ length: 32 }, (_, at) => Number((result >> BigInt(8 * at)) & 0xffn));
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = modulo(square * square)) {
    if ((left & 1n) === 1n) result = modulo(result * square);
  }
  return result;
}

function modulo(value: bigint): bigint {
  const rest = value % p;
  return rest < 0n ? rest + p : rest;
}

/** Little-endian. */
function toInteger(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
