/**
 * Concise Binary Object Representation: a bounded decoder and a deterministic encoder.
 *
 * RFC 8949, RFC 8742. Keys of maps are integers or text.
 *
 * @module
 */

export { type CborLimits, decodeCbor, decodeCborSequence } from './core/cbor/decode.ts';
export { encodeCbor } from './core/cbor/encode.ts';
export {
  type CborKey,
  type CborMap,
  CborSimple,
  CborTag,
  type CborValue,
  isCborArray,
  isCborMap,
} from './core/cbor/value.ts';
export { type DecodeFault, isDecodeFault } from './core/foundation/errors.ts';
