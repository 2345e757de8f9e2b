/**
 * The units of SenML: symbols that a Record may have, and secondary ones with how they convert.
 *
 * RFC 8428 §12.1 (Table 6), RFC 8798 §2 and §3. Units that were registered later are not here: they are no fault of a Pack
 * unless its reader wants registered ones alone.
 *
 * @module
 */

/** One row of the registries. */
export interface SenmlUnit {
  /** Case matters. */
  readonly symbol: string;
  readonly description: string;
  /** False: to be understood, but not to be produced (marked with an asterisk in the registry). */
  readonly recommended: boolean;
  /**
   * Of a secondary unit: the unit it is converted to by multiplying and then adding (RFC 8798 §3). Secondary units are not
   * for Records of version 10.
   */
  readonly primary?: { readonly unit: string; readonly scale: number; readonly offset: number };
}

/** Symbol and description; an asterisk at the end as in the registry. */
const primaryUnits: readonly (readonly [symbol: string, description: string])[] = [
  // RFC 8428 §12.1, Table 6
  ['m', 'meter'],
  ['kg', 'kilogram'],
  ['g', 'gram*'],
  ['s', 'second'],
  ['A', 'ampere'],
  ['K', 'kelvin'],
  ['cd', 'candela'],
  ['mol', 'mole'],
  ['Hz', 'hertz'],
  ['rad', 'radian'],
  ['sr', 'steradian'],
  ['N', 'newton'],
  ['Pa', 'pascal'],
  ['J', 'joule'],
  ['W', 'watt'],
  ['C', 'coulomb'],
  ['V', 'volt'],
  ['F', 'farad'],
  ['Ohm', 'ohm'],
  ['S', 'siemens'],
  ['Wb', 'weber'],
  ['T', 'tesla'],
  ['H', 'henry'],
  ['Cel', 'degrees Celsius'],
  ['lm', 'lumen'],
  ['lx', 'lux'],
  ['Bq', 'becquerel'],
  ['Gy', 'gray'],
  ['Sv', 'sievert'],
  ['kat', 'katal'],
  ['m2', 'square meter (area)'],
  ['m3', 'cubic meter (volume)'],
  ['l', 'liter (volume)*'],
  ['m/s', 'meter per second (velocity)'],
  ['m/s2', 'meter per square second (acceleration)'],
  ['m3/s', 'cubic meter per second (flow rate)'],
  ['l/s', 'liter per second (flow rate)*'],
  ['W/m2', 'watt per square meter (irradiance)'],
  ['cd/m2', 'candela per square meter (luminance)'],
  ['bit', 'bit (information content)'],
  ['bit/s', 'bit per second (data rate)'],
  ['lat', 'degrees latitude, WGS84'],
  ['lon', 'degrees longitude, WGS84'],
  ['pH', 'pH value (acidity; logarithmic quantity)'],
  ['dB', 'decibel (logarithmic quantity)'],
  ['dBW', 'decibel relative to 1 W (power level)'],
  ['Bspl', 'bel (sound pressure level; logarithmic quantity)*'],
  ['count', '1 (counter value)'],
  ['/', '1 (ratio, e.g., value of a switch)'],
  ['%', '1 (ratio, e.g., value of a switch)*'],
  ['%RH', 'percentage (relative humidity)'],
  ['%EL', 'percentage (remaining battery energy level)'],
  ['EL', 'seconds (remaining battery energy level)'],
  ['1/s', '1 per second (event rate)'],
  ['1/min', '1 per minute (event rate, "rpm")*'],
  ['beat/min', '1 per minute (heart rate in beats per minute)*'],
  ['beats', '1 (cumulative number of heart beats)*'],
  ['S/m', 'siemens per meter (conductivity)'],
  // RFC 8798 §2, Table 1
  ['B', 'Byte (information content)'],
  ['VA', 'volt-ampere (Apparent Power)'],
  ['VAs', 'volt-ampere second (Apparent Energy)'],
  ['var', 'volt-ampere reactive (Reactive Power)'],
  ['vars', 'volt-ampere-reactive second (Reactive Energy)'],
  ['J/m', 'joule per meter (Energy per distance)'],
  ['kg/m3', 'kilogram per cubic meter (mass density, mass concentration)'],
  ['deg', 'degree (angle)*'],
];

