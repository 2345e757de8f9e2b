/**
 * Sensor Measurement Lists (SenML) as typed objects: JSON and CBOR, base fields, units.
 *
 * RFC 8428, RFC 8798.
 *
 * @module
 */

export { decodeSenmlCbor, encodeSenmlCbor } from './core/content/senml/cbor.ts';
export { decodeSenmlJson, encodeSenmlJson } from './core/content/senml/json.ts';
export type { SenmlExtension, SenmlRecord, SenmlValue } from './core/content/senml/record.ts';
export { type ResolvedRecord, type ResolveOptions, resolveSenml } from './core/content/senml/resolve.ts';
export { inPrimaryUnit, type SenmlUnit, senmlUnit } from './core/content/senml/units.ts';
export { type DecodeFault, isDecodeFault } from './core/foundation/errors.ts';
