/**
 * All scenarios by name.
 *
 * @module
 */

import type { Scenario } from '../fleet-plan.ts';
import { agriculture } from './agriculture.ts';
import { hvac, lighting } from './building.ts';
import { hospital } from './hospital.ts';
import { industrial } from './industrial.ts';
import { metering } from './metering.ts';
import { wearables } from './wearables.ts';

/** In the order of the help. */
export const scenarios: readonly Scenario[] = [
  hospital,
  agriculture,
  metering,
  hvac,
  lighting,
  industrial,
  wearables,
];
