/**
 * The deep-sleep figures that are in circulation for a soil sensor (ESP32, 1,800 mAh, one message an hour), and what is right
 * about them.
 *
 * As printed, energies per message are in millijoules and lifetimes in months. The ratio of the energies is right. The lifetimes
 * are not those of the energies: at 43.2 mJ a day 1,800 mAh would last for 1,520 years. Read as joules, which is what a whole
 * wake of an ESP32 with Wi-Fi takes, the two that need no handshake each hour come out as printed. Both are told here.
 *
 * @module
 */

import { type BatteryInputs, batteryLife, impliedDrain } from './battery-life.ts';

/** How a device protects what it sends between two sleeps. */
export type SleepApproach =
  /** It keeps the keys of its handshake, and forgets how far its sequence numbers were. */
  | 'broken-reuse'
  | 'handshake-every-wake'
  | 'oscore'
  /** Keys and numbers are kept, in RTC memory for instance. */
  | 'saved-session'
  | 'plain';

/** One line of the table. */
export interface SleepPreset {
  readonly approach: SleepApproach;
  readonly title: string;
  readonly printedMonths: number;
  /** Where one is printed. */
  readonly printedMillijoulesPerDay: number | undefined;
  /** `undefined` where nothing was said of the energy. */
  readonly inputs: BatteryInputs | undefined;
  /** Why printed and computed lifetimes differ, in a sentence. */
  readonly reason: string;
}

/** Battery and wakes of all of them. */
export const sleepBattery = {
  capacityMilliampHours: 1800,
  volts: 3.7,
  messagesPerDay: 24,
  handshakeMillijoules: 45,
  protectedMessageMillijoules: 1.8,
  plainMessageMillijoules: 1.2,
} as const;

function inputs(handshakes: BatteryInputs['handshakes'], messageMillijoules: number): BatteryInputs {
  const { capacityMilliampHours, volts, messagesPerDay, handshakeMillijoules } = sleepBattery;
  return {
    ...{ capacityMilliampHours, volts, messagesPerDay, handshakeMillijoules, messageMillijoules, handshakes },
    ...{ sleepMicroamps: 0, wakeMillijoules: 0, selfDischargePerYear: 0 },
  };
}

const { protectedMessageMillijoules, plainMessageMillijoules } = sleepBattery;
const asJoules = 'the energies are of the radio alone; read as joules, those of a whole wake, it comes out';

/** The table. */
export const sleepPresets: readonly SleepPreset[] = [
  {
    approach: 'broken-reuse',
    title: 'keys kept, numbers forgotten',
    printedMonths: 3,
    printedMillijoulesPerDay: undefined,
    inputs: undefined,
    reason: 'no energy is given; 3 months mean 821 µA on average, six times those of 18 months',
  },
  {
    approach: 'handshake-every-wake',
    title: 'handshake at every wake',
    printedMonths: 6,
    printedMillijoulesPerDay: undefined,
    inputs: inputs('every-wake', protectedMessageMillijoules),
    reason: 'it takes 26 times the energy of OSCORE, which 6 months against 18 do not say',
  },
  {
    approach: 'oscore',
    title: 'OSCORE',
    printedMonths: 18,
    printedMillijoulesPerDay: 43,
    inputs: inputs('never', protectedMessageMillijoules),
    reason: asJoules,
  },
  {
    approach: 'saved-session',
    title: 'saved DTLS session',
    printedMonths: 18,
    printedMillijoulesPerDay: 43,
    inputs: inputs('once', protectedMessageMillijoules),
    reason: asJoules,
  },
  {
    approach: 'plain',
    title: 'no security',
    printedMonths: 24,
    printedMillijoulesPerDay: undefined,
    inputs: inputs('never', plainMessageMillijoules),
    reason: `${asJoules} at 3.3 V`,
  },
];

/** A preset with what follows from it. */
export interface SleepFigures {
  readonly preset: SleepPreset;
  /** With the energies as they are printed, in millijoules. */
  readonly millijoulesPerDay: number | undefined;
  readonly years: number | undefined;
  /** With the same numbers in joules. */
  readonly monthsInJoules: number | undefined;
  /** What the printed lifetime means as a current. */
  readonly impliedMicroamps: number;
}

/** Printed and right values of one approach. */
export function sleepFigures(approach: SleepApproach): SleepFigures {
  const preset = sleepPresets.find((one) => one.approach === approach) as SleepPreset;
  const { capacityMilliampHours, volts } = sleepBattery;
  const life = preset.inputs === undefined ? undefined : batteryLife(preset.inputs);
  const inJoules =
    preset.inputs === undefined
      ? undefined
      : batteryLife({
          ...preset.inputs,
          messageMillijoules: 1000 * preset.inputs.messageMillijoules,
          handshakeMillijoules: 1000 * preset.inputs.handshakeMillijoules,
        });
  return {
    preset,
    millijoulesPerDay: life?.millijoulesPerDay,
    years: life && life.months / 12,
    monthsInJoules: inJoules?.months,
    impliedMicroamps: impliedDrain(capacityMilliampHours, volts, preset.printedMonths).averageMicroamps,
  };
}

/** Share of messages, 0 … 1, that the first of them alone of a day gets through: the failure pattern of broken reuse. */
export function rejectedShare(messagesPerDay: number): number {
  return (messagesPerDay - 1) / messagesPerDay;
}