/** RFC 8798 §3, Table 2. */
const secondaryUnits: readonly (readonly [
  symbol: string,
  description: string,
  unit: string,
  scale: number,
  offset: number,
])[] = [
  ['ms', 'millisecond', 's', 1 / 1000, 0],
  ['min', 'minute', 's', 60, 0],
  ['h', 'hour', 's', 3600, 0],
  ['MHz', 'megahertz', 'Hz', 1_000_000, 0],
  ['kW', 'kilowatt', 'W', 1000, 0],
  ['kVA', 'kilovolt-ampere', 'VA', 1000, 0],
  ['kvar', 'kilovar', 'var', 1000, 0],
  ['Ah', 'ampere-hour', 'C', 3600, 0],
  ['Wh', 'watt-hour', 'J', 3600, 0],
  ['kWh', 'kilowatt-hour', 'J', 3_600_000, 0],
  ['varh', 'var-hour', 'vars', 3600, 0],
  ['kvarh', 'kilovar-hour', 'vars', 3_600_000, 0],
  ['kVAh', 'kilovolt-ampere-hour', 'VAs', 3_600_000, 0],
  ['Wh/km', 'watt-hour per kilometer', 'J/m', 3.6, 0],
  ['KiB', 'kibibyte', 'B', 1024, 0],
  ['GB', 'gigabyte', 'B', 1e9, 0],
  ['Mbit/s', 'megabit per second', 'bit/s', 1_000_000, 0],
  ['B/s', 'byte per second', 'bit/s', 8, 0],
  ['MB/s', 'megabyte per second', 'bit/s', 8_000_000, 0],
  ['mV', 'millivolt', 'V', 1 / 1000, 0],
  ['mA', 'milliampere', 'A', 1 / 1000, 0],
  ['dBm', 'decibel (milliwatt)', 'dBW', 1, -30],
  ['ug/m3', 'microgram per cubic meter', 'kg/m3', 1e-9, 0],
  ['mm/h', 'millimeter per hour', 'm/s', 1 / 3_600_000, 0],
  ['m/h', 'meter per hour', 'm/s', 1 / 3600, 0],
  ['ppm', 'parts per million', '/', 1e-6, 0],
  ['/100', 'percent', '/', 1 / 100, 0],
  ['/1000', 'permille', '/', 1 / 1000, 0],
  ['hPa', 'hectopascal', 'Pa', 100, 0],
  ['mm', 'millimeter', 'm', 1 / 1000, 0],
  ['cm', 'centimeter', 'm', 1 / 100, 0],
  ['km', 'kilometer', 'm', 1000, 0],
  ['km/h', 'kilometer per hour', 'm/s', 1 / 3.6, 0],
];

const units: ReadonlyMap<string, SenmlUnit> = new Map<string, SenmlUnit>([
  ...primaryUnits.map(([symbol, text]): [string, SenmlUnit] => {
    const recommended = !text.endsWith('*');
    return [symbol, { symbol, description: recommended ? text : text.slice(0, -1), recommended }];
  }),
  ...secondaryUnits.map(([symbol, description, unit, scale, offset]): [string, SenmlUnit] => [
    symbol,
    { symbol, description, recommended: false, primary: { unit, scale, offset } },
  ]),
]);

/** The registered unit with a symbol. */
export function senmlUnit(symbol: string): SenmlUnit | undefined {
  return units.get(symbol);
}

/** A quantity in its primary unit: 10 `dBm` are -20 `dBW` (RFC 8798 §3). Units that are primary or not known stay. */
export function inPrimaryUnit(
  value: number,
  unit: string,
): { readonly value: number; readonly unit: string } {
  const primary = units.get(unit)?.primary;
  if (primary === undefined) return { value, unit };
  return { value: value * primary.scale + primary.offset, unit: primary.unit };
}
