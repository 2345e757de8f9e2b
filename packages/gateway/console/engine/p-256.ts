/**
 * The curve P-256: Diffie-Hellman and ECDSA with SHA-256 (SEC 1 §3.3.1, §4.1; FIPS 186-4 D.1.2.3), in a page.
 *
 * For demonstrations with keys that protect nothing: its time depends on the key.
 *
 * @module
 */

const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const generator: Point = {
  x: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  y: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  z: 1n,
};

/** In Jacobian coordinates: x / z², y / z³; z is 0 for the point at infinity. */
interface Point {
  readonly x: bigint;
  readonly y: bigint;
  readonly z: bigint;
}

/** A fresh private key, 32 bytes. */
export function randomScalar(): Uint8Array {
  for (;;) {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const value = toInteger(bytes);
    if (value > 0n && value < n) return bytes;
  }
}

/** The public key of a private one: 65 bytes, uncompressed. */
export function publicPoint(privateKey: Uint8Array): Uint8Array {
  return encode(multiply(generator, toInteger(privateKey)));
}

/** The shared secret, 32 bytes; `undefined` where the peer's 65 bytes are no point of the curve. */
export function sharedSecret(privateKey: Uint8Array, peer: Uint8Array): Uint8Array | undefined {
  const point = decode(peer);
  return point && encode(multiply(point, toInteger(privateKey))).slice(1, 33);
}

/** Whether 65 bytes are a point of the curve, uncompressed. */
export function isPoint(bytes: Uint8Array): boolean {
  return decode(bytes) !== undefined;
}

/**
 * A signature, DER (RFC 3279 §2.2.3).
 *
 * @param digest 32 bytes.
 */
export function sign(privateKey: Uint8Array, digest: Uint8Array): Uint8Array {
  for (;;) {
    const nonce = toInteger(randomScalar());
    const r = modulo(affine(multiply(generator, nonce)).x, n);
    const s = modulo(inverse(nonce, n) * (toInteger(digest) + r * toInteger(privateKey)), n);
    if (r === 0n || s === 0n) continue;
    const integers = new Uint8Array([...derInteger(r), ...derInteger(s)]);
    return new Uint8Array([0x30, integers.length, ...integers]);
  }
}

/** Whether a signature in DER is good; never throws. */
export function verify(publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  const point = decode(publicKey);
  const pair = readSignature(signature);
  if (point === undefined || pair === undefined) return false;
  const [r, s] = pair;
  if (r <= 0n || r >= n || s <= 0n || s >= n) return false;
  const factor = inverse(s, n);
  const sum = add(
    multiply(generator, modulo(toInteger(digest) * factor, n)),
    multiply(point, modulo(r * factor, n)),
  );
  return sum.z !== 0n && modulo(affine(sum).x, n) === r;
}

function decode(bytes: Uint8Array): Point | undefined {
  if (bytes.length !== 65 || bytes[0] !== 4) return undefined;
  const x = toInteger(bytes.subarray(1, 33));
  const y = toInteger(bytes.subarray(33));
  const isOn = x < p && y < p && modulo(y * y - (x * x * x - 3n * x + b), p) === 0n;
  return isOn ? { x, y, z: 1n } : undefined;
}

function encode(point: Point): Uint8Array {
  const { x, y } = affine(point);
  return new Uint8Array([4, ...toBytes(x), ...toBytes(y)]);
}

function affine({ x, y, z }: Point): { readonly x: bigint; readonly y: bigint } {
  const one = inverse(z, p);
  const square = modulo(one * one, p);
  return { x: modulo(x * square, p), y: modulo(y * square * one, p) };
}

function multiply(point: Point, scalar: bigint): Point {
  let sum: Point = { x: 1n, y: 1n, z: 0n };
  for (const bit of scalar.toString(2)) {
    sum = doubled(sum);
    if (bit === '1') sum = add(sum, point);
  }
  return sum;
}

/** With a = -3. */
function doubled({ x, y, z }: Point): Point {
  if (z === 0n || y === 0n) return { x: 1n, y: 1n, z: 0n };
  const square = modulo(y * y, p);
  const s = modulo(4n * x * square, p);
  const zSquare = modulo(z * z, p);
  const m = modulo(3n * (x - zSquare) * (x + zSquare), p);
  const x3 = modulo(m * m - 2n * s, p);
  return { x: x3, y: modulo(m * (s - x3) - 8n * square * square, p), z: modulo(2n * y * z, p) };
}

function add(one: Point, other: Point): Point {
  if (one.z === 0n) return other;
  if (other.z === 0n) return one;
  const z1 = modulo(one.z * one.z, p);
  const z2 = modulo(other.z * other.z, p);
  const u1 = modulo(one.x * z2, p);
  const u2 = modulo(other.x * z1, p);
  const s1 = modulo(one.y * z2 * other.z, p);
  const s2 = modulo(other.y * z1 * one.z, p);
  if (u1 === u2) return s1 === s2 ? doubled(one) : { x: 1n, y: 1n, z: 0n };
  const h = modulo(u2 - u1, p);
  const r = modulo(s2 - s1, p);
  const h2 = modulo(h * h, p);
  const h3 = modulo(h2 * h, p);
  const v = modulo(u1 * h2, p);
  const x = modulo(r * r - h3 - 2n * v, p);
  return { x, y: modulo(r * (v - x) - s1 * h3, p), z: modulo(one.z * other.z * h, p) };
}

function modulo(value: bigint, by: bigint): bigint {
  const rest = value % by;
  return rest < 0n ? rest + by : rest;
}

/** By Euclid. */
function inverse(value: bigint, by: bigint): bigint {
  let [a, c, u, v] = [modulo(value, by), by, 1n, 0n];
  while (a > 1n) {
    const q = c / a;
    [c, a, v, u] = [a, c - q * a, u, v - q * u];
  }
  return modulo(u, by);
}

function toInteger(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function toBytes(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * (31 - at))) & 0xffn));
}

function derInteger(value: bigint): readonly number[] {
  const bytes = [...toBytes(value)];
  while (bytes.length > 1 && bytes[0] === 0 && bytes[1]! < 0x80) bytes.shift();
  if (bytes[0]! >= 0x80) bytes.unshift(0);
  return [2, bytes.length, ...bytes];
}

function readSignature(der: Uint8Array): readonly [bigint, bigint] | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  const values: bigint[] = [];
  let at = 2;
  while (at < der.length) {
    const length = der[at + 1] ?? 0;
    const bytes = der.subarray(at + 2, at + 2 + length);
    if (der[at] !== 2 || length === 0 || length > 33 || bytes.length !== length) return undefined;
    values.push(toInteger(bytes));
    at += 2 + length;
  }
  return values.length === 2 ? [values[0]!, values[1]!] : undefined;
}
