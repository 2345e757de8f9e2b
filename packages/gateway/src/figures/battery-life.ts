/**
 * How long a battery lasts that feeds a device which sleeps, wakes, sends and now and then shakes hands; and what a lifetime
 * that somebody has printed implies.
 *
 * Pure functions. It is a linear model: no temperature, no ageing but a self-discharge at a constant rate, no step-down losses.
 *
 * @module
 */

/** When a device makes a handshake. */
export type HandshakePolicy = 'never' | 'once' | 'every-wake';

/** A device and its battery. */
export interface BatteryInputs {
  readonly capacityMilliampHours: number;
  readonly volts: number;
  /** Current while it sleeps. */
  readonly sleepMicroamps: number;
  /** Of each wake besides its message: boot, joining the network. */
  readonly wakeMillijoules: number;
  readonly handshakeMillijoules: number;
  readonly messageMillijoules: number;
  readonly messagesPerDay: number;
  readonly handshakes: HandshakePolicy;
  /** Share of its capacity, 0 … 1, that the battery loses in a year by itself. */
  readonly selfDischargePerYear: number;
}

/** How long it lasts. */
export interface BatteryLife {
  readonly capacityJoules: number;
  /** Messages, wakes, and handshakes that come again each day. A single handshake is not in it. */
  readonly messagesMillijoulesPerDay: number;
  readonly sleepMillijoulesPerDay: number;
  readonly selfDischargeMillijoulesPerDay: number;
  /** All of these. */
  readonly millijoulesPerDay: number;
  readonly days: number;
  readonly months: number;
  /** What the battery gives on average, self-discharge included. */
  readonly averageMicroamps: number;
}

const daysPerYear = 365.25;
const daysPerMonth = daysPerYear / 12;
const secondsPerDay = 86_400;

/** @throws RangeError for a device that takes nothing at all. */
export function batteryLife(inputs: BatteryInputs): BatteryLife {
  const { capacityMilliampHours, volts, messagesPerDay, handshakes } = inputs;
  const capacityJoules = joulesOf(capacityMilliampHours, volts);
  const perWake =
    inputs.messageMillijoules +
    inputs.wakeMillijoules +
    (handshakes === 'every-wake' ? inputs.handshakeMillijoules : 0);
  const messagesMillijoulesPerDay = perWake * messagesPerDay;
  const sleepMillijoulesPerDay = (inputs.sleepMicroamps / 1000) * volts * secondsPerDay;
  const selfDischargeMillijoulesPerDay = (1000 * capacityJoules * inputs.selfDischargePerYear) / daysPerYear;
  const millijoulesPerDay =
    messagesMillijoulesPerDay + sleepMillijoulesPerDay + selfDischargeMillijoulesPerDay;
  if (!(millijoulesPerDay > 0)) throw new RangeError('a device that takes no energy lasts for ever');
  const once = handshakes === 'once' ? inputs.handshakeMillijoules : 0;
  const days = Math.max(0, 1000 * capacityJoules - once) / millijoulesPerDay;
  return {
    capacityJoules,
    messagesMillijoulesPerDay,
    sleepMillijoulesPerDay,
    selfDischargeMillijoulesPerDay,
    millijoulesPerDay,
    days,
    months: days / daysPerMonth,
    averageMicroamps: (millijoulesPerDay / (volts * secondsPerDay)) * 1000,
  };
}

/** Energy per day over a lifetime, a single handshake at its begin included. */
export function amortisedMillijoulesPerDay(
  { handshakeMillijoules, messageMillijoules, messagesPerDay }: BatteryInputs,
  days: number,
): number {
  return messageMillijoules * messagesPerDay + handshakeMillijoules / days;
}

/** What has to be drawn on average for a battery to be empty after so many months. */
export interface ImpliedDrain {
  readonly milliampHoursPerDay: number;
  readonly averageMicroamps: number;
  readonly joulesPerDay: number;
}

/** The drain behind a lifetime. */
export function impliedDrain(capacityMilliampHours: number, volts: number, months: number): ImpliedDrain {
  const milliampHoursPerDay = capacityMilliampHours / (months * daysPerMonth);
  return {
    milliampHoursPerDay,
    averageMicroamps: (milliampHoursPerDay / 24) * 1000,
    joulesPerDay: joulesOf(milliampHoursPerDay, volts),
  };
}

/** Energy of a charge at a voltage. */
export function joulesOf(milliampHours: number, volts: number): number {
  return milliampHours * 3.6 * volts;
}
